# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Regions of a volume, for putting together what several streams say of it."""

from __future__ import annotations

import array
import bisect
from collections.abc import Iterator


class Regions:
    """Regions in rising order, neighbours joined; 16 bytes each."""

    def __init__(self) -> None:
        self._starts = array.array("Q")
        self._ends = array.array("Q")

    def add(self, start: int, end: int) -> None:
        """Append a region behind those there are; one that reaches back is joined with the last."""
        if start >= end:
            return
        if self._ends and self._ends[-1] >= start:
            self._ends[-1] = max(self._ends[-1], end)
            return
        self._starts.append(start)
        self._ends.append(end)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self._starts, self._ends)

    def gaps(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The parts of ``[start, end)`` that are in no region."""
        position = bisect.bisect_right(self._ends, start)
        while start < end and position < len(self._starts) and self._starts[position] < end:
            if self._starts[position] > start:
                yield start, self._starts[position]
            start = self._ends[position]
            position += 1
        if start < end:
            yield start, end


def joined(several: Iterator[tuple[int, int]]) -> Regions:
    """Of regions whose starts rise."""
    found = Regions()
    for start, end in several:
        found.add(start, end)
    return found
