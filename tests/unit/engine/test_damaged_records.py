# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records with absurd contents, each kind a few hundred times: a result, or an error that a user understands."""

from __future__ import annotations

import copy
import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import units
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    ConfigError,
    SnapshipError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import (
    encode,
    inflight_key,
    mint_id,
    parse_backup_key,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import parse_remote
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.envelope import seal
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.linstor_bucket import meta
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.linstor_bucket.names import parse_meta
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.cleanup import bases_in_use, clean_volume
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.journal import MAGIC
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.shipment import Shipment
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases.remote import describe
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes import record
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.snapshots import SnapshotStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm import tags
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs import records
from ansible_collections.snapship.dr.tests.support.linstor_bucket import LinstorBucket
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place
from ansible_collections.snapship.dr.tests.unit.engine.test_resume import fail_at

ABSURD: list[Any] = [
    None,
    True,
    -1,
    0,
    1 << 53,
    (1 << 64) - 1,
    10**30,
    1e308,
    -1e308,
    float("nan"),
    "",
    "x" * 300,
    "\0",
    "../../etc",
    "9" * 400,
    "9999-12-31T23:59:59.999999Z",
    "\ud800",
    [],
    {},
    [[]],
    [None, {}],
    {"a": {"b": [1]}},
    json.loads("[" * 50 + "]" * 50),
]
GROUP = "20261122T214041.123457Z-0123456789abcdef"
ROUNDS = 300


def places(value: Any) -> list[tuple[Any, Any]]:
    """All containers in a value with each of their keys or positions."""
    found = []
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        found += [(value, key), *places(value[key])]
    return found


def spoiled(value: Any, source: random.Random) -> bytes:
    """A value with a few changes, as the bytes of a record."""
    if source.random() < 0.05:
        return json.dumps(source.choice(ABSURD)).encode()
    value = copy.deepcopy(value)
    for _change in range(source.randint(1, 3)):
        inside = places(value)
        if not inside:
            break
        container, key = source.choice(inside)
        if source.random() < 0.15:
            del container[key]
        else:
            container[key] = copy.deepcopy(source.choice(ABSURD))
    data = json.dumps(value).encode()
    if source.random() < 0.2:
        at = source.randrange(len(data) + 1)
        data = data[:at] + source.choice((b"", b"\xff", b"}", b'"', b"\0")) + data[at + source.randint(0, 20) :]
    return data


def clean(call: Callable[[], object]) -> object:
    """The result; an error of ours counts as one."""
    try:
        return call()
    except SnapshipError as error:
        assert "\n" not in error.msg
        assert len(error.msg) < 4000
        return error


@pytest.fixture
def used(place: Place) -> Place:
    """A host that has every record: a remote, a held snapshot, a verification, a restore."""
    place.define("off")
    volume = place.image(data=os.urandom(MIB))
    options = {"remote_spec": None, "remote": "off"}
    assert not place.ship(volume, **options).failures
    assert not place.verify(volume, mode="data", **options).failures
    assert not place.fetch(volume, str(place.root / "target.img"), **options).failures
    place.host.instance()
    place.host.keep_origin("o")
    return place


LOCAL = [
    "cfg/remotes/*.json",
    "cfg/state/capabilities/*.json",
    "cfg/state/held.json",
    "cfg/state/verified/*.json",
    "cfg/state/restored/*.json",
    ".snapship/db.img/*.json",
]


@pytest.mark.parametrize("pattern", LOCAL)
def test_records_of_this_host(used: Place, pattern: str) -> None:
    (path,) = used.root.glob(pattern)
    good = json.loads(path.read_text(encoding="utf-8"))
    volume, target = str(used.root / "db.img"), str(used.root / "target.img")
    location = used.catalog().store.location
    options = {"remote_spec": None, "remote": "off"}
    host = used.host
    source = random.Random(pattern)
    readers: list[Callable[[], object]] = [
        lambda: describe(host),
        lambda: host.find_remote("off"),
        lambda: host.capabilities("off"),
        lambda: host.held(location),
        lambda: [
            units.iso_time(each) for modes in host.verified(location, "o", volume).values() for each in modes.values()
        ],
        lambda: host.provenance(target)["witness"].get("identity") if host.provenance(target) else None,
        lambda: [snapshot.public() for snapshot in SnapshotStore(volume).load()],
    ]
    runs: list[Callable[[], object]] = [
        lambda: used.list(volume, **options),
        lambda: used.verify(volume, mode="data", check=True, max_age="1d", **options),
        lambda: used.fetch(volume, target, check=True, **options),
        lambda: used.ship(volume, check=True, **options),
    ]
    failed = 0
    for number in range(ROUNDS):
        path.write_bytes(spoiled(good, source))
        for call in readers + (runs if number % 10 == 0 else []):
            failed += isinstance(clean(call), SnapshipError)
    caches = ("capabilities", "verified")
    assert bool(failed) == (not any(name in pattern for name in caches)), "what can be found out again stops nothing"


@pytest.mark.parametrize("name", ["host", "origin"])
def test_lines(used: Place, name: str) -> None:
    path = used.root / "cfg" / name
    for content in (b"", b"\n\n", b"\xff\xfe\n", b"\0", b"x" * 5000, b"a\nb\n"):
        path.write_bytes(content)
        clean(used.host.instance)
        clean(lambda: encode(used.host.origin()))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="isn't a plain file"):
        used.host.instance() if name == "host" else used.host.origin()


