# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What strangers put beside our objects costs nothing but itself: second manifests of an id, and keys of all sorts."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import BackupKey, parse_backup_key
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest as manifests
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.tests.support.needs import need_machine_id
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

OTHER = "20260309T143000.123456Z-0123456789abcdef"
ABSURD = [
    "99991231T235959.999999Z-0123456789abcdef",
    "99990101T000000.000000Z-0123456789abcdef",
    "00010101T000000.000000Z-0123456789abcdef",
    "00000101T000000.000000Z-0123456789abcdef",
    "19000101T000000.000000Z-0123456789abcdef",
    "19691231T235959.999999Z-0123456789abcdef",
    "20260231T000000.000000Z-0123456789abcdef",
    "20260309T246060.000000Z-0123456789abcdef",
]


class Stranger:
    """Somebody who may put objects on the remote of a place, whichever kind it is."""

    def __init__(self, place: Place, bucket: Bucket | None) -> None:
        self.place = place
        self.bucket = bucket

    def put(self, key: str, data: bytes = b"", received: float | None = None) -> None:
        if self.bucket is not None:
            self.bucket.client.put_object(Bucket=self.bucket.name, Key=f"some/where/{key}", Body=data)
            return
        path = self.place.remote / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if received is not None:
            os.utime(path, (received, received))

    def keys(self, under: str) -> list[str]:
        if self.bucket is None:
            return self.place.stored(under)
        return [key[len("some/where/") :] for key in self.bucket.keys(f"some/where/{under}/")]

    def key_of(self, backup_id: str, kind: str = "backups") -> BackupKey:
        """The key of a backup whose manifest is the only one."""
        (found,) = (key for key in self.keys(kind) if f"/{backup_id}~" in key)
        parsed = parse_backup_key(found)
        assert parsed is not None
        return parsed


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A host with a remote, made; that of a bucket is below a prefix."""
    need_machine_id()
    if request.param == "directory":
        return Place(tmp_path)
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(
        tmp_path,
        type="s3",
        bucket=bucket.name,
        prefix="some/where",
        endpoint_url=bucket.endpoint,
        region=bucket.region,
        access_key=bucket.rw.access_key,
        secret_key=bucket.rw.secret_key,
    )


@pytest.fixture
def stranger(place: Place, request: pytest.FixtureRequest) -> Iterator[Stranger]:
    bucket = request.getfixturevalue("bucket") if place.options["type"] == "s3" else None
    yield Stranger(place, bucket)


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def encrypted(request: pytest.FixtureRequest, place: Place) -> bool:
    if request.param:
        place.options["encryption_key"] = KEY
    return bool(request.param)


def forged(place: Place, key: BackupKey, **changed: Any) -> tuple[str, bytes]:
    """Another manifest of this id, whole but without a MAC: its key and its bytes."""
    catalog = place.catalog()
    fields = {**catalog.manifest(key).fields, **changed, "encryption": None}
    other = key._replace(base=fields["base"])
    return other.manifest, manifests.write(fields, Keyring.parse(None, []))


def listed(place: Place, **options: Any) -> list[tuple[str, str, bool, str | None]]:
    return [(each["id"], each["type"], each["complete"], each["problem"]) for each in place.list(**options)]


@pytest.mark.usefixtures("encrypted")
def test_a_tiny_object_of_the_same_id_costs_nothing_but_itself(place: Place, stranger: Stranger) -> None:
    image = place.image(data=b"1" * MIB)
    full = place.one(image)["id"]
    place.write(image, 5, b"2")
    newest = place.one(image)
    assert newest["base"] == full, newest["reason"]
    content = Path(image).read_bytes()
    folder = stranger.key_of(full).manifest.rpartition("/")[0]
    before = place.list(details=True)
    for backup_id in (full, newest["id"]):
        for base in ("full", OTHER):
            key = f"{folder}/{backup_id}~{base}"
            if key not in stranger.keys("backups"):
                stranger.put(key, b"x")
    assert len(stranger.keys("backups")) == 5
    now = place.list(details=True)
    assert [{**each, "age": 0} for each in now] == [{**each, "age": 0} for each in before]
    assert not place.verify(image, mode="data").failures
    assert place.content(image, newest["id"]) == content
    assert place.content(image, full) == b"1" * MIB
    place.write(image, 7, b"3")
    outcome = place.ship(image)
    (third,) = outcome.items
    assert third["base"] == newest["id"], third["reason"]
    assert sum("another manifest of this id" in text for text in outcome.warnings) == 3
    place.remove(full, cascade=True)
    assert place.list() == []
    assert stranger.keys("backups") == []


def test_without_a_key_the_first_that_the_store_received_counts(tmp_path: Path) -> None:
    place = Place(tmp_path)
    stranger = Stranger(place, None)
    image = place.image(data=b"1")
    full = place.one(image)["id"]
    place.write(image, 0, b"2")
    newest = place.one(image)["id"]
    true = stranger.key_of(newest)
    key, data = forged(place, true, base=None, base_state_id=None)
    at = (place.remote / true.manifest).stat().st_mtime
    stranger.put(key, data, at + 10)
    assert listed(place) == [(newest, "incremental", True, None), (full, "full", True, None)]
    assert place.content(image, newest) == b"2"
    stranger.put(key, data, at)  # at the same moment: the smaller key, and an id is smaller than "full"
    assert listed(place)[0] == (newest, "incremental", True, None)
    stranger.put(key, data, at - 10)
    assert listed(place)[0] == (newest, "full", True, None)


def test_with_a_key_the_mac_tells(place: Place, stranger: Stranger) -> None:
    place.options.update(encryption_key=KEY, accept_unencrypted=True)
    image = place.image(data=b"1")
    full = place.one(image)["id"]
    place.write(image, 0, b"2")
    newest = place.one(image)["id"]
    key, data = forged(place, stranger.key_of(newest), base=None, base_state_id=None)
    stranger.put(key, data, 1_000_000_000.0)
    assert listed(place) == [(newest, "incremental", True, None), (full, "full", True, None)]
    assert place.content(image, newest) == b"2"


def test_a_host_without_the_key_lists_the_first(tmp_path: Path) -> None:
    place = Place(tmp_path, encryption_key=KEY)
    stranger = Stranger(place, None)
    newest = place.one(place.image(data=b"1"))["id"]
    true = stranger.key_of(newest)
    stranger.put(true._replace(base=OTHER).manifest, b"x", 1_000_000_000.0)
    blind = place.beside("blind", encryption_key=None)
    assert listed(blind) == [(newest, "full", True, None)]


def test_only_manifests_that_share_an_id_are_read(place: Place, stranger: Stranger) -> None:
    image = place.image(data=b"1")
    ids = [place.one(image)["id"] for _round in range(4)]
    catalog = place.catalog()
    catalog.chains("o", image)
    assert catalog.store.requests["get"] == 0
    for base in (OTHER, OTHER.replace("2026", "2025"), OTHER.replace("2026", "2024")):
        stranger.put(stranger.key_of(ids[0])._replace(base=base).manifest if base == OTHER else "backups/o/x/y", b"x")
    catalog.chains("o", image)
    assert 1 <= catalog.store.requests["get"] <= 2


def test_a_retired_base_is_known_by_its_true_manifest(tmp_path: Path) -> None:
    place = Place(tmp_path, grace_period="0s")
    stranger = Stranger(place, None)
    image = place.image(data=b"1")
    full = place.one(image)["id"]
    place.write(image, 0, b"2")
    newest = place.one(image)["id"]
    true = stranger.key_of(full)
    data = (place.remote / true.manifest).read_bytes()
    stranger.put(true.deleted, data)
    (place.remote / true.manifest).unlink()  # retired while the other was on its way
    stranger.put(true._replace(base=OTHER).deleted, b"x", 1_000_000_000.0)
    assert listed(place) == [(newest, "incremental", True, None)]
    assert place.content(image, newest) == b"2"
    assert place.one(image)["id"] != newest
    assert stranger.key_of(full) == true  # put back, and nothing else
    assert (place.remote / true.manifest).read_bytes() == data
    assert place.content(image, newest) == b"2"


def test_a_strangers_manifest_does_not_take_the_place_of_a_retired_base(tmp_path: Path) -> None:
    place = Place(tmp_path, grace_period="0s")
    stranger = Stranger(place, None)
    image = place.image(data=b"1")
    full = place.one(image)["id"]
    true = stranger.key_of(full)
    stranger.put(true.deleted, (place.remote / true.manifest).read_bytes(), 1_000_000_000.0)
    stranger.put(true.manifest, b"x")
    place.one(image)
    assert true.deleted in stranger.keys("deleted")
    assert place.catalog().manifest(true).id == full


def test_a_retired_manifest_of_a_running_shipment_is_not_believed(tmp_path: Path) -> None:
    place = Place(tmp_path, grace_period="0s")
    stranger = Stranger(place, None)
    image = place.image(data=b"1")
    true = stranger.key_of(place.one(image)["id"])
    running = BackupKey(true.origin, true.volume, OTHER, None)
    stranger.put(f"inflight/{true.origin}/{true.volume}/{OTHER}", b'{"host": "another"}')
    stranger.put(running.data + "00000000", b"data")
    stranger.put(running.deleted, b"x", 1_000_000_000.0)
    place.one(image)
    assert running.data + "00000000" in stranger.keys("data")


def test_keys_of_all_sorts(place: Place, stranger: Stranger) -> None:
    image = place.image(data=b"1" * MIB)
    full = place.one(image)["id"]
    true = stranger.key_of(full)
    before = listed(place, origin="*")
    number = secrets.token_hex(8)
    names = [f"{each}~full" for each in ABSURD] + [f"{full[:26]}{number}~{each}" for each in ABSURD]
    names += [
        "x",
        "~",
        "~full",
        full,
        f"{full}~",
        f"{full}~{full}",
        f"{full}~x",
        f"{full}~full~full",
        f"{full}~full.tmp",
    ]
    for kind in ("backups", "deleted", "inflight"):
        for name in names:
            if kind == "inflight" and name.startswith(full):
                continue  # that is a record of a shipment of ours, whatever it contains
            if f"{kind}/{true.origin}/{true.volume}/{name}" != true.manifest:
                stranger.put(f"{kind}/{true.origin}/{true.volume}/{name}", b"{")
        stranger.put(f"{kind}/{true.origin}/{true.volume}/a/b/c~full", b"")
        for component in ("%2f", "%", "a b", "ä", "~", f"x~{'0' * 63}", f"{'a' * 185}~{'0' * 64}"):
            stranger.put(f"{kind}/{true.origin}/{component}/{OTHER}~full", b"")
            stranger.put(f"{kind}/{component}/{true.volume}/{OTHER}~full", b"")
    for each in ABSURD:
        stranger.put(f"data/{true.origin}/{true.volume}/{each}/00000000", b"")
    assert listed(place, origin="*") == before
    assert listed(place) == before
    assert not place.verify(image, mode="data").failures
    place.write(image, 5, b"2")
    second = place.one(image)
    assert second["base"] == full, second["reason"]
    assert place.content(image, second["id"]) == Path(image).read_bytes()
    strangers = [
        key for key in stranger.keys("backups") if not key.endswith((f"/{full}~full", f"/{second['id']}~{full}"))
    ]
    place.remove(full, cascade=True)
    assert listed(place, origin="*") == []
    assert sorted(stranger.keys("backups")) == sorted(strangers)


def test_a_backup_of_the_future_is_not_the_latest(place: Place, stranger: Stranger) -> None:
    image = place.image(data=b"1" * MIB)
    full = place.one(image)["id"]
    future = "92990101T000000.000000Z-0123456789abcdef"
    stranger.put(stranger.key_of(full)._replace(id=future).manifest, b"x")
    assert [(each["id"], each["complete"]) for each in place.list()] == [(future, False), (full, True)]
    target = str(place.root / "restored")
    outcome = place.fetch(image, target)
    assert not outcome.failures and Path(target).read_bytes() == b"1" * MIB
    assert [text for text in outcome.warnings if future in text and "in the future" in text]
    outcome = place.verify(image, mode="data")
    assert [each["id"] for each in outcome.items] == [full]
    assert [text for text in outcome.warnings if future in text and "in the future" in text]
    assert place.verify(image, mode="data", backup=future).failures
