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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

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


OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "uncompressed": {"compression": "none"},
    "encrypted": {"encryption_key": OTHER_KEY},
    "encrypted, uncompressed": {"encryption_key": OTHER_KEY, "compression": "none"},
}


@pytest.fixture(scope="module", params=OPTIONS)
def chain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, list[Made]]:
    """A full and increments with data, zeros, holes, a shrink and a growth; several segments; a hostile name."""
    root = tmp_path_factory.mktemp("chain") / "back ups[1]" / "backups"
    root.mkdir(parents=True)
    place = Place(root, **OPTIONS[request.param])
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


def body_of(manifest: Path) -> dict[str, Any]:
    found = json.loads(manifest.read_bytes().partition(b"\n")[2])
    assert isinstance(found, dict)
    return found


def environment(tmp_path: Path, *keys: str) -> dict[str, str]:
    (tmp_path / "key").write_text("\n".join(keys or (OTHER_KEY,)) + "\n", encoding="ascii")
    return {**os.environ, "SNAPSHIP_KEY_FILE": str(tmp_path / "key")}


def run(
    tmp_path: Path, manifest: Path, target: str, env: dict[str, str] | None = None, python: Sequence[str] = ()
) -> subprocess.CompletedProcess[bytes]:
    """What the page's script says to these arguments."""
    (tmp_path / "restore.py").write_text(script("restore.py"), encoding="utf-8")
    command = [sys.executable, *python, str(tmp_path / "restore.py"), str(manifest), target]
    return subprocess.run(command, env=env, capture_output=True, check=False)


def secrets_of(place: Place, tmp_path: Path) -> dict[str, str] | None:
    return environment(tmp_path) if place.options.get("encryption_key") else None


@pytest.mark.parametrize("library", [True, False], ids=["library", "program"])
def test_the_python_script_restores_every_backup_of_a_chain(
    chain: tuple[Place, list[Made]], tmp_path: Path, library: bool
) -> None:
    """Decompressed by the library zstandard, where it is installed, or by the program."""
    place, made = chain
    if not library:
        (tmp_path / "zstandard.py").write_text("raise ImportError\n", encoding="ascii")
    for each in made:
        target = tmp_path / "target"
        done = run(tmp_path, each.manifest, str(target), secrets_of(place, tmp_path))
        assert done.returncode == 0, done.stderr
        assert target.read_bytes() == each.content
        again = run(tmp_path, each.manifest, str(target), secrets_of(place, tmp_path))
        assert again.returncode != 0 and b"FileExistsError" in again.stderr, "an existing file is left alone"
        target.unlink()
    assert len(made) == 4
    assert body_of(made[0].manifest)["segments"]["count"] > 3


def test_the_python_script_finds_a_base_that_was_retired(chain: tuple[Place, list[Made]], tmp_path: Path) -> None:
    place, made = chain
    base = made[1].manifest
    retired = Path(str(base).replace("/backups/o/", "/deleted/o/"))
    retired.parent.mkdir(parents=True, exist_ok=True)
    base.rename(retired)
    try:
        done = run(tmp_path, made[2].manifest, str(tmp_path / "target"), secrets_of(place, tmp_path))
    finally:
        retired.rename(base)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target").read_bytes() == made[2].content


def test_the_python_script_passes_over_another_manifest_of_the_base(
    chain: tuple[Place, list[Made]], tmp_path: Path
) -> None:
    place, made = chain
    twin = made[0].manifest.with_name(f"{made[0].id}~{made[1].id}")
    twin.write_bytes(made[0].manifest.read_bytes())
    os.utime(twin, (0, 0))
    try:
        done = run(tmp_path, made[3].manifest, str(tmp_path / "target"), secrets_of(place, tmp_path))
    finally:
        twin.unlink()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target").read_bytes() == made[3].content


OBJECTS = ["00000000", "00000001", "index", "index-00000000", "segments", "manifest"]


@pytest.mark.parametrize("target", ["image", "-"])
@pytest.mark.parametrize("kind", OPTIONS)
def test_the_python_script_notices_damage(kind: str, target: str, tmp_path: Path) -> None:
    place = Place(tmp_path, **OPTIONS[kind])
    backup_id = place.one(place.image(data=os.urandom(MIB)))["id"]
    manifest = next(place.remote.glob("backups/*/*/*"))
    folder = next(place.remote.glob(f"data/*/*/{backup_id}"))
    for name in OBJECTS:
        # An image is made by the index alone; the stream by the table of segments alone.
        if name.startswith("index") if target == "-" else name in ("segments", "00000001"):
            continue
        broken = manifest if name == "manifest" else folder / name
        whole = broken.read_bytes()
        broken.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
        where = "-" if target == "-" else str(tmp_path / f"image-{name}")
        done = run(tmp_path, manifest, where, secrets_of(place, tmp_path))
        broken.write_bytes(whole)
        assert done.returncode != 0, name
        words = {"manifest": "or it was changed", "segments": "table of segments"}
        number = "1" if name == "00000001" else "0"
        expected = words.get(name, name if name.startswith("index") else f"segment {number} of {backup_id}")
        broken_frame = re.search(r"InvalidTag|CalledProcessError|ZstdError", done.stderr.decode())
        assert expected in done.stderr.decode() or name == "00000000" and broken_frame, done.stderr


