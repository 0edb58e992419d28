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
from collections.abc import Iterator
from typing import Callable

from ..common.keys import corrupt
from ..common.workers import Workers
from ..streams.codec import Codec, codec_for
from ..streams.thin import Readable
from ..volumes.provider import StreamTarget
from .catalog import Catalog, require_objects
from .manifest import Manifest, Segment


class Relay:
    """The streams of a chain, the full first."""

    def __init__(self, catalog: Catalog, chain: list[Manifest]) -> None:
        self._catalog = catalog
        self._chain = chain
        self.size = sum(segment.plain for manifest in chain for segment in manifest.segments)
        self.fetched = 0
        self.written = 0

    def check(self) -> None:
        """See that every object exists in its size. Raises CorruptError."""
        for manifest in self._chain:
            require_objects(self._catalog, manifest)

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target needs at least, and bytes that progress will count in all."""
        # Later streams may replace data of earlier ones, so only the volume's own size is certainly needed.
        return min(self.size, self._chain[-1].size), self.size

    def read_all(self, workers: Workers, progress: Callable[[int], None]) -> None:
        """Fetch every segment and compare it with what was recorded. ``progress``: bytes so far."""
        for manifest in self._chain:
            codec = codec_for(manifest.fields, manifest.id, self._catalog.keyring)
            pairs = zip(manifest.segments, manifest.fields["stream"]["digests"])
            workers.each(pairs, functools.partial(self._read_one, manifest, codec))
            self.fetched += sum(segment.size for segment in manifest.segments)
            progress(self.fetched)

    def _read_one(self, manifest: Manifest, codec: Codec, pair: tuple[Segment, str]) -> None:
        segment, digest = pair
        if codec.digest(read_segment(self._catalog, manifest, codec, segment)).hex() != digest:
            raise corrupt(manifest.key.data + segment.name, "its data doesn't match the manifest.")

    def run(self, target: StreamTarget, workers: Workers, progress: Callable[[int], None]) -> None:
        """Write what the target lacks. ``progress`` gets bytes of the streams."""
        done = target.has([manifest.fields["state_id"] for manifest in self._chain])
        progress(sum(segment.plain for manifest in self._chain[:done] for segment in manifest.segments))
        with concurrent.futures.ThreadPoolExecutor(workers.count, thread_name_prefix="fetch") as pool:
            for manifest in self._chain[done:]:
                with target.receiving(manifest.fields["state_id"]) as write:
                    for plain in self._plain(manifest, pool, workers.count + 1):
                        write(memoryview(plain))
                        self.written += len(plain)
                        progress(len(plain))

    def _plain(self, manifest: Manifest, pool: concurrent.futures.ThreadPoolExecutor, ahead: int) -> Iterator[Readable]:
        codec = codec_for(manifest.fields, manifest.id, self._catalog.keyring)
        running: collections.deque[concurrent.futures.Future[Readable]] = collections.deque()
        try:
            for segment in manifest.segments:
                running.append(pool.submit(read_segment, self._catalog, manifest, codec, segment))
                self.fetched += segment.size
                if len(running) > ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


def read_segment(catalog: Catalog, manifest: Manifest, codec: Codec, segment: Segment) -> Readable:
    """The plain bytes of one segment, checked. Raises CorruptError about it."""
    key = manifest.key.data + segment.name
    stored = catalog.store.get(key, segment.size)
    if stored is None:
        raise corrupt(key, "the segment is missing.")
    return codec.decode(key, segment.name, stored, segment.sha256, segment.plain)
