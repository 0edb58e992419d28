# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The index of a shipment: each extent it carries, in rising order, with the digest of its plain data.

A record is 56 bytes, big-endian: u64 offset, u64 length (bytes), u32 segment number, u32 kind (0 data, 1 unmapped),
32 bytes digest (SHA-256 of the data, HMAC-SHA256 of it where encrypted; zeros for unmapped). Data extents are at most
1 MiB. Parts hold up to 1,048,576 records; encrypted parts are sealed whole.
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from typing import Callable, NamedTuple

from ..common.errors import CorruptError
from .thin import Readable

RECORD = struct.Struct(">QQII32s")
EXTENT_BYTES = 1 << 20
PART_RECORDS = 1 << 20
MAPPED, UNMAPPED = 0, 1
NO_DIGEST = bytes(32)
Digest = Callable[[Readable], bytes]


class Extent(NamedTuple):
    """One record. Offset and length in bytes."""

    offset: int
    length: int
    segment: int
    kind: int
    digest: bytes

    @property
    def end(self) -> int:
        return self.offset + self.length


def digester(key: bytes | None) -> Digest:
    """The digest function of a shipment: keyed where it is encrypted."""
    if key is None:
        return lambda data: hashlib.sha256(data).digest()
    secret: bytes = key
    return lambda data: hmac.digest(secret, data, "sha256")


def pack(extents: Sequence[Extent]) -> bytes:
    """Records one after the other."""
    return b"".join(RECORD.pack(*extent) for extent in extents)


def part_name(number: int) -> str:
    """``index``, then ``index-00000001`` and so on."""
    return "index" if number == 0 else f"index-{number:08d}"


class Index:
    """All records of one shipment, in a buffer (a memory map). Records are unpacked only when they are used."""

    def __init__(self, records: bytes | memoryview, size: int) -> None:
        """``size``: bytes of the volume; extents past it, overlapping or out of order raise CorruptError."""
        if len(records) % RECORD.size:
            raise CorruptError("the index is cut short.")
        self._records = records
        self.count = len(records) // RECORD.size
        self._offsets = _Offsets(records, self.count)
        self._check(size)

    def _check(self, size: int) -> None:
        reached, segment = 0, 0
        for offset, length, number, kind, _digest in RECORD.iter_unpack(self._records):
            if offset < reached or length == 0 or number < segment or offset + length > size:
                raise CorruptError("invalid index: extents overlap or reach past the end of the volume.")
            if kind > UNMAPPED or (kind == MAPPED and length > EXTENT_BYTES):
                raise CorruptError("invalid index: an extent has an unknown kind or is too long.")
            reached, segment = offset + length, number

    def __getitem__(self, position: int) -> Extent:
        return Extent(*RECORD.unpack_from(self._records, position * RECORD.size))

    def __iter__(self) -> Iterator[Extent]:
        return (Extent(*fields) for fields in RECORD.iter_unpack(self._records))

    def overlapping(self, start: int, end: int) -> Iterator[Extent]:
        """The extents that touch ``[start, end)``, in order."""
        position = max(bisect.bisect_right(self._offsets, start) - 1, 0)
        while position < self.count:
            extent = self[position]
            if extent.offset >= end:
                return
            if extent.end > start:
                yield extent
            position += 1

    def by_segment(self) -> Iterator[tuple[int, list[Extent]]]:
        """Segment numbers with their extents, in order."""
        number = -1
        group: list[Extent] = []
        for extent in self:
            if extent.segment != number:
                if group:
                    yield number, group
                number, group = extent.segment, []
            group.append(extent)
        if group:
            yield number, group


class _Offsets(Sequence[int]):
    """The offsets of all records as a sequence, for bisection."""

    def __init__(self, records: bytes | memoryview, count: int) -> None:
        self._records = records
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position):  # type: ignore[no-untyped-def]  # bisect asks for single positions only
        return struct.unpack_from(">Q", self._records, position * RECORD.size)[0]


class Layer(NamedTuple):
    """One backup of a chain as restore sees it: its index and the volume's size (bytes) at that time."""

    records: Index
    size: int


def live_pieces(extent: Extent, above: Sequence[Layer]) -> list[tuple[int, int]]:
    """The parts ``(start, end)`` of an extent that no later backup of the chain replaced, unmapped or cut off."""
    pieces = [(extent.offset, extent.end)]
    for layer in above:
        pieces = [(start, min(end, layer.size)) for start, end in pieces if start < layer.size]
        pieces = [rest for start, end in pieces for rest in _without(start, end, layer.records)]
        if not pieces:
            break
    return pieces


def _without(start: int, end: int, index: Index) -> Iterator[tuple[int, int]]:
    for cover in index.overlapping(start, end):
        if cover.offset > start:
            yield start, cover.offset
        start = cover.end
        if start >= end:
            return
    yield start, end
