# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Finds the differences between two image files: by their blocks on disk, or by reading both."""

from __future__ import annotations

from collections.abc import Iterator

from ..provider import Change
from .extents import Mapped, data_regions, fiemap, map_differences
from .reader import FileReader

BLOCK = 64 << 10  # bytes; the unit of a comparison by content
READ = 1 << 20


def by_blocks(new: FileReader, old: FileReader) -> Iterator[Change]:
    """Changes between two snapshots, from their block maps. Raises OSError if the filesystem has no FIEMAP."""
    limit = min(old.size, new.size)
    regions = map_differences(list(fiemap(new.descriptor, new.size)), list(fiemap(old.descriptor, limit)), new.size)
    for start, end, verdict in regions:
        if verdict == "compare":
            yield from compare(new, old, start, end)
        else:
            yield Change(start, end - start, verdict == "changed")


def by_content(new: FileReader, old: FileReader) -> Iterator[Change]:
    """Changes between two snapshots, from reading both except for holes."""
    limit = min(old.size, new.size)
    after = [Mapped(start, end, None) for start, end in data_regions(new.descriptor, new.size)]
    before = [Mapped(start, end, None) for start, end in data_regions(old.descriptor, limit)]
    for start, end, verdict in map_differences(after, before, new.size):
        if verdict == "unmapped":
            yield Change(start, end - start, False)
        else:
            yield from compare(new, old, start, end)


def compare(new: FileReader, old: FileReader, start: int, end: int) -> Iterator[Change]:
    """Blocks of 64 KiB that differ in a region. Past its end the old file counts as zeros."""
    while start < end:
        length = min(READ - start % READ, end - start)
        mine, theirs = new.read(start, length), old.read(start, length)
        if mine != theirs:
            for at in range(0, length, BLOCK):
                if mine[at : at + BLOCK] != theirs[at : at + BLOCK]:
                    yield Change(start + at, min(BLOCK, length - at), True)
        start += length


def merged(changes: Iterator[Change]) -> Iterator[Change]:
    """Join neighbours of the same kind."""
    last: Change | None = None
    for change in changes:
        if last and last.mapped == change.mapped and last.offset + last.length == change.offset:
            last = Change(last.offset, last.length + change.length, last.mapped)
            continue
        if last:
            yield last
        last = change
    if last:
        yield last
