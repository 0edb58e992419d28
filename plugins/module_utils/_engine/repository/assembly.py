# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The data path of a restore: several workers fetch the segments of a chain and put them together beside the target.

The indexes tell what each region must finally hold before anything is fetched. So only segments that still matter are
fetched. Each is checked before it is used; the result is read back and compared with the indexes.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import mmap
import tempfile
import threading
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from ..common.errors import CorruptError
from ..common.keys import corrupt
from ..common.workers import Workers
from ..streams import thin
from ..streams.codec import Codec, codec_for
from ..streams.index import MAPPED, RECORD, Extent, Index, Layer, live_pieces
from ..streams.thin import Readable
from ..volumes.provider import Readback, Target
from .catalog import Catalog, require_objects
from .manifest import Manifest, Segment

_BATCH = 32 << 20  # bytes read back by one worker at a time
_PIECE = 1 << 20


class Member(NamedTuple):
    """One backup of a chain, ready to be read."""

    manifest: Manifest
    codec: Codec
    segments: dict[int, Segment]
    layer: Layer


class SegmentJob(NamedTuple):
    """One segment to fetch: its member of the chain, all its extents, and the pieces of them that are needed."""

    member: int
    number: int
    extents: list[Extent]
    live: list[tuple[Extent, list[tuple[int, int]]]]


class Piece(NamedTuple):
    """A region of the finished volume and the extent it came from."""

    start: int
    end: int
    member: int
    extent: Extent


