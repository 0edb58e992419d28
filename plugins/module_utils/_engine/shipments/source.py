# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The source of a backup: the blocks of a snapshot, or a stream that its provider makes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Callable, Protocol, cast

from ..common.errors import BaseLostError, VolumeError
from ..common.workers import Workers
from ..streams import thin
from ..volumes.provider import BlockProvider, ByteSource, Change, Provider, Reader, Snapshot, StreamProvider
from .base.choice import Choice
from .send_blocks import send
from .send_stream import send_stream
from .shipment import Shipment

Progress = Callable[[int], None]


class Source(Protocol):
    """An open snapshot, ready to be sent."""

    stream: dict[str, Any]  # format, version and flags, as the manifest has them

    def send(self, shipment: Shipment, workers: Workers, progress: Progress) -> None:
        """Store all of it. ``progress`` gets bytes read, from any thread."""


class _Blocks:
    def __init__(self, reader: Reader, changes: Iterator[Change], full: bool) -> None:
        self.stream: dict[str, Any] = {"format": thin.FORMAT, "version": thin.VERSION, "flags": []}
        self._reader, self._changes, self._full = reader, changes, full

    def send(self, shipment: Shipment, workers: Workers, progress: Progress) -> None:
        send(shipment, self._reader, self._changes, self._full, workers, progress)


class _Bytes:
    def __init__(self, source: ByteSource, stream_format: str) -> None:
        self.stream: dict[str, Any] = {"format": stream_format, "version": "1", "flags": source.flags}
        self._source = source

    def send(self, shipment: Shipment, workers: Workers, progress: Progress) -> None:
        send_stream(shipment, self._source, workers, progress)


@contextlib.contextmanager
def opened(provider: Provider, choice: Choice, snapshot: Snapshot) -> Iterator[Source]:
    """The snapshot, or its differences from the base. Raises BaseLostError where the base must be chosen again."""
    with contextlib.ExitStack() as stack:
        try:
            source = _open(stack, provider, choice, snapshot)
        except VolumeError as error:
            if error.code in ("snapshot_gone", "snapshot_changed"):
                raise BaseLostError(error.msg) from error
            raise
        yield source


def _open(stack: contextlib.ExitStack, provider: Provider, choice: Choice, snapshot: Snapshot) -> Source:
    base = choice.base_snapshot
    if provider.sends != thin.FORMAT:
        streams = cast(StreamProvider, provider)
        return _Bytes(stack.enter_context(streams.send(base, snapshot, choice.flags)), provider.sends)
    blocks = cast(BlockProvider, provider)
    if base is None:
        reader = stack.enter_context(blocks.open(snapshot))
        return _Blocks(reader, reader.data(), True)
    reader, changes = stack.enter_context(blocks.changes(base, snapshot))
    return _Blocks(reader, changes, False)


def nothing_changed(provider: Provider, base: Snapshot, snapshot: Snapshot) -> bool:
    """Whether two snapshots have the same content (reads only); false where that can't be told."""
    if provider.sends != thin.FORMAT:
        return base.state_id == snapshot.state_id
    try:
        with cast(BlockProvider, provider).changes(base, snapshot) as (reader, changes):
            return reader.size == base.size and next(changes, None) is None
    except VolumeError:
        return False  # another run removed one of them; the next steps notice
