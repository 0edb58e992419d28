# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots in ZFS: made, listed, held and removed by what they are, never by their names alone."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    BusyError,
    UnknownError,
    UsageError,
    VolumeError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import StreamProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs import snapshots
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.names import bookmark_name
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.tests.lab.guest.pools import Zpool, call
from ansible_collections.snapship.dr.tests.lab.guest.zfs_work import (
    HOLDER,
    MIB,
    bookmarks,
    guid,
    names,
    now,
    scatter,
    sparse,
    stream,
    take,
)


@pytest.fixture
def provider() -> ZfsProvider:
    made = ZfsProvider()
    checked: StreamProvider = made
    assert checked.sends in checked.receives
    return made


def test_what_is_known_of_a_snapshot_survives_exactly(provider: ZfsProvider, zpool: Zpool) -> None:
    volumes = [zpool.filesystem(), zpool.zvol(64)]
    group = {"id": "20261122T101112.000001Z-0123456789abcdef", "members": volumes}
    consistency = {"method": "hook", "pre_command": {"rc": 0, "milliseconds": 12}}

    made = take(provider, *volumes, group=group, consistency=consistency, holds={HOLDER: "pending"})

    for volume, snapshot in zip(volumes, made):
        assert provider.snapshots(volume) == [snapshot] == provider.bases(volume)
        assert snapshot.state_id == guid(snapshot.path) and snapshot.lineage == guid(volume)
        assert snapshot.group == group and snapshot.consistency == consistency
        assert snapshot.made_by == "snapship" and snapshot.holds == {HOLDER: "pending"}
    assert made[1].size == 64 * MIB == provider.info(volumes[1]).size
    assert len({call("zfs", "get", "-Hp", "-o", "value", "createtxg", each.path) for each in made}) == 1
    assert provider.atomic(volumes)


