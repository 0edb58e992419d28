# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import heapq
import random

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.linstor_bucket.names import (
    parse_data,
    parse_meta,
    resource_of,
    volume_name,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.linstor_bucket.regions import (
    Regions,
    joined,
)


@pytest.mark.parametrize("seed", range(30))
def test_regions_are_as_a_set_of_bytes_would_be(seed: int) -> None:
    """Added in any order, merged, and asked for gaps."""
    rng = random.Random(seed)
    both: list[tuple[Regions, set[int]]] = []
    for _turn in range(2):
        regions, bytes_in = Regions(), set()
        cuts = sorted(rng.sample(range(200), rng.randrange(2, 40) * 2 // 2 * 2))
        pairs = list(zip(cuts[::2], cuts[1::2]))
        extra = [(end, after[0]) for (_start, end), after in zip(pairs, pairs[1:]) if rng.random() < 0.4]
        several = pairs + extra
        if seed % 3:
            rng.shuffle(several)
        for start, end in several:
            regions.add(start, end)
            bytes_in |= set(range(start, end))
        both.append((regions, bytes_in))
        listed = list(regions)
        assert {each for start, end in listed for each in range(start, end)} == bytes_in
        assert all(before[1] < after[0] for before, after in zip(listed, listed[1:])), "neighbours are joined"
    (one, ones), (other, others) = both
    merged = joined(heapq.merge(one, other))
    assert {each for start, end in merged for each in range(start, end)} == ones | others
    for _turn in range(50):
        start, end = sorted((rng.randrange(210), rng.randrange(210)))
        found = list(merged.gaps(start, end))
        assert all(first < last for first, last in found)
        assert {each for first, last in found for each in range(first, last)} == set(range(start, end)) - ones - others


def test_names_of_meta_objects() -> None:
    for key, expected in {
        "db_back_20260309_143000.meta": ("db", "back_20260309_143000"),
        "my-db_2_back_20260309_143000^nightly.meta": ("my-db_2", "nightly"),
        "db_back_20260309_143000:site^a.b.meta": ("db", "a.b"),
        "db_back_20260309_143000.suffix.meta": ("db", "back_20260309_143000"),
    }.items():
        found = parse_meta(key)
        assert found is not None
        assert (found.resource, found.snapshot) == expected
        assert found.id + ".meta" == key
        assert parse_data(key) is None
        data = parse_data(found.data(7))
        assert data is not None
        assert (data.resource, data.number, data.moment, data.snapshot) == (
            found.resource,
            7,
            "back_20260309_143000",
            found.snapshot,
        )
    for key in (
        "db.meta",
        "back_20260309_143000.meta",
        "x_back_2026_143000.meta",
        "a/db_back_20260309_143000.meta",
        "",
    ):
        assert parse_meta(key) is None


def test_names_of_data_objects() -> None:
    found = parse_data("db.crypt_00012_back_20260309_143000:s^snap")
    assert found is not None
    assert found == ("db", ".crypt", 12, "back_20260309_143000", "snap")
    for key in ("db_0000_back_20260309_143000", "db_00000_back_20260309", "../db_00000_back_20260309_143000", "README"):
        assert parse_data(key) is None


def test_names_of_volumes() -> None:
    assert [volume_name("db", number) for number in (0, 1, 12)] == ["db", "db/1", "db/12"]
    assert [resource_of(name) for name in ("db", "db/12", "db/0", "db/x", "a b", "", "../db")] == [
        *("db", "db", None, None, None, None, None)
    ]
