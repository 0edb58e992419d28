# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A remote that went back in time is told before anything is shipped or deleted; a removal isn't one."""

from __future__ import annotations

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


def test_a_rollback_is_told_and_accepted_by_the_id(place: Place, image: str) -> None:
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
            place.remove(first["id"], check=check)
        assert caught.value.code == "remote_went_back"
    assert place.stored() == before
    assert place.content(image, first["id"])[:1] == b"1", "what is there can be restored"
    assert f"accept_lost: [{lost['id']}]" in failure["hint"]
    assert place.ship(image, accept_lost=[first["id"]]).failures, "another one is accepted"
    assert not place.ship(image, check=True, accept_lost=[lost["id"]]).failures
    assert place.ship(image).failures, "check mode accepted nothing"
    assert not place.ship(image, max_age="1d", accept_lost=[lost["id"]]).changed
    item = place.one(image)
    assert item["id"] != lost["id"]
    assert place.content(image, item["id"])[:1] == b"2"


def test_removals_are_no_rollbacks(place: Place, image: str) -> None:
    items = [place.one(image) for _each in range(3)]
    place.options["grace_period"] = "0s"
    place.remove(items[2]["id"])
    place.remove(items[1]["id"])
    assert [key.rsplit("/", 1)[1] for key in place.stored("deleted")] == [items[2]["id"]]
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


def test_a_removal_of_everything_by_another_host_is_seen_too(place: Place, image: str) -> None:
    items = [place.one(image) for _each in range(3)]
    place.beside("other", grace_period="0s").remove(items[0]["id"], cascade=True)
    assert place.stored("backups") == place.stored("data") == []
    assert [key.rsplit("/", 1)[1] for key in place.stored("deleted")] == [items[2]["id"]], "one mark tells it all"
    assert place.one(image)["type"] == "full"
    assert place.stored("deleted") == []


def test_a_place_of_before_the_first_backup_went_back_too(place: Place, image: str) -> None:
    """The same as the whole history removed by others long ago: only the user knows."""
    other_image = place.image("other.img", data=b"3" * MIB)
    place.one(other_image)
    keep(place)
    lost = place.one(image)
    roll_back(place)
    assert place.one(other_image)["type"] == "incremental"
    (failure,) = place.ship(image).failures
    assert failure["code"] == "remote_went_back"
    assert "it has no backup there" in failure["msg"]
    assert place.one(image, accept_lost=[lost["id"]])["type"] == "full"


def test_a_deletion_accepts_the_loss(place: Place, image: str) -> None:
    first = place.one(image)
    keep(place)
    lost = place.one(image)
    roll_back(place)
    assert place.remove(first["id"], accept_lost=[lost["id"]]).changed
    assert not place.ship(image).failures


def test_a_key_from_the_future_hides_nothing(place: Place, image: str) -> None:
    first = place.one(image)
    keep(place)
    place.one(image)
    roll_back(place)
    (listed,) = place.remote.rglob(f"{first['id']}~full")
    junk = listed.with_name(f"2999{listed.name[4:]}")
    junk.write_bytes(b"junk")
    assert place.list(image)[0]["id"].startswith("2999")
    (failure,) = place.ship(image).failures
    assert failure["code"] == "remote_went_back"


def test_a_key_from_the_future_does_not_hide_a_removal(place: Place, image: str) -> None:
    first, second = place.one(image), place.one(image)
    (listed,) = place.remote.rglob(f"{first['id']}~full")
    listed.with_name(f"2999{listed.name[4:]}").write_bytes(b"junk")
    place.beside("other", grace_period="0s").remove(second["id"])
    assert not place.ship(image).failures


def test_what_another_host_retired_and_this_one_cleaned_up(place: Place, image: str) -> None:
    oldest, old, newest = (place.one(image) for _each in range(3))
    place.beside("other").remove(newest["id"])
    place.options["grace_period"] = "0s"
    place.remove(old["id"])  # and the data of what the other one retired
    assert {key.split("/")[3] for key in place.stored("data")} == {oldest["id"]}
    assert [each["id"] for each in place.list(image)] == [oldest["id"]]
    assert not place.ship(image).failures


def test_others_went_on(place: Place, image: str) -> None:
    mine = place.one(image)
    other = place.beside("other", grace_period="0s")
    other.one(image, type="full")
    other.remove(mine["id"])
    assert not place.ship(image).failures


def test_an_older_copy_at_another_place_is_no_rollback(place: Place, image: str) -> None:
    place.one(image)
    keep(place)
    place.one(image)
    place.options["path"] = str(place.root / "older")
    assert not place.ship(image).failures
