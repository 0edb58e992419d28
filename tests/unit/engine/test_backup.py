# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of one volume: what is shipped and why, and when nothing is."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    ConfigError,
    RemoteError,
    SnapshipError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import shown
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import unit
from ansible_collections.snapship.dr.tests.unit.engine.place import KIB, MIB, Place


def test_random_changes_restore_bit_for_bit(place: Place) -> None:
    """Writes, zeros, holes, growth and shrinking at random: each backup of the chain is what the image was."""
    source = random.Random(8)
    image = place.image(size=3 * MIB, data=source.randbytes(MIB))
    states = {}
    for _round in range(8):
        for _round in range(source.randint(0, 4)):
            size = max(0, os.path.getsize(image) + source.choice((0, 0, 0, 12345, -54321, -2 * MIB)))
            os.truncate(image, size)
            if not size:
                continue
            offset = source.randrange(size)
            length = min(source.choice((1, 5000, 100_000, MIB)), size - offset)
            if source.random() < 0.3:
                place.punch(image, offset, length)
            else:
                place.write(image, offset, bytes(length) if source.random() < 0.2 else source.randbytes(length))
        states[place.one(image)["id"]] = Path(image).read_bytes()
    assert len(states) == 8
    for backup_id, content in states.items():
        assert place.content(image, backup_id) == content
    found = place.list(image)
    assert [item["type"] for item in found] == ["incremental"] * 7 + ["full"]
    assert found[0]["chain"] == list(states)
    assert all(item["complete"] for item in found)


@pytest.mark.parametrize("size", [0, 1, 511, 64 * KIB, 5 * MIB + 3])
def test_images_of_odd_sizes_and_nothing_in_them(place: Place, size: int) -> None:
    for data in (b"", b"x" * size):
        image = place.image("a.img", size, data)
        item = place.one(image)
        assert item["bytes_logical"] == size
        assert place.content(image, item["id"]) == Path(image).read_bytes()


def test_zeros_and_holes_of_a_full_are_not_shipped(place: Place) -> None:
    image = place.image(size=1 << 40, data=bytes(3 * MIB) + b"x" * 100 + bytes(MIB))
    item = place.one(image)
    assert item["bytes_logical"] == 1 << 40
    assert item["bytes_changed"] == 64 * KIB
    assert item["bytes_stored"] < KIB
    outcome = place.fetch(image, str(place.root / "r"))
    assert outcome.items[0]["bytes_written"] == 64 * KIB
    assert os.stat(place.root / "r").st_blocks * 512 <= 128 * KIB


def test_zeros_written_over_data_are_shipped_in_an_increment(place: Place) -> None:
    image = place.image(data=b"x" * MIB)
    place.one(image)
    place.write(image, 0, bytes(128 * KIB))
    item = place.one(image)
    assert item["type"] == "incremental"
    assert item["bytes_changed"] == 128 * KIB
    assert place.content(image, item["id"]) == bytes(128 * KIB) + b"x" * (MIB - 128 * KIB)


