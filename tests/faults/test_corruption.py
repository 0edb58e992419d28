# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What lies on a remote is damaged or forged: refused before the target is touched, with key's name and the way out.

Each place has two chains. The newer one is damaged; the error must name the newest backup that is still good, and that
one must restore.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import id_time, mint_id, shown
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest as manifests
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.manifest import Manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.tests.faults.places import KEY, Place, directory_options, s3_options
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

SIZE = 3 << 20
YEAR = 366 * 86400.0
WRONG_KEY = "77" * 32
KINDS = {
    "plain-zstd": {"compression": "zstd"},
    "plain-none": {"compression": "none"},
    "encrypted-zstd": {"compression": "zstd", "encryption_key": KEY},
    "encrypted-none": {"compression": "none", "encryption_key": KEY},
}


class Damaged:
    """A place with two chains, and how to damage what is on its remote and mend it again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        rng = random.Random(42)
        place.write(0, rng.randbytes(SIZE))
        self.ids = []
        for kind in ("full", "auto", "full", "auto", "auto"):
            self.ids.append(place.ship(type=kind))
            place.scribble(rng, SIZE, 2, 40_000)
        self.catalog = place.catalog()
        self.store = self.catalog.store
        chains = self.catalog.chains()
        self.chain = [self.catalog.manifest(key) for key in chains.chain(chains.keys[0]) or []]
        self.target = place.root / "target" / "there.img"
        self.target.parent.mkdir()
        self.target.write_bytes(b"what was there before" * 1000)

    def objects(self) -> list[tuple[Manifest, str]]:
        """Every segment, table and object of the index of the newer chain, with the backup it belongs to."""
        return [(each, entry.key) for each in self.chain for entry in self.store.list(each.key.data)]

    def refused_or_harmless(self, key: str, good: str) -> None:
        """``latest`` is refused as by :meth:`refused`; or it is restored right, and the damage is found by verifying.

        A restore fetches what the index names: headers of a stream that is stored as it is aren't looked at.
        """
        if self.place.restore(self.place.root / "beside.img").failures:
            assert self.refused(key, good)["code"] == "corrupt"
            return
        (self.place.root / "beside.img").unlink()
        self.restores(self.chain[-1].id)
        (failure,) = self.place.verify("data").failures
        assert failure["code"] == "corrupt" and shown(key) in failure["msg"]

    def good_without(self, damaged: Manifest) -> str:
        """The newest backup that doesn't rest on this one."""
        return self.ids[self.ids.index(damaged.id) - 1]

    def get(self, key: str) -> bytes:
        data = self.store.get(key, 1 << 30)
        assert data is not None
        return bytes(data)

    @contextmanager
    def replaced(self, key: str, data: bytes | None) -> Iterator[None]:
        """Another object under this key (none: it is removed), for a while."""
        before = self.store.get(key, 1 << 30)
        if data is None:
            self.store.delete([key])
        else:
            self.store.put(key, data)
        yield
        if before is None:
            self.store.delete([key])
        else:
            self.store.put(key, bytes(before))

    def refused(self, key: str, good: str | None, **options: Any) -> dict[str, Any]:
        """``latest`` is refused with the key's name; the target is as it was and nothing lies beside it."""
        before, was = self.target.read_bytes(), self.target.stat()
        outcome = self.place.restore(self.target, overwrite=True, **options)
        assert not outcome.changed
        assert len(outcome.failures) == 1, f"{key}: it was restored"
        failure: dict[str, Any] = outcome.failures[0]
        assert shown(key) in failure["msg"], failure
        assert good is None or good in failure["hint"], failure
        now = self.target.stat()
        assert (was.st_ino, was.st_mtime_ns, was.st_ctime_ns) == (now.st_ino, now.st_mtime_ns, now.st_ctime_ns)
        assert self.target.read_bytes() == before
        assert [path.name for path in self.target.parent.iterdir()] == ["there.img"]
        return failure

    def restores(self, backup_id: str) -> None:
        """This one is still good, bit for bit."""
        for item in self.place.listing():
            if item["id"] == backup_id:
                self.place.check_one(item)
                return
        pytest.fail(f"{backup_id} isn't listed")


@pytest.fixture(params=list(KINDS))
def damaged(request: pytest.FixtureRequest, memory_path: Path, small_segments: None) -> Damaged:
    return Damaged(Place(memory_path, directory_options(memory_path, **KINDS[request.param])))


@pytest.fixture
def damaged_bucket(bucket: Bucket, tmp_path: Path, small_segments: None) -> Damaged:
    return Damaged(Place(tmp_path, s3_options(bucket, encryption_key=KEY)))


def _flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# --- segments and indexes


