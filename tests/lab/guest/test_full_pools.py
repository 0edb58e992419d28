# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pools that are, or get, full: refused or failed cleanly, with the source still writable and nothing lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.health import check_health
from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Thin, device_state, overwrite
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.unit.engine.place import Place


def fill(pool: ThinPool, percent: float) -> None:
    """Write to a volume of its own until the pool's data is that full."""
    filler = Path("/dev") / pool.volume(2048, "filler")
    data = random.Random(1).randbytes(4 * MIB)
    for turn in range(512):
        if data_percent(pool) >= percent:
            return
        overwrite(filler, turn * len(data), data)
    raise AssertionError("the pool didn't fill")


def data_percent(pool: ThinPool) -> float:
    return float(call("lvs", "--noheadings", "-o", "data_percent", pool.name))


def test_a_thin_pool_that_is_nearly_full(make_thin_pool: Callable[..., ThinPool], tmp_path: Path) -> None:
    pool = make_thin_pool(mib=200)
    try:
        place, source = Place(tmp_path), Thin(pool, 32)
        source.write(0, random.Random(2).randbytes(8 * MIB))
        first, state = place.one(source.volume), source.state()
        fill(pool, 82)
        source.write(0, b"a".ljust(512))
        outcome = place.ship(source.volume, pool_high=100)
        assert not outcome.failures and not outcome.warnings
        # above pool_high the oldest bases go, after they have been used
        source.write(0, b"b".ljust(512))
        outcome = place.ship(source.volume)
        assert not outcome.failures and outcome.items[0]["type"] == "incremental"
        assert any("pool_high" in text and "full" in text for text in outcome.warnings), outcome.warnings
        source.write(0, b"c".ljust(512))
        outcome = place.ship(source.volume)
        assert outcome.items[0]["type"] == "full" and "no state in common" in outcome.items[0]["reason"]
        call("lvremove", "-q", "-f", f"{pool.vg}/filler")
        fill(pool, 95.5)
        before = call("lvs", "--noheadings", "-o", "lv_name,lv_tags", pool.vg)
        (failure,) = place.ship(source.volume, pool_high=100).failures
        assert failure["code"] == "pool_full" and "lvextend" in failure["hint"]
        (failure,) = place.fetch(source.volume, source.target("there"), backup=first["id"]).failures
        assert failure["code"] in ("pool_full", "no_space")
        assert call("lvs", "--noheadings", "-o", "lv_name,lv_tags", pool.vg) == before
        check_health(source)
        back = tmp_path / "back.img"
        assert not place.fetch(source.volume, str(back), backup=first["id"]).failures
        assert device_state(back) == state
    finally:
        call("lvremove", "-q", "-f", pool.name)


def test_metadata_that_is_nearly_full(make_thin_pool: Callable[..., ThinPool], tmp_path: Path) -> None:
    pool = make_thin_pool(mib=3000, metadata_mib=2)
    try:
        place, source = Place(tmp_path), Thin(pool, 32)
        source.write(0, b"x" * MIB)
        place.one(source.volume)
        # a device without LVM's knowledge costs one program and at least one block of the metadata's 512, of which the
        # kernel keeps a tenth to itself
        for device in range(1_000_000, 1_000_500):
            call("dmsetup", "message", pool.mapped, "0", f"create_thin {device}")
            if device % 20 == 0 and metadata_percent(pool) > 86:
                break
        (failure,) = place.ship(source.volume, pool_high=100).failures
        assert failure["code"] == "pool_full" and "metadata" in failure["msg"]
        check_health(source)
    finally:
        call("lvremove", "-q", "-f", pool.name)


def metadata_percent(pool: ThinPool) -> float:
    return float(call("lvs", "--noheadings", "-o", "metadata_percent", pool.name))


def test_a_target_pool_that_is_too_small(
    thin_pool: ThinPool, make_thin_pool: Callable[..., ThinPool], tmp_path: Path
) -> None:
    small = make_thin_pool(mib=16)
    try:
        place, source = Place(tmp_path), Thin(thin_pool, 64)
        source.write(0, random.Random(3).randbytes(40 * MIB))
        place.one(source.volume)
        before = call("lvs", "--noheadings", "-o", "lv_name", small.vg)
        (failure,) = place.fetch(source.volume, source.target("there"), pool=small.name).failures
        assert failure["code"] == "no_space" and "nothing was changed" in failure["msg"]
        assert call("lvs", "--noheadings", "-o", "lv_name", small.vg) == before
        (failure,) = place.fetch(source.volume, source.target("there")).failures
        assert failure["code"] == "usage" and small.pool in failure["msg"] + failure["hint"]
        outcome = place.fetch(source.volume, source.target("there"), pool=thin_pool.pool)
        assert outcome.changed and not outcome.failures, outcome.failures
    finally:
        call("lvremove", "-q", "-f", small.name)


@pytest.fixture
def small_zpool(make_zpool: Callable[..., Zpool], tmp_path: Path) -> Zpool:
    image = tmp_path / "zpool.img"
    with image.open("wb") as file:
        file.truncate(128 * MIB)
    return make_zpool(image, "-O", "compression=off")


def test_a_zpool_that_is_full(small_zpool: Zpool, zpool: Zpool, tmp_path: Path) -> None:
    place, source = Place(tmp_path), Filesystem(small_zpool)
    source.write(0, random.Random(4).randbytes(16 * MIB))
    first, state = place.one(source.volume), source.state()
    filler = small_zpool.path(small_zpool.filesystem("filler")) / "file"
    with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
        for _turn in range(200):
            file.write(random.Random(5).randbytes(MIB))
    (failure,) = place.ship(source.volume, pool_high=100).failures
    assert failure["code"] in ("pool_full", "no_space")
    (failure,) = place.fetch(source.volume, source.target("there")).failures
    assert failure["code"] in ("pool_full", "no_space")
    names = call("zfs", "list", "-H", "-o", "name", "-r", small_zpool.name).split()
    assert names == [small_zpool.name, f"{small_zpool.name}/filler", source.volume]
    filler.unlink()
    call("zpool", "sync")
    outcome = place.fetch(source.volume, f"{zpool.name}/there", backup=first["id"])
    assert not outcome.failures
    assert source.state_of(f"{zpool.name}/there") == state
    source.write(1, b"writable again")
    assert place.one(source.volume)["type"] == "incremental"
