# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Consistent groups: one point in time, shipped and restored as one, or not at all."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    CorruptError,
    SnapshipError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks, shipment
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import restore
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


@pytest.fixture
def images(place: Place) -> list[str]:
    return [place.image(f"{name}.img", data=name.encode() * MIB) for name in "abc"]


def targets(place: Place, images: list[str]) -> list[dict[str, str]]:
    return [{"source": each, "target": f"{place.root}/r-{os.path.basename(each)}"} for each in images]


def contents(volumes: list[dict[str, str]]) -> list[bytes]:
    return [Path(each["target"]).read_bytes()[:1] for each in volumes]


def groups_on(place: Place) -> dict[str, list[str]]:
    """Volumes (base names) that are listed, by group id."""
    found: dict[str, list[str]] = {}
    for item in place.list(details=True):
        found.setdefault(str(item["group"]), []).append(os.path.basename(item["volume"]))
    return {group: sorted(names) for group, names in found.items()}


def test_a_group_is_one_point_in_time_and_restored_by_its_id(place: Place, images: list[str]) -> None:
    first = place.ship(*images, consistent=True)
    assert len({item["group"] for item in first.items}) == 1
    assert len({item["created"] for item in first.items}) == 1
    assert len({item["snapshot"] for item in first.items}) == 1
    assert len({item["state_id"] for item in first.items}) == 3
    for image in images:
        place.write(image, 0, b"2")
    second = place.ship(*images, consistent=True)
    assert [item["type"] for item in second.items] == ["incremental"] * 3
    volumes = targets(place, images)
    for made, expected in ((first, [b"a", b"b", b"c"]), (second, [b"2"] * 3)):
        outcome = place.fetch("", "", volumes=volumes, group=made.items[0]["group"], overwrite=True)
        assert contents(volumes) == expected
        assert not outcome.failures
    assert not place.fetch("", "", volumes=volumes, group=second.items[0]["group"]).changed


def test_a_group_that_is_fresh_enough_satisfies_and_no_other_set_does(place: Place, images: list[str]) -> None:
    first = place.ship(*images, consistent=True)
    for check in (True, False):
        again = place.ship(*reversed(images), consistent=True, max_age="1h", check=check)
        assert not again.changed
        assert {item["id"] for item in again.items} == {item["id"] for item in first.items}
    assert place.ship(*images[:2], consistent=True, max_age="1h").changed
    for image in images:
        place.one(image)
    assert place.ship(*images, consistent=True, max_age="1h").changed, "backups one by one are no group"


def test_a_named_snapshot_of_a_group(place: Place, images: list[str]) -> None:
    place.snap(*images, name="together", consistent=True)
    made = place.ship(*images, consistent=True, snapshot="together")
    assert {item["snapshot"] for item in made.items} == {"together"}
    assert not place.ship(*images, consistent=True, snapshot="together").changed
    for image in images:
        place.snap(image, name="apart")
    outcome = place.ship(*images, consistent=True, snapshot="apart")
    assert [each["code"] for each in outcome.failures] == ["unknown_snapshot"]


def test_an_incomplete_group_is_refused(place: Place, images: list[str]) -> None:
    first = place.ship(*images, consistent=True)
    second = place.ship(*images, consistent=True)
    place.remove(second.items[1]["id"])
    volumes = targets(place, images)
    for each in (volumes, volumes[:1]):
        outcome: Any = None
        with pytest.raises(SnapshipError) as caught:
            outcome = place.fetch("", "", volumes=each, group=second.items[0]["group"])
        assert outcome is None
        assert isinstance(caught.value, CorruptError) or caught.value.code == "unknown_backup"
    assert not [each for each in volumes if os.path.exists(each["target"])]
    place.fetch("", "", volumes=volumes, group=first.items[0]["group"])
    assert contents(volumes) == [b"a", b"b", b"c"]


