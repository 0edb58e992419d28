# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads stored segments: single frames of them, or all of one to prove it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ...common.errors import CorruptError
from ...common.keys import corrupt
from ...remotes.store import ObjectStore
from ...streams import thin
from ...streams.codec import Codec
from ...streams.frames import Frame, Span, spans
from ...streams.index import MAPPED, Extent
from .segment_table import SHA256_CHUNKS, Segment, SegmentTable, check_stored, chunks_digest

_GAP = 256 << 10  # bytes between frames that are fetched, too, rather than asking twice
_SMALL = 1 << 20  # bytes of a segment without data, amply

Live = tuple[Extent, list[tuple[int, int]]]  # an extent, and the regions of it that are wanted


class Shipped(NamedTuple):
    """The data of one shipment, ready to be read."""

    codec: Codec
    table: SegmentTable

    def find(self, number: int) -> tuple[str, Segment]:
        """The key and the record of a segment that the index names."""
        segment = self.table.find(number)
        if segment is None:
            key = f"{self.table.prefix}{number:08d}"
            raise corrupt(key, "the index names this segment, the table of segments doesn't.")
        return self.table.key(segment), segment


class SegmentReader:
    """Fetches from one store, from any thread. ``fetched``: bytes so far."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self.fetched = 0

    def data(
        self, shipped: Shipped, number: int, wanted: list[Live]
    ) -> Iterator[tuple[str, Extent, list[tuple[int, int]], memoryview]]:
        """Key, extent, regions and data of extents of one segment; only their frames are fetched.

        The data isn't compared with the extent's digest: a caller does that, or once it is in place.
        """
        key, segment = shipped.find(number)
        by_frame: dict[int, list[Live]] = {}
        for each in wanted:
            by_frame.setdefault(each[0].frame_number, []).append(each)
        for span in spans(frames_of(key, segment, (extent for extent, _regions in wanted)), _GAP):
            stored = self._get(key, segment, span)
            for frame in span.frames:
                at = frame.at - span.at
                plain = memoryview(shipped.codec.frame(key, number, frame, stored[at : at + frame.size]))
                for extent, regions in by_frame[frame.number]:
                    yield key, extent, regions, plain[extent.place : extent.place + extent.length]

    def _get(self, key: str, segment: Segment, span: Span | None = None) -> memoryview:
        """A segment as it is stored, or frames of it."""
        if span is None or (span.at, span.length) == (0, segment.size):
            stored = self._store.get(key, segment.size)
            if stored is not None and len(stored) != segment.size:
                raise corrupt(key, "the object has the wrong size.")
        else:
            stored = self._store.get_range(key, span.at, span.length)
        if stored is None:
            raise corrupt(key, "the segment is missing.")
        with self._lock:
            self.fetched += len(stored)
        return memoryview(stored)

    def expect(self, shipped: Shipped, number: int, content: bytes) -> None:
        """Check that a segment without data has exactly this content. Raises CorruptError about it."""
        key, segment = shipped.find(number)
        if segment.size > _SMALL or segment.plain != len(content):
            raise corrupt(key, f"the segment has {segment.plain} bytes of the stream, {len(content)} are expected.")
        if bytes(shipped.codec.segment(key, number, self._get(key, segment), segment.plain)) != content:
            raise corrupt(key, "the stream doesn't begin or end as it must.")

    def prove(self, shipped: Shipped, number: int, extents: list[Extent], whole: bool) -> None:
        """Fetch a segment and compare all of it with the index and the table. Raises CorruptError about it.

        ``whole``: these extents are all of the segment.
        """
        key, segment = shipped.find(number)
        stored = self._get(key, segment)
        frames = frames_of(key, segment, extents)
        if whole:
            _tiled(key, segment, frames)
        plain = {
            frame.number: memoryview(shipped.codec.frame(key, number, frame, stored[frame.at : frame.end]))
            for frame in frames
        }
        for extent in extents:
            data = plain[extent.frame_number][extent.place : extent.place + extent.length]
            if extent.kind == MAPPED and shipped.codec.digest(data) != extent.digest:
                raise corrupt(key, f"its data at byte {extent.offset} doesn't match the index.")
        if whole:
            _check_chunks(key, segment, stored, plain, extents)
        else:
            check_stored(key, segment, stored)


def frames_of(key: str, segment: Segment, extents: Iterable[Extent]) -> list[Frame]:
    """The frames of these extents, in order. Raises CorruptError where they can't lie in the segment so."""
    frames: dict[int, Frame] = {}
    for extent in extents:
        if frames.setdefault(extent.frame_number, extent.frame) != extent.frame:
            raise corrupt(key, "the index says two things about one frame.")
    found = [frames[number] for number in sorted(frames)]
    reached = 0
    for frame in found:
        if frame.at < reached or frame.end > segment.size or frame.last != (frame.number == segment.frames - 1):
            raise corrupt(key, "the frames of the index don't match the table of segments.")
        reached = frame.end
    return found


def _tiled(key: str, segment: Segment, frames: list[Frame]) -> None:
    """Check that these frames are all of a segment."""
    whole = (
        sum(frame.size for frame in frames) == segment.size and sum(frame.plain for frame in frames) == segment.plain
    )
    if not whole or len(frames) != segment.frames:
        raise corrupt(key, "the frames of the index don't match the table of segments.")


def _check_chunks(
    key: str, segment: Segment, stored: memoryview, plain: dict[int, memoryview], extents: list[Extent]
) -> None:
    """Compare a segment's chunks with the index, and what is stored with its digest."""
    stated = iter(extents)
    try:
        for number, content in plain.items():
            for chunk in thin.chunks(content):
                if chunk.command == thin.BEGIN and segment.number == 0 and chunk.at == thin.HEADER.size and not number:
                    continue
                extent = next(stated, None)
                found = (chunk.offset, chunk.length, chunk.command, number, chunk.at)
                if extent is None or found != _as_chunk(extent):
                    raise corrupt(key, "its chunks differ from those of the index.")
    except CorruptError as error:
        raise error if error.key else corrupt(key, error.msg) from error
    if next(stated, None) is not None:
        raise corrupt(key, "its chunks differ from those of the index.")
    if segment.kind != SHA256_CHUNKS:
        check_stored(key, segment, stored)
    elif chunks_digest(stored, (extent.digest for extent in extents if extent.kind == MAPPED)) != segment.digest:
        raise corrupt(key, "the stored bytes were changed: the digest doesn't match.")


def _as_chunk(extent: Extent) -> tuple[int, int, int, int, int]:
    return extent.offset, extent.length, extent.kind, extent.frame_number, extent.place
