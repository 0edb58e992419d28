# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whose backups they are and who can read them: origins, other hosts, encryption keys old and new."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

OLD_KEY, NEWEST_KEY = "01" * 32, "02" * 32


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


def on_machine(patch: pytest.MonkeyPatch, name: str) -> None:
    patch.setattr(Host, "machine_id", name)


# --- origins


def test_an_origin_that_another_machine_owns_is_refused_unless_adopted(
    place: Place, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_machine(monkeypatch, "first")
    first = place.one(image)
    on_machine(monkeypatch, "second")
    other = place.beside("cfg2")
    before = place.stored()
    for check in (True, False):
        outcome = other.ship(image, check=check)
        assert [each["code"] for each in outcome.failures] == ["origin_owned"]
        assert "'o'" in outcome.failures[0]["msg"]
    assert place.stored() == before
    assert "adopt_origin_from: first" in outcome.failures[0]["hint"]
    assert other.ship(image, adopt_origin_from="third").failures
    item = other.one(image, adopt_origin_from="first")
    assert item["base"] == first["id"], "the snapshot is here and is that state"
    assert other.one(image)["base"] == item["id"], "adopted once is adopted"
    on_machine(monkeypatch, "first")
    assert place.ship(image).failures


def test_another_machine_lists_and_restores_without_owning(
    place: Place, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [place.one(image), place.one(image)]
    on_machine(monkeypatch, "rescue")
    other = place.beside("rescue")
    for origin in ("o", "*"):
        found = other.list(origin=origin)
        assert [each["id"] for each in found] == [items[1]["id"], items[0]["id"]]
        assert {(each["origin"], each["volume"], each["complete"]) for each in found} == {("o", image, True)}
    (shown,) = other.list(origin="*", id=items[1]["id"])
    assert shown["bytes_logical"] == MIB
    assert shown["chain"] == [items[0]["id"], items[1]["id"]]
    assert other.content(image, items[1]["id"]) == b"1" * MIB


def test_origins_share_a_remote_without_seeing_each_other(place: Place, image: str) -> None:
    one = place.one(image, origin="one")
    two = place.one(image, origin="two")
    assert (one["type"], two["type"]) == ("full", "full")
    assert [each["id"] for each in place.list(origin="one")] == [one["id"]]
    assert {each["id"] for each in place.list(origin="*")} == {one["id"], two["id"]}
    assert not place.remove(one["id"], origin="two").changed
    place.write(image, 0, b"2")
    assert place.one(image, origin="one")["base"] == one["id"]
    assert place.one(image, origin="two")["base"] == two["id"]


def test_strangers_objects_disturb_nothing(place: Place, image: str) -> None:
    first = place.one(image)
    folder = next(place.remote.glob("backups/*/*"))
    for path in ("README", "backups/x", "backups/o/y", f"backups/o/{folder.name}/notes~full", "data/o/z", "inflight/q"):
        target = place.remote / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(b"somebody else's")
    item = place.one(image)
    assert item["base"] == first["id"]
    assert [each["id"] for each in place.list(origin="*")] == [item["id"], first["id"]]
    place.remove(item["id"], volumes=[image])
    assert (place.remote / "README").read_bytes() == b"somebody else's"
    assert (place.remote / "inflight/q").exists()


# --- keys


def readable(place: Place, image: str) -> list[bool]:
    """Of each backup, newest first, whether it restores."""
    return [not place.fetch(image, str(place.root / each["id"]), backup=each["id"]).failures for each in place.list()]


def test_a_key_is_replaced_and_the_chain_goes_on(place: Place, image: str) -> None:
    place.options["encryption_key"] = OLD_KEY
    first = place.one(image)
    place.options.update(encryption_key=NEWEST_KEY, old_encryption_keys=[KEY, OLD_KEY])
    place.write(image, 0, b"2")
    item = place.one(image)
    assert item["base"] == first["id"]
    assert place.content(image, item["id"]) == Path(image).read_bytes()
    (newest, oldest) = place.list(details=True)
    assert newest["key_id"] != oldest["key_id"]
    assert (newest["encrypted"], oldest["encrypted"]) == (True, True)
    place.options["old_encryption_keys"] = []
    assert readable(place, image) == [False, False]
    outcome = place.fetch(image, str(place.root / "r"))
    (failure,) = outcome.failures
    assert failure["code"] == "key"
    assert oldest["key_id"] in failure["msg"]


def test_a_key_that_was_lost_does_not_end_all_backups(place: Place, image: str) -> None:
    place.options["encryption_key"] = OLD_KEY
    lost = place.one(image)
    place.options["encryption_key"] = NEWEST_KEY
    outcome = place.ship(image)
    assert not outcome.failures
    assert outcome.items[0]["type"] == "full"
    assert any(lost["id"] in text and "this remote has other keys" in text for text in outcome.warnings)
    assert place.one(image)["base"] == outcome.items[0]["id"]


def test_encryption_begins_with_a_full_and_what_was_plain_needs_to_be_allowed(place: Place, image: str) -> None:
    place.one(image)
    place.options["encryption_key"] = KEY
    item = place.one(image)
    assert (item["type"], item["encrypted"]) == ("full", True)
    assert readable(place, image) == [True, False]
    place.options["accept_unencrypted"] = True
    assert not place.fetch(image, str(place.root / "again"), backup=place.list()[1]["id"]).failures
    del place.options["encryption_key"]
    outcome = place.ship(image)
    assert not outcome.failures
    assert outcome.items[0]["type"] == "full"
    assert any("this remote has other keys" in text for text in outcome.warnings)


def test_nothing_of_the_content_is_stored_in_the_open(place: Place) -> None:
    secret = b"a very particular sentence " * 4000
    image = place.image(data=secret)
    for options in ({"compression": "none"}, {}):
        place.options = {"type": "directory", "path": str(place.remote), "encryption_key": KEY, **options}
        place.one(image, type="full")
    for key in place.stored():
        data = (place.remote / key).read_bytes()
        assert b"particular" not in data
        assert KEY.encode() not in data and bytes.fromhex(KEY) not in data


def test_a_forged_manifest_is_refused_and_the_older_one_is_named(
    place: Place, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody who can write to the bucket, but hasn't the key, puts an unencrypted backup in place of a real one."""
    place.options["encryption_key"] = KEY
    good = place.one(image)
    with monkeypatch.context() as patch:
        patch.setattr(place, "options", {"type": "directory", "path": str(place.root / "forged")})
        place.write(image, 0, b"evil")
        forged = place.one(image)
    shutil.copytree(place.root / "forged", place.remote, dirs_exist_ok=True)
    outcome = place.fetch(image, str(place.root / "r"))
    (failure,) = outcome.failures
    assert failure["code"] == "corrupt"
    assert f"the manifest of {image} from {forged['created']}" in failure["msg"]
    assert good["id"] in failure["hint"]
    again = place.ship(image)
    assert any(forged["id"] in text for text in again.warnings)
    assert again.items[0]["base"] in (None, good["id"])


def test_segments_swapped_between_shipments_are_refused(place: Place, image: str) -> None:
    place.options.update(encryption_key=KEY, compression="none")
    one = place.one(image, type="full")
    two = place.one(image, type="full")
    paths = [next(place.remote.glob(f"data/*/*/{each['id']}/00000000")) for each in (one, two)]
    data: list[Any] = [path.read_bytes() for path in paths]
    assert len(data[0]) == len(data[1])
    paths[0].write_bytes(data[1])
    (failure,) = place.fetch(image, str(place.root / "r"), backup=one["id"]).failures
    assert failure["code"] == "corrupt"
