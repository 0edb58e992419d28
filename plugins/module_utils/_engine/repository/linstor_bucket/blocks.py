# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A chain of thin-send-recv streams put together beside a target; see :class:`..chain_reader.Blocks`.

The newest stream is read first. Of older streams only regions are written that no newer stream replaced or unmapped.
So each region is written at most once, and unmapped regions never: a new target reads as zero.
"""

from __future__ import annotations

import hashlib
import heapq
import io
import mmap
from collections.abc import Iterator
from typing import Callable, NamedTuple

from ...common.errors import CorruptError, VolumeError
from ...common.workers import Workers
from ...remotes.store import ObjectStore
from ...streams import thin
from ...volumes.provider import Readback, Target
from ..data.assembly import check_zeros, holes, write_zeros
from ..manifest import Manifest
from .object_reader import stored_of
from .regions import Regions, joined

_PIECE = 1 << 20  # bytes written at a time
_GRAIN = 64 << 10  # zeros are left out in blocks of this size
_ZEROS = bytes(_GRAIN)
_MOST = 1 << 62  # bytes that no volume has
_BATCH = 32 << 20  # bytes read back and compared at a time


class Batch(NamedTuple):
    """Regions that were written, in order, and the digest of what was."""

    regions: Regions
    digest: bytes


class LinstorBlocks:
    """A context manager like its siblings, though it holds nothing open."""

    def __init__(self, store: ObjectStore, chain: list[Manifest]) -> None:
        self._store = store
        self._chain = chain
        self.size = chain[-1].size
        self.fetched = 0
        self.written = 0
        self._beyond = 0  # bytes that aren't zero and lie past the volume's end
        self._logs: list[list[Batch]] = []  # one for each stream

    def __enter__(self) -> LinstorBlocks:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def sizes(self) -> tuple[int, int]:
        stored = [manifest.stored for manifest in self._chain]
        return min(stored[-1], self.size), sum(stored)

    # --- reading

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        buffer = memoryview(mmap.mmap(-1, _PIECE))

        def fetched(count: int) -> None:
            self.fetched += count
            progress(self.fetched)

        for manifest in self._chain:
            with stored_of(self._store, manifest).unfolded(workers.count, fetched) as plain:
                for command, _offset, length in _chunks(plain):
                    for start in range(0, length if command == thin.DATA else 0, _PIECE):
                        _fill(plain, buffer[: min(_PIECE, length - start)])

    # --- writing

    def fetch(self, target: Target, workers: Workers, progress: Callable[[int], None]) -> None:
        def fetched(count: int) -> None:
            self.fetched += count
            progress(count)

        newer = Regions()
        for manifest in reversed(self._chain):
            with stored_of(self._store, manifest).unfolded(workers.count, fetched) as plain:
                said = self._write_stream(plain, target, newer)
            if manifest is not self._chain[0]:
                newer = joined(heapq.merge(newer, said))

    def _write_stream(self, plain: io.BufferedReader, target: Target, newer: Regions) -> Regions:
        """Write what no newer stream has; returns all regions of this stream."""
        said = Regions()
        log = _Log()
        buffer = memoryview(mmap.mmap(-1, _PIECE))  # aligned, so that O_DIRECT writes from it without a copy
        for command, offset, length in _chunks(plain):
            if list(said.gaps(offset, offset + length)) != [(offset, offset + length)]:
                raise CorruptError(f"invalid stream: two chunks for byte {offset}.")
            said.add(offset, offset + length)
            for start in range(offset, offset + length if command == thin.DATA else offset, _PIECE):
                piece = buffer[: min(_PIECE, offset + length - start)]
                _fill(plain, piece)
                self._write_piece(start, piece, target, newer, log)
        self._logs.append(log.batches())
        return said

    def _write_piece(self, start: int, piece: memoryview, target: Target, newer: Regions, log: _Log) -> None:
        inside = max(0, min(len(piece), self.size - start))
        self._beyond += len(piece) - inside - bytes(piece[inside:]).count(0)
        for gap, end in newer.gaps(start, start + inside):
            for first, last in _nonzero(piece[gap - start : end - start]):
                data = piece[gap - start + first : gap - start + last]
                target.write(gap + first, data)
                log.add(gap + first, data)
                self.written += len(data)

    def clear(self, target: Target) -> None:
        if not target.zeroed:
            write_zeros(target, holes(target, iter(self._covered()), self.size))

    @property
    def cautions(self) -> list[str]:
        if not self._beyond:
            return []
        return [
            f"{self._chain[-1].fields['volume']}: {self._beyond} bytes of data were not restored: they lie beyond the "
            f"end of the volume ({self.size} bytes by its metadata)."
        ]

    # --- checking

    def check(self, target: Readback, workers: Workers) -> None:
        """Check that written regions read back as they were received, and everything else as zero."""
        workers.each((batch for log in self._logs for batch in log), lambda batch: self._check(batch, target))
        check_zeros(target, holes(target, iter(self._covered()), self.size))

    def _check(self, batch: Batch, target: Readback) -> None:
        digest = hashlib.sha256()
        buffer = memoryview(mmap.mmap(-1, _PIECE))
        for start, end in batch.regions:
            for at in range(start, end, _PIECE):
                piece = buffer[: min(_PIECE, end - at)]
                target.read_into(at, piece)
                digest.update(piece)
        if digest.digest() != batch.digest:
            raise VolumeError(
                "the restored data reads back differently than it was written; the old volume is untouched.",
                "Look at the kernel's log: the disk may be failing.",
                code="readback",
            )

    def _covered(self) -> Regions:
        return joined(heapq.merge(*(batch.regions for log in self._logs for batch in log)))


class _Log:
    """Notes of what is written, in batches of rising regions."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._begin()

    def _begin(self) -> None:
        self._regions, self._digest, self._size, self._reached = Regions(), hashlib.sha256(), 0, 0

    def add(self, offset: int, data: memoryview) -> None:
        if offset < self._reached:  # the check reads back in this order
            self._end()
        self._reached = offset + len(data)
        self._regions.add(offset, offset + len(data))
        self._digest.update(data)
        self._size += len(data)
        if self._size >= _BATCH:
            self._end()

    def _end(self) -> None:
        self._batches.append(Batch(self._regions, self._digest.digest()))
        self._begin()

    def batches(self) -> list[Batch]:
        return [*self._batches, Batch(self._regions, self._digest.digest())]


def _chunks(plain: io.BufferedReader) -> Iterator[tuple[int, int, int]]:
    """Command, offset and length of all DATA and UNMAP chunks. The caller reads the payload.

    Raises CorruptError for anything but a whole stream.
    """
    if not plain.peek(1):
        raise CorruptError("the stream is empty.")
    for command, offset, length, _source in thin.read_stream(plain):
        if not 0 < length <= _MOST - offset:
            raise CorruptError(f"invalid chunk: {length} bytes at offset {offset}.")
        yield command, offset, length


def _fill(plain: io.BufferedReader, piece: memoryview) -> None:
    at = 0
    while at < len(piece):
        count = plain.readinto(piece[at:])
        if not count:
            raise CorruptError("the stream ends inside a chunk.")
        at += count


def _nonzero(piece: memoryview) -> Iterator[tuple[int, int]]:
    """First and last of each run of blocks that aren't all zero."""
    run = -1
    for first in range(0, len(piece), _GRAIN):
        block = piece[first : first + _GRAIN]
        zero = not block[0] and not block[-1] and bytes(block) == _ZEROS[: len(block)]
        if zero and run >= 0:
            yield run, first
            run = -1
        elif not zero and run < 0:
            run = first
    if run >= 0:
        yield run, len(piece)
