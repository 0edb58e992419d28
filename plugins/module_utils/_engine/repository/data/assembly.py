# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The data path of a restore: several workers fetch the segments of a chain and put them together beside the target.

The indexes tell what each region must finally hold before anything is fetched. So only segments that still matter are
fetched. Each is checked before it is used; the result is read back and compared with the indexes.
"""

from __future__ import annotations

import hashlib
import heapq
import mmap
import threading
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from ...common.errors import CorruptError
from ...common.keys import corrupt
from ...common.workers import Workers
from ...streams import thin
from ...streams.codec import codec_for
from ...streams.index import MAPPED, Extent, Layer, live_pieces
from ...volumes.provider import Readback, Target
from ..catalog import Catalog, require_objects
from ..manifest import Manifest
from .index_pages import fetch_index
from .segment_reader import Live, SegmentReader, Shipped
from .segment_table import SegmentTable
from .spool import Spool

_BATCH = 32 << 20  # bytes read back by one worker at a time
_PIECE = 1 << 20


class Member(NamedTuple):
    """One backup of a chain, ready to be read. ``sources``: itself, and the shipments whose data its index names."""

    manifest: Manifest
    sources: list[Shipped]
    layer: Layer

    @property
    def own(self) -> Shipped:
        return self.sources[0]

    def is_data(self, extent: Extent, data: memoryview) -> bool:
        """Whether this is the data of an extent."""
        return self.sources[extent.source].codec.digest(data) == extent.digest


class SegmentJob(NamedTuple):
    """Extents of one segment that follow one another, of one member of the chain; and the pieces that are needed."""

    member: int
    source: int
    number: int
    extents: list[Extent]
    live: list[Live]


class Piece(NamedTuple):
    """A region of the finished volume and the extent it came from."""

    start: int
    end: int
    member: int
    extent: Extent


class Assembly:
    """A chain being put together. A context manager: it keeps large indexes in a file of this host's state folder."""

    def __init__(self, catalog: Catalog, chain: Sequence[Manifest]) -> None:
        """``chain``: the full first. Raises CorruptError about an invalid index."""
        self._catalog = catalog
        self._spool = Spool(catalog.host)
        try:
            self._members = [self._member(manifest) for manifest in chain]
        except BaseException:
            self._spool.close()
            raise
        self.size = chain[-1].size
        self._segments = SegmentReader(catalog.store)
        self.written = 0
        self._partial: dict[tuple[int, int], bytes] = {}
        self._lock = threading.Lock()

    @property
    def fetched(self) -> int:
        """Bytes of segments fetched so far."""
        return self._segments.fetched

    def __enter__(self) -> Assembly:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._spool.close()

    def _member(self, manifest: Manifest) -> Member:
        store, sources = self._catalog.store, []
        for source in manifest.sources:
            codec = codec_for(source.fields, source.id, self._catalog.keyring)
            table = SegmentTable.fetch(store, source.prefix, source.fields["segments"], self._spool)
            sources.append(Shipped(codec, table))
        index = fetch_index(store, manifest, sources[0].codec, self._spool)
        return Member(manifest, sources, Layer(index, manifest.size))

    # --- what is wanted

    def _live(self, member: int) -> Iterator[SegmentJob]:
        above = [each.layer for each in self._members[member + 1 :]]
        for source, number, extents in self._members[member].layer.records.by_segment():
            live = [(extent, live_pieces(extent, above)) for extent in extents if extent.kind == MAPPED]
            live = [(extent, pieces) for extent, pieces in live if pieces]
            if live:
                yield SegmentJob(member, source, number, extents, live)

    def jobs(self) -> Iterator[SegmentJob]:
        """The segments that are needed."""
        for member in range(len(self._members)):
            yield from self._live(member)

    def pieces(self) -> Iterator[Piece]:
        """All regions of the finished volume that hold data, by offset."""
        return heapq.merge(*(self._pieces_of(member) for member in range(len(self._members))))

    def _pieces_of(self, member: int) -> Iterator[Piece]:
        for job in self._live(member):
            for extent, pieces in job.live:
                for start, end in pieces:
                    yield Piece(start, end, member, extent)

    def needed(self) -> int:
        """Bytes that will be written."""
        return sum(piece.end - piece.start for piece in self.pieces())

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target surely needs room for, and all that progress will be told of."""
        needed = self.needed()
        return needed, needed

    @property
    def cautions(self) -> list[str]:
        """What is to be said of what was written: nothing, as all of it can be checked."""
        return []

    # --- fetching

    def fetch(self, target: Target, workers: Workers, progress: Callable[[int], None]) -> None:
        """Fetch and write everything. ``progress`` gets bytes written, from any thread."""

        def work(job: SegmentJob) -> None:
            progress(self._fetch_one(job, target))

        workers.each(self._members, self._check_ends)
        workers.each(self.jobs(), work)

    def _fetch_one(self, job: SegmentJob, target: Target) -> int:
        member = self._members[job.member]
        written = 0
        for key, extent, pieces, whole in self._segments.data(member.sources[job.source], job.number, job.live):
            if _cut_short(extent, pieces):
                self._note_partial(key, member, extent, pieces, whole)
            for start, end in pieces:
                target.write(start, whole[start - extent.offset : end - extent.offset])
                written += end - start
        with self._lock:
            self.written += written
        return written

    def _note_partial(
        self, key: str, member: Member, extent: Extent, pieces: list[tuple[int, int]], whole: memoryview
    ) -> None:
        """Take digests of what is left of an extent that later backups partly replaced; reading back needs them."""
        if not member.is_data(extent, whole):
            raise corrupt(key, f"its data at byte {extent.offset} doesn't match the index.")
        for start, end in pieces:
            digest = hashlib.sha256(whole[start - extent.offset : end - extent.offset]).digest()
            with self._lock:
                self._partial[start, end] = digest

    def note_partials(self, workers: Workers) -> None:
        """Fetch extents that later backups partly replaced: the rest of such an extent has no digest."""

        def work(job: SegmentJob) -> None:
            member = self._members[job.member]
            for key, extent, pieces, whole in self._segments.data(member.sources[job.source], job.number, _partly(job)):
                self._note_partial(key, member, extent, pieces, whole)

        workers.each((job for job in self.jobs() if _partly(job)), work)

    # --- proving what is stored

    def _check_ends(self, member: Member) -> None:
        """Check that all objects exist, and that the stream begins, ends and is counted as it must be."""
        require_objects(self._catalog, member.manifest)
        if not len(member.own.table):
            return  # all of its data lies in other shipments
        stream, last = member.manifest.fields["stream"], member.own.table.last
        expected = {last.number: thin.end(stream["data"], stream["unmap"])}
        first = next(iter(member.layer.records), None)
        if first is None or first.segment:
            expected.setdefault(0, thin.begin())
        for number, content in expected.items():
            self._segments.expect(member.own, number, content)

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        """Fetch every segment of the chain and compare it with the index. ``progress``: bytes so far."""

        def work(job: SegmentJob) -> None:
            member = self._members[job.member]
            self._segments.prove(member.sources[job.source], job.number, job.extents, len(member.sources) == 1)
            progress(self.fetched)

        workers.each(self._members, self._check_ends)
        for number, member in enumerate(self._members):
            jobs = (SegmentJob(number, *found, []) for found in member.layer.records.by_segment())
            workers.each(jobs, work)
            if len(member.sources) == 1:
                self._check_all_named(member)

    def _check_all_named(self, member: Member) -> None:
        """Check that a shipment stored no segment that is neither in its index nor begins or ends its stream."""
        named = {0, member.own.table.last.number} | {extent.segment for extent in member.layer.records}
        for segment in member.own.table:
            if segment.number not in named:
                raise corrupt(member.own.table.key(segment), "the index doesn't name this segment.")

    def clear(self, target: Target) -> None:
        """Write zeros to the regions without data, where the target doesn't read them as zero by itself."""
        if not target.zeroed:
            write_zeros(target, self._holes(target))

    # --- checking

    def check(self, target: Readback, workers: Workers) -> None:
        """Read a volume and compare it with the indexes. Raises CorruptError."""
        workers.each(_batches(self.pieces()), lambda batch: self._check_batch(batch, target))
        self._check_holes(target)

    def _check_batch(self, batch: list[Piece], target: Readback) -> None:
        buffer = memoryview(mmap.mmap(-1, _PIECE))  # aligned, so that O_DIRECT reads into it without a copy
        for piece in batch:
            view = buffer[: piece.end - piece.start]
            target.read_into(piece.start, view)
            member = self._members[piece.member]
            if (piece.start, piece.end) == (piece.extent.offset, piece.extent.end):
                good = member.is_data(piece.extent, view)
            else:
                good = hashlib.sha256(view).digest() == self._partial.get((piece.start, piece.end))
            if not good:
                key = f"{member.sources[piece.extent.source].table.prefix}{piece.extent.segment:08d}"
                raise corrupt(key, f"the volume at byte {piece.start} doesn't match the index.")

    def _check_holes(self, target: Readback) -> None:
        """Check that regions without data in any backup of the chain are zero."""
        check_zeros(target, self._holes(target))

    def _holes(self, target: Readback) -> Iterator[tuple[int, int]]:
        return holes(target, _joined(self.pieces()), self.size)


