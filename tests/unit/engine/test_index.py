# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The index: its bytes, what is refused, and which parts of a chain still matter, against a model of single bytes."""

from __future__ import annotations

import hashlib
import hmac
import random
import struct

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import index
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


def test_a_record_is_56_bytes_big_endian() -> None:
    digest = hashlib.sha256(b"x").digest()
    packed = index.pack([Extent(1, 2, 3, MAPPED, digest), Extent(1 << 40, 1 << 33, 4, UNMAPPED, NO_DIGEST)])
    assert packed == (
        (1).to_bytes(8, "big")
        + (2).to_bytes(8, "big")
        + (3).to_bytes(4, "big")
        + bytes(4)
        + digest
        + (1 << 40).to_bytes(8, "big")
        + (1 << 33).to_bytes(8, "big")
        + (4).to_bytes(4, "big")
        + b"\0\0\0\1"
        + bytes(32)
    )


def test_digests_are_keyed_where_there_is_a_key() -> None:
    assert index.digester(None)(b"data") == hashlib.sha256(b"data").digest()
    assert index.digester(b"k")(memoryview(b"data")) == hmac.new(b"k", b"data", hashlib.sha256).digest()


def test_names_of_parts() -> None:
    assert [index.part_name(number) for number in (0, 1, 12)] == ["index", "index-00000001", "index-00000012"]


def test_records_are_given_back() -> None:
    extents = [Extent(10 * n, 7, n // 3, n % 2, bytes([n]) * 32) for n in range(20)]
    found = Index(index.pack(extents), 1000)
    assert found.count == 20
    assert list(found) == extents
    assert found[7] == extents[7]
    assert list(found.by_segment()) == [
        (number, [each for each in extents if each.segment == number]) for number in range(7)
    ]
    assert list(Index(b"", 0)) == []
    assert list(Index(b"", 0).by_segment()) == []
    assert list(Index(b"", 0).overlapping(0, 10)) == []


@pytest.mark.parametrize(
    "extents",
    [
        [(0, 10, 0, 0), (9, 1, 0, 0)],
        [(10, 10, 0, 0), (0, 10, 0, 0)],
        [(0, 10, 0, 0), (0, 10, 0, 0)],
        [(0, 0, 0, 0)],
        [(0, 10, 1, 0), (10, 10, 0, 0)],
        [(0, 10, 0, 2)],
        [(4 * MIB - 1, 2, 0, 0)],
        [(4 * MIB, 1, 0, 1)],
        [((1 << 64) - 1, (1 << 64) - 1, 0, 1)],
        [(0, MIB + 1, 0, 0)],
    ],
)
def test_what_makes_no_sense_is_refused(extents: list[tuple[int, int, int, int]]) -> None:
    with pytest.raises(CorruptError):
        Index(index.pack([Extent(*each, NO_DIGEST) for each in extents]), 4 * MIB)


def test_cut_records_are_refused() -> None:
    packed = index.pack([Extent(0, 10, 0, 0, NO_DIGEST)])
    for cut in range(1, len(packed)):
        with pytest.raises(CorruptError):
            Index(packed[:cut], 100)


def some_extents(source: random.Random, size: int) -> list[Extent]:
    made, at, segment = [], source.randint(0, 8), 0
    while at < size and source.random() < 0.9:
        length = min(source.randint(1, 12), size - at)
        made.append(Extent(at, length, segment, source.choice((MAPPED, MAPPED, UNMAPPED)), source.randbytes(32)))
        at += length + source.choice((0, 0, 1, 7))
        segment += source.choice((0, 0, 1))
    return made


def test_overlapping_against_all_extents_one_by_one() -> None:
    source = random.Random(3)
    for _round in range(300):
        extents = some_extents(source, source.randint(0, 60))
        found = Index(index.pack(extents), 60)
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
            layers.append(Layer(Index(index.pack(extents), size), size))
            model = (model + [None] * size)[:size]
            for extent in extents:
                owner = (member, extent) if extent.kind == MAPPED else None
                model[extent.offset : extent.end] = [owner] * extent.length
        claimed: list[tuple[int, Extent] | None] = [None] * len(model)
        for member, layer in enumerate(layers):
            for extent in layer.records:
                if extent.kind != MAPPED:
                    continue
                for start, end in live_pieces(extent, layers[member + 1 :]):
                    assert extent.offset <= start < end <= extent.end
                    assert claimed[start:end] == [None] * (end - start)
                    claimed[start:end] = [(member, extent)] * (end - start)
        assert claimed == model


def test_the_struct_is_the_documented_one() -> None:
    assert index.RECORD.size == struct.calcsize(">QQII32s") == 56
    assert (index.EXTENT_BYTES, index.PART_RECORDS) == (1 << 20, 1 << 20)
