# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The data path of a backup: several workers make segments from regions of a snapshot, in bounded memory."""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Iterable, Iterator
from typing import Callable, NamedTuple

from ..common.workers import Workers
from ..repository.data.segment_table import SHA256, SHA256_CHUNKS, Segment, chunks_digest
from ..streams import thin
from ..streams.frames import Cutter
from ..streams.index import EXTENT_BYTES, LAST, MAPPED, NO_DIGEST, UNMAPPED, Extent, pack
from ..volumes.provider import Change, Reader
from .journal import StoredSegment
from .shipment import Shipment

# At most so many bytes of volume data in a segment. With its headers it stays below 32 MiB: up to there malloc reuses
# memory; above, it asks the system for fresh pages each time, which costs a third of everything else.
SEGMENT_DATA = 30 << 20
SEGMENT_CHUNKS = 8192  # chunks in a segment, at most
ZERO_BLOCK = 64 << 10  # a full leaves out zeros in blocks of this size
_ZEROS = bytes(ZERO_BLOCK)
_HEAD = thin.HEADER.size
_BUFFER = SEGMENT_DATA + (SEGMENT_CHUNKS + 1) * _HEAD + SEGMENT_DATA // ZERO_BLOCK * _HEAD
_END = hashlib.sha256(b"end").digest()
_local = threading.local()


class BlockJob(NamedTuple):
    """One segment to make: its number and its regions; data regions have at most 1 MiB."""

    number: int
    regions: list[Change]

    @property
    def digest(self) -> bytes:
        """The same if an earlier run put the same regions into this number."""
        text = ";".join(f"{region.offset},{region.length},{region.mapped:d}" for region in self.regions)
        return hashlib.sha256(text.encode()).digest()


def cut(changes: Iterable[Change]) -> Iterator[BlockJob]:
    """Segments from changes. The first comes even if it is empty, as it holds BEGIN."""
    number, size = 0, 0
    regions: list[Change] = []
    for region in _pieces(changes):
        length = region.length if region.mapped else 0
        if regions and (size + length > SEGMENT_DATA or len(regions) == SEGMENT_CHUNKS):
            yield BlockJob(number, regions)
            number, regions, size = number + 1, [], 0
        regions.append(region)
        size += length
    yield BlockJob(number, regions)


def _pieces(changes: Iterable[Change]) -> Iterator[Change]:
    """Data cut at multiples of 1 MiB; holes stay whole."""
    for change in changes:
        offset, end = change.offset, change.offset + change.length
        while change.mapped and offset < end:
            length = min(EXTENT_BYTES - offset % EXTENT_BYTES, end - offset)
            yield Change(offset, length, True)
            offset += length
        if not change.mapped:
            yield change


def send(
    shipment: Shipment,
    reader: Reader,
    changes: Iterable[Change],
    full: bool,
    workers: Workers,
    progress: Callable[[int], None],
) -> None:
    """Store all segments of a shipment, END last. ``progress`` gets bytes read, from any thread."""
    count = 0

    def jobs() -> Iterator[BlockJob]:
        nonlocal count
        for job in cut(changes):
            count += 1
            yield job

    def work(job: BlockJob) -> None:
        name = job.digest
        if not shipment.has(job.number, name):
            _ship(shipment, job, name, _build(shipment, job, reader, full))
        progress(sum(region.length for region in job.regions if region.mapped))

    workers.each(jobs(), work)
    shipment.drop_beyond(count)
    _ship_end(shipment, count)


class _Chunk(NamedTuple):
    """A DATA or UNMAP chunk of a plain segment: where it is in the volume and in its frame, and its data's digest."""

    offset: int
    length: int
    kind: int
    frame: int
    place: int
    digest: bytes


class _Plain(NamedTuple):
    """A segment before it is compressed and encrypted, in this thread's buffer."""

    stream: memoryview
    cutter: Cutter
    chunks: list[_Chunk]


