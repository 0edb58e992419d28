# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restored datasets put in the place of their targets: what was there stays, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError, VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import ReceiveRequest, RestorePlace
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.tests.lab.guest.pools import Zpool, call
from ansible_collections.snapship.dr.tests.lab.guest.zfs_work import (
    KIB,
    MIB,
    guid,
    names,
    pour,
    prop,
    request,
    restore,
    scatter,
    stream,
    take,
)

KEEP = "db.before-20261122T101112.000001Z-0123456789abcdef"


@pytest.fixture
def provider() -> ZfsProvider:
    return ZfsProvider()


@pytest.fixture
def backup(provider: ZfsProvider, zpool: Zpool) -> tuple[str, bytes]:
    """State id and stream of a small filesystem with the file ``new``."""
    volume = zpool.filesystem("", "-o", "recordsize=16k", "-o", "mountpoint=/tmp/source", "-o", "site:note=x y")
    (Path("/tmp/source") / "new").write_bytes(b"new")
    (made,) = take(provider, volume)
    return made.state_id, stream(provider, None, made)[0]


def test_what_was_there_is_kept_and_its_place_taken(
    provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes], tmp_path: Path
) -> None:
    place = tmp_path / "app data"
    target = second_zpool.filesystem("db", "-o", f"mountpoint={place}")
    old = guid(target)
    child = second_zpool.filesystem("db/child")
    second_zpool.filesystem(KEEP)
    state = provider.target_state(RestorePlace(target))
    assert state.exists and state.busy == f"mounted on {place}" and state.free > MIB
    call("zfs", "unmount", target)
    call("zfs", "mount", child)
    assert child in (provider.target_state(RestorePlace(target)).busy or "")
    with pytest.raises(VolumeError) as caught:
        restore(provider, target, [backup], KEEP)
    assert caught.value.code == "target_busy"
    call("zfs", "unmount", child)

    kept = restore(provider, target, [backup], KEEP)

    assert kept == f"{second_zpool.name}/{KEEP}-2" and guid(kept) == old
    assert f"{kept}/child" in names(second_zpool.name)
    assert (prop("canmount", kept), prop("canmount", target)) == ("noauto", "on")
    assert prop("mounted", target) == "no" == prop("mounted", kept)
    assert "snapship" not in call("zfs", "get", "-H", "-s", "local", "-o", "property", "all", target)
    call("zfs", "mount", target)
    assert (place / "new").read_bytes() == b"new"


def test_an_earlier_restore_nobody_touched_goes_one_with_snapshots_stays(
    provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes]
) -> None:
    target = f"{second_zpool.name}/db"
    assert restore(provider, target, [backup]) is None
    assert restore(provider, target, [backup]) is None
    assert names(second_zpool.name, "filesystem", "snapshot") == [second_zpool.name, target, f"{target}@{own(target)}"]

    call("zfs", "snapshot", f"{target}@users")
    kept = restore(provider, target, [backup])
    assert kept == f"{target}.replaced" and f"{kept}@users" in names(second_zpool.name, "snapshot")


def own(target: str) -> str:
    return names(target, "snapshot")[0].partition("@")[2]


def test_a_restored_dataset_that_was_written_to_is_another(
    provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes]
) -> None:
    target = f"{second_zpool.name}/db"
    restore(provider, target, [backup])
    before = provider.target_state(RestorePlace(target)).witness
    call("zfs", "set", "compression=zstd", target)
    assert provider.target_state(RestorePlace(target)).witness == before
    call("zfs", "mount", target)
    (second_zpool.path(target) / "more").write_bytes(b"x")
    after = provider.target_state(RestorePlace(target)).witness
    assert after["identity"] == before["identity"] and after != before
    call("zfs", "snapshot", f"{target}@users")
    assert provider.target_state(RestorePlace(target)).witness != before