@pytest.mark.parametrize("content", [b'[["a"]]', b'{"a": 1}', b"[1]", b'[["a", "b", "c", 1]]', b'"x"'])
def test_a_damaged_list_of_held_snapshots_is_named_and_stays(used: Place, content: bytes) -> None:
    path = used.root / "cfg/state/held.json"
    path.write_bytes(content)
    for call in (
        lambda: used.host.held("x"),
        lambda: used.host.note_held("a", "b", "c", "d"),
        lambda: used.host.forget_held("a"),
    ):
        with pytest.raises(ConfigError, match=r"held\.json can't be read: it isn't a list of held snapshots"):
            call()
    assert path.read_bytes() == content


def test_a_damaged_note_of_verifications_is_made_anew(used: Place) -> None:
    (path,) = used.root.glob("cfg/state/verified/*.json")
    volume = str(used.root / "db.img")
    path.write_bytes(b'{"x": 1')
    used.verify(volume, mode="data", max_age="1d", remote_spec=None, remote="off")
    (noted,) = json.loads(path.read_text(encoding="utf-8")).values()
    assert set(noted) == {"data"}


def test_a_damaged_record_of_a_snapshot_is_named(used: Place) -> None:
    (path,) = used.root.glob(".snapship/db.img/*.json")
    fields = json.loads(path.read_text(encoding="utf-8"))
    for change in (
        {"created": 1e300},
        {"witness": None},
        {"name": "another"},
        {"holds": {"x": 1}},
        {"group": {"id": "x"}},
    ):
        path.write_text(json.dumps({**fields, **change}), encoding="utf-8")
        outcome = clean(lambda: used.ship(str(used.root / "db.img"), check=True))
        told = outcome.msg if isinstance(outcome, SnapshipError) else str(getattr(outcome, "failures", ""))
        assert f"{path} can't be read: it isn't the record of a snapshot" in told


