# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading snapshots of thin LVs and what differs between them: the right base or none, never a wrong increment."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import BusyError, VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes import lvm
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.provider import LvmThinProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import Snapshot
from ansible_collections.snapship.dr.tests.lab.guest.lvm_work import (
    KIB,
    MIB,
    content,
    differing,
    discard,
    full,
    held,
    increment,
    lv,
    names,
    scatter,
    take,
    write,
)
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, call

MODULE_UTILS = Path(lvm.__file__).parents[3]
NEWER_TOOLS = "/opt/tpt1/usr/sbin"


@pytest.fixture
def provider() -> LvmThinProvider:
    return LvmThinProvider()


@pytest.fixture(params=["older", "newer"])
def tools(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both lines of thin-provisioning-tools: 0.9 and 1.x."""
    if request.param == "newer":
        assert os.path.exists(f"{NEWER_TOOLS}/thin_delta")
        monkeypatch.setenv("PATH", f"{NEWER_TOOLS}:{os.environ['PATH']}")
    return str(request.param)


def test_every_state_bit_for_bit(provider: LvmThinProvider, thin_pool: ThinPool, tools: str) -> None:
    chance = random.Random(7)
    volume = thin_pool.volume(24)
    scatter(volume, chance)
    states = [(take(provider, volume)[0], content(volume))]
    for step in range(4):
        if step == 1:
            call("lvextend", "-q", "-L", "36M", volume)
        scatter(volume, chance)
        states.append((take(provider, volume)[0], content(volume)))
    image = full(provider, states[0][0])
    assert image == states[0][1]
    for (base, _old), (snapshot, wanted) in zip(states, states[1:]):
        image = increment(provider, image, base, snapshot)
        assert image == wanted
    newest, wanted = states[-1]
    assert full(provider, newest) == wanted
    assert increment(provider, bytearray(states[1][1]), states[1][0], newest) == wanted, "not only the one before"
    assert not held(thin_pool) and all(lv(each.path, "lv_active") == "" for each, _image in states)
    assert [each.flaw for each in provider.snapshots(volume)] == [None] * 5


def test_what_a_shrunk_volume_hid_and_shows_again(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    """The pool keeps what lies beyond the end, and the LV has it again when it grows: neither snapshot's mapping of it
    differs, but the middle state was shipped without."""
    volume = thin_pool.volume(24)
    write(volume, 20 * MIB, b"beyond the end")
    call("lvreduce", "-q", "-f", "-L", "12M", volume)
    (small,) = take(provider, volume)
    image = full(provider, small)
    assert len(image) == 12 * MIB and not any(image)
    call("lvextend", "-q", "-L", "24M", volume)
    (large,) = take(provider, volume)
    assert b"beyond the end" in content(volume)
    assert increment(provider, image, small, large) == content(volume)
    call("lvreduce", "-q", "-f", "-L", "8M", volume)
    (smaller,) = take(provider, volume)
    assert increment(provider, bytearray(content(activated(large))), large, smaller) == content(volume)


def activated(snapshot: Snapshot) -> str:
    """A snapshot, active from now on, as ``vg/lv``."""
    name = snapshot.path.removeprefix("/dev/")
    call("lvchange", "-q", "-ay", "-K", name)
    return name


def test_only_what_changed_is_read(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(64)
    write(volume, 0, os.urandom(8 * MIB))
    (base,) = take(provider, volume)
    write(volume, 3 * MIB + 5, b"x")
    write(volume, 40 * MIB, b"x" * 100 * KIB)
    discard(volume, MIB, 128 * KIB)
    (snapshot,) = take(provider, volume)
    assert differing(provider, base, snapshot) == [
        (MIB, 128 * KIB, False),
        (3 * MIB, 64 * KIB, True),
        (40 * MIB, 128 * KIB, True),
    ]
    with provider.open(base) as reader:
        assert list(reader.data()) == [(0, 8 * MIB, True)]


def test_a_base_that_was_written_to(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, os.urandom(MIB))
    (base,) = take(provider, volume)
    assert provider.unchanged(base)
    name = base.path.removeprefix("/dev/")
    call("lvchange", "-q", "-prw", name)
    assert provider.snapshots(volume)[0].flaw == "it was made writable"
    call("lvchange", "-q", "-ay", "-K", name)
    write(name, 4096, b"one sector of a block that is there")
    call("lvchange", "-q", "-an", name)
    call("lvchange", "-q", "-pr", name)
    assert provider.snapshots(volume)[0].flaw is None, "LVM says that it is as before"

    assert not provider.unchanged(base)
    assert provider.snapshots(volume)[0].flaw is None, "a look leaves no mark"
    (snapshot,) = take(provider, volume)
    _refused(provider, base, snapshot)
    assert [each.flaw for each in provider.snapshots(volume)] == [None, "it was written to"]
    with pytest.raises(VolumeError) as error, provider.open(base):
        pass
    assert error.value.code == "snapshot_changed"
    assert not held(thin_pool)


def test_a_base_that_lost_blocks(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, os.urandom(MIB))
    (base,) = take(provider, volume)
    full(provider, base)
    name = base.path.removeprefix("/dev/")
    call("lvchange", "-q", "-prw", name)
    call("lvchange", "-q", "-ay", "-K", name)
    discard(name, 0, 64 * KIB)
    call("lvchange", "-q", "-an", name)
    call("lvchange", "-q", "-pr", name)
    (snapshot,) = take(provider, volume)
    _refused(provider, base, snapshot)


def test_a_source_that_was_written_to(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    (base,) = take(provider, volume)
    (snapshot,) = take(provider, volume)
    name = snapshot.path.removeprefix("/dev/")
    call("lvchange", "-q", "-prw", name)
    call("lvchange", "-q", "-ay", "-K", name)
    write(name, 0, b"x")
    call("lvchange", "-q", "-pr", name)
    _refused(provider, base, snapshot)


def _refused(provider: LvmThinProvider, base: Snapshot, snapshot: Snapshot) -> None:
    with pytest.raises(VolumeError) as error:
        differing(provider, base, snapshot)
    assert error.value.code == "snapshot_changed"


def test_renamed_snapshots_and_volumes(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, os.urandom(MIB))
    (base,) = take(provider, volume)
    image = full(provider, base)
    call("lvrename", base.path, f"/dev/{thin_pool.vg}/other")
    call("lvrename", volume, "renamed")
    renamed = f"{thin_pool.vg}/renamed"
    write(renamed, 512 * KIB, b"x")

    (found,) = provider.snapshots(renamed)
    assert (found.state_id, found.path, found.flaw) == (base.state_id, f"/dev/{thin_pool.vg}/other", None)
    (snapshot,) = take(provider, renamed)
    assert increment(provider, image, found, snapshot) == content(renamed)
    (orphan,) = provider.snapshots(volume)
    assert (orphan.state_id, orphan.flaw) == (base.state_id, "its LV is gone")

    call("lvcreate", "-q", "-V", "16M", "-T", thin_pool.name, "-n", volume.split("/")[1])
    (strange,) = provider.snapshots(volume)
    assert strange.flaw == "it belongs to an earlier LV of this name"
    assert strange.lineage != provider.info(volume).lineage
    assert not provider.unchanged(base)


def test_a_volume_that_was_rolled_back(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, b"a" * MIB)
    old = thin_pool.snapshot(volume)
    write(volume, 0, b"b" * MIB)
    (base,) = take(provider, volume)
    image = full(provider, base)
    call("lvchange", "-q", "-an", old)
    call("lvconvert", "-q", "--merge", old)
    assert content(volume)[:1] == b"a"
    write(volume, 2 * MIB, b"c")
    (snapshot,) = take(provider, volume)
    assert increment(provider, image, base, snapshot) == content(volume)
    assert snapshot.lineage == base.lineage


def test_rolled_back_to_a_snapshot_of_ours(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, b"a" * MIB)
    (first,) = take(provider, volume)
    write(volume, 0, b"b" * MIB)
    (base,) = take(provider, volume)
    image = full(provider, base)
    call("lvconvert", "-q", "--merge", first.path.removeprefix("/dev/"))
    assert [each.state_id for each in provider.snapshots(volume)] == [base.state_id]
    assert provider.info(volume).lineage == base.lineage, "it is a volume still"
    (snapshot,) = take(provider, volume)
    assert increment(provider, image, base, snapshot) == content(volume)
    assert content(volume)[:1] == b"a"


def test_a_snapshot_whose_thin_id_is_used_again(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    (base,) = take(provider, volume)
    name = base.path.removeprefix("/dev/")
    thin_id, tags = lv(name, "thin_id"), lv(name, "lv_tags").split(",")
    call("lvremove", "-q", "-y", name)
    other = thin_pool.snapshot(volume, name.split("/")[1], ("-ky", "-pr"))
    assert lv(other, "thin_id") == thin_id
    with pytest.raises(VolumeError) as error, provider.open(base):
        pass
    assert error.value.code == "snapshot_gone"
    for tag in tags:
        call("lvchange", "-q", "--addtag", tag, other)
    (found,) = provider.snapshots(volume)
    assert found.flaw == "its tags were copied from another LV"
    (snapshot,) = take(provider, volume)
    _refused(provider, base, snapshot)


def test_a_snapshot_that_was_resized(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    (base,) = take(provider, volume)
    call("lvextend", "-q", "-L", "24M", base.path)
    assert provider.snapshots(volume)[0].flaw == "it was resized"


def test_unchanged_counts_what_is_not_on_disk_yet(
    provider: LvmThinProvider, thin_pool: ThinPool, tmp_path: Path
) -> None:
    volume = thin_pool.volume(16)
    (base,) = take(provider, volume)
    assert provider.unchanged(base)
    with open(f"/dev/{volume}", "r+b", buffering=0) as device:
        device.write(b"in the page cache")
        assert not provider.unchanged(base)
    call("mkfs.ext4", "-q", f"/dev/{volume}")
    call("mount", f"/dev/{volume}", tmp_path)
    try:
        os.sync()
        (base,) = take(provider, volume)
        (tmp_path / "file").write_bytes(os.urandom(MIB))
        assert not provider.unchanged(base)
    finally:
        call("umount", tmp_path)
    call("lvextend", "-q", "-L", "24M", volume)
    (base,) = take(provider, volume)
    assert provider.unchanged(base)
    call("lvextend", "-q", "-L", "32M", volume)
    assert not provider.unchanged(base)


CHILD = """
    import os, signal, sys
    sys.path.insert(0, sys.argv[1])
    from _engine.volumes.lvm import report, thin_pool
    listing = report.list_volumes(sys.argv[2])
    pool = listing.by_name[sys.argv[3]]
    if sys.argv[4] == "noted":
        thin_pool.write_json(thin_pool._note(pool), {"pool": "x"})
        os.kill(os.getpid(), signal.SIGKILL)
    with thin_pool.metadata_snapshot(pool):
        os.kill(os.getpid(), signal.SIGKILL)
"""


def _killed(pool: ThinPool, when: str) -> None:
    words = [sys.executable, "-c", textwrap.dedent(CHILD), MODULE_UTILS, pool.vg, pool.pool, when]
    assert subprocess.run([str(word) for word in words], check=False).returncode == -9


def test_a_metadata_snapshot_that_a_killed_run_left(
    provider: LvmThinProvider, thin_pool: ThinPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume = thin_pool.volume(16)
    write(volume, 0, b"x")
    note = Path(lvm.thin_pool.NOTES) / lv(thin_pool.name, "lv_uuid")
    _killed(thin_pool, "held")
    assert held(thin_pool) and note.exists()
    (made,) = take(provider, volume)
    assert not held(thin_pool) and not note.exists()
    _killed(thin_pool, "held")
    assert full(provider, made)[:1] == b"x"
    assert not held(thin_pool) and not note.exists()
    _killed(thin_pool, "noted")
    assert provider.unchanged(made) and not note.exists()

    call("dmsetup", "message", thin_pool.mapped, "0", "reserve_metadata_snap")
    try:
        monkeypatch.setattr(lvm.thin_pool, "OTHERS_TIMEOUT", 1.0)
        with pytest.raises(BusyError, match="another program holds") as error:
            full(provider, made)
        assert f"dmsetup message {thin_pool.mapped} 0 release_metadata_snap" in error.value.hint
        take(provider, volume)
        assert held(thin_pool), "it is somebody else's"
    finally:
        call("dmsetup", "message", thin_pool.mapped, "0", "release_metadata_snap")
    assert lv(made.path, "lv_active") == ""


def test_a_metadata_snapshot_of_somebody_else_is_waited_for(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    (made,) = take(provider, volume)
    call("dmsetup", "message", thin_pool.mapped, "0", "reserve_metadata_snap")
    release = ["dmsetup", "message", thin_pool.mapped, "0", "release_metadata_snap"]
    timer = threading.Timer(2.0, call, release)
    timer.start()
    assert provider.unchanged(made)
    timer.join()


def test_many_at_once(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    """One metadata snapshot a pool, and readers of one snapshot that come and go."""
    volume = thin_pool.volume(16)
    write(volume, 0, os.urandom(MIB))
    (base,) = take(provider, volume)
    write(volume, 0, b"x")
    (snapshot,) = take(provider, volume)
    images: list[bytes] = []

    def work(job: Callable[[], bytearray]) -> None:
        images.append(bytes(job()))

    jobs: list[Callable[[], bytearray]] = [lambda: full(provider, snapshot), lambda: full(provider, snapshot)]
    jobs.append(lambda: increment(provider, full(provider, base), base, snapshot))
    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert images == [content(volume)] * 3
    assert not held(thin_pool) and lv(snapshot.path, "lv_active") == ""


def test_a_pool_that_is_not_active(provider: LvmThinProvider, thin_pool: ThinPool) -> None:
    volume = thin_pool.volume(16)
    (made,) = take(provider, volume)
    call("lvchange", "-q", "-an", volume)
    call("lvchange", "-q", "-an", thin_pool.name)
    assert not Path(f"/dev/mapper/{thin_pool.mapped}").exists()
    assert provider.unchanged(made)
    assert not Path(f"/dev/mapper/{thin_pool.mapped}").exists(), "a look leaves nothing behind"
    assert not any(full(provider, made))
    assert provider.activity(volume) == provider.activity(volume)
    take(provider, volume)
    assert len(names(thin_pool)) == 3
