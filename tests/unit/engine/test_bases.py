# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""No incremental is built on a chain whose objects are gone, or were found bad."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import data_prefix, encode, shown
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.store import ObjectStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import flags as flags_module
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data import segment_table
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data.inventory import Inventory
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.envelope import seal
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks, shipment
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.base import proof
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket, Key
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

DOCS = Path(__file__).resolve().parents[3] / "docs"
RUNS = ["1" * 32, "2" * 32]


def on_s3(bucket: Bucket, key: Key) -> dict[str, Any]:
    return {
        "type": "s3",
        "bucket": bucket.name,
        "endpoint_url": bucket.endpoint,
        "region": bucket.region,
        "access_key": key.access_key,
        "secret_key": key.secret_key,
    }


@pytest.fixture(params=["directory", "s3"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A host with a remote of either type."""
    if request.param == "directory":
        return Place(tmp_path)
    bucket: Bucket = request.getfixturevalue("bucket")
    return Place(tmp_path, **on_s3(bucket, bucket.rw))


def at(place: Place) -> ObjectStore:
    return place.catalog().store


def data(image: str, backup_id: str, name: str) -> str:
    return data_prefix("o", encode(image), backup_id) + name


def flags(place: Place) -> list[str]:
    return sorted(entry.key for entry in at(place).list("flags/"))


def damage(place: Place, key: str) -> None:
    """Change one byte in the middle of an object."""
    content = bytearray(at(place).get(key, 1 << 30) or b"")
    content[len(content) // 2] ^= 1
    at(place).put(key, content)


def grow(place: Place, image: str, count: int, **options: Any) -> list[dict[str, Any]]:
    """So many backups, each after a change."""
    items = []
    for _number in range(count):
        place.write(image, 0, os.urandom(4096))
        items.append(place.one(image, **options))
    return items


def named(place: Place, image: str, *names: str) -> list[dict[str, Any]]:
    """A backup of a snapshot of each name; such snapshots stay on the host."""
    items = []
    for name in names:
        place.write(image, 0, name.encode())
        place.snap(image, name=name)
        items.append(place.one(image, snapshot=name))
    return items


def claim(place: Place, image: str, backup_id: str, name: str, run: str, **fields: Any) -> str:
    """Put a flag as another host would; its key."""
    body = {"backup": backup_id, "object": name, "digest": None, "host": "elsewhere", "run": run}
    body = {**body, "created": "2026-03-09T14:30:00.000000Z", **fields}
    key = flags_module.flags_prefix("o", encode(image), backup_id) + os.urandom(8).hex()
    keyring = Keyring.parse(place.options.get("encryption_key"), [])
    at(place).put(key, seal(json.dumps(body).encode() + b"\n", keyring))
    return key


# --- objects that are gone


@pytest.mark.parametrize("name", ["00000000", "segments", "index", "index-00000000"])
def test_a_base_without_one_of_its_objects_is_not_built_upon(anywhere: Place, name: str) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    _first, second = grow(place, image, 2)
    gone = data(image, second["id"], name)
    at(place).delete([gone])
    place.write(image, 0, b"new")
    outcome = place.ship(image)
    (item,) = outcome.items
    assert item["type"] == "full"
    assert f"{shown(gone)} is missing or has the wrong size" in item["reason"]
    assert any(second["id"] in text and shown(gone) in text for text in outcome.warnings)
    assert place.content(image, item["id"]) == Path(image).read_bytes()
    place.write(image, 0, b"newer")
    assert place.one(image)["base"] == item["id"], "the new full is a base again"


def test_the_next_sound_common_state_is_taken(anywhere: Place) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    first, second, third = named(place, image, "one", "two", "three")
    gone = data(image, third["id"], "00000000")
    at(place).delete([gone])
    place.write(image, 0, b"four")
    outcome = place.ship(image)
    (item,) = outcome.items
    assert item["base"] == second["id"] and second["base"] == first["id"]
    assert item["reason"].startswith(f"the newest common state is {second['id']} (snapshot two); {third['id']}")
    assert shown(gone) in item["reason"] and any(shown(gone) in text for text in outcome.warnings)
    assert place.content(image, item["id"]) == Path(image).read_bytes()


def test_a_wrong_size_and_a_changed_table_count_as_well(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    (base,) = grow(place, image, 1)
    at(place).put(data(image, base["id"], "00000000"), b"short")
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and base["id"] in item["reason"]
    damage(place, data(image, item["id"], "segments"))
    (last,) = grow(place, image, 1)
    assert last["type"] == "full" and item["id"] in last["reason"] and "table of segments" in last["reason"]


def test_an_incremental_that_is_demanded_fails_and_says_what_is_missing(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    (base,) = grow(place, image, 1)
    gone = data(image, base["id"], "00000000")
    at(place).delete([gone])
    (failure,) = place.ship(image, type="incremental").failures
    assert failure["code"] == "no_base" and shown(gone) in failure["msg"]
    assert place.ship(image, type="full").items[0]["type"] == "full"


def test_nothing_is_taken_as_unchanged_on_a_base_that_lost_data(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    (base,) = grow(place, image, 1)
    assert place.one(image, skip_unchanged=True)["id"] == base["id"]
    at(place).delete([data(image, base["id"], "00000000")])
    item = place.one(image, skip_unchanged=True)
    assert item["type"] == "full" and item["id"] != base["id"]


def test_the_whole_chain_is_looked_at_once_in_a_while(anywhere: Place) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    full, _second, _third = grow(place, image, 3)
    gone = data(image, full["id"], "00000000")
    at(place).delete([gone])
    assert grow(place, image, 1)[0]["type"] == "incremental", "it was whole when this host looked, less than a day ago"
    (note,) = Path(place.host.config_dir, "state/whole").iterdir()
    noted = json.loads(note.read_text())
    assert noted["id"] == full["id"], "that is what the chain was when it was looked at"
    check = place.ship(image, check=True, check_every="0s")
    assert check.items[0]["type"] == "full" and shown(gone) in check.items[0]["reason"]
    note.write_text(json.dumps(dict(noted, at=time.time() - 90_000)))
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and shown(gone) in item["reason"]
    (item,) = grow(place, image, 1)
    assert item["type"] == "incremental"
    assert json.loads(note.read_text())["id"] == item["base"]


@pytest.mark.parametrize("at", [4e9, "now", None])
def test_a_note_from_the_future_or_without_a_time_is_not_believed(place: Place, at: Any) -> None:
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    (note,) = Path(place.host.config_dir, "state/whole").iterdir()
    note.write_text(json.dumps({"id": full["id"], "at": at}))
    place.catalog().store.delete([data(image, full["id"], "00000000")])
    assert grow(place, image, 1)[0]["type"] == "full"


def test_an_unfinished_shipment_is_not_resumed_on_a_base_that_lost_data(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", MIB)
    image = place.image(data=os.urandom(4 * MIB))
    (base,) = grow(place, image, 1)
    put = DirectoryStore.put

    def dying(self: DirectoryStore, key: str, *arguments: Any, **options: Any) -> None:
        put(self, key, *arguments, **options)
        if key.endswith("/00000001"):
            os._exit(9)

    def die() -> None:
        monkeypatch.setattr(DirectoryStore, "put", dying)
        place.write(image, 0, os.urandom(4 * MIB))
        place.ship(image, parallel=1)

    place.killed(die)
    assert place.records()
    at(place).delete([data(image, base["id"], "00000000")])
    item = place.one(image)
    assert item["type"] == "full" and item["resumed"] == 0
    assert not place.records()
    assert place.content(image, item["id"]) == Path(image).read_bytes()


def test_a_backup_on_a_long_chain_costs_two_listings_more(anywhere: Place) -> None:
    """Without these checks it takes 16, however long the chain is."""
    place = anywhere
    image = place.image(data=os.urandom(65536))
    grow(place, image, 20)
    for every in ("1d", "0s"):
        place.write(image, 0, os.urandom(4096))
        request = backup.Request(
            volumes=[image], remote_spec=place.options, origin="o", max_age="0s", check_every=every
        )
        plan = backup.plan(place.host, request)
        outcome = backup.apply(place.host, plan)
        assert outcome.items[0]["type"] == "incremental"
        assert plan.run.store.requests["list"] <= 18 + (place.options["type"] == "s3")


def test_an_inventory_knows_a_table_of_several_objects_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_table, "ROWS", 2)
    monkeypatch.setattr(shipment, "ROWS", 2)
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", MIB)
    image = place.image(data=os.urandom(5 * MIB))
    item = place.one(image)
    store = at(place)
    assert store.get(data(image, item["id"], "segments-00000002"), 1 << 20) is not None
    for name in ("99999999", "0000000²", "٠٠٠٠٠٠٠١", "x", "y/00000001"):
        store.put(data(image, item["id"], name), b"junk")
    catalog = place.catalog()
    (key,) = catalog.keys("backups", "o", image)
    manifest = catalog.manifest(key)
    inventory = Inventory(store, [manifest])
    inventory.compare()
    assert not list(inventory.missing(manifest))
    lost = [data(image, item["id"], name) for name in ("00000001", "00000004")]
    store.delete(lost)
    assert catalog.missing(manifest) == lost
    store.delete([data(image, item["id"], "segments-00000001")])
    assert catalog.missing(manifest) == [data(image, item["id"], "segments-00000001")]


# --- objects that were found bad


@pytest.mark.parametrize("mode", ["data", "restore"])
@pytest.mark.parametrize("name", ["00000000", "index-00000000", "index", "segments"])
def test_what_a_verification_finds_bad_is_not_built_upon(anywhere: Place, mode: str, name: str) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    full, _second, _third = grow(place, image, 3)
    bad = data(image, full["id"], name)
    damage(place, bad)
    assert grow(place, image, 1)[0]["type"] == "incremental", "nobody knows yet"
    assert place.verify(image, mode=mode).failures
    (flag,) = flags(place)
    assert flag.startswith(flags_module.flags_prefix("o", encode(image), full["id"]))
    outcome = place.ship(image)
    (item,) = outcome.items
    assert item["type"] == "full", item["reason"]
    assert shown(bad) in item["reason"] and any(shown(bad) in text for text in outcome.warnings)
    if name != "segments":
        assert "SHA-256" in item["reason"]
    assert grow(place, image, 1)[0]["base"] == item["id"]


def test_flags_of_a_remote_with_a_key_are_signed_and_as_documented(tmp_path: Path) -> None:
    place = Place(tmp_path, encryption_key=KEY)
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    bad = data(image, full["id"], "00000000")
    damage(place, bad)
    assert place.verify(image, mode="data").failures
    (flag,) = flags(place)
    line, _newline, body = (at(place).get(flag, flags_module.LIMIT) or b"").partition(b"\n")
    assert b" hmac-sha256:" in line
    schema = json.loads((DOCS / "flag.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(json.loads(body))
    assert json.loads(body)["digest"] == hashlib.sha256(at(place).get(bad, 1 << 30) or b"").hexdigest()
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and shown(bad) in item["reason"]


def test_a_segment_that_verification_finds_missing_bars_the_chain_before_it_is_due(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    gone = data(image, full["id"], "00000000")
    at(place).delete([gone])
    assert grow(place, image, 1)[0]["type"] == "incremental"
    assert place.verify(image, mode="data").failures
    assert flags(place)
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and shown(gone) in item["reason"]


def test_a_flag_of_another_host_bars_what_reads_bad_here(anywhere: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    damage(place, data(image, full["id"], "00000000"))
    with monkeypatch.context() as patch:
        patch.setattr(Host, "machine_id", "elsewhere")
        other = place.beside("other")
        for _turn in range(3):
            assert other.verify(image, mode="data").failures
    assert len(flags(place)) == 2, "two runs that found the same are enough"
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and "two verifications found" in item["reason"]


def test_a_flag_counts_if_it_is_confirmed_and_else_warns(anywhere: Place) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    (full,) = grow(place, image, 1)
    claim(place, image, full["id"], "00000000", RUNS[0], digest="a" * 64)
    claim(place, image, full["id"], "00000000", RUNS[0], digest="a" * 64)
    claim(place, image, full["id"], "00000000", RUNS[1], digest="b" * 64)
    outcome = place.ship(image)
    assert outcome.items[0]["base"] == full["id"], "one run said it twice, another found something else; it reads well"
    assert any("elsewhere" in text and shown(data(image, full["id"], "00000000")) in text for text in outcome.warnings)
    claim(place, image, full["id"], "00000000", RUNS[1], digest="a" * 64)
    (item,) = grow(place, image, 1)
    assert item["type"] == "full" and "a" * 64 in item["reason"]


def test_a_flag_on_what_this_host_may_not_read_is_a_warning(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    image = place.image(data=os.urandom(MIB))
    (full,) = grow(place, image, 1)
    hidden = data(image, full["id"], "00000000")
    claim(place, image, full["id"], "00000000", RUNS[0])
    get = DirectoryStore.get

    def refusing(self: DirectoryStore, key: str, limit: int) -> bytes | None:
        if key == hidden:
            raise RemoteError("access denied.", code="denied")
        return get(self, key, limit)

    monkeypatch.setattr(DirectoryStore, "get", refusing)
    outcome = place.ship(image)
    assert outcome.items[0]["base"] == full["id"]
    assert any(shown(hidden) in text and "may not read it" in text for text in outcome.warnings)


def test_an_append_only_remote_has_flags_too_and_keeps_them(anywhere: Place) -> None:
    place = anywhere
    place.options["append_only"] = True
    image = place.image(data=os.urandom(MIB))
    (full,) = grow(place, image, 1)
    bad = data(image, full["id"], "00000000")
    good = at(place).get(bad, 1 << 30) or b""
    damage(place, bad)
    assert place.verify(image, mode="data").failures
    assert grow(place, image, 1)[0]["type"] == "full"
    at(place).put(bad, good)
    assert not place.verify(image, mode="data", backup=full["id"]).failures
    assert len(flags(place)) == 1


def test_a_good_verification_takes_back_what_this_host_said(anywhere: Place) -> None:
    place = anywhere
    image = place.image(data=os.urandom(MIB))
    full, second = grow(place, image, 2)
    bad = data(image, full["id"], "00000000")
    good = at(place).get(bad, 1 << 30) or b""
    damage(place, bad)
    assert place.verify(image, mode="data").failures
    theirs = claim(place, image, second["id"], "index", RUNS[0])
    (mine,) = set(flags(place)) - {theirs}
    at(place).put(bad, good)
    place.verify(image, mode="data", check=True)
    place.verify(image, mode="metadata")
    assert mine in flags(place)
    assert not place.verify(image, mode="data").failures
    assert flags(place) == [theirs]
    assert grow(place, image, 1)[0]["type"] == "incremental"


def test_a_restore_that_works_does_not_clear_an_object_it_had_no_need_of(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    bad = data(image, full["id"], "00000000")
    damage(place, bad)
    assert place.verify(image, mode="data").failures
    place.write(image, 0, os.urandom(MIB))  # replaces all that the full has
    item = place.one(image, type="full")
    claim(place, image, item["id"], "00000000", RUNS[0], host=place.host.machine_id)
    (mine,) = [key for key in flags(place) if item["id"] in key]
    assert not place.verify(image, mode="restore").failures
    assert mine not in flags(place), "it was read again and is good"
    assert len(flags(place)) == 1, "the one of the bad chain stays"


def test_neither_junk_nor_forged_flags_cost_more_than_themselves(tmp_path: Path) -> None:
    place = Place(tmp_path, encryption_key=KEY, accept_unencrypted=True)
    image = place.image(data=os.urandom(MIB))
    other = place.image("other.img", data=os.urandom(MIB))
    (full,) = grow(place, image, 1)
    (elsewhere,) = grow(place, other, 1)
    store, prefix = at(place), flags_module.flags_prefix("o", encode(image), full["id"])
    genuine = [claim(place, other, elsewhere["id"], "00000000", run) for run in RUNS]
    for number, key in enumerate(genuine):
        store.put(f"{prefix}{number:016x}", store.get(key, 4096) or b"")  # true ones, of another backup
    body = {"backup": full["id"], "object": "00000000", "digest": None, "host": "h", "created": "x"}
    for number, run in enumerate(RUNS):
        text = json.dumps(dict(body, run=run)).encode()
        store.put(f"{prefix}{number:015x}a", seal(text, Keyring.parse(None, [])))  # without a MAC
        store.put(f"{prefix}{number:015x}b", seal(text, Keyring.parse("1" * 64, [])))  # with an unknown key
        store.put(f"{prefix}{number:015x}c", seal(b" " * 5000 + text, Keyring.parse(KEY, [])))  # too large
        for letter, wrong in zip("def", ({"run": 1}, {"object": "../x"}, {"digest": "x"})):
            text = json.dumps({**body, "run": run, **wrong}).encode()
            store.put(f"{prefix}{number:015x}{letter}", seal(text, Keyring.parse(KEY, [])))
        claim(place, image, full["id"], "00009999", run)  # no such segment
    nested = b"[" * 2000 + b"]" * 2000
    for name, junk in (
        ("0" * 16, b""),
        ("1" * 16, nested),
        ("2" * 16, seal(nested, Keyring.parse(KEY, []))),
        ("x", b"{}"),
    ):
        store.put(prefix + name, junk)
    store.put("flags/o/junk", b"junk")
    (place.remote / prefix / ("3" * 16)).symlink_to("/etc/passwd")
    place.write(image, 0, b"2")
    outcome = place.ship(image)
    assert outcome.items[0]["base"] == full["id"] and not outcome.failures
    assert not outcome.warnings


def test_many_flags_are_read_up_to_a_bound(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags_module, "COUNT", 6)
    monkeypatch.setattr(proof, "READS", 4)
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", MIB)
    image = place.image(data=os.urandom(8 * MIB))
    (full,) = grow(place, image, 1)
    for number in range(8):
        claim(place, image, full["id"], f"{number:08d}", f"{number:032x}", digest="a" * 64)
    read: list[str] = []
    get = DirectoryStore.get

    def noting(self: DirectoryStore, key: str, limit: int) -> bytes | None:
        read.append(key)
        return get(self, key, limit)

    monkeypatch.setattr(DirectoryStore, "get", noting)
    outcome = place.ship(image)
    assert outcome.items[0]["base"] == full["id"]
    assert sum(key.startswith("flags/") for key in read) == 6
    assert sum(key.startswith("data/") and key[-8:].isdigit() for key in read) == 4
    assert sum("leaves it out" in text for text in outcome.warnings) == 2


# --- who writes what


def test_check_mode_writes_nothing(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    damage(place, data(image, full["id"], "00000000"))
    before = place.tree()
    assert not place.verify(image, mode="data", check=True).failures
    assert place.ship(image, check=True, check_every="0s").items[0]["type"] == "incremental"
    assert place.tree() == before
    assert place.verify(image, mode="data").failures
    at(place).delete([data(image, full["id"], "index")])
    before = place.tree()
    outcome = place.ship(image, check=True, check_every="0s")
    assert outcome.items[0]["type"] == "full" and outcome.warnings
    assert place.tree() == before


def test_a_host_that_may_not_write_still_tells_what_is_bad(place: Place, bucket: Bucket) -> None:
    place.options = on_s3(bucket, bucket.rw)
    image = place.image(data=os.urandom(MIB))
    (full,) = grow(place, image, 1)
    bad = data(image, full["id"], "00000000")
    damage(place, bad)
    place.options = on_s3(bucket, bucket.ro)
    outcome = place.verify(image, mode="data")
    assert [each["code"] for each in outcome.failures] == ["corrupt"]
    assert any(shown(bad) in text and "can't be told" in text for text in outcome.warnings)


def test_a_manifest_is_flagged_only_if_it_is_bad_itself(place: Place) -> None:
    image = place.image(data=os.urandom(MIB))
    full, second = grow(place, image, 2)
    key = f"backups/o/{encode(image)}/{full['id']}~full"
    content = at(place).get(key, MIB) or b""
    at(place).delete([key])
    assert place.verify(image, mode="data", backup=second["id"]).failures
    assert not flags(place), "its base is gone; itself it is good"
    at(place).put(key, content.replace(b'"reason"', b'"reasom"'))
    assert place.verify(image, mode="data", backup=second["id"]).failures
    (flag,) = flags(place)
    assert full["id"] in flag


def test_the_flags_of_a_deleted_backup_go_with_its_data(anywhere: Place) -> None:
    place = anywhere
    place.options["grace_period"] = "0s"
    image = place.image(data=os.urandom(MIB))
    full, _second = grow(place, image, 2)
    kept = grow(place, image, 1, type="full")[0]
    for each in (full, kept):
        claim(place, image, each["id"], "index", RUNS[0])
    place.remove(full["id"], cascade=True)
    (flag,) = flags(place)
    assert kept["id"] in flag