def test_properties_come_on_request_and_never_the_place(
    provider: ZfsProvider, zpool: Zpool, second_zpool: Zpool, backup: tuple[str, bytes]
) -> None:
    recorded = provider.properties(names(zpool.name)[1])
    assert recorded["properties"]["mountpoint"] == "/tmp/source"
    second, third = (f"{second_zpool.name}/{name}" for name in ("b", "c"))
    restore(provider, second, [backup], properties=recorded, wanted=("all",))
    restore(provider, third, [backup], properties=recorded, wanted=("mountpoint", "site:note"))
    assert (prop("recordsize", second), prop("site:note", second)) == (str(16 * KIB), "x y")
    assert prop("mountpoint", second) == f"{prop('mountpoint', second_zpool.name)}/b"
    assert (prop("recordsize", third), prop("site:note", third)) == (str(128 * KIB), "x y")
    assert (prop("mountpoint", third), prop("mounted", third)) == ("/tmp/source", "no")
    with pytest.raises(UsageError, match="quota"):
        provider.receive_streams(request(f"{second_zpool.name}/d", recorded, ("quota",)))


COMMIT = """
import sys
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.tests.lab.guest.zfs_work import request
target, state, keep = sys.argv[1:]
receiving = ZfsProvider().receive_streams(request(target))
assert receiving.has([state]) == 1
receiving.commit(keep or None)
"""
# Counts what changes something, and kills the run that called it after the one chosen.
KILLER = """#!/bin/sh
case $1 in
    rename|set|inherit|destroy) ;;
    *) exec {real} "$@" ;;
esac
echo x >> {folder}/count
[ "$(wc -l < {folder}/count)" = {at} ] || exec {real} "$@"
{real} "$@"
kill -9 $PPID
"""


@pytest.mark.parametrize("keep", [KEEP, ""], ids=["kept", "dropped"])
def test_a_swap_that_was_cut_is_finished_or_undone(
    provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes], tmp_path: Path, keep: str
) -> None:
    pool, target, kept = second_zpool.name, f"{second_zpool.name}/db", f"{second_zpool.name}/{KEEP}"
    receiving = provider.receive_streams(request(target))
    for at in range(1, 30):
        if not receiving.has([backup[0]]):
            for each in names(pool)[1:]:
                call("zfs", "destroy", "-r", each)
            call("zfs", "create", "-u", target)
            old = guid(target)
            receiving = provider.receive_streams(request(target))
            pour(receiving, *backup)
            new = receiving.witness()
        status = cut(tmp_path, at, target, backup[0], keep)
        half = provider.target_state(RestorePlace(target))
        assert half.exists and half.witness["identity"] in (old, new["identity"])
        provider.recover(RestorePlace(target))

        state = provider.target_state(RestorePlace(target))
        assert state.witness["identity"] == half.witness["identity"]
        swapped = state.witness == new
        beside = [kept] if keep and swapped else [] if swapped else [receiving.path]
        assert names(pool) == sorted([pool, target, *beside])
        assert guid(kept if keep and swapped else target) == old or (swapped and not keep)
        assert prop("canmount", target) == "on"
        if status == 0:
            assert swapped and at > 4
            return
    pytest.fail("the swap never came to its end")


def cut(folder: Path, at: int, target: str, state: str, keep: str) -> int:
    """Commit a restore in a process of its own that is killed after its ``at``-th change."""
    real = next(path for path in ("/usr/sbin/zfs", "/sbin/zfs", "/usr/local/sbin/zfs") if os.path.exists(path))
    (folder / "count").write_text("")
    (folder / "zfs").write_text(KILLER.format(real=real, folder=folder, at=at))
    (folder / "zfs").chmod(0o755)
    environment = dict(os.environ, PATH=f"{folder}:{os.environ['PATH']}")
    return subprocess.run([sys.executable, "-c", COMMIT, target, state, keep], env=environment, check=False).returncode


def test_a_dataset_and_one_below_it_are_restored_in_one_run(
    provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes]
) -> None:
    above, below = f"{second_zpool.name}/db", f"{second_zpool.name}/db/wal"
    for round_ in range(2):
        before = [guid(each) for each in (above, below)] if round_ else []
        for each in (above, below):
            if round_:
                assert provider.target_state(RestorePlace(each)).busy is None
            provider.recover(RestorePlace(each))
        receiving = [provider.receive_streams(request(each)) for each in (above, below)]
        for each in receiving:
            each.has([backup[0]])
            pour(each, *backup)
        kept = []
        for each in receiving:
            seen = each.witness()
            kept.append(each.commit("old"))
            target = above if each is receiving[0] else below
            assert provider.target_state(RestorePlace(target)).witness == seen
        if round_:
            assert kept == [f"{second_zpool.name}/old", f"{second_zpool.name}/old/wal"]
            assert [guid(str(each)) for each in kept] == before
        else:
            assert kept == [None, None]
    assert len(names(second_zpool.name)) == 5
    assert sorted(provider.children(above)) == [below]


