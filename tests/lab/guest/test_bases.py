# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever happens to a base: the next backup rests on the right one, or is a full that says why; both restore."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.registry import provider_for
from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Kind, Thin, Zvol, overwrite
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.unit.engine.place import Place


class Scene:
    """A volume with two backups; the newer one's snapshot is the base for the next."""

    def __init__(self, source: Kind, place: Place) -> None:
        self.source, self.place, self.rng = source, place, random.Random(9)
        source.write(0, self.rng.randbytes(3 * MIB))
        self.items = [self.ship()]
        source.write(MIB, self.rng.randbytes(MIB))
        self.items.append(self.ship())
        self.states = [source.state()]

    def ship(self) -> dict[str, Any]:
        return self.place.one(self.source.volume)

    @property
    def base(self) -> str:
        """The snapshot that the newest backup was made from, as the storage names it."""
        snapshots = snapshot.describe([self.source.volume])
        (found,) = [each["path"] for each in snapshots if each["state_id"] == self.items[-1]["state_id"]]
        return str(found)

    def check(self, wanted: str, reason: str = "") -> dict[str, Any]:
        """Change something, ship, and see that it is as it should be and restores."""
        self.source.write(2 * MIB, self.rng.randbytes(70_000))
        planned = self.place.ship(self.source.volume, check=True).items[0]
        state = self.source.state()
        item = self.ship()
        assert item["type"] == wanted, item["reason"]
        assert reason in item["reason"], item["reason"]
        if wanted == "incremental":
            assert planned["base"] == item["base"]
        target = self.source.target("there")
        outcome = self.place.fetch(self.source.volume, target)
        assert not outcome.failures, outcome.failures
        assert self.source.state_of(target) == state
        self.source.remove(target)
        return item


@pytest.fixture
def thin(thin_pool: ThinPool, tmp_path: Path) -> Scene:
    return Scene(Thin(thin_pool, 32), Place(tmp_path))


@pytest.fixture(params=["filesystem", "zvol"])
def zfs(request: pytest.FixtureRequest, zpool: Zpool, tmp_path: Path) -> Scene:
    return Scene(Filesystem(zpool) if request.param == "filesystem" else Zvol(zpool, 32), Place(tmp_path))


def lv_of(thin: Scene) -> str:
    """The snapshot that the newest backup was made from, as ``vg/lv``."""
    vg = thin.source.volume.split("/")[0]
    names = call("lvs", "--noheadings", "-o", "lv_name,lv_tags", vg).split("\n")
    state = thin.items[-1]["state_id"]
    (found,) = [line.split()[0] for line in names if state in line]
    return f"{vg}/{found}"


def test_nothing_happened(thin: Scene) -> None:
    assert thin.check("incremental")["base"] == thin.items[-1]["id"]


def test_thin_snapshot_gone(thin: Scene) -> None:
    call("lvremove", "-q", "-f", lv_of(thin))
    thin.check("full", "no state in common")


def test_thin_snapshot_renamed(thin: Scene) -> None:
    vg = thin.source.volume.split("/")[0]
    call("lvrename", "-q", lv_of(thin), f"{vg}/elsewhere")
    item = thin.place.one(thin.source.volume)
    if item["type"] == "incremental":
        assert item["base"] == thin.items[-1]["id"]
    thin.check("incremental")


def test_thin_snapshot_written_in_between(thin: Scene) -> None:
    snapshot = lv_of(thin)
    call("lvchange", "-q", "-prw", snapshot)
    call("lvchange", "-q", "-ay", "-K", snapshot)
    overwrite(Path("/dev") / snapshot, MIB, b"nobody should do this".ljust(512))
    call("lvchange", "-q", "-an", snapshot)
    call("lvchange", "-q", "-pr", snapshot)
    thin.check("full", "can't be the base")
    thin.check("incremental")


def test_thin_snapshot_discarded_in_between(thin: Scene) -> None:
    snapshot = lv_of(thin)
    call("lvchange", "-q", "-prw", snapshot)
    call("lvchange", "-q", "-ay", "-K", snapshot)
    call("blkdiscard", "-o", MIB, "-l", MIB, Path("/dev") / snapshot)
    call("lvchange", "-q", "-an", snapshot)
    call("lvchange", "-q", "-pr", snapshot)
    thin.check("full", "can't be the base")


def test_thin_snapshot_left_writable(thin: Scene) -> None:
    call("lvchange", "-q", "-prw", lv_of(thin))
    thin.check("full", "can't be the base")


