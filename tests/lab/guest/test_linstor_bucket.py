# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What LINSTOR shipped to a bucket goes into real thin volumes, zvols and ZFS, without LINSTOR."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.tests.lab.guest.kinds import Thin, Zvol, device_state
from ansible_collections.snapship.dr.tests.lab.guest.lvm_work import own_pool
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.support.linstor_bucket import (
    BLOCK,
    LinstorBucket,
    changes,
    full,
    thin_stream,
    zstd,
)
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

__all__ = ["own_pool"]  # a fixture

MOMENTS = ("20260309_143000", "20260309_153000", "20260309_163000")


def fetch(place: Place, source: str, target: str, **options: object) -> Outcome:
    return place.fetch(source, target, **{"origin": None, **options})


def in_blocks(place: Place, mib: int) -> tuple[list[str], list[bytes]]:
    """A full and two increments of ``db`` in the place's directory; ids and contents."""
    rng, bucket = random.Random(7), LinstorBucket()
    image = bytearray(mib * MIB)
    image[: 2 * MIB] = rng.randbytes(2 * MIB)
    image[5 * MIB + 12345 : 6 * MIB] = rng.randbytes(MIB - 12345)
    states, ids = [], []
    for moment in MOMENTS:
        if states:
            start = rng.randrange(2 * MIB // BLOCK) * BLOCK
            image[start : start + 3 * BLOCK] = bytes(3 * BLOCK)
            at = rng.randrange((mib - 1) * MIB)
            image[at : at + 70_000] = rng.randbytes(70_000)
        states.append(bytes(image))
        chunks = changes(states[-2], states[-1]) if len(states) > 1 else full(states[-1])
        ids.append(bucket.ship("db", {0: thin_stream(chunks)}, {0: len(image)}, moment, base=ids[-1] if ids else None))
    bucket.write_files(place.remote)
    return ids, states


def content_of(device: Path) -> bytes:
    call("blockdev", "--flushbufs", device)
    return device.read_bytes()


def written(device: Path) -> None:
    with device.open("r+b", buffering=0) as file:
        file.write(os.urandom(4096))
        os.fsync(file.fileno())


@pytest.mark.parametrize("zeroing", [True, False], ids=["zeroing", "dirty"])
def test_into_a_thin_volume(own_pool: Callable[..., ThinPool], tmp_path: Path, zeroing: bool) -> None:
    pool = own_pool(mib=96, metadata_mib=4)
    if not zeroing:
        call("lvchange", "-q", "-Zn", pool.name)
    dirt = Thin(pool, 64)
    dirt.write(0, b"\xff" * 64 * MIB)
    call("lvremove", "-q", "-y", dirt.volume)
    place, target = Place(tmp_path, layout="linstor"), f"{pool.vg}/restored"
    ids, states = in_blocks(place, 16)
    for backup, state in zip(ids, states):
        outcome = fetch(place, "db", target, backup=backup, pool=pool.name, overwrite=True)
        assert not outcome.failures, outcome.failures
        assert content_of(Path("/dev") / target) == state
        for check in (True, False):
            assert not fetch(place, "db", target, backup=backup, check=check).changed
    written(Path("/dev") / target)
    (failure,) = fetch(place, "db", target, overwrite=True).failures
    assert failure["code"] == "target_changed"
    assert call("lvs", "--noheadings", "-o", "lv_name", "-S", f"pool_lv={pool.pool}", pool.vg).split() == ["restored"]


def test_into_a_zvol(zpool: Zpool, tmp_path: Path) -> None:
    place, target = Place(tmp_path, layout="linstor"), f"{zpool.name}/restored"
    ids, states = in_blocks(place, 16)
    for backup, state in ((ids[2], states[2]), (ids[1], states[1])):
        outcome = fetch(place, "db", target, backup=backup, overwrite=True)
        assert not outcome.failures, outcome.failures
        assert content_of(zpool.device(target)) == state
        assert not fetch(place, "db", target, backup=backup).changed
    used = int(call("zfs", "get", "-Hp", "-o", "value", "used", target))
    assert used < 8 * MIB, "what is zero takes no room"


def in_zfs(place: Place, source: Zvol) -> tuple[LinstorBucket, list[str], list[object]]:
    """The same of a zvol, as ``zfs send`` sends it."""
    rng, bucket = random.Random(8), LinstorBucket()
    source.write(0, rng.randbytes(3 * MIB))
    ids: list[str] = []
    states: list[object] = []
    for number, moment in enumerate(MOMENTS):
        if number:
            source.write(rng.randrange(32) * MIB, rng.randbytes(300_000))
        call("zfs", "snapshot", f"{source.volume}@back_{moment}")
        since = ["-i", f"{source.volume}@back_{MOMENTS[number - 1]}"] if number else []
        command = ["zfs", "send", *since, f"{source.volume}@back_{moment}"]
        stream = subprocess.run(command, capture_output=True, check=True).stdout
        base = ids[-1] if ids else None
        ids.append(bucket.ship("db", {0: stream}, {0: source.size()}, moment, base=base, kind="zfsThin"))
        states.append(source.state())
    bucket.write_files(place.remote)
    return bucket, ids, states


def test_zfs_streams_into_zfs(zpool: Zpool, second_zpool: Zpool, tmp_path: Path) -> None:
    place, source = Place(tmp_path, layout="linstor"), Zvol(zpool)
    bucket, ids, states = in_zfs(place, source)
    target = f"{second_zpool.name}/restored"
    for mode in ("metadata", "data"):
        assert not place.verify("db", mode=mode, origin=None).failures
    for number in (1, 2):
        outcome = fetch(place, "db", target, backup=ids[number], overwrite=True)
        assert not outcome.failures, outcome.failures
        assert outcome.items[0]["chain"] == ids[: number + 1]
        assert device_state(second_zpool.device(target)) == states[number]
        for check in (True, False):
            assert not fetch(place, "db", target, backup=ids[number], check=check).changed
    (failure,) = fetch(place, "db", str(tmp_path / "db.img")).failures
    assert failure["code"] == "wrong_type"
    assert not place.verify("db", mode="restore", scratch=f"{second_zpool.name}/scratch", origin=None).failures
    assert call("zfs", "list", "-H", "-o", "name", "-r", second_zpool.name).split() == [second_zpool.name, target]


def test_zfs_streams_that_are_wrong_are_named(zpool: Zpool, second_zpool: Zpool, tmp_path: Path) -> None:
    place, source = Place(tmp_path, layout="linstor"), Zvol(zpool)
    bucket, ids, states = in_zfs(place, source)
    keys = [f"db_00000_{each[3:]}" for each in ids]
    target, good = f"{second_zpool.name}/restored", dict(bucket.objects)

    def refused(key: str) -> None:
        bucket.write_files(place.remote)
        (failure,) = fetch(place, "db", target).failures
        assert failure["code"] == "corrupt"
        assert key in failure["msg"]
        (failure,) = place.verify("db", mode="data", origin=None).failures
        assert key in failure["msg"]
        bucket.objects = dict(good)
        assert call("zfs", "list", "-H", "-o", "name", "-r", second_zpool.name).split() == [second_zpool.name]

    bucket.change_meta(ids[2], basedOn=ids[0] + ".meta")  # an increment that rests on something else
    refused(keys[2])
    bucket.objects[keys[1]] = bucket.objects[keys[2]]
    refused(keys[1])
    bucket.objects[keys[0]] = zstd(b"no stream at all" * 100)
    refused(keys[0])
    bucket.objects[keys[2]] = bucket.objects[keys[2]][:-1000]
    refused(keys[2])
    bucket.write_files(place.remote)
    assert not fetch(place, "db", target).failures
    assert device_state(second_zpool.device(target)) == states[2]