def test_without_encryption_the_script_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    place = Place(tmp_path)
    image = place.image(data=b"x" * MIB)
    place.one(image)
    manifest = next(place.remote.glob("backups/*/*/*"))
    done = run(tmp_path, manifest, str(tmp_path / "target"), python=["-I", "-S"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "target").read_bytes() == Path(image).read_bytes()


def test_the_script_is_short_and_shares_nothing_with_the_engine() -> None:
    assert len(script("restore.py").splitlines()) <= 200
    found = set(re.findall(r"^\s*(?:import|from) (.*?)(?: import .*)?$", script("restore.py"), re.M))
    assert found == {
        "base64, glob, hashlib, hmac, json, os, struct, subprocess, sys",
        "cryptography.hazmat.primitives.ciphers.aead",
        "zstandard",
    }


def test_the_segments_are_a_stream_for_thin_recv(chain: tuple[Place, list[Made]], tmp_path: Path) -> None:
    place, made = chain
    program = tmp_path / "bin" / "thin_recv"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{THIN_RECV}", encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (program.parent / "python3").symlink_to(sys.executable)
    (tmp_path / "restore.py").write_text(script("restore.py"), encoding="utf-8")
    by_stream = script("stream.sh").replace("restore.py", f"{tmp_path}/restore.py")
    by_zstd = script("receive.sh")
    if place.options.get("compression") == "none":
        by_zstd = by_zstd.replace("  zstd -dcq | ", "  ")
    for commands in [by_stream] if place.options.get("encryption_key") else [by_stream, by_zstd]:
        volume = tmp_path / "volume"
        volume.write_bytes(b"")
        for each in made:
            os.truncate(volume, len(each.content))
            names = {"origin": "o", "volume": each.manifest.parent.name, "id": each.id, "lv": str(volume)}
            settings = {**names, "manifest": str(each.manifest), "PATH": f"{program.parent}:{os.environ['PATH']}"}
            env = {**(secrets_of(place, tmp_path) or os.environ), **settings}
            subprocess.run(["sh", "-euc", commands], cwd=place.remote, env=env, check=True)
            assert volume.read_bytes() == each.content


def test_sha256sum_checks_what_is_stored(chain: tuple[Place, list[Made]], tmp_path: Path) -> None:
    place, made = chain
    folder = next(place.remote.glob(f"data/*/*/{made[1].id}"))
    settings = {"origin": "o", "volume": made[1].manifest.parent.name, "id": made[1].id}

    def check() -> subprocess.CompletedProcess[bytes]:
        env = {**os.environ, **settings, "manifest": str(made[1].manifest)}
        return subprocess.run(
            ["sh", "-uc", script("check.sh")], cwd=place.remote, env=env, capture_output=True, check=False
        )

    done = check()
    line, body, table = done.stdout.decode().splitlines()
    assert line.split()[2] == "sha256:" + body.split()[0]
    assert body_of(made[1].manifest)["segments"]["digest"] == "sha256:" + table.split()[0]
    by_chunks = place.options == {**place.options, **OPTIONS["uncompressed"]} and not place.options.get(
        "encryption_key"
    )
    assert (done.returncode == 0) is not by_chunks, done.stderr
    whole = (folder / "00000001").read_bytes()
    (folder / "00000001").write_bytes(whole[:-1])
    done = check()
    (folder / "00000001").write_bytes(whole)
    assert by_chunks or (done.returncode != 0 and b"00000001: FAILED" in done.stdout)


def test_the_known_magic_is_in_the_first_bytes(place: Place) -> None:
    place.options["compression"] = "none"
    place.one(place.image(data=b"x" * MIB))
    first = next(place.remote.glob("data/*/*/*/00000000")).read_bytes()
    assert struct.unpack_from(">QQQI", first) == (0x24C4F02AAE2E4FA9, 0, 0, 2)
    last = next(place.remote.glob("data/*/*/*/00000001")).read_bytes()
    assert struct.unpack(">QQQIQQQ", last) == (0x24C4F02AAE2E4FA9, 0, 24, 3, 3, 1, 0)


def test_keys_that_differ_read_nothing(tmp_path: Path) -> None:
    place = Place(tmp_path, encryption_key=KEY)
    image = place.image(data=b"x" * MIB)
    place.one(image)
    manifest = next(place.remote.glob("backups/*/*/*"))
    done = run(tmp_path, manifest, str(tmp_path / "target"), environment(tmp_path))
    assert done.returncode != 0 and b"it needs another key" in done.stderr
    done = run(tmp_path, manifest, str(tmp_path / "target"))
    assert done.returncode != 0 and b"is encrypted; SNAPSHIP_KEY_FILE" in done.stderr
    done = run(tmp_path, manifest, str(tmp_path / "other"), environment(tmp_path, OTHER_KEY, KEY))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "other").read_bytes() == Path(image).read_bytes()
