# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of thin LVs: made, listed, held and removed by what they are, never by their names alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    BusyError,
    UnknownError,
    UsageError,
    VolumeError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.provider import LvmThinProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import BlockProvider, BlockReceiver
from ansible_collections.snapship.dr.tests.lab.guest.lvm_work import (
    HOLDER,
    MIB,
    content,
    full,
    lv,
    names,
    own_pool,
    shim,
    take,
    write,
)
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, call

__all__ = ["own_pool"]  # a fixture


@pytest.fixture
def provider() -> LvmThinProvider:
    made = LvmThinProvider()
    source: BlockProvider = made
    target: BlockReceiver = made
    assert source.sends in target.receives
    return made


def test_what_is_known_of_a_snapshot_survives_exactly(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volumes = [thin_pool.volume(16), thin_pool.volume(32, "a-b--c_+.d")]
    members = [*volumes, *(f"{thin_pool.vg}/a-rather-long-name-{number * 7919}" for number in range(80))]
    group = {"id": "20261122T101112.000001Z-0123456789abcdef", "members": members}
    consistency = {"method": "hook", "pre_command": {"rc": 0, "milliseconds": 12}, "said": os.urandom(900).hex()}

    made = take(provider, *volumes, group=group, consistency=consistency, holds={HOLDER: "pending"})

    for volume, snapshot in zip(volumes, made):
        assert provider.snapshots(volume) == [snapshot] == provider.bases(volume)
        assert snapshot.lineage == lv(volume, "lv_uuid") == provider.info(volume).lineage
        assert snapshot.group == group and snapshot.consistency == consistency
        assert snapshot.made_by == "snapship" and snapshot.holds == {HOLDER: "pending"}
        name = snapshot.path.removeprefix("/dev/")
        assert f"snapship.state={snapshot.state_id}" in lv(name, "lv_tags")
        assert lv(name, "lv_permissions") == "read-only" and lv(name, "lv_skip_activation") == "skip activation"
        assert lv(name, "lv_active") == ""
    assert [each.size for each in made] == [16 * MIB, 32 * MIB]
    assert sorted(each.volume for each in provider.pinned(volumes[0])) == sorted(volumes)
    assert provider.atomic(volumes[:1]) and not provider.atomic(volumes)
    assert provider.properties(volumes[0]) == {"pool": thin_pool.pool, "chunk_size": 64 << 10, "zeroing": True}


@pytest.mark.parametrize("chosen", ["daily", "a b", "$(touch /tmp/x);'\"\n", "..", "x_tdata", "é" * 100, "+" * 120])
def test_any_name_can_be_given_to_a_snapshot(provider: LvmThinProvider, thin_pool: ThinPool, chosen: str) -> None:
    volume = thin_pool.volume(8, "snap-of")
    (made,) = take(provider, volume, name=chosen, made_by="user")
    assert made.name == chosen and provider.snapshots(volume) == [made]
    with pytest.raises(VolumeError, match="already") as error:
        take(provider, volume, name=chosen)
    assert error.value.code == "exists"
    provider.remove(made)
    assert provider.snapshots(volume) == [] and names(thin_pool) == ["snap-of"]


def test_two_snapshots_whose_readable_names_would_be_one(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    short, long = thin_pool.volume(8, "a"), thin_pool.volume(8, "a_snapship_b")
    one, other = take(provider, short, name="b_snapship_c") + take(provider, long, name="c")
    assert one.path != other.path
    assert provider.snapshots(short) == [one] and provider.snapshots(long) == [other]


def test_names_that_no_lv_has(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    vg = thin_pool.vg
    volume = thin_pool.volume(8, "x-y")
    assert provider.normalise(f"/dev/{volume}") == volume == provider.normalise(volume)
    assert provider.claims(volume) and provider.claims(f"/dev/{volume}") and provider.claims(f"{vg}/nosuch")
    for strange in (vg, f"{vg}/a/b", "nosuch/x", "/srv/x.img", f"{vg}/a b", f"{vg}/-x", f"/dev/mapper/{vg}-x", "", "/"):
        assert not provider.claims(strange)
    for bad in (vg, f"{vg}/a b", f"{vg}/-x", f"{vg}/..", f"{vg}/x_tmeta", f"{vg}/{'x' * 127}", f"{vg}/$(id)", f"{vg}/"):
        with pytest.raises(UsageError):
            provider.normalise(bad)
    with pytest.raises(UsageError, match=f"Did you mean {volume}"):
        provider.normalise(f"/dev/mapper/{vg}-x--y")


def test_what_is_no_volume(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(8)
    (made,) = take(provider, volume)
    with pytest.raises(UnknownError, match=volume) as unknown:
        provider.info(f"{thin_pool.vg}/nosuch")
    assert unknown.value.code == "unknown_volume" and made.path[5:] not in unknown.value.msg
    with pytest.raises(UnknownError, match=thin_pool.vg):
        provider.info("nosuch/lv")
    assert provider.snapshots(f"{thin_pool.vg}/nosuch") == [] == provider.snapshots("nosuch/lv")
    call("lvcreate", "-q", "-y", "-Wn", "-L", "8M", "-n", "thick", thin_pool.vg)
    try:
        for wrong, kind in (
            (thin_pool.name, "thin pool"),
            (f"{thin_pool.vg}/thick", "linear"),
            (made.path, "snapship"),
        ):
            with pytest.raises(VolumeError, match=kind) as error:
                take(provider, provider.normalise(wrong))
            assert error.value.code == "wrong_type"
    finally:
        call("lvremove", "-q", "-y", f"{thin_pool.vg}/thick")
    with pytest.raises(UsageError):
        provider.children(volume)


def test_snapshots_of_others_are_left_alone(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(8)
    foreign = thin_pool.snapshot(volume)
    assert provider.snapshots(volume) == []
    (made,) = take(provider, volume)
    provider.remove(made)
    assert names(thin_pool) == sorted([volume.split("/")[1], foreign.split("/")[1]])
    assert provider.info(foreign).lineage == lv(foreign, "lv_uuid"), "it is a volume like any other"


def test_holds(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(8)
    (made,) = take(provider, volume, holds={HOLDER: "pending"})
    other = HOLDER + os.urandom(800).hex()
    provider.hold(made, HOLDER, "20261122T101112.000001Z-0123456789abcdef")
    provider.hold(made, other, "pending")
    assert made.holds == {HOLDER: "20261122T101112.000001Z-0123456789abcdef", other: "pending"}
    assert provider.snapshots(volume) == [made]
    provider.hold(made, other, "x")
    provider.hold(made, HOLDER, None)
    provider.hold(made, HOLDER, None)
    assert made.holds == {other: "x"} and provider.snapshots(volume) == [made]
    provider.remove(made)
    provider.hold(made, HOLDER, None)
    with pytest.raises(VolumeError) as error:
        provider.hold(made, HOLDER, "pending")
    assert error.value.code == "snapshot_gone"
    provider.remove(made)


def test_what_a_run_that_died_left_is_swept(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume, other = thin_pool.volume(8), thin_pool.volume(8)
    dead, sound, others = take(provider, volume) + take(provider, volume) + take(provider, other)
    for each in (dead, others):
        name = each.path.removeprefix("/dev/")
        witness = next(tag for tag in lv(name, "lv_tags").split(",") if tag.startswith("snapship.witness="))
        call("lvchange", "-q", "--deltag", witness, name)
    assert [each.flaw for each in provider.snapshots(volume)] == [None, "it was never finished"]
    with pytest.raises(VolumeError) as error, provider.open(dead):
        pass
    assert error.value.code == "snapshot_changed"
    (made,) = take(provider, volume)
    assert provider.snapshots(volume) == [made, sound]
    assert [each.state_id for each in provider.snapshots(other)] == [others.state_id], "not this volume's"


def test_tags_that_were_copied_to_another_lv(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume, victim = thin_pool.volume(8), thin_pool.volume(8, "victim")
    write(volume, 0, b"snapshot")
    (made,) = take(provider, volume)
    words = [word for tag in lv(made.path, "lv_tags").split(",") for word in ("--addtag", tag)]
    call("lvchange", "-q", *words, victim)
    flaws = {each.path: each.flaw for each in provider.snapshots(volume)}
    assert flaws == {made.path: None, f"/dev/{victim}": "its tags were copied from another LV"}
    assert full(provider, made)[:8] == b"snapshot"
    provider.remove(made)
    assert "victim" in names(thin_pool) and made.path.split("/")[-1] not in names(thin_pool)
    provider.remove(made)
    assert "victim" in names(thin_pool)


def test_a_snapshot_in_use_stays(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(8)
    (made,) = take(provider, volume)
    with provider.open(made), pytest.raises(BusyError) as error:
        provider.remove(made)
    assert error.value.code == "in_use" and provider.snapshots(volume)[0].state_id == made.state_id
    provider.remove(made)
    assert provider.snapshots(volume) == []


def test_a_group_is_taken_whole_or_not_at_all(provider: LvmThinProvider, thin_pool: ThinPool, tmp_path: Path) -> None:
    """LVM makes no snapshot of what is frozen already: so it is never frozen by us, and nothing stays of the rest."""
    volume, frozen = thin_pool.volume(16), thin_pool.volume(16)
    call("mkfs.ext4", "-q", f"/dev/{frozen}")
    call("mount", f"/dev/{frozen}", tmp_path)
    try:
        with pytest.raises(VolumeError, match="LVM itself freezes") as refused:
            provider.freezable(frozen)
        assert refused.value.code == "quiesce" and provider.freezable(volume) == []
        before = names(thin_pool)
        call("fsfreeze", "-f", tmp_path)
        try:
            with pytest.raises(VolumeError, match="can't take a snapshot of"):
                take(provider, volume, frozen)
        finally:
            call("fsfreeze", "-u", tmp_path)
        assert names(thin_pool) == before
        (tmp_path / "file").write_bytes(b"written after thawing")
        (made, _other) = take(provider, frozen, volume)
        assert made.flaw is None
    finally:
        call("umount", tmp_path)
    assert call("e2fsck", "-fn", f"/dev/{frozen}")


@pytest.mark.parametrize("what", ["volume", "pool"])
def test_what_a_killed_program_left_suspended(provider: LvmThinProvider, thin_pool: ThinPool, what: str) -> None:
    volume = thin_pool.volume(8, "db")
    call("dmsetup", "suspend", f"{thin_pool.vg}-db" if what == "volume" else thin_pool.mapped)
    (made,) = take(provider, volume)
    assert made.flaw is None
    assert "Suspended" not in call("dmsetup", "info", "-c", "--noheadings", "-o", "suspended")
    write(volume, 0, b"goes on")


def test_activity(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(8)
    before = provider.activity(volume)
    content(volume)
    assert provider.activity(volume) == before
    write(volume, 0, b"x")
    assert provider.activity(volume) != before


def test_many_volumes_are_listed_once(
    provider: LvmThinProvider, thin_pool: ThinPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = [thin_pool.volume(8) for _number in range(8)]
    log = tmp_path / "log"
    for program in ("lvs", "vgs", "lvcreate", "lvchange"):
        shim(tmp_path / "bin", program, f'echo {program} >> {log}; exec /usr/sbin/{program} "$@"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    with provider.looking_at(volumes):
        for volume in volumes:
            provider.claims(volume)
            provider.info(volume)
            provider.snapshots(volume)
            provider.pressure(volume)
            provider.pinned(volume)
    assert log.read_text().split() == ["lvs"]
    log.unlink()
    with provider.looking_at(volumes):
        assert provider.snapshots(volumes[0]) == []
        (made,) = take(provider, volumes[0])
        assert provider.snapshots(volumes[0]) == [made], "what was found out before isn't so any more"
    assert log.read_text().split() == ["lvs", "lvcreate", "lvs", "lvchange"]


def test_a_pool_that_is_almost_full(provider: LvmThinProvider, own_pool: Callable[..., ThinPool]) -> None:
    pool = own_pool(mib=64, metadata_mib=2)
    volume = pool.volume(96)
    write(volume, 0, os.urandom(62 * MIB))
    with pytest.raises(VolumeError, match="9[67]") as error:
        take(provider, volume)
    assert error.value.code == "pool_full" and f"lvextend -L +SIZE {pool.name}" in error.value.hint
    assert {each.what: each.percent > 95 for each in provider.pressure(volume)} == {"data": True, "metadata": False}
    write(volume, 0, b"still writable")
    call("blkdiscard", f"/dev/{volume}")
    (made,) = take(provider, volume)
    assert made.flaw is None


def test_metadata_that_is_almost_full(provider: LvmThinProvider, own_pool: Callable[..., ThinPool]) -> None:
    """LVM refuses snapshots from 75 % of metadata as small as this; the kernel stops a pool at 90 %."""
    pool = own_pool(mib=3072, metadata_mib=4)
    call("lvchange", "-q", "-Zn", pool.name)
    volume = pool.volume(2560)
    with open(f"/dev/{volume}", "r+b", buffering=0) as device:
        _touch(device.fileno(), range(0, 2560 * MIB, 64 << 10))
        while not _filled(pool, device.fileno(), 0.73):
            pool.snapshot(volume)  # what is shared with it is copied when it is written to, a block for 252 chunks
        pool.snapshot(volume)
        for share in (0.76, 0.86):
            assert _filled(pool, device.fileno(), share)
            with pytest.raises(VolumeError, match="metadata") as error:
                take(provider, volume)
            assert error.value.code == "pool_full" and error.value.hint
    assert "poolmetadatasize" in error.value.hint
    write(volume, 0, b"still writable")
    assert "rw" in call("dmsetup", "status", pool.mapped).split()


def _touch(device: int, offsets: Iterable[int]) -> None:
    """Write a little there."""
    for offset in offsets:
        os.pwrite(device, bytes(4096), offset)
    os.fsync(device)


def _filled(pool: ThinPool, device: int, share: float) -> bool:
    """Write, as little as can be, until this share of a pool's metadata is used; whether that could be reached."""
    offsets = list(range(0, 2560 * MIB, 8 * MIB))
    for start in range(0, len(offsets) + 8, 8):
        used, total = call("dmsetup", "status", pool.mapped).split()[4].split("/")
        if int(used) >= share * int(total):
            return True
        _touch(device, offsets[start : start + 8])
    return False