def test_thin_impostor_with_its_tags(thin: Scene, thin_pool: ThinPool) -> None:
    """Another volume gets the snapshot's name and its tags, and, as it happens, its thin id."""
    snapshot = lv_of(thin)
    number = thin_pool.thin_id(snapshot)
    tags = call("lvs", "--noheadings", "-o", "lv_tags", snapshot).strip().split(",")
    call("lvremove", "-q", "-f", snapshot)
    other = thin_pool.volume(32)
    overwrite(Path("/dev") / other, 0, b"another volume".ljust(512))
    impostor = thin_pool.snapshot(other, snapshot.split("/")[1], ("-ky", "-pr"))
    call("lvchange", "-q", *(f"--addtag={tag}" for tag in tags), impostor)
    assert number in (thin_pool.thin_id(impostor), thin_pool.thin_id(other))
    thin.check("full")


def test_thin_origin_rolled_back(thin: Scene, thin_pool: ThinPool) -> None:
    """A plain snapshot from before the newest backup is merged into the volume."""
    plain = thin_pool.snapshot(thin.source.volume, "plain", ("-kn",))
    thin.source.write(0, thin.rng.randbytes(MIB))
    thin.items.append(thin.ship())
    call("lvchange", "-q", "-an", plain)
    call("lvchange", "-q", "-an", thin.source.volume)
    call("lvconvert", "-q", "--merge", plain)
    call("lvchange", "-q", "-ay", thin.source.volume)
    item = thin.place.one(thin.source.volume)
    assert item["type"] in ("incremental", "full")
    thin.check("incremental")


def test_thin_volume_renamed_and_another_in_its_place(thin: Scene, thin_pool: ThinPool) -> None:
    old = thin.source.volume
    call("lvrename", "-q", old, f"{old}-moved")
    thin_pool.volume(32, old.split("/")[1])
    thin.source.write(0, thin.rng.randbytes(MIB))
    thin.check("full")
    thin.source.volume = f"{old}-moved"
    thin.check("full", "first backup")


def test_zfs_snapshot_gone_bookmark_left(zfs: Scene) -> None:
    call("zfs", "destroy", zfs.base)
    assert zfs.check("incremental")["base"] == zfs.items[-1]["id"]


def test_zfs_killed_run_left_its_snapshot(zfs: Scene) -> None:
    """The next increment can be compared with its source all the same: it is not the dead run's bookmark that stays."""
    provider = provider_for(zfs.source.volume, "zfs")
    (base,) = [each for each in provider.snapshots(zfs.source.volume) if each.holds]
    call("zfs", "snapshot", f"{zfs.source.volume}@left")
    (left,) = [each for each in provider.snapshots(zfs.source.volume) if each.name == "left"]
    provider.hold(left, next(iter(base.holds)), "pending")
    zfs.source.write(0, zfs.rng.randbytes(MIB))
    assert zfs.check("incremental")["base"] == zfs.items[-1]["id"]
    assert not zfs.place.verify(zfs.source.volume, mode="source").failures


def test_zfs_snapshot_and_bookmark_gone(zfs: Scene) -> None:
    call("zfs", "destroy", zfs.base)
    for bookmark in call("zfs", "list", "-H", "-o", "name", "-t", "bookmark", zfs.source.volume).split():
        call("zfs", "destroy", bookmark)
    zfs.check("full", "no state in common")


def test_zfs_snapshot_renamed(zfs: Scene) -> None:
    call("zfs", "rename", zfs.base, f"{zfs.source.volume}@elsewhere")
    assert zfs.check("incremental")["base"] == zfs.items[-1]["id"]


def test_zfs_rolled_back(zfs: Scene) -> None:
    call("zfs", "snapshot", f"{zfs.source.volume}@plain")
    state = zfs.source.state()
    zfs.source.write(0, zfs.rng.randbytes(MIB))
    zfs.items.append(zfs.ship())
    call("zfs", "rollback", "-r", f"{zfs.source.volume}@plain")
    assert zfs.source.state() == state
    item = zfs.check("incremental")
    assert item["base"] == zfs.items[-2]["id"]


def test_zfs_replaced_by_another_of_its_name(zfs: Scene, zpool: Zpool) -> None:
    name = zfs.source.volume
    call("zfs", "rename", name, f"{name}-old")
    if isinstance(zfs.source, Zvol):
        zpool.zvol(32, name.split("/")[1])
    else:
        zpool.filesystem(name.split("/")[1])
    zfs.source.write(0, zfs.rng.randbytes(MIB))
    zfs.check("full")


def test_zfs_received_from_its_own_backup(zfs: Scene) -> None:
    """The restored dataset has the snapshot's GUID: it takes the place of the lost one."""
    name = zfs.source.volume
    call("zfs", "destroy", "-r", name)
    outcome = zfs.place.fetch(name, name)
    assert outcome.changed and not outcome.failures, outcome.failures
    if isinstance(zfs.source, Filesystem):
        call("zfs", "mount", name)
    assert zfs.source.state() == zfs.states[-1]
    item = zfs.place.one(name)
    assert item["type"] in ("incremental", "full")
    zfs.check("incremental")