def test_a_check_says_what_a_run_does_and_writes_nothing(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    for _round in range(3):
        before = place.tree()
        said = place.ship(image, check=True)
        assert place.tree() == before
        done = place.ship(image)
        assert (said.changed, done.changed) == (True, True)
        for name in ("type", "reason", "base", "volume", "origin", "remote", "provider", "encrypted"):
            assert said.items[0][name] == done.items[0][name], name
        assert said.before == done.before
        place.write(image, 0, os.urandom(10))
        before = place.tree()
        for check in (True, False, True):
            outcome = place.ship(image, max_age="1h", check=check)
            assert not outcome.changed
            assert outcome.before == outcome.after
            assert outcome.items[0]["id"] == done.items[0]["id"]
            assert outcome.items[0]["bytes_sent"] == 0
        assert place.tree() == before


def test_reasons(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    assert place.one(image)["reason"] == "first backup of this volume on this remote"
    item = place.one(image)
    assert item["reason"].startswith(f"the newest common state is {item['base']} (snapshot ")
    assert place.one(image, type="full")["reason"] == "type is full"
    os.rename(image, image + ".old")
    shutil.copyfile(image + ".old", image)
    assert "replaced" in place.one(image)["reason"]
    shutil.rmtree(place.root / ".snapship")
    assert place.one(image)["reason"] == "this host and the remote have no state in common"
    for path in place.root.glob(".snapship/*/*.img"):
        os.utime(path)
    assert "modified" in place.one(image)["reason"]


def test_an_increment_on_demand_is_refused_where_there_is_no_base(place: Place) -> None:
    image = place.image(data=b"x")
    outcome = place.ship(image, type="incremental")
    assert [each["code"] for each in outcome.failures] == ["no_base"]
    assert not outcome.items
    place.one(image)
    assert place.one(image, type="incremental")["type"] == "incremental"


def test_a_full_is_due_when_the_chain_gets_old(place: Place) -> None:
    image = place.image(data=b"x")
    place.one(image)
    assert place.one(image, full_every="1h")["type"] == "incremental"
    time.sleep(1.1)
    item = place.one(image, full_every="1s")
    assert item["type"] == "full"
    assert "full_every" in item["reason"]
    assert place.one(image, full_every="1h")["base"] == item["id"]


def test_a_volume_that_has_not_changed_is_skipped_on_demand(place: Place) -> None:
    image = place.image(data=b"x" * MIB)
    first = place.one(image, skip_unchanged=True)
    for check in (True, False):
        outcome = place.ship(image, skip_unchanged=True, check=check)
        assert not outcome.changed
        assert outcome.items[0]["id"] == first["id"]
    assert len(place.list()) == 1
    place.write(image, 5, b"y")
    assert place.one(image, skip_unchanged=True)["bytes_changed"] == 64 * KIB
    place.write(image, 5, b"y")  # the same again
    assert not place.ship(image, skip_unchanged=True).changed
    os.truncate(image, MIB + 1)
    assert place.ship(image, skip_unchanged=True).changed
    os.truncate(image, MIB)
    assert place.ship(image, skip_unchanged=True).changed


def test_a_named_snapshot_is_shipped_once(place: Place) -> None:
    image = place.image(data=b"x" * MIB)
    place.snap(image, name="monday")
    place.write(image, 0, b"later")
    item = place.one(image, snapshot="monday")
    assert item["snapshot"] == "monday"
    assert place.content(image, item["id"]) == b"x" * MIB
    again = place.ship(image, snapshot="monday")
    assert not again.changed
    assert again.items[0]["id"] == item["id"]
    outcome = place.ship(image, snapshot="tuesday")
    assert [each["code"] for each in outcome.failures] == ["unknown_snapshot"]
    assert "monday" in outcome.failures[0]["msg"]
    said = place.ship(image, snapshot="tuesday", check=True)
    assert said.changed and not said.failures and "tuesday" in said.warnings[0]


def test_an_older_snapshot_shipped_later_rests_on_nothing_younger(place: Place) -> None:
    image = place.image(data=b"1" * MIB)
    place.snap(image, name="one")
    place.write(image, 0, b"2" * MIB)
    place.snap(image, name="two")
    two = place.one(image, snapshot="two")
    one = place.one(image, snapshot="one")
    assert (two["type"], one["type"]) == ("full", "full")
    assert place.content(image, one["id"]) == b"1" * MIB
    assert place.content(image, two["id"]) == b"2" * MIB


def test_a_fresh_snapshot_made_for_another_remote_is_shipped_too(place: Place, tmp_path: Path) -> None:
    image = place.image(data=b"x" * MIB)
    first = place.one(image)
    other = {"type": "directory", "path": str(tmp_path / "second")}
    second = place.one(image, remote_spec=other, max_age="1h")
    assert second["snapshot"] == first["snapshot"]
    assert second["state_id"] == first["state_id"]
    assert second["id"] != first["id"]
    assert not place.ship(image, remote_spec=other, max_age="1h").changed


def test_the_last_shipped_snapshot_is_kept_for_each_remote_and_no_other(place: Place, tmp_path: Path) -> None:
    image = place.image(data=b"x" * MIB)
    other = {"type": "directory", "path": str(tmp_path / "second")}
    place.snap(image, name="mine")
    for _round in range(3):
        place.write(image, 0, os.urandom(10))
        first = place.one(image)
    for _round in range(2):
        place.write(image, 0, os.urandom(10))
        second = place.one(image, remote_spec=other)
    kept = {each.name: list(each.holds.values()) for each in _snapshots(image)}
    assert kept == {"mine": [], first["snapshot"]: [first["id"]], second["snapshot"]: [second["id"]]}
    assert place.one(image)["base"] == first["id"]
    assert place.one(image, remote_spec=other)["base"] == second["id"]


def _snapshots(image: str) -> list[Any]:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.registry import provider_for

    return provider_for(image).snapshots(image)


def test_forgetting_a_remote_releases_its_snapshots(place: Place) -> None:
    image = place.image(data=b"x" * MIB)
    place.define("off")
    place.one(image, remote="off", remote_spec=None)
    assert len(_snapshots(image)) == 1
    assert place.define("off", state="absent", check=True).changed
    assert len(_snapshots(image)) == 1
    assert place.define("off", state="absent").changed
    assert _snapshots(image) == []
    assert not place.define("off", state="absent").changed
    assert len(place.list()) == 1


def test_an_image_rolled_back_between_runs_gives_a_right_increment(place: Place) -> None:
    image = place.image(data=b"1" * MIB)
    place.one(image)
    place.write(image, 0, b"2" * MIB)
    place.one(image)
    place.write(image, 0, b"1" * MIB)
    item = place.one(image)
    assert item["type"] == "incremental"
    assert place.content(image, item["id"]) == b"1" * MIB


def test_a_base_that_was_removed_from_the_remote_is_no_base(place: Place) -> None:
    image = place.image(data=b"1" * MIB)
    first = place.one(image)
    second = place.one(image)
    place.remove(second["id"])
    item = place.one(image)
    assert item["type"] == "full"  # the snapshot of the first went when the second was there
    assert place.content(image, item["id"]) == b"1" * MIB
    assert [each["id"] for each in place.list()] == [item["id"], first["id"]]


def test_one_bad_volume_does_not_stop_the_others(place: Place) -> None:
    images = [place.image("a.img", data=b"a"), str(place.root / "none.img"), place.image("b.img", data=b"b")]
    outcome = place.ship(*images)
    assert outcome.changed
    assert [item["volume"] for item in outcome.items] == [images[0], images[2]]
    (failure,) = outcome.failures
    assert (failure["volume"], failure["code"]) == (images[1], "unknown_volume")
    said = place.ship(*images, check=True)
    assert not said.failures  # in check mode an earlier task may be about to make it
    assert any("none.img" in text for text in said.warnings)


def test_a_backup_counts_though_clearing_away_fails(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise RemoteError("the line went down.", code="unreachable")

    monkeypatch.setattr(unit, "clean_volume", refuse)
    outcome = place.ship(place.image(data=os.urandom(MIB)))
    assert outcome.changed
    assert not outcome.failures
    assert len(outcome.items) == 1
    assert any("the line went down" in text for text in outcome.warnings)


def test_a_volume_named_twice_is_shipped_once(place: Place) -> None:
    image = place.image(data=b"a")
    outcome = place.ship(image, image, image.replace("/db.img", "//db.img"))
    assert len(outcome.items) == 1
    assert len(place.list()) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"volumes": []},
        {"max_age": None},
        {"snapshot": "x"},
        {"max_age": "5"},
        {"type": "differential"},
        {"parallel": 0},
        {"full_every": "x"},
        {"lock_timeout": "x"},
        {"quiesce": "please"},
        {"pre_command": "a string"},
        {"remote": "a", "remote_spec": {"type": "directory", "path": "/x"}},
        {"remote_spec": None},
        {"volumes": ["relative.img"]},
        {"volumes": ["/a.img"], "provider": "floppy"},
        {"volumes": [""]},
    ],
    ids=str,
)
def test_bad_options_are_refused_before_anything_is_done(place: Place, options: dict[str, Any]) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup

    given = {"volumes": [place.image()], "max_age": "1h", "remote_spec": place.options, **options}
    before = place.tree()
    with pytest.raises(UsageError):
        backup.plan(place.host, backup.Request(**given))
    assert place.tree() == before