def _build(shipment: Shipment, job: BlockJob, reader: Reader, full: bool) -> _Plain:
    """The plain stream of a segment."""
    if not hasattr(_local, "buffer"):
        _local.buffer = bytearray(_BUFFER)
    buffer: bytearray = _local.buffer
    view = memoryview(buffer)
    digest = shipment.codec.digest
    cutter, chunks = Cutter(), []
    at = 0
    if job.number == 0:
        buffer[:_HEAD] = thin.begin()
        cutter.add(_HEAD, 0)
        at = _HEAD
    for region in job.regions:
        if not region.mapped:
            thin.pack_header(buffer, at, thin.UNMAP, region.offset, region.length)
            chunks.append(_Chunk(region.offset, region.length, UNMAPPED, *cutter.add(_HEAD, 0), NO_DIGEST))
            at += _HEAD
            continue
        start = at + _HEAD
        reader.read_into(region.offset, view[start : start + region.length])
        runs = list(_nonzero(buffer, start, region.length)) if full else [(0, region.length)]
        for first, length in _packed(buffer, start, runs):
            thin.pack_header(buffer, at, thin.DATA, region.offset + first, length)
            at += _HEAD
            place = cutter.add(_HEAD, length)
            chunks.append(_Chunk(region.offset + first, length, MAPPED, *place, digest(view[at : at + length])))
            at += length
    return _Plain(view[:at], cutter, chunks)


def _nonzero(buffer: bytearray, start: int, length: int) -> Iterator[tuple[int, int]]:
    """Runs (first, length), relative to ``start``, of 64 KiB blocks that aren't all zero."""
    run = -1
    for first in range(0, length, ZERO_BLOCK):
        size = min(ZERO_BLOCK, length - first)
        at = start + first
        zero = not buffer[at] and not buffer[at + size - 1] and buffer[at : at + size] == _ZEROS[:size]
        if zero and run >= 0:
            yield run, first - run
            run = -1
        elif not zero and run < 0:
            run = first
    if run >= 0:
        yield run, length - run


def _packed(buffer: bytearray, start: int, runs: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The runs, each moved to where its chunk begins once those before it are in place."""
    to = start
    saved = [bytes(buffer[start + first : start + first + length]) for first, length in runs[1:]]
    for number, (first, length) in enumerate(runs):
        if number:
            buffer[to : to + length] = saved[number - 1]
        elif first:
            buffer[to : to + length] = buffer[start + first : start + first + length]
        yield first, length
        to += length + _HEAD


def _ship(shipment: Shipment, job: BlockJob, name: bytes, plain: _Plain) -> None:
    if job.number and not plain.chunks:
        shipment.forget([job.number])
        return  # all zeros: nothing to store under this number
    _put(shipment, job.number, name, plain)


def _ship_end(shipment: Shipment, number: int) -> None:
    parts = [part for part in shipment.parts() if part.segment.number < number]
    end = thin.end(sum(part.data for part in parts), sum(part.unmap for part in parts))
    cutter = Cutter()
    cutter.add(len(end), 0)
    _put(shipment, number, _END, _Plain(memoryview(end), cutter, []))


def _put(shipment: Shipment, number: int, name: bytes, plain: _Plain) -> None:
    codec = shipment.codec
    bounds = plain.cutter.close()
    stored, sizes = codec.encode(number, plain.stream, bounds)
    digests = iter([chunk.digest for chunk in plain.chunks if chunk.kind == MAPPED])
    kind, digest = SHA256, b""
    if codec.transparent:  # each byte is hashed once: its chunk's digest counts
        kind, digest = SHA256_CHUNKS, chunks_digest(stored, digests)
    else:
        digest = hashlib.sha256(stored).digest()
    extents, places = [], list(itertools.accumulate(sizes, initial=0))
    for chunk in plain.chunks:
        frame, (start, end) = chunk.frame, bounds[chunk.frame]
        flags = LAST if frame == len(bounds) - 1 else 0
        stands = (number, frame, places[frame], sizes[frame], end - start, chunk.place)
        extents.append(Extent(chunk.offset, chunk.length, 0, chunk.kind, flags, *stands, chunk.digest))
    segment = Segment(number, len(stored), len(plain.stream), len(bounds), kind, digest)
    data = [chunk.length for chunk in plain.chunks if chunk.kind == MAPPED]
    facts = StoredSegment(segment, name, sum(data), len(data), len(plain.chunks) - len(data))
    shipment.put(facts, stored, pack(extents))