def test_packed_records() -> None:
    """Those in tags of LVs and in properties of ZFS."""
    fields = {
        "format": 1,
        "name": "n",
        "volume": "vg/lv",
        "lineage": "l",
        "state_id": "s",
        "created": 1773066600123456,
        "group": {"id": GROUP, "members": ["vg/lv"]},
        "made_by": "user",
        "consistency": {"method": "none"},
        "datasets": [f"{77:08x}"],
        "holds": {"holder": "backup"},
        "target": "tank/x",
    }
    row = {"name": "tank/x@s", "guid": "1", "creation": "1773066600", "volsize": "-", "logicalreferenced": "4096"}
    source = random.Random(3)
    kept = 0
    for _round in range(ROUNDS * 3):
        try:
            value = json.loads(spoiled(fields, source))
            text = record.pack(value)
        except (ValueError, RecursionError):
            text = record.pack(fields)[: source.randrange(200)]
        found = tags.record_in([f"snapship.record.0={text}"])
        if found is not None:
            kept += 1
            units.iso_time(found.created)
            mint_id(found.created)
        snapshot = records.snapshot_from({**row, records.RECORD: text, records.HOLDS: text}, "77")
        snapshot.public()
        mint_id(snapshot.created)
        tags.holds_in([f"snapship.hold.x.0={text}"])
    assert 0 < kept < ROUNDS * 3
    assert record.unpack(record.pack({"a": "x" * (2 << 20)})) is None, "a record unfolds to at most 1 MiB"
    assert record.unpack(record.pack(fields)[:-8]) is None


def test_records_of_shipments_on_a_remote(used: Place) -> None:
    volume = str(used.root / "db.img")
    backup_id = mint_id(1773066600.0)
    key = inflight_key(encode("o"), encode(volume), backup_id)
    good = {"id": backup_id, "base": None, "host": "h", "started": "2026-03-09T14:30:00Z", "size": 4096}
    source = random.Random(4)
    catalog = used.catalog()
    path = used.remote / key
    path.parent.mkdir(parents=True)
    for _round in range(ROUNDS):
        path.write_bytes(spoiled(good, source))
        clean(lambda: bases_in_use(catalog, "o", volume))
        clean(lambda: clean_volume(used.host, catalog, "o", volume))
    path.write_bytes(b'{"base": "x"}' + b" " * (1 << 20))
    assert bases_in_use(catalog, "o", volume) == set()