def test_places_that_cant_be_restored_to(provider: ZfsProvider, second_zpool: Zpool, backup: tuple[str, bytes]) -> None:
    zvol = second_zpool.zvol(16)
    with pytest.raises(VolumeError) as caught:
        provider.target_state(RestorePlace(f"{zvol}/below"))
    assert caught.value.code == "wrong_type"
    with pytest.raises(UsageError, match="pool"):
        provider.target_state(RestorePlace(second_zpool.name))
    with pytest.raises(VolumeError, match="imported"):
        provider.target_state(RestorePlace("nopool/x"))
    receiving = provider.receive_streams(request(f"{second_zpool.name}/db"))
    pour(receiving, *backup)
    call("zfs", "create", f"{second_zpool.name}/db")  # somebody else was faster
    with pytest.raises(VolumeError) as caught:
        receiving.commit(KEEP)
    assert caught.value.code == "target_exists"
    receiving.abort()
    assert len(names(second_zpool.name)) == 3


def test_a_zvol_that_is_open_is_busy(provider: ZfsProvider, second_zpool: Zpool, tmp_path: Path) -> None:
    volume = second_zpool.zvol(64)
    device = second_zpool.device(volume)
    assert provider.target_state(RestorePlace(volume)).busy is None
    with device.open("rb"):
        assert provider.target_state(RestorePlace(volume)).busy == f"process {os.getpid()}"
    call("mkfs.ext4", "-q", device)
    call("mount", device, tmp_path)
    try:
        assert provider.target_state(RestorePlace(volume)).busy == f"mounted on {tmp_path}"
    finally:
        call("umount", tmp_path)


@pytest.mark.parametrize("size", [16 * MIB, 3 * MIB + 5 * 512 + 1])
def test_blocks_received_into_a_zvol(provider: ZfsProvider, second_zpool: Zpool, size: int) -> None:
    target = f"{second_zpool.name}/volume"
    asked = ReceiveRequest(RestorePlace(target), size, {"volblocksize": 4 * KIB}, [])
    for round_ in range(2):
        keep = "old" if round_ else None
        left = provider.receive(asked)
        if round_:
            left.write(0, memoryview(b"left by a run that died"))
            left.close()
        receiving = (
            provider.receive(ReceiveRequest(RestorePlace(target), size, {"volblocksize": 4 * KIB}, []))
            if round_
            else left
        )
        assert receiving.zeroed
        data = {0: os.urandom(MIB), 2 * MIB: os.urandom(300 * KIB), size - 7000: os.urandom(7000)}
        for offset, piece in data.items():
            receiving.write(offset, memoryview(piece))
        receiving.sync()
        for offset, piece in data.items():
            found = bytearray(len(piece))
            receiving.read_into(offset, memoryview(found))
            assert found == piece
        touched = list(receiving.data())
        for offset, piece in data.items():
            assert any(start <= offset and offset + len(piece) <= end for start, end in touched)
        before = guid(target) if round_ else ""
        seen = receiving.witness()
        kept = receiving.commit(keep)
        assert kept == (f"{second_zpool.name}/old" if keep else None)
        assert not keep or guid(str(kept)) == before
        state = provider.target_state(RestorePlace(target))
        assert state.witness == seen and state.busy is None
        device = second_zpool.device(target)
        with device.open("rb") as file:
            whole = file.read()
        expected = bytearray(len(whole))
        for offset, piece in data.items():
            expected[offset : offset + len(piece)] = piece
        assert whole == expected and size <= len(whole) < size + 128 * KIB
    scatter(device, MIB)
    assert provider.target_state(RestorePlace(target)).witness != seen
    assert prop("volblocksize", target) == "4096" and prop("volmode", target) == "default"
    assert prop("sync", target) == "standard"
    gone = provider.receive(ReceiveRequest(RestorePlace(target), size, {}, []))
    gone.abort()
    assert names(second_zpool.name) == [second_zpool.name, f"{second_zpool.name}/old", target]
