# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is a copy of another one: its own instance, no journals of the other's, and the origin is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local import machine
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


@pytest.fixture
def firmware(place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file with the machine's id, as the firmware tells it."""
    path = place.root / "product_uuid"
    path.write_text("ONE\n", encoding="ascii")
    monkeypatch.setattr(machine, "SOURCES", {"product_uuid": str(path)})
    return path


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


def test_a_copied_host_asks_for_its_origin(place: Place, image: str, firmware: Path) -> None:
    place.one(image)
    before = place.host.instance()
    firmware.write_text("TWO\n", encoding="ascii")
    stored, tree = place.stored(), place.tree()
    for origin in (None, "o"):
        for check in (True, False):
            with pytest.raises(ConfigError, match="copied from another machine") as caught:
                place.ship(image, origin=origin, check=check)
            assert caught.value.code == "copied_host"
            assert f"adopt_origin_from: {place.host.machine_id}" in caught.value.hint
    assert place.stored() == stored and place.tree() == tree
    assert place.one(image, origin="own")["type"] == "full"
    assert place.host.kept_origin() == "own"
    assert place.host.instance() != before
    assert not place.ship(image, origin=None).failures, "asked once"


def test_the_origin_is_adopted(place: Place, image: str, firmware: Path) -> None:
    first = place.one(image)
    firmware.write_text("TWO\n", encoding="ascii")
    assert place.one(image, adopt_origin_from=place.host.machine_id)["base"] == first["id"]
    assert place.one(image)["base"]


def test_deleting_first_does_not_forget_to_ask(place: Place, image: str, firmware: Path) -> None:
    items = [place.one(image), place.one(image)]
    firmware.write_text("TWO\n", encoding="ascii")
    place.remove(items[1]["id"])
    place.host.instance()
    with pytest.raises(ConfigError, match="copied from another machine"):
        place.ship(image)


def test_journals_of_the_other_machine_are_dropped(
    place: Place, image: str, firmware: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = DirectoryStore.put

    def put(store: DirectoryStore, key: str, *arguments: object, **more: object) -> None:
        if key.startswith("backups/"):
            raise RemoteError("the line is cut.", code="unreachable")
        real(store, key, *arguments, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "put", put)
        assert place.ship(image).failures
    (record,) = place.records()
    firmware.write_text("TWO\n", encoding="ascii")
    item = place.one(image, adopt_origin_from=place.host.machine_id)
    assert item["resumed"] == 0 and item["id"] not in record
    assert record in place.records(), "the other machine may still be shipping it"


def test_what_cannot_be_read_tells_nothing(place: Place, image: str, firmware: Path) -> None:
    place.one(image)
    before = place.host.instance()
    firmware.unlink()
    assert not place.ship(image).failures
    firmware.write_text("ONE\n", encoding="ascii")
    assert not place.ship(image).failures
    assert place.host.instance() == before


def test_a_run_that_was_killed_before_it_bound_the_host_leaves_that_to_the_next(
    place: Place, image: str, firmware: Path
) -> None:
    place.one(image)
    before = place.host.instance()
    (place.root / "cfg" / "host").write_text(f"{before}\nmachine None\n", encoding="ascii")
    place.one(image)
    assert place.host.instance() == before
    firmware.write_text("TWO\n", encoding="ascii")
    with pytest.raises(ConfigError, match="copied from another machine"):
        place.ship(image)
