# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Frames: the pieces of a segment that are compressed and encrypted each by itself, so that each can be read alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

FRAME_BYTES = 1 << 20  # of volume data, or of a stream that has no index, in a frame at most
FRAME_LIMIT = FRAME_BYTES + 4096  # plain bytes of a frame with the chunk headers in it, at most
STORED_LIMIT = FRAME_LIMIT + (64 << 10)  # bytes of a stored frame: what compression and encryption may add, amply

Bounds = list[tuple[int, int]]  # where each frame begins and ends in the plain bytes of a segment


class Frame(NamedTuple):
    """Where one frame lies in a stored segment: its number there, offset, bytes as stored, plain bytes."""

    number: int
    at: int
    size: int
    plain: int
    last: bool

    @property
    def end(self) -> int:
        return self.at + self.size


class Span(NamedTuple):
    """Frames of a segment that one request fetches: offset and length in what is stored."""

    at: int
    length: int
    frames: list[Frame]


def even(length: int) -> Bounds:
    """The frames of plain bytes that may be cut anywhere."""
    return [(at, min(at + FRAME_BYTES, length)) for at in range(0, length, FRAME_BYTES)] or [(0, 0)]


class Cutter:
    """Cuts a segment into frames of whole chunks."""

    def __init__(self) -> None:
        self.bounds: Bounds = []
        self._start = self._end = self._data = 0

    def add(self, header: int, data: int) -> tuple[int, int]:
        """The next chunk. Returns the frame that it is in, and where its data begins in that frame."""
        size = self._end - self._start
        if size and (size + header + data > FRAME_LIMIT or self._data + data > FRAME_BYTES):
            self.close()
            size = 0
        self._end += header + data
        self._data += data
        return len(self.bounds), size + header

    def close(self) -> Bounds:
        """End the frame that is open; the bounds of all."""
        if self._end > self._start:
            self.bounds.append((self._start, self._end))
        self._start, self._data = self._end, 0
        return self.bounds


def spans(frames: list[Frame], gap: int) -> Iterator[Span]:
    """Frames, sorted by number, in few requests: those with at most ``gap`` bytes between them share one."""
    group: list[Frame] = []
    for frame in frames:
        if group and frame.at - group[-1].end > gap:
            yield _span(group)
            group = []
        group.append(frame)
    if group:
        yield _span(group)


def _span(group: list[Frame]) -> Span:
    return Span(group[0].at, group[-1].end - group[0].at, group)
