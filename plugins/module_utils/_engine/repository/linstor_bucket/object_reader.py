# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads an object of any size, decompressed, in bounded memory."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import io
from collections.abc import Generator, Iterator
from typing import Callable, NamedTuple

from ...common.errors import CorruptError, VolumeError
from ...common.keys import corrupt
from ...remotes.store import ObjectStore
from ...streams import thin
from ...streams.zstd_reader import unfold
from ...volumes.zfs import stream_header
from ..manifest import Manifest
from .meta import THIN, ZFS

_PIECE = 8 << 20  # bytes asked for at a time
_HEAD = 256 << 10  # bytes that certainly hold the first block of a zstd frame
_BUFFER = 1 << 20


class StoredObject(NamedTuple):
    """An object with a zstd stream in it."""

    store: ObjectStore
    key: str
    size: int  # bytes as listed

    def pieces(self, ahead: int, fetched: Callable[[int], None]) -> Generator[bytes, None, None]:
        """All of it in order, some pieces fetched ahead at once. ``fetched`` is told of the bytes of each.

        Raises CorruptError where it is gone, or shorter than it was listed.
        """
        running: collections.deque[concurrent.futures.Future[bytes]] = collections.deque()
        with concurrent.futures.ThreadPoolExecutor(ahead, thread_name_prefix="fetch") as pool:
            try:
                for offset in range(0, self.size, _PIECE):
                    running.append(pool.submit(self.part, offset, min(_PIECE, self.size - offset)))
                    if len(running) > ahead:
                        fetched(len(running[0].result()))
                        yield running.popleft().result()
                while running:
                    fetched(len(running[0].result()))
                    yield running.popleft().result()
            finally:
                for future in running:
                    future.cancel()

    def part(self, offset: int, length: int) -> bytes:
        """Just these bytes."""
        piece = self.store.get_range(self.key, offset, length)
        if piece is None:
            raise corrupt(self.key, "the object is missing.")
        return piece

    @contextlib.contextmanager
    def unfolded(self, ahead: int, fetched: Callable[[int], None]) -> Iterator[io.BufferedReader]:
        """The decompressed content, as a file. CorruptErrors from inside are about this object."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._named())
            pieces = stack.enter_context(contextlib.closing(self.pieces(ahead, fetched)))
            yield io.BufferedReader(stack.enter_context(contextlib.closing(unfold(pieces))), _BUFFER)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        try:
            yield
        except CorruptError as error:
            if error.key is None:
                error.key, error.msg = self.key, f"{self.key}: {error.msg}"
            raise

    def head(self) -> bytes:
        """The first bytes of the content, enough to tell its format."""
        with self._named():
            first = self.part(0, min(_HEAD, self.size))
            found = bytearray()
            with contextlib.closing(unfold(piece for piece in (first,))) as plain:
                try:
                    while len(found) < stream_header.SIZE:
                        piece = plain.read(stream_header.SIZE - len(found))
                        if not piece:
                            break
                        found += piece
                except CorruptError:
                    if not found:  # otherwise only the rest wasn't fetched
                        raise
            return bytes(found)


def stored_of(store: ObjectStore, manifest: Manifest) -> StoredObject:
    """The object with a backup's data."""
    return StoredObject(store, manifest.key.data, manifest.stored)


def sniff(stored: StoredObject) -> str:
    """The format of a stream whose metadata doesn't tell. Raises CorruptError for one that is neither."""
    head = stored.head()
    if len(head) >= 8 and int.from_bytes(head[:8], "big") in (thin.MAGIC_1_1, thin.MAGIC_1_0, thin.MAGIC_OLD):
        return THIN
    zfs_beginning(stored, head)
    return ZFS


def zfs_beginning(stored: StoredObject, head: bytes) -> stream_header.Begin:
    """Which states a ``zfs send`` stream is about."""
    try:
        return stream_header.parse(head)
    except VolumeError:
        raise corrupt(stored.key, "it is neither a stream of thin_send nor one of zfs send.") from None
