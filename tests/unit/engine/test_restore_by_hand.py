# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/restore-by-hand.md is true: its scripts, run as they stand there, restore what the engine wrote, bit for bit."""

from __future__ import annotations

import json
import os
import re
import stat
import struct
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.tests.support.needs import need_program
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, KIB, MIB, Place

DOC = Path(__file__).resolve().parents[3] / "docs" / "restore-by-hand.md"
OTHER_KEY = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="
# Stands in for thin_recv where there is no LVM: it holds a stream to the format's rules and writes it to a file.
THIN_RECV = """\
import os, struct, sys
source, counts, state = sys.stdin.buffer, [0, 0], "begin"
target = os.open(sys.argv[1], os.O_RDWR)
while head := source.read(28):
    magic, offset, length, command = struct.unpack(">QQQI", head)
    assert magic == 0x24C4F02AAE2E4FA9 and (state, command) in (("begin", 2), ("in", 0), ("in", 1), ("in", 3))
    payload = source.read(length) if command != 1 else bytes(length)
    assert len(payload) == length
    if command == 3:
        assert struct.unpack(">QQQ", payload) == (sum(counts) + 2, *counts)
        state = "end"
    elif command == 2:
        assert length == 0
        state = "in"
    else:
        counts[command] += 1
        assert os.pwrite(target, payload, offset) == length
assert state == "end"
"""


class Made(NamedTuple):
    """A backup, its manifest's path, and what the volume was then."""

    id: str
    manifest: Path
    content: bytes


def script(name: str) -> str:
    found = re.search(rf"<!-- script: {re.escape(name)} -->\n```\w+\n(.*?)```", DOC.read_text(encoding="utf-8"), re.S)
    assert found, name
    return found.group(1)


@pytest.fixture(autouse=True, scope="module")
def _zstd() -> None:
    """The scripts use the program."""
    need_program("zstd", "zstd")


@pytest.fixture(scope="module", params=["plain", "uncompressed", "encrypted"])
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[Made]]:
    """A full and increments with data, zeros, holes, a shrink and a growth; several segments; a hostile name."""
    options = {"plain": {}, "uncompressed": {"compression": "none"}, "encrypted": {"encryption_key": OTHER_KEY}}
    root = tmp_path_factory.mktemp("chain") / "back ups[1]" / "backups"
    root.mkdir(parents=True)
    place = Place(root, **options[request.param])
    image = place.image("d~b [*] é;$(x).img", 8 * MIB, os.urandom(3 * MIB) + b"text " * 100_000)
    made = []

    def ship() -> None:
        item = place.one(image)
        (path,) = place.remote.glob(f"backups/*/*/{item['id']}~*")
        made.append(Made(item["id"], path, Path(image).read_bytes()))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(send_blocks, "SEGMENT_DATA", MIB)
        ship()
        place.write(image, MIB + 17, os.urandom(2 * MIB))
        place.write(image, 200 * KIB, bytes(300 * KIB))
        place.punch(image, 2 * MIB, MIB)
        place.write(image, 7 * MIB, b"far out")
        ship()
        os.truncate(image, 2 * MIB + 777)
        ship()
        os.truncate(image, 9 * MIB)
        place.write(image, 8 * MIB, b"grown")
        ship()
    return place, made


def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "key").write_text(OTHER_KEY + "\n", encoding="ascii")
    return {**os.environ, "SNAPSHIP_KEY_FILE": str(tmp_path / "key")}


def test_the_python_script_restores_every_backup_of_a_chain(chain: tuple[Place, list[Made]], tmp_path: Path) -> None:
    place, made = chain
    for name in ("restore.py", "decrypt.py"):
        (tmp_path / name).write_text(script(name), encoding="utf-8")
    for each in made:
        target = tmp_path / "target"
        command = [sys.executable, str(tmp_path / "restore.py"), str(each.manifest), str(target)]
        subprocess.run(command, env=environment(tmp_path), check=True)
        assert target.read_bytes() == each.content
        again = subprocess.run(command, env=environment(tmp_path), capture_output=True, check=False)
        assert again.returncode != 0 and b"FileExistsError" in again.stderr, "an existing file is left alone"
        target.unlink()
    assert len(made) == 4
    assert len(json.loads(made[0].manifest.read_bytes())["segments"]) > 3


