# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A shipment that died goes on where it was, sends only what is missing, and leaves nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

SEGMENTS = 8
TABLES = ["segments", "index-00000000", "index"]  # in this order, when all segments are there


@pytest.fixture(params=["plain", "encrypted"])
def shipping(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Segments of 1 MiB, sent one after the other."""
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", MIB)
    return Place(tmp_path, **({"encryption_key": KEY} if request.param == "encrypted" else {}))


def fail_at(patch: pytest.MonkeyPatch, suffix: str, after: bool = False) -> None:
    """The put of the key that ends so fails, before or after it was done."""
    put = DirectoryStore.put

    def failing(self: DirectoryStore, key: str, *arguments: Any, **options: Any) -> None:
        if suffix in key and not after:
            raise RemoteError("the line is cut.", code="unreachable")
        put(self, key, *arguments, **options)
        if suffix in key:
            raise RemoteError("the line is cut.", code="unreachable")

    patch.setattr(DirectoryStore, "put", failing)


def puts_of(patch: pytest.MonkeyPatch) -> list[str]:
    """Keys below data/ that are put from now on."""
    put, noted = DirectoryStore.put, []

    def noting(self: DirectoryStore, key: str, *arguments: Any, **options: Any) -> None:
        if key.startswith("data/"):
            noted.append(key.rsplit("/", 1)[1])
        put(self, key, *arguments, **options)

    patch.setattr(DirectoryStore, "put", noting)
    return noted


@pytest.mark.parametrize("kind", ["full", "incremental"])
@pytest.mark.parametrize("at", [0, 3, SEGMENTS - 1, SEGMENTS])
def test_only_missing_segments_are_sent(shipping: Place, monkeypatch: pytest.MonkeyPatch, kind: str, at: int) -> None:
    image = shipping.image(data=os.urandom(SEGMENTS * MIB))
    if kind == "incremental":
        shipping.one(image)
        shipping.write(image, 0, os.urandom(SEGMENTS * MIB))
    before = len(shipping.list(image)) if shipping.remote.exists() else 0
    content = Path(image).read_bytes()
    with monkeypatch.context() as patch:
        fail_at(patch, f"/{at:08d}")
        outcome = shipping.ship(image, parallel=1)
    assert [each["code"] for each in outcome.failures] == ["unreachable"]
    assert len(shipping.list(image)) == before
    (record,) = shipping.records()
    if kind == "full":
        shipping.write(image, 0, b"written after the failure")
    with monkeypatch.context() as patch:
        sent = puts_of(patch)
        item = shipping.one(image, max_age="1h" if kind == "full" else "0s", parallel=1, skip_unchanged=True)
    assert item["id"] == os.path.basename(record)
    assert item["resumed"] == at
    assert item["type"] == kind
    assert sent == [f"{number:08d}" for number in range(at, SEGMENTS + 1)] + TABLES
    assert shipping.content(image, item["id"]) == content
    assert shipping.records() == []
    assert not list(Path(shipping.host.config_dir, "state/shipments").iterdir())


@pytest.mark.parametrize("suffix", ["inflight/", "/index", "backups/"])
@pytest.mark.parametrize("after", [False, True])
def test_a_failure_at_any_step_is_made_good_by_the_next_run(
    shipping: Place, monkeypatch: pytest.MonkeyPatch, suffix: str, after: bool
) -> None:
    image = shipping.image(data=b"1" + os.urandom(2 * MIB))
    first = shipping.one(image)
    shipping.write(image, 0, b"2")
    with monkeypatch.context() as patch:
        fail_at(patch, suffix, after)
        assert shipping.ship(image).failures
    assert shipping.content(image, first["id"])[:1] != b"2"
    item = shipping.one(image, skip_unchanged=True)
    found = shipping.list(image)
    assert found[0]["id"] == item["id"]
    assert all(each["complete"] for each in found)
    for each in found:
        assert shipping.content(image, each["id"])[1:] == Path(image).read_bytes()[1:]
    assert shipping.records() == []
    ids = {each["id"] for each in found}
    assert {key.split("/")[3] for key in shipping.stored("data")} == ids


def test_segments_that_went_or_changed_size_meanwhile_are_sent_again(
    shipping: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = shipping.image(data=os.urandom(SEGMENTS * MIB))
    with monkeypatch.context() as patch:
        fail_at(patch, "/index")
        shipping.ship(image, parallel=1)
    folder = next(shipping.remote.glob("data/*/*/*"))
    (folder / "00000002").unlink()
    with open(folder / "00000005", "ab") as segment:
        segment.write(b"x")
    with monkeypatch.context() as patch:
        sent = puts_of(patch)
        item = shipping.one(image, max_age="1h", parallel=1)
    assert sent == ["00000002", "00000005", f"{SEGMENTS:08d}", *TABLES]
    assert shipping.content(image, item["id"]) == Path(image).read_bytes()


@pytest.mark.parametrize("size", [MIB // 2, 3 * MIB, 100 * MIB])
def test_a_version_that_cuts_differently_goes_on_rightly(
    shipping: Place, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    data = bytearray(os.urandom(SEGMENTS * MIB))
    data[3 * MIB : 6 * MIB] = bytes(3 * MIB)
    image = shipping.image(data=bytes(data))
    with monkeypatch.context() as patch:
        fail_at(patch, "/index")
        shipping.ship(image, parallel=1)
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", size)
    item = shipping.one(image, max_age="1h")
    assert shipping.content(image, item["id"]) == bytes(data)
    names = {key.rsplit("/", 1)[1] for key in shipping.stored("data")}
    (found,) = shipping.list(image, details=True)
    assert len(names) == found["segments"] + len(TABLES), "nothing lies there that isn't in the manifest"


@pytest.mark.parametrize("change", ["snapshot gone", "compression", "encryption", "journal cut", "journal gone"])
def test_what_cannot_go_on_is_cleared_away(place: Place, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    image = place.image(data=os.urandom(2 * MIB))
    with monkeypatch.context() as patch:
        fail_at(patch, "/index")
        place.ship(image)
    (journal,) = Path(place.host.config_dir, "state/shipments").iterdir()
    if change == "snapshot gone":
        next(place.root.glob(".snapship/*/*.json")).unlink()
    elif change == "compression":
        place.options["compression"] = "none"
    elif change == "encryption":
        place.options["encryption_key"] = KEY
    elif change == "journal cut":
        journal.write_bytes(journal.read_bytes()[:-5])
    else:
        journal.unlink()
    item = place.one(image)
    assert place.content(image, item["id"]) == Path(image).read_bytes()
    assert place.records() == []
    assert {key.split("/")[3] for key in place.stored("data")} == {each["id"] for each in place.list(image)}


def test_the_next_run_of_another_remote_is_not_disturbed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    image = place.image(data=os.urandom(2 * MIB))
    with monkeypatch.context() as patch:
        fail_at(patch, "/index")
        place.ship(image)
    other = {"type": "directory", "path": str(place.root / "second")}
    item = place.one(image, remote_spec=other)
    assert item["resumed"] == 0
    assert len(place.records()) == 1
    assert place.one(image)["type"] in ("full", "incremental")
    assert place.records() == []
