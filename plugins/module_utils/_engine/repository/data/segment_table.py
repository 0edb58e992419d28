# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The table of a shipment's segments: what is stored under data/, one record of 80 bytes for each segment.

Big-endian: u32 number, u32 bytes as stored, u32 plain bytes, u16 frames, u8 type of the digest, u8 zero, 32 bytes
digest of what is stored, 32 bytes digest of the plain bytes (of streams without an index; else zeros). It isn't
encrypted, so that what is stored can be checked without a key.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from ...common.errors import CorruptError
from ...common.keys import corrupt
from ...remotes.store import ObjectStore
from ...streams import thin
from ...streams.index import NO_DIGEST
from ...streams.thin import Readable
from .spool import Records, Spool

ROW = struct.Struct(">IIIHBB32s32s")
ROWS = 838_860  # in one object, 64 MiB
SEGMENT_PLAIN = 64 << 20  # bytes of stream in a segment, at most
SEGMENT_STORED = 66 << 20  # bytes of a stored segment, at most
SHA256, SHA256_CHUNKS = 0, 1  # types of the digest of what is stored
_BLOCK = 512


class Segment(NamedTuple):
    """One stored segment. ``kind`` is the type of ``digest``; ``content`` the digest of its plain bytes, or zeros."""

    number: int
    size: int
    plain: int
    frames: int
    kind: int
    digest: bytes
    content: bytes = NO_DIGEST

    @property
    def name(self) -> str:
        return f"{self.number:08d}"

    def pack(self) -> bytes:
        """Its record."""
        return ROW.pack(*self[:5], 0, *self[5:])


def unpack(rows: Readable) -> Iterator[Segment]:
    """The segments of records one after the other."""
    for number, size, plain, frames, kind, _zero, digest, content in ROW.iter_unpack(rows):
        yield Segment(number, size, plain, frames, kind, digest, content)


def objects(count: int) -> list[tuple[str, int]]:
    """Name and size of each object that a table of ``count`` segments has."""
    pieces = [min(ROWS, count - first) for first in range(0, count, ROWS)] or [0]
    names = ["segments", *(f"segments-{number:08d}" for number in range(1, len(pieces)))]
    return [(name, rows * ROW.size) for name, rows in zip(names, pieces)]


def table_rows(store: ObjectStore, prefix: str, described: dict[str, Any]) -> Iterator[bytes]:
    """The records of the table below ``prefix`` that a manifest describes, object by object, their order checked.

    The digest is that of the whole table, so of several objects only the last comes after it was compared. Raises
    CorruptError about the object at fault.
    """
    digest, last, key = hashlib.sha256(), -1, prefix + "segments"
    pieces = objects(described["count"])
    for position, (name, size) in enumerate(pieces, 1):
        rows = store.get(prefix + name, size)
        if rows is None or len(rows) != size:
            raise corrupt(prefix + name, "the table of segments is missing or cut short.")
        digest.update(rows)
        if position == len(pieces) and "sha256:" + digest.hexdigest() != described["digest"]:
            raise corrupt(key, "the table of segments was changed: its digest doesn't match.")
        for number, stored, plain, _frames, kind, zero, _digest, _content in ROW.iter_unpack(rows):
            if number <= last or stored > SEGMENT_STORED or plain > SEGMENT_PLAIN or kind > SHA256_CHUNKS or zero:
                raise corrupt(key, "the table of segments is invalid.")
            last = number
        yield rows


class SegmentTable:
    """A table that was fetched and checked, in a spool."""

    def __init__(self, prefix: str, rows: Records) -> None:
        self.prefix = prefix  # of the keys of the segments
        self._rows = rows

    @classmethod
    def fetch(cls, store: ObjectStore, prefix: str, described: dict[str, Any], spool: Spool) -> SegmentTable:
        """The table below ``prefix`` that a manifest describes. Raises CorruptError about the object at fault."""
        start = len(spool)
        for rows in table_rows(store, prefix, described):
            spool.append(rows)
        return cls(prefix, Records(spool, start, described["count"], ROW.size, _BLOCK))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Segment]:
        for block in self._rows.blocks():
            yield from unpack(block)

    def find(self, number: int) -> Segment | None:
        """The segment of this number."""
        low, high = 0, len(self._rows)
        while low < high:
            middle = (low + high) // 2
            found = self._row(middle)
            if found.number == number:
                return found
            if found.number < number:
                low = middle + 1
            else:
                high = middle
        return None

    def _row(self, position: int) -> Segment:
        block = self._rows.block(position // _BLOCK)
        at = position % _BLOCK * ROW.size
        return next(unpack(block[at : at + ROW.size]))

    @property
    def last(self) -> Segment:
        """The segment with the highest number. The table isn't empty."""
        return self._row(len(self._rows) - 1)

    def key(self, segment: Segment) -> str:
        return self.prefix + segment.name


def chunks_digest(stored: Readable, digests: Iterator[bytes] | None = None) -> bytes:
    """The digest of type sha256-chunks of a segment that is stored as it is.

    For each chunk its header, then the SHA-256 of its data (``digests``, where they are known already) or, of other
    chunks, their payload. Raises CorruptError if these are no whole chunks.
    """
    total = hashlib.sha256()
    view = memoryview(stored)
    for chunk in thin.chunks(view):
        total.update(view[chunk.at - thin.HEADER.size : chunk.at])
        if chunk.command == thin.DATA:
            known = next(digests, None) if digests is not None else None
            total.update(known or hashlib.sha256(view[chunk.at : chunk.at + chunk.length]).digest())
        elif chunk.command == thin.END:
            total.update(view[chunk.at : chunk.at + chunk.length])
    return total.digest()


def check_stored(key: str, segment: Segment, stored: Readable) -> None:
    """Compare a stored segment with its digest; needs no key. Raises CorruptError about it."""
    try:
        found = chunks_digest(stored) if segment.kind == SHA256_CHUNKS else hashlib.sha256(stored).digest()
    except CorruptError as error:
        raise corrupt(key, error.msg) from error
    if found != segment.digest:
        raise corrupt(key, "the stored bytes were changed: the digest doesn't match.")
