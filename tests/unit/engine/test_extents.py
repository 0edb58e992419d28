# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What differs between two files, by maps and by content, against a model that looks at each byte."""

from __future__ import annotations

import builtins
import io
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes import mounts
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import extents
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.changes import (
    by_blocks,
    by_content,
    compare,
    merged,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.extents import Mapped, map_differences
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.reader import FileReader
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.snapshots import clone_or_copy
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import Change
from ansible_collections.snapship.dr.tests.support.filesystems import Filesystems
from ansible_collections.snapship.dr.tests.unit.engine.place import KIB, MIB, Place


def some_map(source: random.Random, size: int) -> list[Mapped]:
    made, at = [], source.choice((0, 0, 3))
    while at < size and source.random() < 0.9:
        end = min(at + source.randint(1, 9), size)
        made.append(Mapped(at, end, source.choice((None, source.randint(0, 20), at, at + 100))))
        at = end + source.choice((0, 0, 1, 5))
    return made


def address(found: list[Mapped], at: int) -> object:
    """Of one byte: its physical address, ``vague``, or ``hole``."""
    for each in found:
        if each.start <= at < each.end:
            return "vague" if each.physical is None else each.physical + at - each.start
    return "hole"


def verdict(new: object, old: object) -> str:
    if new == "hole":
        return "" if old == "hole" else "unmapped"
    if "vague" in (new, old):
        return "compare"
    return "" if new == old else "changed"


def test_map_differences_against_each_byte() -> None:
    source = random.Random(5)
    for _round in range(2000):
        size, old_size = source.randint(0, 40), source.randint(0, 40)
        new, old = some_map(source, size), some_map(source, min(size, old_size))
        found = [""] * size
        reached = 0
        for start, end, what in map_differences(new, old, size):
            assert reached <= start < end <= size
            reached = end
            found[start:end] = [what] * (end - start)
        expected = [verdict(address(new, at), address(old, at)) for at in range(size)]
        assert found == expected, (new, old, size)


@contextmanager
def opened(*paths: str) -> Iterator[list[FileReader]]:
    with ExitStack() as stack:
        readers = []
        for path in paths:
            descriptor = os.open(path, os.O_RDONLY)
            stack.callback(os.close, descriptor)
            readers.append(FileReader(descriptor, os.fstat(descriptor).st_size))
            stack.callback(readers[-1].close)
        yield readers


def random_file(place: Place, source: random.Random, name: str, like: str | None = None) -> str:
    data = bytearray(Path(like).read_bytes() if like else b"")
    path = place.image(name, data=bytes(data))
    if source.random() < 0.7:
        os.truncate(path, source.choice((0, 1, 4095, 64 * KIB + 5, MIB, 2 * MIB + 777, 3 * MIB)))
    for _round in range(source.randint(0, 6)):
        size = os.path.getsize(path)
        if size:
            offset = source.randrange(size)
            length = min(source.choice((1, 4096, 65536, 300_000)), size - offset)
            if source.random() < 0.4:
                place.punch(path, offset, length)
            else:
                place.write(path, offset, bytes(length) if source.random() < 0.2 else source.randbytes(length))
    return path


def applied(old: bytes, changes: list[Change], new: bytes) -> bytes:
    made = bytearray(old[: len(new)].ljust(len(new), b"\0"))
    for change in changes:
        end = change.offset + change.length
        made[change.offset : end] = new[change.offset : end] if change.mapped else bytes(change.length)
    return bytes(made)


def check_changes(changes: list[Change], size: int) -> None:
    reached = 0
    for change in changes:
        assert change.length > 0
        assert reached <= change.offset
        reached = change.offset + change.length
    assert reached <= size


def test_by_content_gives_just_what_turns_the_old_file_into_the_new(place: Place) -> None:
    source = random.Random(6)
    for _round in range(60):
        old = random_file(place, source, "old")
        new = random_file(place, source, "new", like=old if source.random() < 0.8 else None)
        before, after = Path(old).read_bytes(), Path(new).read_bytes()
        with opened(new, old) as (n, o):
            changes = list(merged(by_content(n, o)))
        check_changes(changes, len(after))
        assert applied(before, changes, after) == after
        if before == after:
            assert [change for change in changes if change.mapped] == []


@pytest.fixture(params=["here", "xfs", "btrfs"])
def blocks(request: pytest.FixtureRequest, filesystems: Filesystems, tmp_path: Path) -> Place:
    """Files on a filesystem with reflinks, and where a copy most likely has blocks of its own."""
    return Place(tmp_path if request.param == "here" else filesystems.fresh(request.param))


def cloned(place: Place, old: str, name: str) -> str:
    new = place.image(name)
    with open(old, "rb") as source, open(new, "r+b") as target:
        clone_or_copy(source.fileno(), target.fileno(), os.path.getsize(old))
    return new


def test_by_blocks_gives_what_turns_the_old_file_into_the_new(blocks: Place) -> None:
    source = random.Random(7)
    for _round in range(40):
        old = random_file(blocks, source, "old")
        new = cloned(blocks, old, "new")
        for _round in range(source.randint(0, 3)):
            size = os.path.getsize(new)
            os.truncate(new, max(size + source.choice((0, 0, 5000, MIB, -size // 2)), 0))
            size = os.path.getsize(new)
            if size:
                offset = source.randrange(size)
                length = min(source.choice((1, 4096, 65536)), size - offset)
                if source.random() < 0.4:
                    blocks.punch(new, offset, length)
                else:
                    blocks.write(new, offset, source.randbytes(length))
        before, after = Path(old).read_bytes(), Path(new).read_bytes()
        with opened(new, old) as (n, o):
            changes = list(merged(by_blocks(n, o)))
        check_changes(changes, len(after))
        assert applied(before, changes, after) == after


def test_by_blocks_reads_little_on_reflinks(reflink_filesystem: Path) -> None:
    place = Place(reflink_filesystem)
    old = place.image("old", data=os.urandom(64 * MIB))
    new = cloned(place, old, "new")
    place.write(new, 10 * MIB, b"x" * MIB)
    with opened(new, old) as (n, o):
        changes = list(merged(by_blocks(n, o)))
    assert changes == [Change(10 * MIB, MIB, True)]


def test_compare_reads_zeros_past_the_end_of_the_old_file(place: Place) -> None:
    new = place.image("new", data=bytes(200 * KIB) + b"x" + bytes(100 * KIB))
    old = place.image("old", data=bytes(10))
    with opened(new, old) as (n, o):
        found = list(compare(n, o, 0, os.path.getsize(new)))
        assert found == [Change(192 * KIB, 64 * KIB, True)]


def test_a_file_that_was_cut_is_noticed(place: Place) -> None:
    path = place.image("a", 200 * KIB)
    with opened(path) as (reader,):
        os.truncate(path, 100 * KIB)
        with pytest.raises(VolumeError, match="too short"):
            reader.read(64 * KIB, 64 * KIB)


def test_data_regions_leave_holes_out(place: Place) -> None:
    path = place.image("a", 8 * MIB)
    place.write(path, MIB, b"x" * MIB)
    place.write(path, 5 * MIB, b"y")
    with opened(path) as (reader,):
        found = list(extents.data_regions(reader.descriptor, 8 * MIB))
        assert (found[0][0], found[0][1]) == (MIB, 2 * MIB)
        assert found[1][0] == 5 * MIB
        assert 5 * MIB < found[1][1] <= 6 * MIB
        assert list(extents.data_regions(reader.descriptor, MIB + 5)) == [(MIB, MIB + 5)]
        assert list(extents.data_regions(reader.descriptor, 0)) == []


MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 22 0:25 / /srv rw shared:2 - xfs /dev/sdb rw
31 30 0:26 / /srv/a\\040b\\134040\\043 rw shared:3 master:4 - btrfs /dev/sdc rw
32 22 0:27 / /srv2 rw - tmpfs none rw
33 22 0:28 / /srv rw - nfs4 host:/x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/etc/x", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/x", "nfs4"),
        ("/srv2/x", "tmpfs"),
        ("/srv22/x", "ext4"),
        ("/srv/a b\\040#/x", "btrfs"),
        ("/srv/a b/x", "nfs4"),
    ],
)
def test_filesystem_type_by_mountinfo(path: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deepest mount point, by whole components; of two at one place the later one."""

    def fake_open(name: str, *_args: Any, **_options: Any) -> io.StringIO:
        assert name == "/proc/self/mountinfo"
        return io.StringIO(MOUNTS)

    monkeypatch.setattr(os.path, "realpath", lambda each: each)
    monkeypatch.setattr(builtins, "open", fake_open)
    assert mounts.filesystem_type(path) == kind


def test_neighbours_are_merged() -> None:
    changes = [Change(0, 5, True), Change(5, 5, True), Change(10, 5, False), Change(15, 1, False), Change(17, 1, False)]
    assert list(merged(iter(changes))) == [Change(0, 10, True), Change(10, 6, False), Change(17, 1, False)]
    assert list(merged(iter([]))) == []
