# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Where the data of a file lies: holes by SEEK_DATA, blocks on disk by FIEMAP.

FIEMAP: linux/fiemap.h. The same physical block means the same data only if the filesystem reports real, unencoded
addresses. On other filesystems (network filesystems make addresses up) the content is compared.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

FICLONE = 0x40049409
_FIEMAP = 0xC020660B
_SYNC = 0x1
_HEAD = struct.Struct("=QQLLLL")
_EXTENT = struct.Struct("=QQQ16xL12x")
_BATCH = 1024
_LAST = 0x1
# unknown, delalloc, encoded, encrypted, not aligned, inline, tail, unwritten: the address tells nothing of the content
_VAGUE = 0x2 | 0x4 | 0x8 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
ADDRESSES_KNOWN = ("xfs", "btrfs")


class Mapped(NamedTuple):
    """One extent of FIEMAP, in bytes. ``physical`` is None if the address tells nothing of the content."""

    start: int
    end: int
    physical: int | None


def data_regions(descriptor: int, size: int) -> Iterator[tuple[int, int]]:
    """Regions (start, end) that aren't holes, in order. Without SEEK_DATA the whole file is one region."""
    at = 0
    while at < size:
        try:
            start = os.lseek(descriptor, at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            if error.errno == errno.EINVAL:
                yield at, size
                return
            raise
        if start >= size:
            return
        at = min(os.lseek(descriptor, start, os.SEEK_HOLE), size)
        yield start, at


def fiemap(descriptor: int, size: int) -> Iterator[Mapped]:
    """All extents below ``size``, in order. Raises OSError if the filesystem has no FIEMAP."""
    at, last = 0, False
    buffer = array.array("B", bytes(_HEAD.size + _BATCH * _EXTENT.size))
    while at < size and not last:
        _HEAD.pack_into(buffer, 0, at, size - at, _SYNC, 0, _BATCH, 0)
        fcntl.ioctl(descriptor, _FIEMAP, buffer, True)
        count = _HEAD.unpack_from(buffer, 0)[3]
        if not count:
            return
        for number in range(count):
            start, physical, length, flags = _EXTENT.unpack_from(buffer, _HEAD.size + number * _EXTENT.size)
            last = bool(flags & _LAST)
            end = min(start + length, size)
            begin = max(start, at)
            if end > begin:
                yield Mapped(begin, end, None if flags & _VAGUE else physical + begin - start)
            at = max(at, start + length)


def map_differences(new: list[Mapped], old: list[Mapped], size: int) -> Iterator[tuple[int, int, str]]:
    """Compare two block maps over ``[0, size)``: regions (start, end, ``changed`` | ``unmapped`` | ``compare``).

    Regions with the same blocks, and holes in both, are left out.
    """
    at, i, j = 0, 0, 0
    while at < size:
        i, a, a_end = _current(new, i, at, size)
        j, b, b_end = _current(old, j, at, size)
        end = min(a_end, b_end)
        if a is None:
            verdict = "unmapped" if b is not None else ""
        elif b is None:
            verdict = "changed" if a.physical is not None else "compare"
        elif a.physical is None or b.physical is None:
            verdict = "compare"
        else:
            verdict = "" if a.physical + at - a.start == b.physical + at - b.start else "changed"
        if verdict:
            yield at, end, verdict
        at = end


def _current(extents: list[Mapped], i: int, at: int, size: int) -> tuple[int, Mapped | None, int]:
    """The extent at an offset and its end, or None and the end of the hole."""
    while i < len(extents) and extents[i].end <= at:
        i += 1
    if i == len(extents):
        return i, None, size
    if extents[i].start > at:
        return i, None, min(extents[i].start, size)
    return i, extents[i], min(extents[i].end, size)