def test_a_missing_remote_is_named_with_where_it_was_looked_for(place: Place) -> None:
    image = place.image(data=b"x")
    with pytest.raises(SnapshipError, match=str(place.root / "cfg")) as caught:
        place.ship(image, remote="off", remote_spec=None)
    assert caught.value.code == "unknown_remote"
    said = place.ship(image, remote="off", remote_spec=None, check=True)
    assert said.changed and "off" in said.warnings[0]


def test_without_the_library_for_it_encryption_fails_before_anything_is_written(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    image = place.image(data=b"x")
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    place.options["encryption_key"] = "0f" * 32
    before = place.tree()
    for use in (place.ship, lambda *_volumes, **options: place.define("off", **options)):
        assert "cryptography" in use(image, check=True).warnings[0]  # an earlier task may install it
        with pytest.raises(ConfigError, match="cryptography") as caught:
            use(image)
        assert caught.value.code == "library"
    assert place.tree() == before


HOSTILE = [
    "a b",
    "'\"",
    "$(reboot);`x`",
    "né漢🦊",
    "new\nline",
    "-rf",
    "%2F",
    "~",
    "a" * 240,
    "\udcff\udcfe",
    "..img",
    ". ",
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(place: Place, name: str) -> None:
    image = place.image(name, data=os.urandom(MIB))
    origin = f"o {name}"
    first = place.one(image, origin=origin)
    place.write(image, 0, b"changed")
    item = place.one(image, origin=origin)
    assert item["type"] == "incremental"
    (newest, oldest) = place.list(origin=origin)
    assert (newest["volume"], newest["origin"], newest["base"]) == (image, origin, first["id"])
    assert oldest["type"] == "full"
    target = str(place.root / f"r {name[:200]}")
    assert place.fetch(image, target, origin=origin).changed
    assert Path(target).read_bytes() == Path(image).read_bytes()
    assert not place.fetch(image, target, origin=origin).changed
    assert place.remove(item["id"], origin=origin).changed
    assert [each["id"] for each in place.list(origin=origin)] == [first["id"]]


def test_the_host_keeps_its_origin(place: Place) -> None:
    image = place.image(data=b"x")
    place.one(image, origin="first")
    assert place.one(image, origin=None)["origin"] == "first"
    assert place.one(image, origin="other")["origin"] == "other"
    assert place.host.origin() == "first"


def test_progress_is_told(place: Place) -> None:
    told: list[tuple[str, int, int]] = []
    place.host.progress = lambda volume, done, total: told.append((volume, done, total))
    image = place.image(data=os.urandom(3 * MIB))
    place.one(image)
    assert told[-1] == (image, 3 * MIB, 3 * MIB)
    del told[:]
    place.fetch(image, str(place.root / "r"))
    assert told[-1] == (str(place.root / "r"), 3 * MIB, 3 * MIB)


@pytest.mark.parametrize("change", [os.unlink, os.utime], ids=["gone", "touched"])
def test_a_broken_witness_leads_to_a_reasoned_full(place: Place, change: Callable[[Path], None]) -> None:
    image = place.image(data=b"x" * MIB)
    place.one(image)
    (path,) = place.root.glob(".snapship/*/*.img")
    change(path)
    item = place.one(image)
    assert item["type"] == "full"
    assert "can't be the base" in item["reason"] or "no state in common" in item["reason"]
    assert place.content(image, item["id"]) == b"x" * MIB


def test_nothing_is_built_on_a_chain_with_a_manifest_that_cannot_be_read(place: Place) -> None:
    image = place.image(data=b"x" * MIB)
    first, second = place.one(image), place.one(image)
    assert second["base"] == first["id"]
    (path,) = place.remote.glob(f"backups/*/*/{first['id']}~full")
    path.write_bytes(path.read_bytes()[:-10])
    item = place.one(image)
    assert item["type"] == "full"
    assert shown(str(path.relative_to(place.remote))) in item["reason"]
    assert place.content(image, item["id"]) == b"x" * MIB


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_an_append_only_remote_gets_increments_too(place: Place, kind: str, request: pytest.FixtureRequest) -> None:
    if kind == "s3":
        bucket = request.getfixturevalue("bucket")
        place.options = {
            "type": "s3",
            "bucket": bucket.name,
            "endpoint_url": bucket.endpoint,
            "region": bucket.region,
            "access_key": bucket.rw.access_key,
            "secret_key": bucket.rw.secret_key,
        }
    place.options["append_only"] = True
    image = place.image(data=b"x" * MIB)
    items = []
    for number in range(3):
        place.write(image, 0, b"%d" % number)
        items.append(place.one(image))
    assert [item["base"] for item in items] == [None, items[0]["id"], items[1]["id"]]
    assert place.content(image, items[1]["id"])[:1] == b"1"


def test_a_host_ahead_of_the_directorys_clock_ships_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mtime of a new file is the directory's clock; a preview can't make one and sees only this host's."""
    image = place.image(data=b"x")
    (place.remote / "data").mkdir(parents=True)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 600.0)
    before = place.tree()
    assert place.ship(image, check=True).changed
    assert place.tree() == before
    with pytest.raises(RemoteError, match="ahead of the clock of") as caught:
        place.ship(image)
    assert caught.value.code == "clock_skew"
    assert not place.stored()
