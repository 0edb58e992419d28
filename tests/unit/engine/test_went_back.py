# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote that went back in time is told before anything is shipped or deleted; a removal isn't one."""

from __future__ import annotations

import os
import shutil

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


def roll_back(place: Place) -> None:
    shutil.rmtree(place.remote)
    shutil.copytree(place.root / "older", place.remote)


def keep(place: Place) -> None:
    shutil.copytree(place.remote, place.root / "older")


def test_a_rollback_is_told_and_accepted_by_removing_the_note(place: Place, image: str) -> None:
    first = place.one(image)
    keep(place)
    place.write(image, 0, b"2")
    lost = place.one(image)
    roll_back(place)
    before = place.stored()
    for check in (True, False):
        (failure,) = place.ship(image, check=check).failures
        assert failure["code"] == "remote_went_back"
        assert lost["id"] in failure["msg"] and first["id"] in failure["msg"]
    with pytest.raises(SnapshipError) as caught:
        place.remove(first["id"])
    assert caught.value.code == "remote_went_back"
    assert place.stored() == before
    assert place.content(image, first["id"])[:1] == b"1", "what is there can be restored"
    note = failure["hint"].split("remove the note ")[1].split(" on this host")[0]
    os.unlink(note)
    item = place.one(image)
    assert item["id"] != lost["id"]
    assert place.content(image, item["id"])[:1] == b"2"


def test_removals_are_no_rollbacks(place: Place, image: str) -> None:
    items = [place.one(image) for _each in range(3)]
    place.options["grace_period"] = "0s"
    place.remove(items[2]["id"])
    place.remove(items[1]["id"])
    assert [key.rsplit("/", 1)[1] for key in place.stored("deleted")] == [items[2]["id"], items[1]["id"]][::-1]
    assert not place.ship(image).failures
    assert place.stored("deleted") == [], "marks of removals go when something newer is listed"


def test_a_removal_by_another_host_is_seen_while_it_is_retired(place: Place, image: str) -> None:
    place.one(image)
    second = place.one(image)
    other = place.beside("other")
    other.remove(second["id"])
    assert not place.ship(image).failures
    newest = place.list()[0]
    other.remove(newest["id"])
    assert not place.ship(image, check=True).failures, "it is retired"


def test_a_removal_by_another_host_is_seen_when_its_grace_period_is_over(place: Place, image: str) -> None:
    place.one(image)
    second = place.one(image)
    place.beside("other", grace_period="0s").remove(second["id"])
    assert not [key for key in place.stored("data") if second["id"] in key]
    place.one(image)
    assert place.stored("deleted") == []


def test_a_volume_whose_backups_are_all_gone_begins_anew(place: Place, image: str) -> None:
    item = place.one(image)
    other = place.beside("other", grace_period="0s")
    other.remove(item["id"])
    assert place.one(image)["type"] == "full"


def test_an_older_copy_at_another_place_is_no_rollback(place: Place, image: str) -> None:
    place.one(image)
    keep(place)
    place.one(image)
    place.options["path"] = str(place.root / "older")
    assert not place.ship(image).failures
