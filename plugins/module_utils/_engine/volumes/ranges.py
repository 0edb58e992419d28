# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Regions of a volume, many of them in little memory."""

from __future__ import annotations

import array
from collections.abc import Iterator


class Ranges:
    """Regions in order, neighbours of one kind joined; 17 bytes each."""

    def __init__(self) -> None:
        self._starts = array.array("Q")
        self._ends = array.array("Q")
        self._kinds = bytearray()

    def add(self, start: int, end: int, kind: bool = True) -> None:
        """Append a region behind those there are."""
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
        """Start, end, kind."""
        for start, end, kind in zip(self._starts, self._ends, self._kinds):
            yield start, end, bool(kind)