def test_all_or_nothing_when_one_cannot_be_restored(place: Place, images: list[str]) -> None:
    made = place.ship(*images, consistent=True)
    (segment,) = place.remote.glob(f"data/*/*/{made.items[2]['id']}/00000000")
    segment.unlink()
    volumes = targets(place, images)
    with pytest.raises(CorruptError, match="segment 0 of .*c.img from "):
        place.fetch("", "", volumes=volumes, group=made.items[0]["group"])
    assert not [path for path in place.root.iterdir() if path.name.startswith(("r-", ".snapship-restore"))]


def test_all_or_nothing_when_one_cannot_be_shipped(place: Place, images: list[str]) -> None:
    outcome = place.ship(*images, str(place.root / "none.img"), consistent=True)
    assert not outcome.changed and not outcome.items
    (failure,) = outcome.failures
    assert failure["code"] == "unknown_volume"
    assert place.list() == [] if place.remote.exists() else True
    with pytest.raises(UsageError):
        place.fetch("", "", volumes=targets(place, images), group="nonsense")


@pytest.mark.parametrize("age", ["0s", "1h"])
@pytest.mark.parametrize("died_at", ["loading the first", "loading the last", "the first commit", "between commits"])
def test_a_group_whose_shipping_died_is_never_left_incomplete(
    place: Place, images: list[str], died_at: str, age: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was left, after the next run each group that is listed is whole."""
    with monkeypatch.context() as patch:
        die_at(died_at, patch)
        place.killed(lambda: place.ship(*images, consistent=True))
    outcome = place.ship(*images, consistent=True, max_age=age)
    assert not outcome.failures
    names = [os.path.basename(image) for image in images]
    assert {tuple(sorted(set(found))) for found in groups_on(place).values()} == {tuple(names)}
    volumes = targets(place, images)
    place.fetch("", "", volumes=volumes, group=outcome.items[0]["group"])
    assert contents(volumes) == [b"a", b"b", b"c"]
    assert place.records() == []


def die_at(moment: str, patch: pytest.MonkeyPatch) -> None:
    calls = 0
    owner, name, fatal = {
        "loading the first": (send_blocks, "_ship_end", 1),
        "loading the last": (send_blocks, "_ship_end", 3),
        "the first commit": (shipment.Shipment, "commit", 1),
        "between commits": (shipment.Shipment, "commit", 2),
    }[moment]
    original = getattr(owner, name)

    def die(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == fatal:
            os._exit(9)
        return original(*arguments)

    patch.setattr(owner, name, die)


def test_commands_run_once_around_a_group_and_are_on_record(place: Place, images: list[str]) -> None:
    log = place.root / "log"
    script = "import json,os,sys; open(sys.argv[1],'a').write(sys.argv[2] + os.environ['SNAPSHIP_VOLUMES'] + chr(10))"
    command = [sys.executable, "-c", script, str(log)]
    made = place.ship(*images, consistent=True, pre_command=[*command, "pre"], post_command=[*command, "post"])
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines == ["pre" + json.dumps(images), "post" + json.dumps(images)]
    for item in place.list(details=True):
        assert item["consistency"]["method"] == "hook"
        assert item["consistency"]["pre_command"]["rc"] == 0
        assert item["group_members"] == images
    assert not made.warnings
    fails = [sys.executable, "-c", "raise SystemExit(3)"]
    outcome = place.ship(*images, consistent=True, pre_command=fails, post_command=[*command, "after all"])
    assert [each["code"] for each in outcome.failures] == ["hook"]
    assert "after all" in log.read_text(encoding="utf-8")
    assert len(place.list()) == 3


def test_a_groups_completeness_is_looked_at_once_a_restore(place: Place) -> None:
    """Not once for each member, which for 200 volumes are 40,000 listings."""
    asked = {}
    for count in (4, 8):
        images = [place.image(f"{count}-{number}.img", data=b"x") for number in range(count)]
        group = place.ship(*images, consistent=True).items[0]["group"]
        request = restore.Request(remote_spec=place.options, origin="o", volumes=targets(place, images), group=group)
        planned = restore.plan(place.host, request)
        assert planned.catalog is not None
        assert not [item.error for item in planned.items if item.error]
        asked[count] = planned.catalog.store.requests["list"]
    assert asked[8] - asked[4] == 8, "two for each member, and the same besides"