def test_heads_of_journals(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a shipment that was cut off: it is resumed, or another one is made."""
    volume = place.image(data=os.urandom(3 * MIB))
    with monkeypatch.context() as patch:
        patch.setattr(send_blocks, "SEGMENT_DATA", MIB)
        fail_at(patch, "00000001")
        assert place.ship(volume).failures
    (path,) = place.root.glob("cfg/state/shipments/*")
    written = path.read_bytes()
    start = len(MAGIC) + 4
    end = start + int.from_bytes(written[len(MAGIC) : start], "big")
    good, entries = json.loads(written[start:end]), written[end:]
    source = random.Random(9)
    resumed = 0
    for number in range(ROUNDS):
        head = spoiled(good, source) if number else written[start:end]
        path.write_bytes(MAGIC + len(head).to_bytes(4, "big") + head + entries)
        found = clean(lambda: Shipment.find(place.host, place.catalog(), "o", volume))
        resumed += isinstance(found, dict)
        assert found is None or isinstance(found, dict)
        assert isinstance(clean(lambda: place.ship(volume, check=True)), Outcome)
        if number % 20 == 19:
            assert not place.ship(volume).failures
    assert 0 < resumed < ROUNDS


@pytest.mark.parametrize("key", [None, KEY])
def test_manifests_that_somebody_with_the_key_made(used: Place, key: str | None) -> None:
    (stored,) = used.stored("backups")
    body = (used.remote / stored).read_bytes().partition(b"\n")[2]
    good = json.loads(body)
    backup_key = parse_backup_key(stored)
    assert backup_key is not None
    keyring = Keyring.parse(key, [])
    source = random.Random(key)
    for _round in range(ROUNDS):
        sealed = seal(spoiled(good, source), keyring)
        clean(lambda sealed=sealed: manifest.read(sealed, backup_key, keyring, True))  # type: ignore[misc]


def test_metadata_of_linstor() -> None:
    name = parse_meta("db_back_20260309_143000.meta")
    assert name is not None
    good = LinstorBucket.meta(
        "db",
        {0: name.data(0), 1: name.data(1)},
        {0: 4096, 1: 8192},
        "20260309_143000",
        None,
        ("storage",),
        "LVM_THIN",
        "c",
    )
    assert meta.parse(name, json.dumps(good).encode()).volumes
    source = random.Random(6)
    for _round in range(ROUNDS * 3):
        found = clean(lambda: meta.parse(name, spoiled(good, source)))
        if isinstance(found, meta.Backup):
            units.iso_time(found.created)
    for number in ("9" * 5000, "-1", "01", "1_0", " 1", "\u0661"):
        with pytest.raises(SnapshipError, match="is invalid"):
            meta.parse(name, json.dumps({**good, "backups": {number: []}}).encode())


# --- definitions and numbers


def test_definitions_of_remotes() -> None:
    good = {
        "type": "s3",
        "bucket": "b",
        "prefix": "p",
        "object_lock_days": 3,
        "old_encryption_keys": [KEY],
        "append_only": True,
        "bandwidth_limit": "1M",
        "grace_period": "1d",
    }
    source = random.Random(8)
    for _round in range(ROUNDS * 3):
        try:
            value = json.loads(spoiled(good, source))
        except ValueError:
            continue
        if isinstance(value, dict):
            clean(lambda value=value: parse_remote("r", value).to_json())  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"path": ["/x"]}, "path isn't a text"),
        ({"path": "/x\0"}, "path isn't a text"),
        ({"path": "/x", "append_only": "perhaps"}, "append_only isn't true or false"),
        ({"path": "/x", "old_encryption_keys": "k"}, "old_encryption_keys isn't a list of texts"),
        ({"path": "/x", "grace_period": [1]}, "grace_period isn't a text"),
        ({"path": "/x", "grace_period": -1.0}, "isn't a duration"),
        ({"path": "/x", "grace_period": "9" * 400 + "y"}, "longer than a thousand years"),
        ({"path": "/x", "bandwidth_limit": "9" * 400}, "larger than any volume"),
        ({"bucket": "b", "object_lock_days": 40000}, "object_lock_days is 40000. Set at most 36500"),
        ({"bucket": "b", "object_lock_days": "x"}, "object_lock_days isn't a number"),
    ],
)  # fmt: skip
def test_options_of_the_wrong_kind(change: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_remote("r", change)
    assert words in str(refused.value)
    assert parse_remote("r", {"path": "/x", "accept_unencrypted": "no"}).accept_unencrypted is False


def test_times_that_no_calendar_has() -> None:
    for seconds in (1e300, float("inf"), float(1 << 64), 253402300800.0):
        assert units.iso_time(seconds) == "9999-12-31T23:59:59.000000Z"
    for seconds in (-1e300, float("-inf")):
        assert units.iso_time(seconds).endswith("1-01-01T00:00:00.000000Z")
    assert not any(map(units.is_time, (None, True, "1", -1, 1e300, float("nan"), float("inf"), 1 << 64)))
    assert all(map(units.is_time, (0, 1.5, 1773066600)))
    for text in ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"):
        units.iso_time(units.parse_time(text, "at")[0])


def test_files_of_a_user(tmp_path: Path) -> None:
    """A record of a snapshot that is a link, a pipe or far too large."""
    image = tmp_path / "x.img"
    folder = tmp_path / ".snapship/x.img"
    folder.mkdir(parents=True)
    path = folder / "a.json"
    path.symlink_to("/etc/hostname")
    with pytest.raises(ConfigError, match="symbolic link"):
        SnapshotStore(str(image)).load()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="plain file"):
        SnapshotStore(str(image)).load()
    path.unlink()
    path.touch()
    os.truncate(path, 1 << 40)
    with pytest.raises(ConfigError, match="1099511627776 bytes"):
        SnapshotStore(str(image)).load()
