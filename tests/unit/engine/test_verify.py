# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups are proved to be good, or shown not to be, in each of four ways."""

from __future__ import annotations

import hashlib
import os
import random
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import shown

from .place import KEY, MIB, Place

MODES = ("metadata", "data", "source", "restore")


@pytest.fixture(params=["plain", "encrypted"])
def chain(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, str]:
    """A full and three increments that replace parts of extents, one of them with a hole, then a grown tail."""
    rng = random.Random(1)
    options = {"encryption_key": KEY} if request.param == "encrypted" else {}
    place = Place(tmp_path, **options)
    image = place.image(data=rng.randbytes(5 * MIB), size=9 * MIB)
    place.one(image)
    for turn in range(3):
        place.write(image, turn * MIB + 70_000, rng.randbytes(200_000))
        if turn == 1:
            place.punch(image, 4 * MIB, MIB)
        if turn == 2:
            os.truncate(image, 10 * MIB)
            place.write(image, 10 * MIB - 10, b"0123456789")
        place.one(image)
    return place, image


@pytest.mark.parametrize("mode", MODES)
def test_a_good_backup_is_verified_once_within_its_age(chain: tuple[Place, str], mode: str) -> None:
    place, image = chain
    before = _tree(place)
    assert place.verify(image, mode=mode, max_age="1h", check=True).changed
    assert _tree(place) == before
    outcome = place.verify(image, mode=mode, max_age="1h")
    assert outcome.changed and not outcome.failures
    (item,) = outcome.items
    assert item["mode"] == mode and item["verified"] and len(item["chain"]) == 4
    assert (item["bytes_read"] > 0) == (mode in ("source", "restore"))
    assert mode == "metadata" or item["bytes_fetched"] > 0
    again = place.verify(image, mode=mode, max_age="1h")
    assert not again.changed and again.items[0]["verified"] == item["verified"]
    assert not place.verify(image, mode=mode, max_age="1h", check=True).changed
    assert place.verify(image, mode=mode).changed
    assert place.verify(image, mode=mode, max_age="0s").changed
    assert _tree(place) == before


def test_a_stronger_proof_covers_a_weaker_one(chain: tuple[Place, str]) -> None:
    place, image = chain
    place.verify(image, mode="restore")
    assert not place.verify(image, mode="data", max_age="1h").changed
    assert not place.verify(image, mode="metadata", max_age="1h").changed
    assert place.verify(image, mode="source", max_age="1h").changed
    place.one(image, type="full")
    assert place.verify(image, mode="metadata", max_age="1h").changed


def test_every_flipped_byte_is_found_by_data(chain: tuple[Place, str]) -> None:
    place, image = chain
    for key in place.stored("data"):
        path = place.remote / key
        whole = path.read_bytes()
        path.chmod(0o600)
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        # Metadata reads the table of segments, as that says what must be there.
        assert bool(place.verify(image, mode="metadata").failures) == key.endswith("/segments")
        (failure,) = place.verify(image, mode="data").failures
        assert failure["code"] == "corrupt" and shown(key) in failure["msg"]
        path.write_bytes(whole)
    assert not place.verify(image, mode="data").failures


def test_what_is_missing_is_found_by_metadata(chain: tuple[Place, str]) -> None:
    place, image = chain
    for key in place.stored("data"):
        path = place.remote / key
        whole = path.read_bytes()
        path.unlink()
        (failure,) = place.verify(image, mode="metadata").failures
        assert failure["code"] == "corrupt" and shown(key) in failure["msg"]
        path.write_bytes(whole)


def test_a_delta_that_was_wrong_is_found_by_source(chain: tuple[Place, str], monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import provider

    place, image = chain
    place.write(image, 3 * MIB, b"this change is left out of the increment")
    place.write(image, 3 * MIB + 500_000, b"this one isn't")
    monkeypatch.setattr(provider, "merged", lambda changes: (each for each in changes if each.offset != 3 * MIB))
    item = place.one(image)
    monkeypatch.undo()
    assert item["type"] == "incremental"
    for mode in ("metadata", "data", "restore"):
        assert not place.verify(image, mode=mode).failures
    (failure,) = place.verify(image, mode="source").failures
    assert failure["code"] == "source_differs" and item["id"] in failure["msg"] and "full" in failure["hint"]


def test_source_needs_the_snapshot(chain: tuple[Place, str]) -> None:
    place, image = chain
    older = place.list(image)[1]["id"]
    (failure,) = place.verify(image, mode="source", backup=older).failures
    assert failure["code"] == "no_source"


def test_scratch_is_left_alone_if_it_is_there(chain: tuple[Place, str]) -> None:
    place, image = chain
    there = place.image("there.img", data=b"mine")
    (failure,) = place.verify(image, mode="restore", scratch=there).failures
    assert failure["code"] == "target_exists" and Path(there).read_bytes() == b"mine"


def _tree(place: Place) -> dict[str, str]:
    """Everything but what this host remembers."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in place.root.rglob("*")
        if path.is_file() and place.root / "cfg" not in path.parents
    }