def test_a_snapshot_of_somebody_else_is_a_users(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    call("zfs", "snapshot", f"{volume}@autosnap_2026-11-22_10:00:00_hourly")

    (found,) = provider.snapshots(volume)

    assert (found.made_by, found.group, found.holds) == ("user", None, {})
    assert found.state_id == guid(found.path) and abs(found.created - now()) < 30


def test_what_a_snapshot_inherits_from_its_dataset_counts_for_nothing(provider: ZfsProvider, zpool: Zpool) -> None:
    other, volume = zpool.filesystem(), zpool.filesystem()
    (made,) = take(provider, other, holds={HOLDER: "pending"})
    for name in ("snapship:record", "snapship:holds"):
        call("zfs", "set", f"{name}={call('zfs', 'get', '-Hp', '-o', 'value', name, made.path).strip()}", volume)
    call("zfs", "snapshot", f"{volume}@users")

    (found,) = provider.snapshots(volume)

    assert (found.made_by, found.holds) == ("user", {})


def test_names(provider: ZfsProvider, zpool: Zpool) -> None:
    parent = zpool.filesystem()
    for name in ("a b", "-x:y", "..a"):
        volume = zpool.filesystem(f"{parent.partition('/')[2]}/{name}")
        (made,) = take(provider, volume, name="-e vil:name.1")
        assert provider.claims(volume) and provider.normalise(volume) == volume
        assert provider.snapshots(volume) == [made]
        assert provider.unchanged(made)
        assert stream(provider, None, made)[0]
        provider.hold(made, HOLDER, "20261122T101112.000001Z-0123456789abcdef")
        provider.remove(made)
        assert [each.method for each in provider.bases(volume)] == ["bookmark"]
    for bad in ("a@b", "a#b", "a\nb", "a;b", "a$(b)", "..", "a,b", "a%b", "", "é"):
        with pytest.raises(UsageError):
            provider.normalise(f"{zpool.name}/{bad}")
        if bad != "..":
            with pytest.raises(UsageError):
                take(provider, parent, name=bad)
    with pytest.raises(UsageError):
        take(provider, parent, name="x" * 300)
    assert provider.snapshots(parent) == []
    assert provider.normalise(f"/dev/zvol/{zpool.name}/a+b") == f"{zpool.name}/a b"
    assert not provider.claims("/etc/passwd") and not provider.claims("nopool/x") and not provider.claims("")
    assert not provider.claims("\0") and not provider.claims("arcstats/x")


def test_errors_name_what_is_there(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    with pytest.raises(UnknownError, match=volume) as caught:
        provider.info(f"{zpool.name}/nope")
    assert caught.value.code == "unknown_volume"
    with pytest.raises(UnknownError, match="imported"):
        provider.info("nopool/x")
    assert provider.snapshots(f"{zpool.name}/nope") == []
    take(provider, volume, name="one")
    other = zpool.filesystem()
    with pytest.raises(VolumeError) as taken:
        take(provider, other, volume, name="one")
    assert taken.value.code == "exists" and taken.value.volume == volume
    assert provider.snapshots(other) == []
    with pytest.raises(UnknownError):
        take(provider, other, f"{zpool.name}/nope", name="two")
    assert provider.snapshots(other) == []


def test_of_several_pools_all_or_none(provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool) -> None:
    first, second = zpool.filesystem(), second_zpool.filesystem()
    call("zfs", "snapshot", f"{second}@one")

    assert not provider.atomic([first, second])
    with pytest.raises(VolumeError, match="already"):
        take(provider, first, second, name="one")

    assert provider.snapshots(first) == []
    assert [each.volume for each in take(provider, first, second, name="two")] == [first, second]


def test_a_record_that_is_too_long_is_refused_before_anything_is_done(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    with pytest.raises(VolumeError, match="too long: a ZFS property holds"):
        take(provider, volume, group={"id": "x", "members": [os.urandom(40).hex() for _each in range(300)]})
    assert provider.snapshots(volume) == []


def test_a_bookmark_stands_for_a_snapshot_that_is_gone(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (first,) = take(provider, volume, holds={HOLDER: "pending"})
    provider.hold(first, HOLDER, "backup-1")
    scatter(zpool.path(volume) / "data")
    (second,) = take(provider, volume)
    call("zfs", "destroy", first.path)

    bases = provider.bases(volume)

    assert [(each.state_id, each.method) for each in bases] == [
        (second.state_id, "snapshot"),
        (first.state_id, "bookmark"),
    ]
    assert bases[1].created == first.created and bases[1].lineage == first.lineage
    assert len(stream(provider, bases[1], second)[0]) > MIB // 4
    assert not provider.unchanged(bases[1])
    provider.forget(volume, HOLDER)
    assert [each.state_id for each in provider.bases(volume)] == [second.state_id]
    with pytest.raises(VolumeError) as caught:
        stream(provider, bases[1], second)
    assert caught.value.code == "snapshot_gone"


def test_holds_move_and_bookmarks_with_them(provider: ZfsProvider, zpool: Zpool) -> None:
    volume, other = zpool.filesystem(), "s3://elsewhere san1 0123456789abcdef"
    (first,) = take(provider, volume, holds={HOLDER: "pending", other: "pending"})
    assert len(bookmarks(volume)) == 2
    provider.hold(first, HOLDER, "backup-1")
    assert first.holds == {HOLDER: "backup-1", other: "pending"} == provider.snapshots(volume)[0].holds
    states = [first.state_id]
    for number in (2, 3):
        (later,) = take(provider, volume)
        states.append(later.state_id)
        provider.hold(later, HOLDER, "pending")
        assert len(bookmarks(volume)) == number + 1  # older ones stay until the newer is shipped
        provider.hold(later, HOLDER, f"backup-{number}")
    # the two newest, the last to compare an increment with its source by, and the other holder's
    assert sorted(guid(each) for each in bookmarks(volume)) == sorted(states)
    provider.hold(first, HOLDER, None)
    assert first.holds == {other: "pending"}
    provider.hold(first, other, None)
    assert provider.snapshots(volume)[2].holds == {}
    provider.forget(volume, other)
    assert [guid(each) for each in bookmarks(volume)] == states[1:]


def test_holds_of_two_runs_at_once_both_stay(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (made,) = take(provider, volume)
    holders = [f"remote{number} san1 x" for number in range(4)]
    threads = [
        threading.Thread(target=ZfsProvider().hold, args=(provider.snapshots(volume)[0], holder, "backup"))
        for holder in holders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert provider.snapshots(volume)[0].holds == dict.fromkeys(holders, "backup")
    assert len(bookmarks(volume)) == len(holders)


def test_two_snapshots_of_one_second_get_a_bookmark_each(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    made = []
    for name in ("a", "b"):
        call("zfs", "snapshot", f"{volume}@{name}")
        made.append(provider.snapshots(volume)[0])
    first = f"{volume}#{bookmark_name(HOLDER, made[1].created)}"
    call("zfs", "bookmark", made[0].path, first)  # whatever the clock did meanwhile
    provider.hold(made[1], HOLDER, "pending")
    assert {each: guid(each) for each in bookmarks(volume)} == {
        first: made[0].state_id,
        f"{first}.2": made[1].state_id,
    }
    call("zfs", "destroy", made[1].path)
    assert {each.state_id for each in provider.bases(volume)} == {each.state_id for each in made}


def test_a_renamed_snapshot_is_the_same_and_its_name_is_free(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (first,) = take(provider, volume, name="one")
    call("zfs", "rename", first.path, f"{volume}@renamed")
    scatter(zpool.path(volume) / "data")
    (second,) = take(provider, volume, name="one")

    assert [each.state_id for each in provider.snapshots(volume)] == [second.state_id, first.state_id]
    with pytest.raises(VolumeError) as caught:
        stream(provider, None, first)
    assert caught.value.code == "snapshot_gone"
    with pytest.raises(VolumeError) as caught:
        stream(provider, first, second)
    assert caught.value.code in ("snapshot_gone", "send")
    assert not provider.unchanged(first)
    provider.remove(first)  # what it was isn't there under its name any more
    provider.hold(first, HOLDER, "backup")
    assert first.holds == {HOLDER: "backup"}
    assert [each.holds for each in provider.snapshots(volume)] == [{}, {HOLDER: "backup"}]


def test_another_dataset_of_the_name_has_no_base(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem("db")
    (first,) = take(provider, volume, holds={HOLDER: "pending"})
    call("zfs", "destroy", "-r", volume)
    zpool.filesystem("db")

    assert provider.bases(volume) == []
    assert provider.info(volume).lineage != first.lineage
    provider.remove(first)
    provider.hold(first, HOLDER, None)
    provider.forget(volume, HOLDER)


def test_a_rollback_takes_the_bases_after_it_along(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (first,) = take(provider, volume, holds={HOLDER: "pending"})
    scatter(zpool.path(volume) / "data")
    take(provider, volume, holds={HOLDER: "pending"})
    call("zfs", "rollback", "-r", first.path)

    assert [each.state_id for each in provider.bases(volume)] == [first.state_id]
    assert provider.unchanged(first)


@pytest.mark.parametrize("kind", ["filesystem", "zvol"])
def test_a_write_of_a_moment_ago_is_a_change(provider: ZfsProvider, zpool: Zpool, kind: str) -> None:
    volume = zpool.filesystem() if kind == "filesystem" else zpool.zvol(64)
    place = zpool.path(volume) / "data" if kind == "filesystem" else zpool.device(volume)
    scatter(place)
    (made,) = take(provider, volume)
    (second,) = take(provider, volume)
    assert provider.unchanged(made) and provider.unchanged(second)
    before = provider.activity(volume)
    with place.open("r+b", buffering=0) as file:
        file.write(b"x")
    assert not provider.unchanged(made) and not provider.unchanged(second)
    call("zfs", "snapshot", f"{volume}@between")
    assert not provider.unchanged(second)
    assert (before is None) == (kind == "filesystem")
    assert before is None or provider.activity(volume) != before


def test_only_what_is_meant_is_removed_and_nothing_in_use(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (first,) = take(provider, volume)
    (second,) = take(provider, volume)
    call("zfs", "clone", first.path, f"{zpool.name}/clone")
    with pytest.raises(BusyError) as caught:
        provider.remove(first)
    assert caught.value.code == "in_use" and "\n" not in caught.value.msg
    call("zfs", "hold", "mine", second.path)
    with pytest.raises(BusyError):
        provider.remove(second)
    call("zfs", "release", "mine", second.path)
    scatter(zpool.path(volume) / "data", 8 * MIB)
    (third,) = take(provider, volume)
    with provider.send(None, third, None), pytest.raises(BusyError):
        provider.remove(third)
    provider.remove(third)
    provider.remove(second)
    assert names(volume, "snapshot") == [first.path]


def test_fifty_datasets_are_looked_at_in_three_calls(
    provider: ZfsProvider, zpool: Zpool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = zpool.filesystem("many")
    volumes = [zpool.filesystem(f"many/d{number}") for number in range(50)]
    made = take(provider, *volumes)
    calls = tmp_path / "calls"
    program = tmp_path / "zfs"
    real = next(path for path in ("/usr/sbin/zfs", "/sbin/zfs", "/usr/local/sbin/zfs") if os.path.exists(path))
    program.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexec {real} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert provider.children(parent) == sorted(volumes)
    with provider.looking_at(volumes):
        for volume, snapshot in zip(volumes, made):
            assert provider.info(volume).lineage == snapshot.lineage
            assert provider.snapshots(volume) == provider.bases(volume) == [snapshot]
            assert provider.pressure(volume)[0].percent < 50
            assert provider.unchanged(snapshot)

    assert len(calls.read_text().splitlines()) <= 3, calls.read_text()
    with provider.looking_at(volumes):
        assert provider.snapshots(volumes[0]) == [made[0]] and provider.unchanged(made[0])
        (zpool.path(volumes[0]) / "new").write_bytes(b"x")
        provider.hold(made[0], HOLDER, "pending")
        assert not provider.unchanged(made[0]) and provider.unchanged(made[1])
        assert provider.snapshots(volumes[0])[0].holds == {HOLDER: "pending"}
        provider.remove(made[0])
        assert provider.snapshots(volumes[0]) == [] and provider.snapshots(volumes[1]) == [made[1]]
        assert [each.method for each in provider.bases(volumes[0])] == ["bookmark"]
    pinned = [each.volume for each in provider.pinned(parent)]
    assert sorted(pinned) == sorted(volumes[1:])


def test_an_unknown_name_among_many_hides_nothing(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem()
    (made,) = take(provider, volume)
    with provider.looking_at([f"{zpool.name}/nope", volume, "nopool/x"]):
        assert provider.snapshots(volume) == [made]
        assert provider.snapshots("nopool/x") == [] == provider.pressure("nopool/x")
        assert provider.pressure(volume)[0].pool == zpool.name
        with pytest.raises(UnknownError):
            provider.info(f"{zpool.name}/nope")


def test_properties_are_recorded_without_ours(provider: ZfsProvider, zpool: Zpool) -> None:
    volume = zpool.filesystem("", "-o", "recordsize=16k", "-o", "atime=off", "-o", "site:note=to be kept")
    call("zfs", "set", "snapship:x=y", volume)
    call("zfs", "set", "site:lines=one\ntwo", volume)

    found = provider.properties(volume)

    assert found["type"] == "filesystem" and found["recordsize"] == 16384 and found["encryption"] == "off"
    assert found["properties"] == {"recordsize": "16384", "atime": "off", "site:note": "to be kept"}


def test_a_pool_that_is_nearly_full_gets_no_snapshot(
    provider: ZfsProvider, make_zpool: Callable[..., Zpool], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = make_zpool(sparse(tmp_path / "pool.img", 128 * MIB))  # small pools keep half of themselves back
    volume = pool.filesystem()
    with (pool.path(volume) / "data").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(os.urandom(MIB))
    call("zpool", "sync", pool.name)
    (found,) = provider.pressure(volume)
    assert found.pool == pool.name and found.what == "data" and found.percent > 35
    monkeypatch.setattr(snapshots, "FULL_PERCENT", 35)
    with pytest.raises(VolumeError) as caught:
        take(provider, volume)
    assert caught.value.code == "pool_full"
    assert provider.snapshots(volume) == []


def test_filesystems_on_a_zvol_can_be_frozen(provider: ZfsProvider, zpool: Zpool, tmp_path: Path) -> None:
    volume = zpool.zvol(64)
    assert provider.freezable(volume) == []
    call("mkfs.ext4", "-q", zpool.device(volume))
    point = tmp_path / "on zvol"
    point.mkdir()
    call("mount", zpool.device(volume), point)
    try:
        assert provider.freezable(volume) == [str(point)]
    finally:
        call("umount", point)
    assert provider.freezable(zpool.filesystem()) == []


def test_versions(provider: ZfsProvider) -> None:
    said = subprocess.run(["zfs", "version"], capture_output=True, text=True, check=True).stdout
    assert all(version and version in said for version in provider.versions().values())
