# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The index of a shipment as it is stored: pages of records, packed into objects, and a table of the pages."""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Callable

from ...common.errors import CorruptError
from ...common.keys import corrupt
from ...remotes.store import ObjectStore
from ...streams.codec import Codec
from ...streams.index import (
    BLOCK,
    PAGE,
    PAGE_RECORDS,
    RECORD,
    Extent,
    Index,
    Page,
    check_records,
    object_name,
)
from ...streams.thin import Readable
from ..manifest import Manifest
from .spool import Records, Spool

TABLE = "index"  # the object with the table of pages
OBJECT_LIMIT = 64 << 20  # bytes of an object of pages, at most
_PAGE_BYTES = PAGE_RECORDS * RECORD.size
_PAGE_STORED = _PAGE_BYTES + (64 << 10)  # what compression and encryption may add, amply
_SLACK = 1 << 20


def write_index(codec: Codec, records: Iterable[bytes], put: Callable[[str, Readable, str], None]) -> dict[str, Any]:
    """Store an index; its field in the manifest, without ``digests``.

    ``records``: whole records, in order. ``put`` gets name, bytes and their SHA-256 in hex.
    """
    objects: list[list[Any]] = []
    table = bytearray()
    content = bytearray()
    count = pages = 0

    def end_object() -> None:
        if content:
            sha256 = hashlib.sha256(content).hexdigest()
            put(object_name(len(objects)), content, sha256)
            objects.append([len(content), f"sha256:{sha256}"])

    for page in _paged(records):
        stored = codec.encode_page(f"page {pages}", page)
        if len(content) + len(stored) > OBJECT_LIMIT:
            end_object()
            content = bytearray()
        first, held = RECORD.unpack_from(page)[0], len(page) // RECORD.size
        digest = hashlib.sha256(stored).digest()
        table += PAGE.pack(first, len(objects), len(content), len(stored), held, digest)
        content += stored
        count += held
        pages += 1
    end_object()
    stored = codec.encode_page(TABLE, bytes(table))
    sha256 = hashlib.sha256(stored).hexdigest()
    put(TABLE, stored, sha256)
    return {"records": count, "pages": pages, "size": len(stored), "digest": f"sha256:{sha256}", "objects": objects}


def _paged(pieces: Iterable[bytes]) -> Iterator[bytes]:
    page = bytearray()
    for records in pieces:
        page += records
        while len(page) >= _PAGE_BYTES:
            yield bytes(page[:_PAGE_BYTES])
            del page[:_PAGE_BYTES]
    if page:
        yield bytes(page)


def index_objects(described: dict[str, Any] | None) -> list[tuple[str, int]]:
    """Name and size of each object of an index, by the manifest's field."""
    if described is None:
        return []
    return [(TABLE, described["size"]), *((object_name(n), each[0]) for n, each in enumerate(described["objects"]))]


class PageTable(Sequence[int]):
    """The table of an index's pages, checked. As a sequence: the first offset of each page."""

    def __init__(self, store: ObjectStore, manifest: Manifest, codec: Codec) -> None:
        """Fetches it: one request. Raises CorruptError about it."""
        described = manifest.index or {}
        self._pages: int = described["pages"]
        self._sizes: list[int] = [size for size, _digest in described["objects"]]
        self._records: int = described["records"]
        self._key = key = manifest.key.data + TABLE
        stored = store.get(key, described["size"])
        if stored is None:
            raise corrupt(key, "the index is missing.")
        sha256 = bytes.fromhex(described["digest"][7:])
        self._rows: Readable = codec.page(key, TABLE, stored, sha256, self._pages * PAGE.size)
        self._check()

    def _check(self) -> None:
        before, place, held = -1, (-1, 0), 0
        for number, (first, container, at, size, records, _digest) in enumerate(PAGE.iter_unpack(self._rows)):
            follows = (container, at) == place or (container, at) == (place[0] + 1, 0)
            if first <= before or not follows or size > _PAGE_STORED or container >= len(self._sizes):
                raise corrupt(self._key, "the table of pages is invalid.")
            if at + size > self._sizes[container] or not 0 < records <= PAGE_RECORDS:
                raise corrupt(self._key, "the table of pages is invalid.")
            if records < PAGE_RECORDS and number < self._pages - 1:
                raise corrupt(self._key, "the table of pages is invalid.")
            before, place, held = first, (container, at + size), held + records
        if held != self._records:
            raise corrupt(self._key, "the table of pages is invalid.")

    def __len__(self) -> int:
        return self._pages

    def __getitem__(self, number):  # type: ignore[no-untyped-def]  # bisect asks for single positions only
        return self.page(number).first

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return len(self._rows)

    def page(self, number: int) -> Page:
        return Page(*PAGE.unpack_from(self._rows, number * PAGE.size))

    def at(self, offset: int) -> int:
        """The number of the page that would have a record for this offset."""
        return max(bisect.bisect_right(self, offset) - 1, 0)


def page_records(manifest: Manifest, codec: Codec, number: int, page: Page, stored: Readable, reached: int) -> bytes:
    """The records of a page, checked. ``reached``: where the records before it end, as far as known.

    Raises CorruptError about the object that has it.
    """
    key = manifest.key.data + object_name(page.object)
    records = bytes(codec.page(key, f"page {number}", stored, page.sha256, page.records * RECORD.size))
    try:
        check_records(records, max(reached, page.first), manifest.size, len(manifest.sources))
    except CorruptError as error:
        raise corrupt(key, error.msg) from error
    if RECORD.unpack_from(records)[0] != page.first:
        raise corrupt(key, "a page of the index begins at another offset than the table says.")
    return records


def fetch_index(store: ObjectStore, manifest: Manifest, codec: Codec, spool: Spool) -> Index:
    """All records of a shipment's index, fetched into the spool and checked. Raises CorruptError."""
    table = PageTable(store, manifest, codec)
    start, reached = len(spool), 0
    content, current = memoryview(b""), -1
    for number in range(len(table)):
        page = table.page(number)
        if page.object != current:
            current = page.object
            key = manifest.key.data + object_name(current)
            data = store.get(key, OBJECT_LIMIT + _SLACK)
            if data is None:
                raise corrupt(key, "the index is missing.")
            content = memoryview(data)
        stored = content[page.at : page.at + page.size]
        records = page_records(manifest, codec, number, page, stored, reached)
        last = Extent(*RECORD.unpack_from(records, len(records) - RECORD.size))
        reached = last.end
        spool.append(records)
    count = (manifest.index or {}).get("records", 0)
    return Index(Records(spool, start, count, RECORD.size, BLOCK))
