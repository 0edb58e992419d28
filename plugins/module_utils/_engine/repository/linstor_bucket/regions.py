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
    """Regions that don't overlap, neighbours joined; 16 bytes each. Quick to fill in rising order."""

    def __init__(self) -> None:
        self._starts = array.array("Q")
        self._ends = array.array("Q")

    def add(self, start: int, end: int) -> None:
        """Add a region that has nothing in common with those there are."""
        if start >= end:
            return
        position = len(self._starts)
        if position and start < self._starts[-1]:
            position = bisect.bisect_left(self._starts, start)
        before = position > 0 and self._ends[position - 1] == start
        behind = position < len(self._starts) and self._starts[position] == end
        if before and behind:
            self._ends[position - 1] = self._ends.pop(position)
            self._starts.pop(position)
        elif before:
            self._ends[position - 1] = end
        elif behind:
            self._starts[position] = start
        else:
            self._starts.insert(position, start)
            self._ends.insert(position, end)

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
    """Of regions whose starts rise, and which may overlap."""
    found, reached = Regions(), 0
    for start, end in several:
        found.add(max(start, reached), end)
        reached = max(reached, end)
    return found
