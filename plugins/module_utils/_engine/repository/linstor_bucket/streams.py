# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A chain of ``zfs send`` streams passed on to ``zfs receive``; see :class:`..chain_reader.Streams`.

Each stream names its state and the state of its base. So the chain is checked by the streams themselves.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import Callable

from ...common.keys import corrupt
from ...common.workers import Workers
from ...remotes.store import ObjectStore
from ...volumes.provider import StreamTarget
from ...volumes.zfs.stream_header import SIZE, Begin
from ..manifest import Manifest
from .object_reader import stored_of, zfs_beginning

_PIECE = 1 << 20
_END = 5  # type of the last record: 8 bytes of header, 32 of checksum, then the state's GUID


class LinstorStreams:
    """All of a chain, the full first. A context manager like its siblings, though it holds nothing open."""

    def __init__(self, store: ObjectStore, chain: list[Manifest]) -> None:
        self._store = store
        self._chain = chain
        self._begins: list[Begin] = []
        self.fetched = 0
        self.written = 0

    def __enter__(self) -> LinstorStreams:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def sizes(self) -> tuple[int, int]:
        stored = [manifest.stored for manifest in self._chain]
        return min(stored[-1], self._chain[-1].size), sum(stored)

    def check(self) -> None:
        """Check that each stream is based on the one before it. Raises CorruptError."""
        self._begins = []
        for manifest in self._chain:
            stored = stored_of(self._store, manifest)
            begin = zfs_beginning(stored, stored.head())
            below = self._begins[-1].state if self._begins else None
            if begin.base != below:
                raise corrupt(
                    manifest.key.data,
                    f"the base of its stream is state {begin.base}; by the metadata its base has state {below}.",
                )
            self._begins.append(begin)

    def run(self, target: StreamTarget, workers: Workers, progress: Callable[[int], None]) -> None:
        def fetched(count: int) -> None:
            self.fetched += count
            progress(count)

        if not self._begins:
            self.check()
        states = [begin.state for begin in self._begins]
        done = target.has(states)
        progress(sum(manifest.stored for manifest in self._chain[:done]))
        for manifest, state in list(zip(self._chain, states))[done:]:
            with target.receiving(state) as write:
                for piece in self._pieces(manifest, workers.count, fetched):
                    write(piece)
                    self.written += len(piece)

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        def fetched(count: int) -> None:
            self.fetched += count
            progress(self.fetched)

        self.check()
        for manifest, begin in zip(self._chain, self._begins):
            last = b""
            for piece in self._pieces(manifest, workers.count, fetched):
                last = (last + bytes(piece[-SIZE:]))[-SIZE:]
            if not _is_end(last, begin.state):
                raise corrupt(manifest.key.data, "the stream is cut short: it has no end.")

    def _pieces(self, manifest: Manifest, ahead: int, fetched: Callable[[int], None]) -> Iterator[memoryview]:
        buffer = memoryview(mmap.mmap(-1, _PIECE))
        with stored_of(self._store, manifest).unfolded(ahead, fetched) as plain:
            while True:
                count = plain.readinto(buffer)
                if not count:
                    return
                yield buffer[:count]


def _is_end(record: bytes, state: str) -> bool:
    """Whether the last record of a stream is the one that ends it."""
    for order in "<>":
        if len(record) == SIZE and struct.unpack_from(order + "I", record)[0] == _END:
            return bool(str(struct.unpack_from(order + "Q", record, 40)[0]) == state)
    return False
