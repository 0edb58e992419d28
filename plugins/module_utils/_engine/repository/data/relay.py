# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The data path of a restore from streams that only one kind of volume can receive (ZFS).

Segments are fetched and checked by several workers, a bounded number ahead, and written in their order.
"""

from __future__ import annotations

import collections
import concurrent.futures
import functools
import threading
from collections.abc import Iterator
from typing import Callable

from ...common.keys import corrupt
from ...common.workers import Workers
from ...streams.codec import Codec, codec_for
from ...streams.thin import Readable
from ...volumes.provider import StreamTarget
from ..catalog import Catalog, require_objects
from ..manifest import Manifest
from .segment_table import Segment, SegmentTable, check_stored
from .spool import Spool


class Relay:
    """The streams of a chain, the full first. A context manager: it keeps the tables of segments."""

    def __init__(self, catalog: Catalog, chain: list[Manifest]) -> None:
        """Raises CorruptError about a table that is missing or invalid."""
        self._catalog = catalog
        self._chain = chain
        self._spool = Spool(catalog.host)
        self._lock = threading.Lock()
        self.fetched = 0
        self.written = 0
        try:
            self._tables = [
                SegmentTable.fetch(catalog.store, each.key.data, each.fields["segments"], self._spool) for each in chain
            ]
        except BaseException:
            self._spool.close()
            raise
        self.size = sum(self._plain_size(position) for position in range(len(chain)))

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._spool.close()

    def _plain_size(self, position: int) -> int:
        return sum(segment.plain for segment in self._tables[position])

    def check(self) -> None:
        """See that every object exists in its size. Raises CorruptError."""
        for manifest in self._chain:
            require_objects(self._catalog, manifest)

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target needs at least, and bytes that progress will count in all."""
        # Later streams may replace data of earlier ones, so only the volume's own size is certainly needed.
        return min(self.size, self._chain[-1].size), self.size

    def _codec(self, manifest: Manifest) -> Codec:
        return codec_for(manifest.fields, manifest.id, self._catalog.keyring)

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        """Fetch every segment and compare it with what was recorded. ``progress``: bytes so far."""
        for manifest, table in zip(self._chain, self._tables):
            workers.each(table, functools.partial(self._read_one, table, self._codec(manifest)))
            progress(self.fetched)

    def _read_one(self, table: SegmentTable, codec: Codec, segment: Segment) -> None:
        self._segment(table, codec, True, segment)

    def run(self, target: StreamTarget, workers: Workers, progress: Callable[[int], None]) -> None:
        """Write what the target lacks. ``progress`` gets bytes of the streams."""
        done = target.has([manifest.fields["state_id"] for manifest in self._chain])
        progress(sum(self._plain_size(position) for position in range(done)))
        with concurrent.futures.ThreadPoolExecutor(workers.count, thread_name_prefix="fetch") as pool:
            for manifest, table in list(zip(self._chain, self._tables))[done:]:
                fetch = functools.partial(self._segment, table, self._codec(manifest), False)
                with target.receiving(manifest.fields["state_id"]) as write:
                    for plain in _ahead(pool, fetch, table, workers.count + 1):
                        write(memoryview(plain))
                        self.written += len(plain)
                        progress(len(plain))

    def _segment(self, table: SegmentTable, codec: Codec, proving: bool, segment: Segment) -> Readable:
        """The plain bytes of one segment, checked. ``proving``: compare what is stored, too. Raises CorruptError."""
        key = table.key(segment)
        stored = self._catalog.store.get(key, segment.size)
        if stored is None:
            raise corrupt(key, "the segment is missing.")
        with self._lock:
            self.fetched += len(stored)
        if proving and not codec.transparent:
            check_stored(key, segment, stored)
        plain = codec.segment(key, segment.number, stored, segment.plain)
        if codec.digest(plain) != segment.content:
            raise corrupt(key, "its data doesn't match the recorded digest.")
        return plain


def _ahead(
    pool: concurrent.futures.ThreadPoolExecutor,
    fetch: Callable[[Segment], Readable],
    table: SegmentTable,
    ahead: int,
) -> Iterator[Readable]:
    """The plain bytes of all segments in order; at most ``ahead`` more are being fetched."""
    running: collections.deque[concurrent.futures.Future[Readable]] = collections.deque()
    try:
        for segment in table:
            running.append(pool.submit(fetch, segment))
            if len(running) > ahead:
                yield running.popleft().result()
        while running:
            yield running.popleft().result()
    finally:
        for future in running:
            future.cancel()