def test_one_byte_flipped_anywhere(damaged: Damaged) -> None:
    for backup, key in damaged.objects():
        data = damaged.get(key)
        for at in sorted({0, len(data) // 2, len(data) - 1}):
            with damaged.replaced(key, _flipped(data, at)):
                damaged.refused_or_harmless(key, damaged.good_without(backup))
        damaged.restores(damaged.good_without(backup))
    damaged.place.check()


def test_any_object_removed_cut_or_grown(damaged: Damaged) -> None:
    for backup, key in damaged.objects():
        data = damaged.get(key)
        for changed in (None, b"", data[:-1], data + b"\0", data * 2):
            with damaged.replaced(key, changed):
                assert damaged.refused(key, damaged.good_without(backup))["code"] == "corrupt"
    damaged.place.check()


def test_objects_swapped(damaged: Damaged) -> None:
    """Genuine objects in each other's place: of one backup, and of two."""
    objects = damaged.objects()
    for (first_of, first), (second_of, second) in zip(objects, objects[1:]):
        one, two = damaged.get(first), damaged.get(second)
        with damaged.replaced(first, two), damaged.replaced(second, one):
            outcome = damaged.place.restore(damaged.target, overwrite=True)
            assert outcome.failures and outcome.failures[0]["code"] == "corrupt"
            assert any(shown(key) in outcome.failures[0]["msg"] for key in (first, second))
            assert any(damaged.good_without(each) in outcome.failures[0]["hint"] for each in (first_of, second_of))


def test_bytes_flipped_and_objects_removed_in_a_bucket(damaged_bucket: Damaged) -> None:
    damaged = damaged_bucket
    for backup, key in damaged.objects():
        data = damaged.get(key)
        with damaged.replaced(key, _flipped(data, len(data) // 2)):
            damaged.refused_or_harmless(key, damaged.good_without(backup))
        with damaged.replaced(key, None):
            damaged.refused(key, damaged.good_without(backup))
        damaged.restores(damaged.good_without(backup))


# --- manifests


def test_manifest_cut_or_changed(damaged: Damaged) -> None:
    for backup in damaged.chain:
        key, good = backup.key.manifest, damaged.good_without(backup)
        data = damaged.get(key)
        changed = [data[:length] for length in (0, 1, len(data) // 2, len(data) - 3)]
        changed += [_flipped(data, at) for at in range(0, len(data), 11)]
        changed += [b"[]", b"null", b"{}", b"\xff\xfe", b"[" * 100_000]
        for each in changed:
            with damaged.replaced(key, each):
                assert damaged.refused(key, good)["code"] in ("corrupt", "version", "key")
        with damaged.replaced(key, None):
            outcome = damaged.place.restore(damaged.target, overwrite=True, backup_id=damaged.chain[-1].id)
            assert outcome.failures and good in outcome.failures[0]["hint"] or backup is damaged.chain[-1]
        damaged.restores(good)


def test_a_damaged_manifest_is_told_in_the_listing_and_the_next_backup_works(damaged: Damaged) -> None:
    newest = damaged.chain[-1]
    data = damaged.get(newest.key.manifest)
    damaged.store.put(newest.key.manifest, _flipped(data, len(data) // 2))
    listed = {item["id"]: item for item in damaged.place.listing()}
    assert not listed[newest.id]["complete"] and shown(newest.key.manifest) in listed[newest.id]["problem"]
    assert all(item["complete"] for item in listed.values() if item["id"] != newest.id)
    outcome = damaged.place.backup()
    assert not outcome.failures and outcome.items[0]["base"] != newest.id
    assert any(newest.id in text for text in outcome.warnings)
    damaged.place.learn()
    damaged.restores(str(outcome.items[0]["id"]))


Forgery = Callable[[dict[str, Any]], dict[str, Any]]


def _sealed(fields: dict[str, Any]) -> bytes:
    """With a digest that matches: what anybody can make."""
    body = json.dumps(fields).encode()
    return f"snapship 1 sha256:{hashlib.sha256(body).hexdigest()}\n".encode() + body


def _grown(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "size": fields["size"] + (1 << 20)}


def _unencrypted(fields: dict[str, Any]) -> dict[str, Any]:
    """As a remote without a key would have it."""
    return {**fields, "encryption": None}


def _same(fields: dict[str, Any]) -> dict[str, Any]:
    """What it lacks is its MAC."""
    return fields


@pytest.mark.parametrize("forge", [_grown, _unencrypted, _same], ids=lambda forge: forge.__name__.strip("_"))
@pytest.mark.parametrize("new_digest", [False, True], ids=["old-digest", "new-digest"])
def test_forged_with_an_encryption_key(
    memory_path: Path, small_segments: None, forge: Forgery, new_digest: bool
) -> None:
    damaged = Damaged(Place(memory_path, directory_options(memory_path, encryption_key=KEY)))
    for backup in damaged.chain:
        key = backup.key.manifest
        data = _sealed(forge(backup.fields))
        if not new_digest:
            data = damaged.get(key).partition(b"\n")[0][:82] + b"\n" + data.partition(b"\n")[2]
        with damaged.replaced(key, data):
            assert damaged.refused(key, damaged.good_without(backup))["code"] == "corrupt"


def test_unencrypted_forgery_as_another_backup(memory_path: Path, small_segments: None) -> None:
    """A whole unencrypted backup, data and all, put on an encrypted remote by somebody who has no key."""
    damaged = Damaged(Place(memory_path, directory_options(memory_path, encryption_key=KEY)))
    elsewhere = memory_path / "elsewhere"
    elsewhere.mkdir()
    options = directory_options(elsewhere)
    plain = Place(memory_path, options)
    forged = plain.ship(config="forger", type="full")
    source, catalog = plain.catalog().store, plain.catalog()
    key = catalog.chains().keys[0]
    for entry in [*source.list(key.data), *source.list(key.manifest)]:
        damaged.store.put(entry.key, bytes(source.get(entry.key, 1 << 30) or b""))
    assert damaged.refused(key.manifest, damaged.ids[-1])["code"] == "corrupt"
    shown = {item["id"]: item for item in damaged.place.listing()}
    assert not shown[forged]["complete"]
    outcome = damaged.place.backup(max_age="0s")
    assert not outcome.failures and outcome.items[0]["base"] != forged


def test_genuine_manifest_under_another_key(damaged: Damaged) -> None:
    older, newer = damaged.chain[0], damaged.chain[-1]
    with damaged.replaced(newer.key.manifest, damaged.get(older.key.manifest)):
        assert damaged.refused(newer.key.manifest, damaged.good_without(newer))["code"] == "corrupt"


def test_written_by_a_newer_version(damaged: Damaged) -> None:
    newest = damaged.chain[-1]
    keyring = Keyring.parse(damaged.place.options.get("encryption_key"), [])
    data = manifests.write(newest.fields, keyring).replace(b"snapship 1 ", b"snapship 2 ", 1)
    with damaged.replaced(newest.key.manifest, data):
        failure = damaged.refused(newest.key.manifest, damaged.good_without(newest))
        assert failure["code"] == "version"
        assert "newer" in failure["hint"]


def test_unknown_fields_are_no_error(damaged: Damaged) -> None:
    newest = damaged.chain[-1]
    keyring = Keyring.parse(damaged.place.options.get("encryption_key"), [])
    with damaged.replaced(newest.key.manifest, manifests.write({**newest.fields, "later": {"more": [1]}}, keyring)):
        damaged.restores(newest.id)


@pytest.mark.parametrize("form", ["hex", "base64"])
def test_wrong_key(memory_path: Path, small_segments: None, form: str) -> None:
    damaged = Damaged(Place(memory_path, directory_options(memory_path, encryption_key=KEY)))
    wrong = WRONG_KEY if form == "hex" else base64.b64encode(bytes.fromhex(WRONG_KEY)).decode()
    damaged.place.options["encryption_key"] = wrong
    failure = damaged.refused(damaged.chain[0].key.manifest, None)
    assert failure["code"] == "key"
    assert wrong not in json.dumps(failure)
    del damaged.place.options["encryption_key"]
    damaged.refused(damaged.chain[0].key.manifest, None)
    damaged.place.options.update(encryption_key=WRONG_KEY, old_encryption_keys=[KEY])
    damaged.place.check()


def test_stamped_a_year_ahead(damaged: Damaged) -> None:
    """Key, manifest, digest and data all agree; only the time is wrong. It must not satisfy anything for a year."""
    newest = damaged.chain[0]
    ahead = mint_id(id_time(newest.id) + YEAR)
    key = newest.key._replace(id=ahead)
    for entry in list(damaged.store.list(newest.key.data)):
        damaged.store.put(key.data + entry.key.rpartition("/")[2], damaged.get(entry.key))
    keyring = Keyring.parse(damaged.place.options.get("encryption_key"), [])
    data = manifests.write({**newest.fields, "id": ahead, "created": iso_time(id_time(ahead))}, keyring)
    damaged.store.put(key.manifest, data)
    beside = damaged.place.root / "beside.img"
    outcome = damaged.place.restore(beside)
    assert not outcome.failures and outcome.items[0]["id"] == damaged.ids[-1]
    assert any("future" in text for text in outcome.warnings)
    (failure,) = damaged.place.restore(damaged.target, ahead, overwrite=True).failures
    assert "future" in failure["msg"]
    shown = {item["id"]: item for item in damaged.place.listing(details=False)}
    assert not shown[ahead]["complete"] and "future" in shown[ahead]["problem"]
    damaged.place.ship(max_age="1d")
    outcome = damaged.place.backup(max_age="0s")
    assert outcome.changed and outcome.items[0]["base"] != ahead
    damaged.restores(damaged.ids[-1])
