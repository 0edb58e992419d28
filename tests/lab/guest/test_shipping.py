# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every state of a volume that was shipped can be had again, bit for bit, in any order, from any remote."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Kind, Thin, Zvol, device_state
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, Place

THIN_POOL = {"mib": 3000, "metadata_mib": 16}
INCREMENTS = int(os.environ.get("SNAPSHIP_INCREMENTS", "2"))  # 10 is the whole proof; from 3 on from S3, too
ASKED_AGAIN = (1,)  # states for which everything is done as check, run, again, check


def s3_options(bucket: Bucket) -> dict[str, Any]:
    return {
        "type": "s3",
        "bucket": bucket.name,
        "endpoint_url": bucket.endpoint,
        "region": bucket.region,
        "access_key": bucket.rw.access_key,
        "secret_key": bucket.rw.secret_key,
    }


def make(kind: str, request: pytest.FixtureRequest) -> Kind:
    if kind == "lvm":
        return Thin(request.getfixturevalue("thin_pool"))
    pool: Zpool = request.getfixturevalue("zpool")
    return Filesystem(pool) if kind == "filesystem" else Zvol(pool)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["lvm", "zvol", "filesystem"])
def test_every_state_can_be_had_again(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    seed = int(os.environ.get("SNAPSHIP_SEED", "0")) or random.randrange(1 << 31)
    print(f"SNAPSHIP_SEED={seed}")
    rng = random.Random(seed)
    source = make(kind, request)
    source.write(0, rng.randbytes(3 * MIB))
    places = [Place(tmp_path)]
    if INCREMENTS > 2:  # the S3 server takes minutes of a guest's one processor
        places.append(Place(tmp_path, **s3_options(request.getfixturevalue("bucket"))))
    states: list[object] = []
    ids: list[list[str]] = [[], []]
    for number in range(INCREMENTS + 1):
        if number:
            source.change(rng)
        outcome = places[0].snap(source.volume, name=f"state{number}")
        assert outcome.changed and not outcome.failures, outcome.failures
        states.append(source.state())
        for place, found in zip(places, ids):
            if number in ASKED_AGAIN:
                assert place.ship(source.volume, snapshot=f"state{number}", check=True).changed
            item = place.one(source.volume, snapshot=f"state{number}")
            assert item["type"] == ("incremental" if number else "full"), item["reason"]
            if number in ASKED_AGAIN:
                assert not place.ship(source.volume, snapshot=f"state{number}").changed
                assert not place.ship(source.volume, snapshot=f"state{number}", check=True).changed
            found.append(item["id"])
    for place, found in zip(places, ids):
        assert [each["id"] for each in place.list(source.volume)] == found[::-1]
        for mode in ("metadata", "data", "source"):
            outcome = place.verify(source.volume, mode=mode)
            assert not outcome.failures, outcome.failures
        order = list(range(INCREMENTS + 1))
        rng.shuffle(order)
        for number in order:
            target = source.target(f"restored{number}")
            restore_and_compare(place, source, target, found[number], states[number], number in ASKED_AGAIN)


def restore_and_compare(
    place: Place, source: Kind, target: str, backup: str, state: object, ask_again: bool = True
) -> None:
    if ask_again:
        assert place.fetch(source.volume, target, backup=backup, check=True).changed
    outcome = place.fetch(source.volume, target, backup=backup)
    assert outcome.changed and not outcome.failures, outcome.failures
    if ask_again:
        again = place.fetch(source.volume, target, backup=backup)
        assert not again.changed and not again.failures, again.failures
        assert not place.fetch(source.volume, target, backup=backup, check=True).changed
    assert source.state_of(target) == state
    source.remove(target)


def test_a_thin_stream_goes_into_volume_zvol_and_image(thin_pool: ThinPool, zpool: Zpool, tmp_path: Path) -> None:
    rng = random.Random(5)
    place, source = Place(tmp_path), Thin(thin_pool, 32)
    image = place.image("source.img", size=20 * MIB + 512)
    source.write(4096, rng.randbytes(6 * MIB))
    place.write(image, 19 * MIB, rng.randbytes(70_000))
    for volume in (source.volume, image):
        place.one(volume)
    source.change(rng)
    place.write(image, 3, b"changed")
    zvol = Zvol(zpool, 8)
    for volume in (source.volume, image):
        assert place.one(volume)["type"] == "incremental"
        was = device_state(Path(volume) if volume == image else source.device(volume))
        for target, device in (
            (source.target("there"), source.device),
            (zvol.target("there"), zvol.device),
            (str(tmp_path / "there.img"), Path),
        ):
            outcome = place.fetch(volume, target)
            assert outcome.changed and not outcome.failures, outcome.failures
            assert device_state(device(target), was[0]) == was
            assert not place.fetch(volume, target).changed
        source.remove(source.target("there"))
        zvol.remove(zvol.target("there"))
        os.unlink(tmp_path / "there.img")


def test_a_zfs_stream_goes_into_zfs_only(thin_pool: ThinPool, zpool: Zpool, tmp_path: Path) -> None:
    place, source = Place(tmp_path), Zvol(zpool, 8)
    place.one(source.volume)
    before = call("lvs", "--noheadings", "-o", "lv_name,lv_tags", thin_pool.vg)
    for target in (f"{thin_pool.vg}/there", str(tmp_path / "there.img")):
        for check in (True, False):
            (failure,) = place.fetch(source.volume, target, check=check).failures
            assert failure["code"] == "wrong_type" and "ZFS" in failure["hint"]
    assert call("lvs", "--noheadings", "-o", "lv_name,lv_tags", thin_pool.vg) == before
    assert not (tmp_path / "there.img").exists()


@pytest.mark.parametrize("kind", ["lvm", "filesystem"])
def test_encrypted_backups_of_real_volumes(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rng = random.Random(6)
    place, source = Place(tmp_path, encryption_key=KEY), make(kind, request)
    source.write(0, rng.randbytes(MIB))
    place.one(source.volume)
    source.change(rng)
    item = place.one(source.volume)
    assert item["type"] == "incremental" and item["encrypted"]
    for mode in ("metadata", "data", "source", "restore"):
        assert not place.verify(source.volume, mode=mode).failures
    restore_and_compare(place, source, source.target("there"), item["id"], source.state())


@pytest.mark.parametrize("kind", ["lvm", "zvol", "filesystem"])
def test_overwriting_keeps_what_was_there(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    rng = random.Random(7)
    place, source = Place(tmp_path), make(kind, request)
    source.write(0, rng.randbytes(MIB))
    first, old = place.one(source.volume)["id"], source.state()
    source.change(rng)
    second, new = place.one(source.volume)["id"], source.state()
    target = source.target("there")
    restore_to(place, source, target, first)
    (failure,) = place.fetch(source.volume, target, backup=second).failures
    assert failure["code"] == "target_exists"
    outcome = place.fetch(source.volume, target, backup=second, overwrite=True)
    assert outcome.changed and not outcome.failures and outcome.items[0]["previous"] is None
    assert source.state_of(target) == new
    written(source, target)
    (failure,) = place.fetch(source.volume, target, backup=first, overwrite=True).failures
    assert failure["code"] == "target_changed"
    outcome = place.fetch(source.volume, target, backup=first, overwrite=True, discard_changes=True)
    assert outcome.changed and not outcome.failures, outcome.failures
    assert source.state_of(target) == old
    assert outcome.items[0]["previous"] and source.state_of(outcome.items[0]["previous"]) != new


def restore_to(place: Place, source: Kind, target: str, backup: str) -> None:
    outcome = place.fetch(source.volume, target, backup=backup)
    assert outcome.changed and not outcome.failures, outcome.failures


def written(source: Kind, target: str) -> None:
    """Write to a restored volume."""
    if isinstance(source, Filesystem):
        call("zfs", "mount", target)
        (source.pool.path(target) / "written").write_bytes(b"since")
        call("zfs", "unmount", target)
    elif isinstance(source, (Thin, Zvol)):
        with source.device(target).open("r+b", buffering=0) as file:
            file.write(b"written since".ljust(512))
            os.fsync(file.fileno())


def test_a_tree_is_one_group_and_comes_back_as_one(zpool: Zpool, tmp_path: Path) -> None:
    place, rng = Place(tmp_path), random.Random(8)
    root = zpool.filesystem("tree")
    names = [root, f"{root}/a", f"{root}/a/b", f"{root}/vol"]
    call("zfs", "create", names[1])
    call("zfs", "create", names[2])
    call("zfs", "create", "-s", "-V", "8M", names[3])
    for name in names[:3]:
        (zpool.path(name) / "file").write_bytes(rng.randbytes(10_000))
    assert len(place.ship(root, recursive=True, check=True).items) == 4
    outcome = place.ship(root, recursive=True)
    assert [item["volume"] for item in outcome.items] == names and not outcome.failures
    assert len({item["group"] for item in outcome.items}) == 1 and outcome.items[0]["group"]
    assert not place.ship(root, recursive=True, max_age="1h").changed
    (zpool.path(names[2]) / "file").write_bytes(b"changed")
    outcome = place.ship(root, recursive=True)
    assert {item["type"] for item in outcome.items} == {"incremental"}
    back = f"{zpool.name}/back"
    assert len(place.fetch(root, back, recursive=True, check=True).items) == 4
    restored = place.fetch(root, back, recursive=True)
    assert restored.changed and not restored.failures, restored.failures
    assert [item["target"] for item in restored.items] == [back + name[len(root) :] for name in names]
    call("zfs", "mount", back)
    call("zfs", "mount", f"{back}/a")
    call("zfs", "mount", f"{back}/a/b")
    for name in names[:3]:
        there = zpool.path(back + name[len(root) :]) / "file"
        assert there.read_bytes() == (zpool.path(name) / "file").read_bytes()


def test_mixed_kinds_are_one_group_by_hook(thin_pool: ThinPool, zpool: Zpool, tmp_path: Path) -> None:
    place = Place(tmp_path)
    volumes = [Thin(thin_pool, 8).volume, Zvol(zpool, 8).volume, place.image(size=MIB)]
    log = tmp_path / "log"
    hooks = {
        "pre_command": ["sh", "-c", f'echo "pre $SNAPSHIP_VOLUMES" >> {log}'],
        "post_command": ["sh", "-c", f"echo post >> {log}"],
    }
    outcome = place.ship(*volumes, consistent=True, **hooks)
    assert not outcome.failures and not outcome.warnings, (outcome.failures, outcome.warnings)
    assert len({item["group"] for item in outcome.items}) == 1
    assert len({item["created"] for item in outcome.items}) == 1
    lines = log.read_text().splitlines()
    assert lines[0].startswith("pre ") and all(volume in lines[0] for volume in volumes) and lines[1:] == ["post"]
    group = outcome.items[0]["group"]
    targets = [f"{thin_pool.vg}/back", f"{zpool.name}/back", str(tmp_path / "back.img")]
    pairs = [{"source": source, "target": target} for source, target in zip(volumes, targets)]
    restored = place.fetch("", "", volumes=pairs, group=group)
    assert restored.changed and not restored.failures and len(restored.items) == 3
    assert not place.fetch("", "", volumes=pairs, group=group).changed
