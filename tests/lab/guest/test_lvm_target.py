# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restoring onto thin LVs: beside the target, swapped in, put right after kills; and knowing what was restored."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    BusyError,
    UnknownError,
    UsageError,
    VolumeError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes import lvm
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.provider import LvmThinProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import RestorePlace
from ansible_collections.snapship.dr.tests.lab.guest.lvm_work import (
    KIB,
    MIB,
    content,
    discard,
    full,
    lv,
    names,
    own_pool,
    receive,
    restore,
    shim,
    take,
    write,
)
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, call

__all__ = ["own_pool"]  # a fixture

MODULE_UTILS = Path(lvm.__file__).parents[3]


@pytest.fixture
def provider() -> LvmThinProvider:
    return LvmThinProvider()


def image_of(size: int, text: bytes) -> bytes:
    """Something of this size with a little in it."""
    image = bytearray(size)
    for offset in (0, size // 2 + 12345, size - 100):
        image[offset : offset + len(text)] = text
    return bytes(image)


def test_a_restored_lv_is_known_until_it_is_written(
    provider: LvmThinProvider, thin_pool: ThinPool, tmp_path: Path
) -> None:
    target = f"{thin_pool.vg}/db"
    source = thin_pool.volume(16)
    call("mkfs.ext4", "-q", f"/dev/{source}")
    state = provider.target_state(RestorePlace(target))
    assert (state.exists, state.busy, state.witness) == (False, None, {}) and state.free > 1024 * MIB

    assert restore(provider, target, content(source)) is None

    assert content(target) == content(source)
    known = provider.target_state(RestorePlace(target)).witness
    assert known["identity"] == lv(target, "lv_uuid") and {"mapped", "newest"} < known.keys()
    call("mount", "-o", "ro", f"/dev/{target}", tmp_path)
    assert provider.target_state(RestorePlace(target)).busy == f"mounted on {tmp_path}"
    call("umount", tmp_path)
    (made,) = take(provider, target)
    assert full(provider, made) == content(source)
    provider.remove(made)
    assert provider.target_state(RestorePlace(target)).witness == known, "reading and snapshots don't count"

    write(target, 512, content(target)[512:1024])
    written = provider.target_state(RestorePlace(target)).witness
    assert written != known, "one sector, and even the same data"
    assert restore(provider, target, content(source), "db.old") == f"{thin_pool.vg}/db.old"
    known = provider.target_state(RestorePlace(target)).witness
    discard(target, 0, 64 * KIB)
    assert provider.target_state(RestorePlace(target)).witness != known


def test_what_is_there_is_kept_or_dropped(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    target = thin_pool.volume(16, "db")
    thin_pool.volume(8, "db.before-1")
    write(target, 0, b"users")
    (made,) = take(provider, target, made_by="user", name="daily")
    assert provider.target_state(RestorePlace(target)).witness == {"identity": lv(target, "lv_uuid")}

    kept = restore(provider, target, image_of(8 * MIB, b"one"), "db.before-1")
    assert kept == f"{thin_pool.vg}/db.before-1-2" and content(kept)[:5] == b"users"
    assert content(target) == image_of(8 * MIB, b"one")
    assert provider.snapshots(target) == []
    (followed,) = provider.snapshots(kept)
    assert (followed.state_id, followed.flaw) == (made.state_id, None)

    assert restore(provider, target, image_of(16 * MIB, b"two")) is None
    assert content(target) == image_of(16 * MIB, b"two")
    hostile = restore(provider, target, image_of(16 * MIB, b"three"), "-a b;$(id)\n_tdata" + "x" * 200)
    assert hostile is not None and content(hostile) == image_of(16 * MIB, b"two")
    assert {"db", "db.before-1", "db.before-1-2"} < set(names(thin_pool)) and len(names(thin_pool)) == 5


def test_busy_targets(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    target = thin_pool.volume(8)
    received = receive(provider, target, 8 * MIB)
    with open(f"/dev/{target}", "rb"):
        assert provider.target_state(RestorePlace(target)).busy == "open in another process"
        with pytest.raises(BusyError) as error:
            received.commit("kept")
        assert error.value.code == "target_busy"
        received.abort()
    call("dmsetup", "create", "over", "--table", f"0 100 linear /dev/{target} 0")
    try:
        assert str(provider.target_state(RestorePlace(target)).busy).startswith("part of /dev/dm-")
    finally:
        call("dmsetup", "remove", "over")
    assert provider.target_state(RestorePlace(target)).busy is None
    assert names(thin_pool) == [target.split("/")[1]]


def test_where_a_target_can_be(
    provider: LvmThinProvider, thin_pool: ThinPool, own_pool: Callable[..., ThinPool]
) -> None:
    vg = thin_pool.vg
    other = own_pool(mib=64, chunk="128k", metadata_mib=4)
    with pytest.raises(UsageError, match=f"{other.name}.*{thin_pool.name}|{thin_pool.name}.*{other.name}"):
        provider.target_state(RestorePlace(f"{vg}/db"))
    with pytest.raises(UsageError, match="nosuch doesn.t exist"):
        provider.target_state(RestorePlace(f"{vg}/db", "nosuch"))
    with pytest.raises(UsageError, match="isn't in"):
        provider.target_state(RestorePlace(f"{vg}/db", "another/pool"))
    with pytest.raises(UnknownError):
        provider.target_state(RestorePlace("nosuch/db"))
    with pytest.raises(VolumeError, match="thin pool") as error:
        provider.target_state(RestorePlace(thin_pool.name))
    assert error.value.code == "wrong_type"
    for pool, target in ((other.pool, "db"), (thin_pool.name, "db2")):
        received = receive(provider, f"{vg}/{target}", 5 * MIB + 7, pool)
        received.write(5 * MIB, memoryview(b"endend."))
        received.write(1, memoryview(b"x"))
        received.sync()
        grain = (128 if pool == other.pool else 64) * KIB
        assert list(received.data()) == [(0, grain), (5 * MIB, 5 * MIB + grain)]
        received.commit(None)
        assert lv(f"{vg}/{target}", "pool_lv") == pool.split("/")[-1]
        image = content(f"{vg}/{target}")
        assert 5 * MIB + 7 <= len(image) <= 8 * MIB and image.rstrip(b"\0") == b"\0x" + bytes(5 * MIB - 2) + b"endend."
    state = provider.target_state(RestorePlace(f"{vg}/db"))
    assert state.exists and state.free <= 61 * MIB, "of the pool where it is"


def test_a_pool_that_does_not_zero(provider: LvmThinProvider, own_pool: Callable[..., ThinPool]) -> None:
    pool = own_pool(mib=32, metadata_mib=4)
    call("lvchange", "-q", "-Zn", pool.name)
    dirt = pool.volume(32, "dirt")
    write(dirt, 0, b"\xff" * 32 * MIB)
    call("lvremove", "-q", "-y", dirt)
    received = receive(provider, f"{pool.vg}/db", 16 * MIB, pool.pool)
    assert not received.zeroed
    received.write(4 * MIB + 4096, memoryview(b"x" * 4096))
    received.write(8 * MIB, memoryview(b"y" * 64 * KIB))
    touched = [(4 * MIB, 4 * MIB + 64 * KIB), (8 * MIB, 8 * MIB + 64 * KIB)]
    assert list(received.data()) == touched
    buffer = memoryview(bytearray(16 * MIB))
    received.read_into(0, buffer)
    assert b"\xff" in bytes(buffer[touched[0][0] : touched[0][1]]), "what lay there before"
    rest = bytes(buffer[: 4 * MIB]) + bytes(buffer[touched[0][1] : 8 * MIB]) + bytes(buffer[touched[1][1] :])
    assert not any(rest), "what isn't touched reads as zero"
    received.abort()
    assert names(pool) == []


def test_a_pool_that_gets_full(provider: LvmThinProvider, own_pool: Callable[..., ThinPool]) -> None:
    pool = own_pool(mib=192, metadata_mib=4)
    target, volume = f"{pool.vg}/db", pool.volume(64)
    write(volume, 0, os.urandom(50 * MIB))
    assert provider.target_state(RestorePlace(target, pool.pool)).free <= 135 * MIB
    received = receive(provider, target, 256 * MIB, pool.pool)
    with pytest.raises(VolumeError, match="full") as error:
        for offset in range(0, 256 * MIB, MIB):
            received.write(offset, memoryview(b"x" * MIB))
    assert error.value.code in ("pool_full", "no_space")
    received.abort()
    write(volume, 0, b"still writable")
    write(volume, 60 * MIB, b"even in new blocks")
    write(volume, 0, os.urandom(64 * MIB))
    call("lvcreate", "-q", "-V", "192M", "-T", pool.name, "-n", "filler")
    write(f"{pool.vg}/filler", 0, b"x" * 122 * MIB)
    with pytest.raises(VolumeError) as full_now:
        receive(provider, target, 16 * MIB, pool.pool)
    assert full_now.value.code == "pool_full"
    assert names(pool) == sorted([volume.split("/")[1], "filler"])


CHILD = """
    import sys
    sys.path.insert(0, sys.argv[1])
    from _engine.volumes.lvm.provider import LvmThinProvider
    from _engine.volumes.provider import RestorePlace, ReceiveRequest
    target = LvmThinProvider().receive(ReceiveRequest(RestorePlace(sys.argv[2]), 8 << 20, {}, []))
    target.write(0, memoryview(b"new"))
    target.sync()
    target.witness()
    target.commit(sys.argv[3] or None)
"""


def killed_at(tmp_path: Path, target: str, keep_as: str, program: str, number: int, after: bool) -> None:
    """A restore killed just before, or after, its ``number``-th call of a program of LVM's."""
    count, real = tmp_path / "count", f"/usr/sbin/{program}"
    count.write_text("")
    hit = f'[ "$(wc -c < {count})" = {number} ]'
    before = f"if {hit}; then kill -9 $PPID; exit 1; fi"
    kill = (
        f'{real} "$@"; result=$?; if {hit}; then kill -9 $PPID; fi; exit $result'
        if after
        else f"{before}; exec {real} "
    )
    shim(tmp_path / "bin", program, f"printf x >> {count}; {kill}" + ("" if after else '"$@"'))
    environment = dict(os.environ, PATH=f"{tmp_path}/bin:{os.environ['PATH']}")
    words = [sys.executable, "-c", textwrap.dedent(CHILD), str(MODULE_UTILS), target, keep_as]
    assert subprocess.run(words, env=environment, check=False).returncode == -9


@pytest.mark.parametrize(
    ("keep_as", "program", "number", "after", "expected"),
    [
        ("kept", "lvchange", 1, False, b"old"),  # not noted yet
        ("kept", "lvchange", 1, True, b"old"),  # noted, nothing renamed
        ("kept", "lvrename", 1, True, b"new"),  # nothing has the target's name
        ("", "lvrename", 1, True, b"new"),
        ("kept", "lvrename", 2, True, b"new"),  # renamed, the note still there
        ("", "lvrename", 2, True, b"new"),
    ],
)
def test_a_swap_that_was_cut(
    provider: LvmThinProvider,
    thin_pool: ThinPool,
    tmp_path: Path,
    keep_as: str,
    program: str,
    number: int,
    after: bool,
    expected: bytes,
) -> None:
    target = f"{thin_pool.vg}/db"
    restore(provider, target, image_of(8 * MIB, b"old"))
    old = provider.target_state(RestorePlace(target)).witness
    killed_at(tmp_path, target, keep_as, program, number, after)

    seen = provider.target_state(RestorePlace(target))
    assert seen.exists and (seen.witness == old) == (expected == b"old")
    provider.recover(RestorePlace(target))
    assert provider.target_state(RestorePlace(target)).witness == seen.witness, "it is as was said"
    assert content(target)[:3] == expected
    provider.recover(RestorePlace(target))
    kept = {"kept"} if keep_as and expected == b"new" else set()
    if kept:
        assert content(f"{thin_pool.vg}/kept")[:3] == b"old"
    restore(provider, target, image_of(8 * MIB, b"end"))
    assert set(names(thin_pool)) == {"db"} | kept, "nothing else is left"
    assert "snapship.swap" not in lv(target, "lv_tags")


def test_what_a_killed_restore_left(provider: LvmThinProvider, thin_pool: ThinPool, tmp_path: Path) -> None:
    target = f"{thin_pool.vg}/db"
    killed_at(tmp_path, target, "", "lvremove", 1, False)  # the mark of its witness is there, too
    assert len(names(thin_pool)) == 2
    state = provider.target_state(RestorePlace(target))
    assert not state.exists
    (left, *_more) = names(thin_pool)
    with pytest.raises(VolumeError) as error:
        provider.info(f"{thin_pool.vg}/{left}")
    assert error.value.code == "wrong_type"
    restore(provider, target, image_of(8 * MIB, b"end"))
    assert names(thin_pool) == ["db"]


def test_another_run_at_the_same_target(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    target = f"{thin_pool.vg}/db"
    received = receive(provider, target, 8 * MIB)
    with pytest.raises(BusyError) as error:
        receive(provider, target, 8 * MIB)
    assert error.value.code == "locked"
    received.write(0, memoryview(b"x"))
    received.sync()
    received.commit(None)
    assert content(target)[:1] == b"x"
