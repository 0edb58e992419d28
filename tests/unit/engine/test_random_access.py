# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any bytes of any backup of a chain are read in few requests, without restoring it, and nothing wrong is given out."""

from __future__ import annotations

import hashlib
import os
import random
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import BackupKey
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data.random_access import RandomAccess
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.manifest import Manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.restores.backup_choice import (
    WantedBackup,
    find_chain,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import index
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import cat
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, KIB, MIB, Place

KINDS: dict[str, dict[str, Any]] = {
    "zstd": {},
    "plain": {"compression": "none"},
    "encrypted": {"encryption_key": KEY},
    "plain encrypted": {"encryption_key": KEY, "compression": "none"},
}


class Counted:
    """The requests that a store answers, by what they fetch; and the bytes of segments."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.index: dict[str, int] = {}
        self.segments: list[int] = []
        for name in ("get", "get_range"):
            monkeypatch.setattr(DirectoryStore, name, self._counting(getattr(DirectoryStore, name)))

    def _counting(self, real: Any) -> Any:
        def counting(store: DirectoryStore, key: str, *arguments: int) -> Any:
            found = real(store, key, *arguments)
            kind, _origin, _volume, backup_id, *name = key.split("/")
            if kind == "data" and name[0].startswith("index"):
                self.index[backup_id] = self.index.get(backup_id, 0) + 1
            elif kind == "data" and name[0].isdigit():
                self.segments.append(len(found))
            return found

        return counting

    def forget(self) -> None:
        self.index.clear()
        self.segments.clear()


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS.keys())
def chain(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Place, str, list[tuple[str, bytes]]]:
    """A chain of 20 that grows, shrinks, punches holes and replaces: its ids, and what each holds."""
    place = Place(tmp_path_factory.mktemp("chain"), **request.param)
    source = random.Random(7)
    image = place.image(data=source.randbytes(5 * MIB) + bytes(3 * MIB) + b"the end")
    made = []
    for number in range(20):
        if number:
            for _each in range(3):
                place.write(image, source.randrange(8 * MIB), source.randbytes(source.choice((1, 4 * KIB, 200 * KIB))))
        if number in (5, 11):
            place.punch(image, source.randrange(7) * MIB, MIB)
        if number in (8, 13):
            os.truncate(image, (4 if number == 8 else 9) * MIB + 12345)
        content = Path(image).read_bytes()
        made.append((place.one(image, type="full" if number == 0 else "incremental")["id"], content))
    return place, image, made


def opened(place: Place, image: str, backup_id: str) -> RandomAccess:
    catalog = place.catalog()
    return RandomAccess(catalog, find_chain(catalog, "o", image, WantedBackup(backup_id, None, None))[1])


def test_any_4_kib_of_a_chain_of_20(
    chain: tuple[Place, str, list[tuple[str, bytes]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, image, made = chain
    source = random.Random(8)
    counted = Counted(monkeypatch)
    for backup_id, content in made:
        for _round in range(8):
            offset = source.randrange(len(content) // 4096) * 4096
            counted.forget()
            backup = opened(place, image, backup_id)
            assert backup.read(offset, 4096) == content[offset : offset + 4096]
            assert max(counted.index.values()) <= 2
            # a block that several increments touched may need a frame of each
            assert sum(counted.segments) <= 1.2 * MIB * max(1, len(counted.segments))
            assert len(counted.segments) <= 20


def test_any_region_of_any_size(chain: tuple[Place, str, list[tuple[str, bytes]]]) -> None:
    place, image, made = chain
    source = random.Random(9)
    for backup_id, content in made[::3]:
        backup = opened(place, image, backup_id)
        assert backup.size == len(content)
        assert backup.read(0, len(content) + 10) == content
        for _round in range(20):
            offset = source.randrange(len(content) + 10)
            length = source.randrange(2 * MIB)
            assert backup.read(offset, length) == content[offset : offset + length]


def test_what_was_changed_on_the_store_is_never_given_out(chain: tuple[Place, str, list[tuple[str, bytes]]]) -> None:
    place, image, made = chain
    backup_id, content = made[-1]
    refused = 0
    for key in place.stored("data")[::3]:
        path = place.remote / key
        whole = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(whole[: len(whole) // 2] + bytes([whole[len(whole) // 2] ^ 1]) + whole[len(whole) // 2 + 1 :])
        try:
            assert opened(place, image, backup_id).read(0, len(content)) == content
        except CorruptError as error:
            refused += 1
            assert error.key == key
        path.write_bytes(whole)
    assert refused


def test_the_command(place: Place) -> None:
    image = place.image(data=os.urandom(3 * MIB))
    content = Path(image).read_bytes()
    place.one(image)
    program = [
        sys.executable,
        "-c",
        "import sys\nfrom ansible_collections.snapship.dr.plugins.module_utils._engine.cli",
    ]
    program[-1] += " import main\nsys.exit(main())"
    command = [*program, "cat", "--config-dir", place.host.config_dir, "--path", str(place.remote), "--origin", "o"]
    for flags, expected in (
        ([], content),
        (["--offset", "1M", "--length", "4K"], content[MIB : MIB + 4096]),
        (["--offset", "3145727"], content[-1:]),
        (["--offset", "3M"], b""),
    ):
        run = subprocess.run([*command, *flags, image], capture_output=True, check=True)
        assert run.stdout == expected
    run = subprocess.run([*command, "--offset", "4M", image], capture_output=True, check=False)
    assert (run.returncode, run.stdout) == (2, b"")
    assert b"past the end" in run.stderr
    (segment,) = [key for key in place.stored("data") if key.endswith("/00000000")]
    (place.remote / segment).chmod(0o600)
    with (place.remote / segment).open("r+b") as file:
        file.seek(2 * MIB)
        file.write(b"damaged")
    run = subprocess.run([*command, image], capture_output=True, check=False)
    assert run.returncode == 1 and b"segment 0 of" in run.stderr
    assert content.startswith(run.stdout)
    with pytest.raises(UsageError, match="both"):
        cat.read(place.host, cat.Request(volume=image, backup="x", at="y"), lambda data: None)


def test_an_index_of_100_tb(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block of it costs the table of pages, one page and one frame, and little memory."""
    image = place.image(data=os.urandom(MIB))
    place.one(image)
    catalog = place.catalog()
    (real,) = find_chain(catalog, "o", image, WantedBackup(None, None, None))[1]
    size = 100 << 40
    wanted = 77 << 40
    folder = place.remote / real.key.data
    content = Path(image).read_bytes()
    records = size // MIB
    frame = (0, 0, 28 + 28, 28 + 28 + MIB, 28 + 28 + MIB)
    digest = hashlib.sha256(content).digest()
    page_bytes = index.PAGE_RECORDS * index.RECORD.size
    wanted_page, place_in = divmod(wanted // MIB, index.PAGE_RECORDS)
    first = wanted_page * index.PAGE_RECORDS * MIB
    page = b"".join(
        index.RECORD.pack(first + n * MIB, MIB, 0, 0, 1, 5, 0, 0, frame[4], frame[4], frame[2], digest)
        for n in range(index.PAGE_RECORDS)
    )
    per_object = (64 << 20) // page_bytes
    pages = records // index.PAGE_RECORDS
    table = b"".join(
        index.PAGE.pack(
            number * index.PAGE_RECORDS * MIB,
            number // per_object,
            number % per_object * page_bytes,
            page_bytes,
            index.PAGE_RECORDS,
            hashlib.sha256(page).digest() if number == wanted_page else bytes(32),
        )
        for number in range(pages)
    )
    sha = "sha256:" + "0" * 64
    sizes = [min(per_object, pages - at) * page_bytes for at in range(0, pages, per_object)]
    (folder / "index").chmod(0o600)
    (folder / "index").write_bytes(table)
    with (folder / f"index-{wanted_page // per_object:08d}").open("wb") as sparse:
        sparse.truncate(sizes[wanted_page // per_object])
        sparse.seek(wanted_page % per_object * page_bytes)
        sparse.write(page)
    (folder / "00000005").write_bytes(bytes(56) + content)
    described = {
        "records": records,
        "pages": pages,
        "size": len(table),
        "digest": f"sha256:{hashlib.sha256(table).hexdigest()}",
        "objects": [[each, sha] for each in sizes],
        "digests": "sha256",
    }
    fields = {**real.fields, "size": size, "compression": "none", "index": described}
    counted = Counted(monkeypatch)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    backup = RandomAccess(catalog, [Manifest(BackupKey(*real.key), fields)])
    assert place_in < index.PAGE_RECORDS
    assert backup.read(wanted + 8192, 4096) == content[8192:12288]
    assert counted.index == {real.id: 2}
    assert counted.segments == [MIB + 56]
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10
