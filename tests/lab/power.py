# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a guest does while its power is cut, and how it is looked at afterwards.

power.py set-up        a thin pool and a zpool with a volume each, and first backups
power.py work SEED     ship, restore, verify, over and over; says what it does
power.py check         everything that was acknowledged is there and good, and the next run completes

All of it lies on disks: pools on the guest's, the rest below /tmp. What has been acknowledged is written down, durably.
"""

from __future__ import annotations

import json
import os
import random
import sys
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.tests.lab.guest.health import check_health, check_nothing_left
from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Kind, Thin
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.unit.engine.place import Place

ROOT = Path("/tmp/power")
MOST = 6


class Existing(Thin):
    """A thin volume that is there already."""

    def __init__(self, pool: ThinPool, volume: str) -> None:
        self.pool, self.volume = pool, volume


class ExistingFilesystem(Filesystem):
    """A filesystem that is there already."""

    def __init__(self, pool: Zpool, volume: str) -> None:
        self.pool, self.volume, self._path = pool, volume, pool.path(volume)


def place() -> Place:
    return Place(ROOT, grace_period="0s")


def sources() -> dict[str, Kind]:
    return {
        "lvm": Existing(ThinPool("vg", "pool"), "vg/db"),
        "zfs": ExistingFilesystem(Zpool("tank"), "tank/db"),
    }


def durably(path: Path, value: Any) -> None:
    """Write JSON and see that it is on the disk."""
    aside = path.with_suffix(".new")
    with aside.open("w") as file:
        json.dump(value, file)
        file.flush()
        os.fsync(file.fileno())
    aside.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def known() -> dict[str, Any]:
    path = ROOT / "known.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return found


def mount_state() -> None:
    """What a guest keeps in memory and a host keeps on its disk."""
    for path in ("/var/lib/snapship", "/etc/snapship"):
        kept = ROOT / path.strip("/").replace("/", "-")
        kept.mkdir(parents=True, exist_ok=True)
        Path(path).mkdir(parents=True, exist_ok=True)
        call("mount", "--bind", kept, path)


def set_up() -> None:
    first, second = os.environ["LAB_DISKS"].split()[:2]
    mount_state()
    call("vgcreate", "-q", "vg", first)
    call("lvcreate", "-q", "-L", "2G", "-c", "64k", "--poolmetadatasize=16M", "-T", "vg/pool")
    ThinPool("vg", "pool").volume(48, "db")
    call("zpool", "create", "-O", "mountpoint=/tank", "tank", second)
    call("zfs", "create", "tank/db")
    rng = random.Random(1)
    for name, source in sources().items():
        source.write(0, rng.randbytes(8 * MIB))
        acknowledge(name, source)


def wake_up() -> None:
    """What a host does when it boots."""
    mount_state()
    call("vgchange", "-q", "-ay", "vg")
    call("zpool", "import", "-f", "-d", "/dev", "tank")


def acknowledge(name: str, source: Kind) -> None:
    """Ship, and write down what has been acknowledged. What is in the volume is made durable first."""
    os.sync()
    call("zpool", "sync")
    outcome = place().ship(source.volume)
    assert not outcome.failures, outcome.failures
    listed = known()
    state = source.state()
    listed.setdefault(name, {})[outcome.items[0]["id"]] = json.loads(json.dumps(state))
    durably(ROOT / "known.json", listed)


def restore(source: Kind) -> Outcome:
    """Over what an earlier one left, which a boot has mounted."""
    target = source.target("back")
    if isinstance(source, Filesystem):
        call("zfs", "unmount", target, check=False)
    return place().fetch(source.volume, target, overwrite=True, discard_changes=True)


def work(seed: int) -> None:
    """Runs after a check in the same boot, or after set-up in one of its own."""
    if not os.path.exists("/tank/db"):
        wake_up()
    rng = random.Random(seed)
    while True:
        name, source = rng.choice(sorted(sources().items()))
        what = rng.choice(["ship", "ship", "restore", "verify", "remove"])
        print(what, name, flush=True)
        if what == "ship":
            source.change(rng)
            acknowledge(name, source)
            continue
        if what == "restore":
            outcome = restore(source)
        elif what == "verify":
            outcome = place().verify(source.volume, mode=rng.choice(["source", "restore"]))
        else:
            if len(place().list(source.volume)) < MOST:
                continue
            outcome = place().ship(source.volume, type="full")
            assert not outcome.failures, outcome.failures
            ids = [item["id"] for item in place().list(source.volume)]
            listed = known()
            listed[name] = {}
            durably(ROOT / "known.json", listed)
            outcome = place().remove(ids[-1], cascade=True)
        assert not outcome.failures, outcome.failures


def check() -> None:
    if not os.path.exists("/tank/db"):
        wake_up()
    for name, source in sources().items():
        check_health(source)
        there = {item["id"]: item for item in place().list(source.volume, details=True)}
        lost = set(known().get(name, {})) - set(there)
        assert not lost, f"{name}: acknowledged and gone: {lost}"
        for item in there.values():
            assert item["complete"], item["problem"]
        source.write(0, os.urandom(100_000))
        acknowledge(name, source)
        newest = next(iter(place().list(source.volume)))["id"]
        for backup, state in known()[name].items():
            if backup != newest and random.random() < 0.7:
                continue
            target = source.target("look")
            outcome = place().fetch(source.volume, target, backup=backup)
            assert not outcome.failures, outcome.failures
            assert json.loads(json.dumps(source.state_of(target))) == state, f"{name}: {backup} isn't what it was"
            source.remove(target)
        outcome = restore(source)
        assert not outcome.failures, outcome.failures
        for mode in ("data", "source", "restore"):  # the last goes on with what a cut one left
            assert not place().verify(source.volume, mode=mode).failures
        check_nothing_left(source)
    print("good", flush=True)


if __name__ == "__main__":
    if sys.argv[1] == "set-up":
        set_up()
    elif sys.argv[1] == "work":
        work(int(sys.argv[2]))
    else:
        check()
