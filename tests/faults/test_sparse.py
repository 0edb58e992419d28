# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sparse images, reflinks and block maps on real filesystems: little is stored and read, and never a wrong increment.

``SNAPSHIP_SEED`` repeats a random run, ``SNAPSHIP_STEPS`` makes it longer.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import Snapshot
from ansible_collections.snapship.dr.tests.faults.places import Place, digest_of, directory_options
from ansible_collections.snapship.dr.tests.faults.reshaping import Image
from ansible_collections.snapship.dr.tests.support.filesystems import Filesystems

MIB, GIB = 1 << 20, 1 << 30
STEPS = int(os.environ.get("SNAPSHIP_STEPS", "50"))
KINDS = ["ext4", "xfs", "btrfs", "btrfs-compressed"]
_COMPRESSED = 0x00000004  # FS_COMPR_FL
_SETFLAGS = 0x40086602


@pytest.fixture
def beside(filesystems: Filesystems, memory_path: Path, request: pytest.FixtureRequest) -> Iterator[Place]:
    """The image on the filesystem of this kind, the remote in memory."""
    kind, _dash, compressed = request.param.partition("-")
    root = filesystems.fresh(kind)
    if compressed:
        descriptor = os.open(root, os.O_RDONLY)
        fcntl.ioctl(descriptor, _SETFLAGS, _COMPRESSED.to_bytes(8, "little"))
        os.close(descriptor)
    yield Place(root, directory_options(memory_path, compression="none"))
    shutil.rmtree(root)


def _bytes_read() -> int:
    """Bytes this process has asked the system for, its page cache included."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


@pytest.mark.parametrize("beside", ["xfs", "btrfs"], indirect=True)
def test_ten_gib_with_one_of_data(beside: Place) -> None:
    """Stores what there is, and reads what changed: on btrfs with less data, since the ratio is what counts."""
    place = beside
    data = GIB if "xfs" in str(place.root) else GIB // 4
    block = random.Random(5).randbytes(32 * MIB)
    for number in range(data // len(block)):
        place.write(number * 9 * (GIB // 32), block)
    os.truncate(place.image, 10 * GIB)
    full = place.backup(parallel=4).items[0]
    stored = sum(entry.size for entry in place.catalog().store.list("data/"))
    assert data <= stored < data * 1.01
    assert full["bytes_changed"] == data
    for number in range(10):
        place.write(number * GIB + 123 * MIB, random.Random(number).randbytes(MIB))
    before = _bytes_read()
    outcome = place.backup()
    read = _bytes_read() - before
    assert outcome.items[0]["type"] == "incremental"
    assert 10 * MIB <= outcome.items[0]["bytes_changed"] <= 12 * MIB
    print(
        f"{place.root}: {data >> 20} MiB stored as {stored >> 20} MiB, {read / MIB:.1f} MiB read for 10 MiB of changes"
    )
    assert read < 14 * MIB
    assert place.backup(skip_unchanged=True).changed is False
    target = place.root / "restored.img"
    assert not place.restore(target).failures
    assert target.stat().st_size == 10 * GIB
    assert target.stat().st_blocks * 512 < data * 1.05 + 16 * MIB, "holes are holes again"
    _same_data(place.image, target)


def _same_data(one: Path, other: Path) -> None:
    """Bit for bit, without reading holes: all that is data in either is compared."""
    with one.open("rb") as first, other.open("rb") as second:
        for this, that in ((first, second), (second, first)):
            for start, end in _regions(this.fileno()):
                for at in range(start, end, 4 * MIB):
                    length = min(4 * MIB, end - at)
                    assert os.pread(this.fileno(), length, at) == os.pread(that.fileno(), length, at), f"differ at {at}"


def _regions(descriptor: int) -> Iterator[tuple[int, int]]:
    at = 0
    while True:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError:
            return
        at = os.lseek(descriptor, start, os.SEEK_HOLE)
        yield start, at


@pytest.mark.parametrize("beside", KINDS, indirect=True)
def test_whatever_happens_to_an_image(beside: Place, small_segments: None) -> None:
    seed = int(os.environ.get("SNAPSHIP_SEED", "0")) or random.randrange(1 << 31)
    print(f"SNAPSHIP_SEED={seed}")
    place, rng = beside, random.Random(seed)
    image = Image(place.image, 6 * MIB, rng, reflinks="btrfs" in str(place.root) or "xfs" in str(place.root))
    history: list[str] = []
    for step in range(STEPS):
        history = [image.reshape() for _each in range(rng.randrange(1, 5))]
        wanted = digest_of(place.image)
        try:
            item = place.backup().items[0]
            assert item["type"] == ("incremental" if step else "full"), item["reason"]
            target = place.root / "restored.img"
            assert not place.restore(target, item["id"]).failures
            assert digest_of(target) == wanted
        except AssertionError as error:
            raise AssertionError(f"step {step}, seed {seed}, after {history}: {error}") from error
        target.unlink()
        if len(place.listing(details=False)[0]["chain"]) >= 25:
            place.ship(type="full")


def _newest(place: Place) -> Snapshot:
    return FileProvider().snapshots(str(place.image))[0]


@pytest.mark.parametrize("beside", KINDS, indirect=True)
@pytest.mark.parametrize("how", ["written", "touched", "replaced", "gone", "resized", "image replaced", "rolled back"])
def test_a_base_that_is_no_base(beside: Place, how: str, small_segments: None) -> None:
    """Somebody meddles with the snapshot that the next increment rests on: a full that says why, or a right one."""
    place, rng = beside, random.Random(7)
    image = Image(place.image, 3 * MIB, rng, reflinks="btrfs" in str(place.root) or "xfs" in str(place.root))
    place.write(0, rng.randbytes(2 * MIB))
    place.ship()
    place.write(5000, rng.randbytes(100_000))
    place.ship()
    base = Path(_newest(place).path)
    if how == "written":
        base.chmod(0o600)
        with base.open("r+b") as file:
            file.write(b"meddled with")
    elif how == "touched":
        os.utime(base)
    elif how == "replaced":
        shutil.copy2(base, base.with_suffix(".copy"))
        base.with_suffix(".copy").replace(base)
    elif how == "gone":
        base.unlink()
    elif how == "resized":
        os.truncate(base, MIB)
    elif how == "image replaced":
        image.replace()
    else:
        earlier = place.root / "earlier"
        assert not place.restore(earlier, place.listing()[-1]["id"]).failures
        image.roll_back(earlier)
    place.write(MIB, rng.randbytes(10_000))
    wanted = digest_of(place.image)
    item = place.backup().items[0]
    if how == "rolled back":
        assert item["type"] == "incremental", item["reason"]
    else:
        assert item["type"] == "full"
        assert any(word in item["reason"] for word in ("modified", "can't read", "replaced")), item["reason"]
    target = place.root / "restored.img"
    assert not place.restore(target, item["id"]).failures
    assert digest_of(target) == wanted
    place.write(0, b"and on it goes")
    assert place.backup().items[0]["type"] == "incremental"
