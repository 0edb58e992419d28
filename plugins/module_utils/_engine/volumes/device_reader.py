# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads block devices from several threads, without the page cache."""

from __future__ import annotations

import array
import os
from collections.abc import Iterator

from ..common.direct_io import ALIGN, open_direct, read_direct
from ..common.errors import VolumeError
from .provider import Change


class Ranges:
    """Regions in order; neighbours of one kind are joined. Takes 17 bytes for each."""

    def __init__(self) -> None:
        self._starts = array.array("Q")
        self._ends = array.array("Q")
        self._kinds = bytearray()

    def add(self, start: int, end: int, kind: bool = True) -> None:
        """Append a region after the last."""
        if start >= end:
            return
        if self._ends and self._ends[-1] == start and self._kinds[-1] == kind:
            self._ends[-1] = end
            return
        self._starts.append(start)
        self._ends.append(end)
        self._kinds.append(kind)

    def __len__(self) -> int:
        return len(self._kinds)

    def __iter__(self) -> Iterator[tuple[int, int, bool]]:
        """Start, end and kind of each region."""
        for start, end, kind in zip(self._starts, self._ends, self._kinds):
            yield start, end, bool(kind)


class DeviceReader:
    """An open snapshot of ``size`` bytes, and the regions that may hold data."""

    def __init__(self, descriptor: int, size: int, ranges: Ranges | None = None) -> None:
        """The caller closes ``descriptor``. Without ``ranges``, all of the snapshot may hold data."""
        self.size = size
        self._descriptor = descriptor
        self._ranges = ranges
        self._direct = open_direct(descriptor, os.O_RDONLY)

    def close(self) -> None:
        """Close what this reader opened itself."""
        if self._direct is not None:
            os.close(self._direct)
            self._direct = None

    def data(self) -> Iterator[Change]:
        """Regions that may hold data, in order."""
        if self._ranges is None:
            yield Change(0, self.size, True)
            return
        for start, end, mapped in self._ranges:
            if mapped:
                yield Change(start, end - start, True)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``offset`` on. Raises VolumeError if that fails."""
        try:
            done = read_device(self._descriptor, self._direct, offset, target)
        except OSError as error:
            raise VolumeError(f"can't read a snapshot at offset {offset}: {error.strerror}.") from error
        if done < len(target):
            raise VolumeError(f"a snapshot is too short: it ends at offset {offset + done}.")


def read_device(descriptor: int, direct: int | None, offset: int, target: memoryview) -> int:
    """Read from a device, without the page cache if possible. Returns the number of bytes, fewer only at its end."""
    done = 0
    if direct is not None and offset % ALIGN == 0 and len(target) % ALIGN == 0:
        done = read_direct(direct, offset, target)
    while done < len(target):
        count = os.preadv(descriptor, [target[done:]], offset + done)
        if not count:
            break
        done += count
    return done
