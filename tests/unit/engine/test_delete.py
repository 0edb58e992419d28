# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Removing backups: retired first, their data later, never what another rests on."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"0" * MIB)


def chain(place: Place, image: str, length: int) -> list[str]:
    made = []
    for number in range(length):
        place.write(image, 0, b"%d" % number * 100_000)
        made.append(place.one(image)["id"])
    return made


def age(place: Place, under: str, seconds: float) -> None:
    """Make what is stored below look older."""
    then = time.time() - seconds
    for key in place.stored(under):
        os.utime(place.remote / key, (then, then))


def test_the_newest_goes_and_what_it_rested_on_stays(place: Place, image: str) -> None:
    ids = chain(place, image, 3)
    for check in (True, False, False, True):
        there = [each["id"] for each in place.list()]
        outcome = place.remove(ids[2], check=check)
        assert outcome.changed == (ids[2] in there)
        assert ([each["id"] for each in place.list()] == there) == (check or not outcome.changed)
    assert [each["id"] for each in place.list()] == ids[1::-1]
    assert place.content(image, ids[1])[:1] == b"1"


def test_a_base_goes_only_with_what_rests_on_it(place: Place, image: str) -> None:
    ids = chain(place, image, 3)
    for check in (True, False):
        with pytest.raises(UsageError, match=ids[2]) as caught:
            place.remove(ids[0], check=check)
        assert caught.value.code == "has_dependants"
    assert len(place.list()) == 3
    outcome = place.remove(ids[1], cascade=True)
    assert [item["id"] for item in outcome.items] == [ids[2], ids[1]]
    assert [each["id"] for each in place.list()] == [ids[0]]
    assert place.content(image, ids[0])[:1] == b"0"


def test_data_goes_after_the_grace_period_by_a_later_run(place: Place, image: str) -> None:
    ids = chain(place, image, 2)
    other = place.image("other.img", data=b"x")
    place.remove(ids[1])
    assert len(place.stored("deleted")) == 1
    assert {key.split("/")[3] for key in place.stored("data")} == set(ids)
    place.ship(other)
    assert {key.split("/")[3] for key in place.stored("data")} >= set(ids)
    age(place, "deleted", 2 * 86400)
    item = place.one(image)
    assert place.stored("deleted") == []
    left = {key.split("/")[3] for key in place.stored("data") if "%2Fdb.img" in key}
    assert left == {ids[0], item["id"]}


def test_without_a_grace_period_data_goes_at_once(place: Place, image: str) -> None:
    place.options["grace_period"] = "0s"
    ids = chain(place, image, 2)
    place.remove(ids[1])
    assert [key.rsplit("/", 1)[1] for key in place.stored("deleted")] == [ids[1]], "the mark of its removal"
    assert {key.split("/")[3] for key in place.stored("data")} == {ids[0]}


def test_everything_can_go(place: Place, image: str) -> None:
    place.options["grace_period"] = "0s"
    ids = chain(place, image, 3)
    place.remove(ids[0], cascade=True)
    (mark,) = place.stored()
    assert mark.startswith("deleted/") and mark.endswith(f"/{ids[2]}"), "it tells that the newest one was removed"
    assert place.list() == []
    assert place.one(image)["type"] == "full"
    assert place.stored("deleted") == []


def test_a_retired_base_that_got_a_dependant_is_put_back(place: Place, image: str) -> None:
    """As when an increment was committed just while its base was being removed by another host."""
    ids = chain(place, image, 2)
    (base,) = place.remote.glob(f"backups/*/*/{ids[0]}~full")
    retired = Path(str(base).replace("/backups/", "/deleted/"))
    retired.parent.mkdir(parents=True)
    base.rename(retired)
    (found,) = place.list()
    assert found["complete"], "its base can still be read"
    assert place.content(image, ids[1])[:1] == b"1"
    age(place, "deleted", 2 * 86400)
    place.ship(image)
    assert base.exists()
    assert ids[0] in {each["id"] for each in place.list()}


def test_a_backup_whose_base_is_gone_for_good_says_so_and_is_no_base(place: Place, image: str) -> None:
    ids = chain(place, image, 3)
    next(place.remote.glob(f"backups/*/*/{ids[1]}~*")).unlink()
    (last, first) = place.list()
    assert (last["complete"], first["complete"]) == (False, True)
    assert last["problem"] == "a backup of its chain is missing"
    assert last["chain"] is None
    (failure,) = place.fetch(image, str(place.root / "r")).failures
    assert failure["code"] == "corrupt"
    assert ids[0] in failure["hint"]
    item = place.one(image)
    assert item["type"] == "full"
    assert place.content(image, item["id"])[:1] == b"2"


@pytest.mark.parametrize("options", [{"backup_id": ""}, {"volumes": ["/a", "/b"]}], ids=str)
def test_bad_options_are_refused(place: Place, options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        place.remove(**{"backup_id": "20260309T143000.123456Z-0123456789abcdef", **options})


def test_nothing_is_removed_from_an_append_only_remote(place: Place, image: str) -> None:
    ids = chain(place, image, 1)
    place.options["append_only"] = True
    with pytest.raises(UsageError) as caught:
        place.remove(ids[0])
    assert caught.value.code == "append_only"
    assert place.one(image)["base"] == ids[0], "but backups are made"


def test_what_is_not_there_is_no_change(place: Place, image: str) -> None:
    before = place.tree()
    for check in (True, False):
        assert not place.remove("20260309T143000.123456Z-0123456789abcdef", check=check).changed
    assert place.tree() == before
    said = place.remove("20260309T143000.123456Z-0123456789abcdef", check=True, remote="none", remote_spec=None)
    assert not said.changed and "none" in said.warnings[0]
