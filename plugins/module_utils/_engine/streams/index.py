# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The index of a shipment: each chunk of its stream in rising order, where it lies, and the digest of its plain data.

A record is 76 bytes, big-endian: u64 offset and u64 length in the volume (bytes), u16 source (which shipment has the
data; 0: this one), u8 kind (0 data, 1 unmapped), u8 flags (1: the frame is the last of its segment), u32 segment, u32
frame, u32 offset of the frame in the stored segment, u32 bytes of the frame as stored, u32 plain bytes of the frame,
u32 where in the plain frame the data begins, 32 bytes digest (SHA-256 of the data, HMAC-SHA256 of it where encrypted;
zeros for unmapped). Pages hold 4,096 records, the last one the rest.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple, Protocol

from ..common.errors import CorruptError
from .frames import FRAME_LIMIT, STORED_LIMIT, Frame
from .thin import Readable

RECORD = struct.Struct(">QQHBBIIIIII32s")
PAGE_RECORDS = 4096
PAGE = struct.Struct(">QIIII32s")  # of the page table: first offset, object, offset in it, bytes, records, SHA-256
EXTENT_BYTES = 1 << 20
MAPPED, UNMAPPED = 0, 1
LAST = 1  # flag: the frame is the last of its segment
NO_DIGEST = bytes(32)
_SEGMENT_LIMIT = 66 << 20  # bytes of a stored segment
Digest = Callable[[Readable], bytes]


class Extent(NamedTuple):
    """One record. Offsets, lengths and sizes in bytes."""

    offset: int
    length: int
    source: int
    kind: int
    flags: int
    segment: int
    frame_number: int
    frame_at: int
    frame_size: int
    frame_plain: int
    place: int
    digest: bytes

    @property
    def end(self) -> int:
        return self.offset + self.length

    @property
    def frame(self) -> Frame:
        """Where its frame lies in the stored segment."""
        last = bool(self.flags & LAST)
        return Frame(self.frame_number, self.frame_at, self.frame_size, self.frame_plain, last)


class Page(NamedTuple):
    """One page, by the page table: where it lies in which object, and its SHA-256 as stored."""

    first: int
    object: int
    at: int
    size: int
    records: int
    sha256: bytes


class RecordStore(Protocol):
    """Records in their order, wherever they are kept."""

    def __len__(self) -> int: ...

    def blocks(self) -> Iterator[bytes]:
        """All of them, in blocks of whole records."""

    def block(self, number: int) -> bytes:
        """The records from ``number * BLOCK`` on, up to :data:`BLOCK` of them."""


BLOCK = 512  # records that are read at once where few are wanted


def digester(key: bytes | None) -> Digest:
    """The digest function of a shipment: keyed where it is encrypted."""
    if key is None:
        return lambda data: hashlib.sha256(data).digest()
    secret: bytes = key
    return lambda data: hmac.digest(secret, data, "sha256")


def pack(extents: Sequence[Extent]) -> bytes:
    """Records one after the other."""
    return b"".join(RECORD.pack(*extent) for extent in extents)


def object_name(number: int) -> str:
    """The name of an object of index pages: ``index-00000000`` and so on."""
    return f"index-{number:08d}"


def check_records(records: Readable, reached: int, size: int, sources: int) -> int:
    """Check records that follow offset ``reached`` of a volume of ``size`` bytes; where the last one ends.

    ``sources``: how many shipments they may name. Raises CorruptError.
    """
    for record in RECORD.iter_unpack(records):
        offset, length, source, kind, _flags, _segment, _frame, at, stored, plain, place, _digest = record
        if offset < reached or length == 0 or offset + length > size:
            raise CorruptError("invalid index: extents overlap or reach past the end of the volume.")
        if kind > UNMAPPED or (kind == MAPPED and length > EXTENT_BYTES):
            raise CorruptError("invalid index: an extent has an unknown kind or is too long.")
        data = length if kind == MAPPED else 0
        if plain > FRAME_LIMIT or stored > STORED_LIMIT or at + stored > _SEGMENT_LIMIT or place + data > plain:
            raise CorruptError("invalid index: a frame is too large, or an extent lies outside of its frame.")
        if source >= sources:
            raise CorruptError("invalid index: an extent lies in a shipment that the manifest doesn't name.")
        reached = offset + length
    return reached


class Index:
    """All records of one shipment, checked before. Unpacked only when they are used."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records
        self._firsts = _Firsts(records)

    @property
    def count(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Extent]:
        for block in self._records.blocks():
            for fields in RECORD.iter_unpack(block):
                yield Extent(*fields)

    def overlapping(self, start: int, end: int) -> Iterator[Extent]:
        """The extents that touch ``[start, end)``, in order."""
        number = max(bisect.bisect_right(self._firsts, start) - 1, 0)
        while number < len(self._firsts):
            block = self._records.block(number)
            for at in range(self._before(block, start), len(block), RECORD.size):
                offset, length = _PLACE.unpack_from(block, at)
                if offset >= end:
                    return
                if offset + length > start:
                    yield Extent(*RECORD.unpack_from(block, at))
            number += 1

    @staticmethod
    def _before(block: bytes, start: int) -> int:
        """Where in a block the last record at or before ``start`` is."""
        low, high = 0, len(block) // RECORD.size
        while low < high:
            middle = (low + high) // 2
            if _PLACE.unpack_from(block, middle * RECORD.size)[0] <= start:
                low = middle + 1
            else:
                high = middle
        return max(low - 1, 0) * RECORD.size

    def by_segment(self) -> Iterator[tuple[int, int, list[Extent]]]:
        """Source and number of segments with their extents, in order."""
        place = (-1, -1)
        group: list[Extent] = []
        for extent in self:
            if (extent.source, extent.segment) != place:
                if group:
                    yield (*place, group)
                place, group = (extent.source, extent.segment), []
            group.append(extent)
        if group:
            yield (*place, group)


_PLACE = struct.Struct(">QQ")


class _Firsts(Sequence[int]):
    """The offset of the first record of each block as a sequence, for bisection."""

    def __init__(self, records: RecordStore) -> None:
        self._records = records

    def __len__(self) -> int:
        return -(-len(self._records) // BLOCK)

    def __getitem__(self, position):  # type: ignore[no-untyped-def]  # bisect asks for single positions only
        return _PLACE.unpack_from(self._records.block(position))[0]


class Layer(NamedTuple):
    """One backup of a chain as restore sees it: its index and the volume's size (bytes) at that time."""

    records: Index
    size: int


def live_pieces(extent: Extent, above: Sequence[Layer]) -> list[tuple[int, int]]:
    """The parts ``(start, end)`` of an extent that no later backup of the chain replaced, unmapped or cut off."""
    pieces = [(extent.offset, extent.end)]
    for layer in above:
        pieces = [(start, min(end, layer.size)) for start, end in pieces if start < layer.size]
        pieces = [rest for start, end in pieces for rest in without(start, end, layer.records.overlapping(start, end))]
        if not pieces:
            break
    return pieces


def without(start: int, end: int, covers: Iterator[Extent]) -> Iterator[tuple[int, int]]:
    """What of ``[start, end)`` these extents, in order, leave uncovered."""
    for cover in covers:
        if cover.offset > start:
            yield start, cover.offset
        start = cover.end
        if start >= end:
            return
    yield start, end
