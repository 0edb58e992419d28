# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads any region of a backup without restoring it: few requests, each of about a MiB at most.

For each backup of the chain that may have the region: the page table once, one range of pages, and the frames that
hold the data. Members are opened as they are needed, from the newest down.
"""

from __future__ import annotations

import bisect
import collections
from collections.abc import Iterator, Sequence
from typing import Any

from ...common.errors import UsageError
from ...common.keys import corrupt
from ...streams import thin
from ...streams.codec import Codec, codec_for
from ...streams.index import MAPPED, RECORD, Extent, object_name, without
from ..catalog import Catalog
from ..manifest import Manifest
from .index_pages import PageTable, page_records

_BATCH = 4  # pages fetched at once
_CACHE = 64 << 20  # bytes of page tables and pages that are kept for the next read


class _Cache:
    """What was fetched last, of all members together, up to :data:`_CACHE` bytes."""

    def __init__(self) -> None:
        self._kept: collections.OrderedDict[object, tuple[Any, int]] = collections.OrderedDict()
        self._size = 0

    def find(self, key: object) -> Any:
        """What is kept under this key; ``None`` where nothing is."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key][0]

    def keep(self, key: object, value: Any, size: int) -> None:
        """Keep it; what was used longest ago goes."""
        self._kept[key] = (value, size)
        self._size += size
        while self._size > _CACHE and len(self._kept) > 1:
            self._size -= self._kept.popitem(last=False)[1][1]


class RandomAccess:
    """A chain of block backups, the full first. Not for several threads at once."""

    def __init__(self, catalog: Catalog, chain: Sequence[Manifest]) -> None:
        """Nothing is fetched yet. Raises UsageError for a stream that has no index."""
        backup = chain[-1]
        if backup.fields["stream"]["format"] != thin.FORMAT or backup.index is None:
            raise UsageError(
                f"backup {backup.id} of {backup.fields['volume']} has no index: its data can't be read in parts.",
                "Restore it, and read the restored volume.",
                code="no_index",
            )
        self.size = backup.size
        cache = _Cache()
        self._members = [_Member(catalog, manifest, cache) for manifest in chain]

    def read(self, offset: int, length: int) -> bytes:
        """These bytes of the volume, cut at its end. Each piece is compared with its digest. Raises CorruptError."""
        end = min(offset + length, self.size)
        found = bytearray(max(end - offset, 0))
        wanted = [(offset, end)] if offset < end else []
        for member in reversed(self._members):
            # what lies beyond the end of an older, smaller state is zero in it, and was never shipped before
            inside = [(start, min(stop, member.size)) for start, stop in wanted if start < member.size]
            wanted = []
            for start, stop in inside:
                covers = list(member.covering(start, stop))
                for extent in covers:
                    if extent.kind == MAPPED:
                        first, last = max(start, extent.offset), min(stop, extent.end)
                        data = member.data(extent)
                        found[first - offset : last - offset] = data[first - extent.offset : last - extent.offset]
                wanted += list(without(start, stop, iter(covers)))
            if not wanted:
                break
        return bytes(found)


class _Member:
    """One backup of the chain."""

    def __init__(self, catalog: Catalog, manifest: Manifest, cache: _Cache) -> None:
        self._catalog = catalog
        self._manifest = manifest
        self._cache = cache
        self._codecs: dict[int, Codec] = {}
        self._frame: tuple[Extent, memoryview] | None = None
        self.size = manifest.size

    def _codec(self, source: int) -> Codec:
        if source not in self._codecs:
            found = self._manifest.sources[source]
            self._codecs[source] = codec_for(found.fields, found.id, self._catalog.keyring)
        return self._codecs[source]

    def covering(self, start: int, end: int) -> Iterator[Extent]:
        """The extents that touch ``[start, end)``, in order."""
        table = self._table()
        if not len(table):
            return
        numbers = range(table.at(start), max(bisect.bisect_left(table, end), table.at(start) + 1))
        for at in range(0, len(numbers), _BATCH):
            for page in self._fetch(table, numbers[at : at + _BATCH]):
                for fields in RECORD.iter_unpack(page):
                    if fields[0] >= end:
                        return
                    if fields[0] + fields[1] > start:
                        yield Extent(*fields)

    def _table(self) -> PageTable:
        found: PageTable | None = self._cache.find(self._manifest.id)
        if found is None:
            found = PageTable(self._catalog.store, self._manifest, self._codec(0))
            self._cache.keep(self._manifest.id, found, found.bytes)
        return found

    def _fetch(self, table: PageTable, numbers: Sequence[int]) -> list[bytes]:
        """The records of these pages: neighbours in one object are fetched by one request."""
        found: dict[int, bytes] = {}
        for number in numbers:
            kept = self._cache.find((self._manifest.id, number))
            if kept is not None:
                found[number] = kept
        missing = [number for number in numbers if number not in found]
        while missing:
            container = table.page(missing[0]).object
            group = [number for number in missing if table.page(number).object == container]
            missing = missing[len(group) :]
            first, last = table.page(group[0]), table.page(group[-1])
            key = self._manifest.key.data + object_name(container)
            stored = self._catalog.store.get_range(key, first.at, last.at + last.size - first.at)
            if stored is None:
                raise corrupt(key, "the index is missing.")
            for number in group:
                page = table.page(number)
                piece = stored[page.at - first.at : page.at - first.at + page.size]
                found[number] = page_records(self._manifest, self._codec(0), number, page, piece, 0)
                self._cache.keep((self._manifest.id, number), found[number], len(found[number]))
        return [found[number] for number in numbers]

    def data(self, extent: Extent) -> memoryview:
        """The data of an extent, compared with its digest."""
        source = self._manifest.sources[extent.source]
        key = f"{source.prefix}{extent.segment:08d}"
        plain = self._plain(key, extent)
        data = plain[extent.place : extent.place + extent.length]
        if self._codec(extent.source).digest(data) != extent.digest:
            raise corrupt(key, f"its data at byte {extent.offset} doesn't match the index.")
        return data

    def _plain(self, key: str, extent: Extent) -> memoryview:
        """The frame that holds an extent. The last one is kept: neighbours often share it."""
        if self._frame is not None:
            kept, plain = self._frame
            if (kept.source, kept.segment, kept.frame) == (extent.source, extent.segment, extent.frame):
                return plain
        stored = self._catalog.store.get_range(key, extent.frame_at, extent.frame_size)
        if stored is None:
            raise corrupt(key, "the segment is missing.")
        codec = self._codec(extent.source)
        plain = memoryview(codec.frame(key, extent.segment, extent.frame, memoryview(stored)))
        self._frame = (extent, plain)
        return plain
