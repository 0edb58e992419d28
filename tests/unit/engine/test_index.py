# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The index: its bytes, what is refused, and which parts of a chain still matter, against a model of single bytes."""

from __future__ import annotations

import hashlib
import hmac
import random
from collections.abc import Iterator

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import index
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.frames import FRAME_LIMIT
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.index import (
    MAPPED,
    NO_DIGEST,
    UNMAPPED,
    Extent,
    Index,
    Layer,
    live_pieces,
)

MIB = 1 << 20


class Memory:
    """Records in memory, as a spool gives them."""

    def __init__(self, extents: list[Extent]) -> None:
        self._packed = index.pack(extents)
        self._block = index.BLOCK * index.RECORD.size

    def __len__(self) -> int:
        return len(self._packed) // index.RECORD.size

    def blocks(self) -> Iterator[bytes]:
        yield self._packed

    def block(self, number: int) -> bytes:
        return self._packed[number * self._block : (number + 1) * self._block]


def extent(
    offset: int, length: int, segment: int, kind: int = MAPPED, digest: bytes = NO_DIGEST, **other: int
) -> Extent:
    made = {"source": 0, "flags": 0, "frame_number": 0, "frame_at": 0, "frame_size": 2 * MIB, "place": 0, **other}
    made.setdefault("frame_plain", min(made["place"] + length, FRAME_LIMIT))
    made["frame_size"] = min(made["frame_size"], made["frame_plain"])
    return Extent(offset=offset, length=length, kind=kind, segment=segment, digest=digest, **made)


def index_of(extents: list[Extent]) -> Index:
    return Index(Memory(extents))


def test_a_record_is_76_bytes_big_endian() -> None:
    digest = hashlib.sha256(b"x").digest()
    packed = index.pack([Extent(1 << 40, 2, 3, UNMAPPED, 1, 4, 5, 6, 7, 8, 9, digest)])
    assert packed == (
        (1 << 40).to_bytes(8, "big")
        + (2).to_bytes(8, "big")
        + (3).to_bytes(2, "big")
        + b"\1\1"
        + b"".join(number.to_bytes(4, "big") for number in range(4, 10))
        + digest
    )
    assert index.RECORD.size == 76
    assert Extent(*index.RECORD.unpack(packed)).frame == (5, 6, 7, 8, True)


def test_digests_are_keyed_where_there_is_a_key() -> None:
    assert index.digester(None)(b"data") == hashlib.sha256(b"data").digest()
    assert index.digester(b"k")(memoryview(b"data")) == hmac.new(b"k", b"data", hashlib.sha256).digest()


def test_records_are_given_back() -> None:
    extents = [extent(10 * n, 7, n // 3, n % 2, bytes([n % 256]) * 32) for n in range(2000)]
    found = index_of(extents)
    assert found.count == 2000
    assert list(found) == extents
    assert list(found.by_segment()) == [
        (0, number, [each for each in extents if each.segment == number]) for number in range(667)
    ]
    assert list(found.overlapping(9_998, 10_011)) == extents[1000:1002]
    assert list(index_of([])) == []
    assert list(index_of([]).by_segment()) == []
    assert list(index_of([]).overlapping(0, 10)) == []


BAD: list[list[Extent]] = [
    [extent(0, 10, 0), extent(9, 1, 0)],
    [extent(10, 10, 0), extent(0, 10, 0)],
    [extent(0, 10, 0), extent(0, 10, 0)],
    [extent(0, 0, 0)],
    [extent(0, 10, 0, 2)],
    [extent(4 * MIB - 1, 2, 0)],
    [extent(4 * MIB, 1, 0, UNMAPPED)],
    [extent((1 << 64) - 1, (1 << 64) - 1, 0, UNMAPPED)],
    [extent(0, MIB + 1, 0)],
    [extent(0, 10, 0, source=1)],
    [extent(0, 10, 0, place=5, frame_plain=14)],
    [extent(0, 10, 0, frame_plain=FRAME_LIMIT + 1)],
    [extent(0, 10, 0)._replace(frame_size=1 << 31)],
    [extent(0, 10, 0, frame_at=(1 << 32) - 1)],
]


@pytest.mark.parametrize("extents", BAD, ids=range(len(BAD)))
def test_what_makes_no_sense_is_refused(extents: list[Extent]) -> None:
    with pytest.raises(CorruptError):
        index.check_records(index.pack(extents), 0, 4 * MIB, 1)


def test_what_makes_sense_is_not() -> None:
    extents = [extent(0, MIB, 0, place=28), extent(MIB, 3 * MIB, 0, UNMAPPED), extent(4 * MIB - 1, 1, 9)]
    with pytest.raises(CorruptError):
        index.check_records(index.pack(extents), 0, 4 * MIB, 1)
    assert index.check_records(index.pack(extents[:2]), 0, 4 * MIB, 1) == 4 * MIB
    with pytest.raises(CorruptError):
        index.check_records(index.pack(extents[:2]), 1, 4 * MIB, 1)


def some_extents(source: random.Random, size: int) -> list[Extent]:
    made, at, segment = [], source.randint(0, 8), 0
    while at < size and source.random() < 0.9:
        length = min(source.randint(1, 12), size - at)
        kind = source.choice((MAPPED, MAPPED, UNMAPPED))
        made.append(extent(at, length, segment, kind, source.randbytes(32)))
        at += length + source.choice((0, 0, 1, 7))
        segment += source.choice((0, 0, 1))
    return made


def test_overlapping_against_all_extents_one_by_one() -> None:
    source = random.Random(3)
    for _round in range(300):
        extents = some_extents(source, source.randint(0, 60))
        found = index_of(extents)
        for _round in range(20):
            start = source.randint(0, 60)
            end = start + source.randint(1, 30)
            expected = [each for each in extents if each.offset < end and each.end > start]
            assert list(found.overlapping(start, end)) == expected


def test_live_pieces_against_a_model_of_single_bytes() -> None:
    """Random chains that grow, shrink, replace and unmap: each byte belongs to whom the model says."""
    source = random.Random(4)
    for _round in range(400):
        layers: list[Layer] = []
        model: list[tuple[int, Extent] | None] = []
        for member in range(source.randint(1, 6)):
            size = source.choice((len(model), source.randint(0, 80), source.randint(0, 20)))
            extents = some_extents(source, size)
            layers.append(Layer(index_of(extents), size))
            model = (model + [None] * size)[:size]
            for each in extents:
                owner = (member, each) if each.kind == MAPPED else None
                model[each.offset : each.end] = [owner] * each.length
        claimed: list[tuple[int, Extent] | None] = [None] * len(model)
        for member, layer in enumerate(layers):
            for each in layer.records:
                if each.kind != MAPPED:
                    continue
                for start, end in live_pieces(each, layers[member + 1 :]):
                    assert each.offset <= start < end <= each.end
                    assert claimed[start:end] == [None] * (end - start)
                    claimed[start:end] = [(member, each)] * (end - start)
        assert claimed == model