def holes(target: Readback, covered: Iterator[tuple[int, int]], size: int) -> Iterator[tuple[int, int]]:
    """Regions below ``size`` where the target may hold data although nothing was written there. ``covered``: the
    regions that were written, in order."""
    start, end = next(covered, (size, size))
    for at, stop in target.data():
        stop = min(stop, size)
        while at < stop:
            while end <= at and start < size:
                start, end = next(covered, (size, size))
            if start <= at < end:
                at = end
                continue
            gap = min(stop, start if start > at else stop)
            yield at, gap
            at = gap


def write_zeros(target: Target, regions: Iterator[tuple[int, int]]) -> None:
    """Make these read as zero."""
    zeros = memoryview(mmap.mmap(-1, _PIECE))
    for start, end in regions:
        while start < end:
            length = min(_PIECE, end - start)
            target.write(start, zeros[:length])
            start += length


def check_zeros(target: Readback, regions: Iterator[tuple[int, int]]) -> None:
    """Raises CorruptError where one of these isn't zero."""
    for start, end in regions:
        _check_zero(target, start, end)


def _cut_short(extent: Extent, pieces: list[tuple[int, int]]) -> bool:
    return pieces != [(extent.offset, extent.end)]


def _partly(job: SegmentJob) -> list[Live]:
    """The extents of a segment that were partly replaced by later backups."""
    return [(extent, pieces) for extent, pieces in job.live if _cut_short(extent, pieces)]


def _batches(pieces: Iterator[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += piece.end - piece.start
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _joined(pieces: Iterator[Piece]) -> Iterator[tuple[int, int]]:
    start, end = -1, -1
    for piece in pieces:
        if piece.start == end:
            end = piece.end
            continue
        if start >= 0:
            yield start, end
        start, end = piece.start, piece.end
    if start >= 0:
        yield start, end


def _check_zero(target: Readback, start: int, end: int) -> None:
    buffer = bytearray(_PIECE)
    while start < end:
        view = memoryview(buffer)[: min(_PIECE, end - start)]
        target.read_into(start, view)
        if bytes(view).strip(b"\0"):
            raise CorruptError(f"the volume at byte {start} should be zero and isn't.")
        start += len(view)