class Assembly:
    """A chain being put together. A context manager: it keeps large indexes in a temporary file."""

    def __init__(self, catalog: Catalog, chain: Sequence[Manifest]) -> None:
        """``chain``: the full first. Raises CorruptError about an invalid index."""
        self._catalog = catalog
        self._stack = contextlib.ExitStack()
        try:
            self._members = [self._member(manifest) for manifest in chain]
        except BaseException:
            self._stack.close()
            raise
        self.size = chain[-1].size
        self.fetched = 0
        self.written = 0
        self._partial: dict[tuple[int, int], bytes] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Assembly:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stack.close()

    def _member(self, manifest: Manifest) -> Member:
        codec = codec_for(manifest.fields, manifest.id, self._catalog.keyring)
        spool = tempfile.TemporaryFile(prefix="snapship-index-")  # noqa: SIM115  # the stack closes it
        self._stack.callback(spool.close)
        for part in manifest.parts:
            key = manifest.key.data + part.name
            stored = self._catalog.store.get(key, part.size)
            if stored is None:
                raise corrupt(key, "the index is missing.")
            spool.write(codec.decode(key, part.name, stored, part.sha256, part.records * RECORD.size))
        spool.flush()
        records: bytes | memoryview = b""
        if spool.tell():
            records = memoryview(mmap.mmap(spool.fileno(), 0, prot=mmap.PROT_READ))
        try:
            index = Index(records, manifest.size)
        except CorruptError as error:
            raise corrupt(f"{manifest.key.data}index", error.msg) from error
        segments = {segment.number: segment for segment in manifest.segments}
        return Member(manifest, codec, segments, Layer(index, manifest.size))

    # --- what is wanted

    def _live(self, member: int) -> Iterator[SegmentJob]:
        above = [each.layer for each in self._members[member + 1 :]]
        for number, extents in self._members[member].layer.records.by_segment():
            live = [(extent, live_pieces(extent, above)) for extent in extents if extent.kind == MAPPED]
            live = [(extent, pieces) for extent, pieces in live if pieces]
            if live:
                yield SegmentJob(member, number, extents, live)

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

        workers.each(self._members, self._check_frame)
        workers.each(self.jobs(), work)

    def _check_frame(self, member: Member) -> None:
        """Check that a stream is complete, that its END is right, and that segments without data are unchanged."""
        require_objects(self._catalog, member.manifest)
        stream = member.manifest.fields["stream"]
        last = member.segments[max(member.segments)]
        if bytes(self._plain(member, last, True)) != thin.end(stream["data"], stream["unmap"]):
            raise corrupt(member.manifest.key.data + last.name, "the END of the stream is wrong.")
        filled = {extent.segment for extent in member.layer.records if extent.kind == MAPPED}
        for segment in member.segments.values():
            if segment.number not in filled and segment is not last:
                self._plain(member, segment, True)

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        """Fetch every segment of the chain and compare it with the index. ``progress``: bytes so far."""

        def work(job: SegmentJob) -> None:
            self._read_one(job)
            progress(self.fetched)

        workers.each(self._members, self._check_frame)
        for number, member in enumerate(self._members):
            by_segment = member.layer.records.by_segment()
            workers.each((SegmentJob(number, segment, extents, []) for segment, extents in by_segment), work)

    def _read_one(self, job: SegmentJob) -> None:
        member = self._members[job.member]
        key, plain = self._segment(job)
        places = _places(key, plain, job)
        for extent in job.extents:
            at = places[extent.offset]
            if extent.kind == MAPPED and member.codec.digest(plain[at : at + extent.length]) != extent.digest:
                raise corrupt(key, f"its data at byte {extent.offset} doesn't match the index.")

    def note_partials(self, workers: Workers) -> None:
        """Fetch segments with extents that later backups partly replaced: the rest of such an extent has no digest."""

        def work(job: SegmentJob) -> None:
            key, plain = self._segment(job)
            places = _places(key, plain, job)
            for extent, pieces in _partly(job):
                whole = plain[places[extent.offset] : places[extent.offset] + extent.length]
                self._note_partial(key, self._members[job.member], extent, pieces, whole)

        workers.each((job for job in self.jobs() if _partly(job)), work)

    def _segment(self, job: SegmentJob) -> tuple[str, memoryview]:
        """Its key and its plain bytes, checked against the manifest."""
        member = self._members[job.member]
        key = f"{member.manifest.key.data}{job.number:08d}"
        segment = member.segments.get(job.number)
        if segment is None:
            raise corrupt(key, "the index names this segment, the manifest doesn't.")
        # A segment that is stored as it is and used whole is not hashed here: its headers are compared with the index,
        # and its data is compared once it is in place.
        return key, memoryview(self._plain(member, segment, not (member.codec.transparent and _whole(job))))

    def _plain(self, member: Member, segment: Segment, digest: bool) -> Readable:
        key = member.manifest.key.data + segment.name
        stored = self._catalog.store.get(key, segment.size)
        if stored is None:
            raise corrupt(key, "the segment is missing.")
        with self._lock:
            self.fetched += len(stored)
        return member.codec.decode(key, segment.name, stored, segment.sha256 if digest else None, segment.plain)

    def _fetch_one(self, job: SegmentJob, target: Target) -> int:
        member = self._members[job.member]
        key, plain = self._segment(job)
        places = _places(key, plain, job)
        written = 0
        for extent, pieces in job.live:
            at = places[extent.offset]
            whole = plain[at : at + extent.length]
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
        if member.codec.digest(whole) != extent.digest:
            raise corrupt(key, f"its data at byte {extent.offset} doesn't match the index.")
        for start, end in pieces:
            digest = hashlib.sha256(whole[start - extent.offset : end - extent.offset]).digest()
            with self._lock:
                self._partial[start, end] = digest

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
                good = member.codec.digest(view) == piece.extent.digest
            else:
                good = hashlib.sha256(view).digest() == self._partial.get((piece.start, piece.end))
            if not good:
                key = f"{member.manifest.key.data}{piece.extent.segment:08d}"
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


def _partly(job: SegmentJob) -> list[tuple[Extent, list[tuple[int, int]]]]:
    """The extents of a segment that were partly replaced by later backups."""
    return [(extent, pieces) for extent, pieces in job.live if _cut_short(extent, pieces)]


def _whole(job: SegmentJob) -> bool:
    """Whether nothing in a segment was replaced by a later backup."""
    mapped = sum(extent.kind == MAPPED for extent in job.extents)
    return mapped == len(job.live) and all(pieces == [(each.offset, each.end)] for each, pieces in job.live)


def _places(key: str, plain: memoryview, job: SegmentJob) -> dict[int, int]:
    """Where each extent's data begins in a segment. Raises CorruptError if its chunks differ from the index."""
    try:
        found = [chunk for chunk in thin.chunks(plain) if chunk.command in (thin.DATA, thin.UNMAP)]
    except CorruptError as error:
        raise corrupt(key, error.msg) from error
    stated = [(extent.offset, extent.length, extent.kind) for extent in job.extents]
    if [(chunk.offset, chunk.length, chunk.command) for chunk in found] != stated:
        raise corrupt(key, "its chunks differ from those of the index.")
    return {chunk.offset: chunk.at for chunk in found}


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