def test_the_python_script_notices_damage(tmp_path: Path) -> None:
    place = Place(tmp_path)
    backup_id = place.one(place.image(data=b"x" * MIB))["id"]
    segment = next(place.remote.glob(f"data/*/*/{backup_id}/00000000"))
    segment.write_bytes(segment.read_bytes()[:-1] + b"!")
    (tmp_path / "restore.py").write_text(script("restore.py"), encoding="utf-8")
    manifest = next(place.remote.glob("backups/*/*/*"))
    command = [sys.executable, str(tmp_path / "restore.py"), str(manifest), str(tmp_path / "target")]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"segment 0 of" in done.stderr


def test_the_script_needs_nothing_but_the_standard_library_and_is_short(tmp_path: Path) -> None:
    lines = [line for line in script("restore.py").splitlines() if line.strip()]
    assert len(lines) <= 32
    place = Place(tmp_path)
    image = place.image(data=b"x" * MIB)
    place.one(image)
    (tmp_path / "restore.py").write_text(script("restore.py"), encoding="utf-8")
    manifest = next(place.remote.glob("backups/*/*/*"))
    command = [sys.executable, "-I", "-S", str(tmp_path / "restore.py"), str(manifest), str(tmp_path / "target")]
    subprocess.run(command, check=True)
    assert (tmp_path / "target").read_bytes() == Path(image).read_bytes()


def test_the_segments_are_a_stream_for_thin_recv(chain: tuple[Place, list[Made]], tmp_path: Path) -> None:
    place, made = chain
    encrypted, plain = bool(place.options.get("encryption_key")), place.options.get("compression") == "none"
    program = tmp_path / "bin" / "thin_recv"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{THIN_RECV}", encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "decrypt.py").write_text(script("decrypt.py"), encoding="utf-8")
    commands = script("receive.sh")
    if encrypted:
        words = f'{sys.executable} {tmp_path}/decrypt.py "$manifest" "$segment" < "$segment" | zstd -dcq'
        commands = commands.replace('zstd -dcq < "$segment"', words)
    if plain:
        commands = commands.replace('zstd -dcq < "$segment"', 'cat < "$segment"')
    volume = tmp_path / "volume"
    volume.write_bytes(b"")
    for each in made:
        os.truncate(volume, len(each.content))
        names = {"origin": "o", "volume": each.manifest.parent.name, "id": each.id, "lv": str(volume)}
        settings = {**names, "manifest": str(each.manifest), "PATH": f"{program.parent}:{os.environ['PATH']}"}
        shell = ["sh", "-euc", commands]
        subprocess.run(shell, cwd=place.remote, env={**environment(tmp_path), **settings}, check=True)
        assert volume.read_bytes() == each.content


def test_the_known_magic_is_in_the_first_bytes(place: Place) -> None:
    place.options["compression"] = "none"
    place.one(place.image(data=b"x" * MIB))
    first = next(place.remote.glob("data/*/*/*/00000000")).read_bytes()
    assert struct.unpack_from(">QQQI", first) == (0x24C4F02AAE2E4FA9, 0, 0, 2)
    last = next(place.remote.glob("data/*/*/*/00000001")).read_bytes()
    assert struct.unpack(">QQQIQQQ", last) == (0x24C4F02AAE2E4FA9, 0, 24, 3, 3, 1, 0)


def test_keys_that_differ_do_not_decrypt(tmp_path: Path) -> None:
    place = Place(tmp_path, encryption_key=KEY)
    place.one(place.image(data=b"x" * MIB))
    for name in ("restore.py", "decrypt.py"):
        (tmp_path / name).write_text(script(name), encoding="utf-8")
    manifest = next(place.remote.glob("backups/*/*/*"))
    command = [sys.executable, str(tmp_path / "restore.py"), str(manifest), str(tmp_path / "target")]
    done = subprocess.run(command, env=environment(tmp_path), capture_output=True, check=False)
    assert done.returncode != 0
    assert b"InvalidTag" in done.stderr
