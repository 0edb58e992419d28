# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The data path of a backup whose provider makes its own stream (ZFS): read serially, stored by several workers.

Segments are cut at fixed places. A segment that an earlier run stored isn't sent again if the stream, read again, has
the same bytes there.
"""

from __future__ import annotations

import hashlib
import mmap
import queue
from collections.abc import Iterator
from typing import Callable, NamedTuple

from ..common.workers import Workers
from ..repository.data.segment_table import SHA256, Segment
from ..streams.frames import even
from ..volumes.provider import ByteSource
from .journal import StoredSegment
from .shipment import Shipment

SEGMENT_BYTES = 30 << 20  # of the stream in a segment; below 32 MiB for the reason given in :mod:`.send_blocks`


class StreamJob(NamedTuple):
    """One piece of the stream: its number, the buffer it is in, and its bytes."""

    number: int
    buffer: mmap.mmap
    length: int


def send_stream(shipment: Shipment, source: ByteSource, workers: Workers, progress: Callable[[int], None]) -> None:
    """Store all segments of a stream. ``progress`` gets bytes read, from any thread."""
    free: queue.SimpleQueue[mmap.mmap | None] = queue.SimpleQueue()
    for _each in range(workers.count + 1):
        free.put(None)  # made when it is needed
    count = 0

    def jobs() -> Iterator[StreamJob]:
        nonlocal count
        while True:
            # Private anonymous memory: pages come as they are filled, and only those.
            buffer = free.get() or mmap.mmap(-1, SEGMENT_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            length = source.read_into(memoryview(buffer))
            if length or not count:
                yield StreamJob(count, buffer, length)
                count += 1
            if length < SEGMENT_BYTES:
                return

    def work(job: StreamJob) -> None:
        try:
            _store(shipment, job)
        finally:
            free.put(job.buffer)
        progress(job.length)

    workers.each(jobs(), work)
    shipment.drop_beyond(count)


def _store(shipment: Shipment, job: StreamJob) -> None:
    plain = memoryview(job.buffer)[: job.length]
    codec = shipment.codec
    content = codec.digest(plain)
    if shipment.has(job.number, content):
        return
    stored, sizes = codec.encode(job.number, plain, even(job.length))
    digest = content if codec.transparent else hashlib.sha256(stored).digest()
    segment = Segment(job.number, len(stored), job.length, len(sizes), SHA256, digest, content)
    shipment.put(StoredSegment(segment, content, job.length, 0, 0), stored, b"")
