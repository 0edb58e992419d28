# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Buckets that LINSTOR wrote: listed, verified and restored without it."""

from __future__ import annotations

import os
import struct
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.access import open_catalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import compression, zstd_reader
from ansible_collections.snapship.dr.tests.support.linstor_bucket import (
    BLOCK,
    CLUSTER,
    Chunk,
    LinstorBucket,
    changes,
    full,
    thin_stream,
    zstd,
)
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

SIZE = 4 * MIB
FIRST, SECOND, THIRD = "20260309_143000", "20260309_153000", "20260309_163000"


def content(*pieces: tuple[int, bytes], size: int = SIZE) -> bytes:
    image = bytearray(size)
    for offset, data in pieces:
        image[offset : offset + len(data)] = data
    return bytes(image)


class World:
    """A full and two increments of ``db`` (two volumes), and what else lies in a bucket."""

    def __init__(self) -> None:
        noise, part = os.urandom(MIB), 8 * BLOCK
        self.states = [
            {0: content((0, noise), (3 * MIB, b"end")), 1: content((MIB, b"log one"), size=MIB + BLOCK)},
            {
                0: content((0, noise[: 5 * BLOCK]), (6 * BLOCK, b"new"), (part, noise[part:]), (3 * MIB, b"E")),
                1: content((MIB, b"log two"), size=MIB + BLOCK),
            },
            {
                0: content((0, noise[: 3 * BLOCK]), (2 * MIB, b"late"), (5 * BLOCK, b"again")),
                1: content(size=MIB + BLOCK),
            },
        ]
        self.bucket = LinstorBucket()
        self.ids: list[str] = []
        for number, moment in enumerate((FIRST, SECOND, THIRD)):
            self.ids.append(self.ship("db", number, moment, snapshot="nightly" if number == 1 else ""))
        self.bucket.objects.update(
            {
                "README.txt": b"not yours",
                "db_backup.meta": b"{}",
                "db_00000_back_2026": b"?",
                "other/db_00000_back_20260309_143000x.txt/y": b"?",
                "backups/o/v/20260309T143000.000000Z-0123456789abcdef~full": b"{}",
                # Under way, or failed: the metadata comes last.
                "db_00000_back_20260310_000000": zstd(b"half"),
            }
        )

    def ship(self, resource: str, number: int, moment: str, **options: Any) -> str:
        state, old = self.states[number], self.states[number - 1]
        streams = {
            volume: thin_stream(full(image) if number == 0 else changes(old[volume], image))
            for volume, image in state.items()
        }
        sizes = {volume: len(image) for volume, image in state.items()}
        base = self.ids[number - 1] if number else None
        return self.bucket.ship(resource, streams, sizes, moment, base=base, **options)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def linstor(tmp_path: Path, world: World) -> Place:
    """A host, and a directory with a copy of the bucket."""
    place = Place(tmp_path, layout="linstor")
    world.bucket.write_files(place.remote)
    return place


def fetch(place: Place, source: str, name: str = "target.img", check: bool = False, **options: Any) -> Outcome:
    return place.fetch(source, str(place.root / name), check=check, **{"origin": None, **options})


def listed(place: Place, *volumes: str, **options: Any) -> list[dict[str, Any]]:
    return place.list(*volumes, **{"origin": None, **options})


def refusal(place: Place, source: str = "db", **options: Any) -> dict[str, Any]:
    """Why a restore fails; nothing is left."""
    outcome = fetch(place, source, **options)
    assert not outcome.changed
    assert sorted(path.name for path in place.root.iterdir()) == ["cfg", "remote"]
    (failure,) = outcome.failures
    return failure


# --- listing


def test_backups_are_listed_as_linstor_calls_them(linstor: Place, world: World) -> None:
    items = listed(linstor)
    assert [item["id"] for item in items] == [world.ids[number] for number in (2, 2, 1, 1, 0, 0)]
    assert {item["volume"] for item in items[:2]} == {"db", "db/1"}
    newest = next(item for item in items if item["volume"] == "db")
    assert world.ids[1] == "db_back_20260309_153000^nightly"
    assert newest["chain"] == world.ids
    assert newest["base"] == world.ids[1]
    assert newest["type"] == "incremental"
    assert newest["complete"] and newest["problem"] is None
    assert newest["created"] == "2026-03-09T15:30:00.000000Z"  # the name says 16:30, in the controller's own zone
    assert newest["origin"] == CLUSTER
    (one,) = listed(linstor, "db", id=world.ids[1])
    assert one["snapshot"] == "nightly"
    assert one["group"] == world.ids[1]
    assert one["group_members"] == ["db", "db/1"]
    assert one["bytes_logical"] == SIZE
    assert one["properties"]["layers"] == ["drbd", "storage"]


def test_one_volume_reads_only_its_own_metadata(linstor: Place, world: World) -> None:
    for number in range(20):
        world.bucket.ship(f"r{number}", {0: thin_stream([])}, {0: SIZE}, FIRST)
    world.bucket.write_files(linstor.remote)
    assert [item["id"] for item in listed(linstor, "db/1")] == world.ids[::-1]
    catalog = open_catalog(linstor.host.remote(None, linstor.options), linstor.host)
    assert len(catalog.chains(None, "db/1").keys) == 3
    assert catalog.store.requests["get"] == 3
    assert {item["volume"] for item in listed(linstor)} == {"db", "db/1"} | {f"r{number}" for number in range(20)}


# --- restoring


@pytest.mark.parametrize("number", [0, 1, 2])
def test_each_backup_is_restored_bit_for_bit(linstor: Place, world: World, number: int) -> None:
    for volume, name in ((0, "db"), (1, "db/1")):
        outcome = fetch(linstor, name, f"v{volume}.img", backup=world.ids[number])
        assert not outcome.failures
        assert (linstor.root / f"v{volume}.img").read_bytes() == world.states[number][volume]
        (item,) = outcome.items
        assert item["chain"] == world.ids[: number + 1]
        assert any("no checksums" in text for text in outcome.warnings)
    # Unmapped and zero regions take no room.
    assert os.stat(linstor.root / "v0.img").st_blocks * 512 <= 2 * MIB


def test_a_restore_is_a_state(linstor: Place, world: World) -> None:
    said = fetch(linstor, "db", check=True)
    done = fetch(linstor, "db")
    assert said.changed and done.changed
    assert (said.before, said.after) == (done.before, done.after)
    for check in (True, False):
        again = fetch(linstor, "db", check=check)
        assert not again.changed
        assert again.items[0]["id"] == world.ids[2]
    assert not fetch(linstor, "db", backup="latest").changed
    refused = fetch(linstor, "db", backup=world.ids[0])
    assert [each["code"] for each in refused.failures] == ["target_exists"]
    assert fetch(linstor, "db", backup=world.ids[0], overwrite=True).changed
    assert (linstor.root / "target.img").read_bytes() == world.states[0][0]


def test_a_name_in_a_bucket_leads_to_no_other_folder(tmp_path: Path, world: World) -> None:
    """The replaced target is kept under a name with the backup's in it, and that is what an object is called."""
    place = Place(tmp_path, layout="linstor")
    made = world.ship("db", 0, "20260401_000000")
    moment = "back_20260401_000000"
    named = f"{moment}/y/x"
    world.bucket.objects = {
        key.replace(moment, named): data.replace(moment.encode(), named.encode()) if key.endswith(".meta") else data
        for key, data in world.bucket.objects.items()
    }
    world.bucket.write_files(place.remote)
    (tmp_path / "target.img").write_bytes(b"old")
    outcome = fetch(place, "db", backup=made.replace(moment, named), overwrite=True)
    assert not outcome.failures
    assert outcome.items[0]["previous"] == str(tmp_path / "target.img.before-db_back_20260401_000000_y_x")
    assert Path(outcome.items[0]["previous"]).read_bytes() == b"old"


def test_at_a_time_and_as_a_group(linstor: Place, world: World) -> None:
    fetch(linstor, "db", at="2026-03-09T14:45:00Z")
    assert (linstor.root / "target.img").read_bytes() == world.states[1][0]
    volumes = [{"source": name, "target": str(linstor.root / f"g{n}.img")} for n, name in enumerate(("db", "db/1"))]
    outcome = fetch(linstor, "db", volumes=volumes, group=world.ids[1])
    assert [item["id"] for item in outcome.items] == [world.ids[1]] * 2
    for n in (0, 1):
        assert (linstor.root / f"g{n}.img").read_bytes() == world.states[1][n]
    before = fetch(linstor, "db", "x.img", at="2026-03-09T13:00:00Z")
    assert before.failures[0]["code"] == "unknown_backup"


def test_from_a_real_bucket(tmp_path: Path, world: World, bucket: Bucket) -> None:
    world.bucket.put_into(bucket.client, bucket.name, "copy/")
    before = bucket.objects()
    options = {"endpoint_url": bucket.endpoint, "region": bucket.region, "addressing_style": "path"}
    options.update(access_key=bucket.ro.access_key, secret_key=bucket.ro.secret_key)
    place = Place(tmp_path, type="s3", bucket=bucket.name, prefix="copy", layout="linstor", **options)
    assert place.define().changed
    assert len(listed(place)) == 6
    assert not fetch(place, "db").failures
    assert (tmp_path / "target.img").read_bytes() == world.states[2][0]
    assert not place.verify("db", "db/1", mode="data", origin=None).failures
    assert bucket.objects() == before


def test_from_a_bucket_as_it_was(tmp_path: Path, world: World, bucket: Bucket) -> None:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    world.bucket.put_into(bucket.client, bucket.name, "copy/")
    reply = bucket.client.get_bucket_versioning(Bucket=bucket.name)
    then = parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"]).isoformat()
    time.sleep(1.1)  # the server's times are whole seconds
    for number, key in enumerate(bucket.keys()):
        if number % 2:
            bucket.client.delete_object(Bucket=bucket.name, Key=key)
        else:
            bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"x")
    options = {"endpoint_url": bucket.endpoint, "region": bucket.region, "addressing_style": "path"}
    options.update(access_key=bucket.ro.access_key, secret_key=bucket.ro.secret_key)
    place = Place(tmp_path, type="s3", bucket=bucket.name, prefix="copy", layout="linstor", **options)
    assert len(place.list(origin="*", as_of=then)) == 6
    assert not fetch(place, "db", as_of=then).failures
    assert (tmp_path / "target.img").read_bytes() == world.states[2][0]


def test_objects_larger_than_a_piece(linstor: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = os.urandom(20 * MIB)
    image = content((0, noise), (30 * MIB, noise), size=64 * MIB)
    world.bucket.ship("big", {0: thin_stream(full(image))}, {0: len(image)}, FIRST)
    world.bucket.write_files(linstor.remote)
    assert not fetch(linstor, "big").failures
    assert (linstor.root / "target.img").read_bytes() == image


def test_an_older_stream(linstor: Place, world: World) -> None:
    image = world.states[0][0]
    world.bucket.ship(
        "old", {0: thin_stream(full(image), "1.0")}, {0: len(image)}, FIRST, kind="unheard-of", suffix="s"
    )
    world.bucket.write_files(linstor.remote)
    assert not fetch(linstor, "old").failures
    assert (linstor.root / "target.img").read_bytes() == image


def test_without_the_zstd_program(linstor: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zstd_reader.shutil, "which", lambda _name: None)
    assert not fetch(linstor, "db").failures
    assert (linstor.root / "target.img").read_bytes() == world.states[2][0]
    data = linstor.remote / "db_00000_back_20260309_143000"
    data.write_bytes(data.read_bytes()[:-1])
    assert data.name in fetch(linstor, "db", "another.img").failures[0]["msg"]
    monkeypatch.setattr(compression, "_library", None)
    (failure,) = fetch(linstor, "db", "another.img").failures
    assert failure["code"] == "library"
    assert "zstd" in failure["msg"]


def test_chunks_in_any_order_but_none_twice(linstor: Place, world: World) -> None:
    """thin_send writes them in order; nothing says that it must."""

    def blocks(chunks: list[Chunk]) -> list[Chunk]:
        """Backwards, each block by itself."""
        return [
            (command, offset + at, data[at : at + BLOCK])
            for command, offset, data in reversed(chunks)
            for at in reversed(range(0, len(data), BLOCK))
        ]

    (first, second), sizes = (world.states[number][0] for number in (0, 1)), {0: SIZE}
    base = world.bucket.ship("mix", {0: thin_stream(blocks(full(first)))}, sizes, FIRST)
    change = blocks(changes(first, second))
    assert {command for command, _offset, _data in change} == {0, 1}
    world.bucket.ship("mix", {0: thin_stream(change)}, sizes, SECOND, base=base)
    world.bucket.ship("twice", {0: thin_stream([*change, change[0]])}, sizes, FIRST)
    world.bucket.write_files(linstor.remote)
    assert "two chunks" in refusal(linstor, "twice")["msg"]
    assert not fetch(linstor, "mix").failures
    assert (linstor.root / "target.img").read_bytes() == second


def test_ciphertext_is_said_to_be_that(linstor: Place, world: World) -> None:
    image = content((0, b"LUKS\xba\xbe" + os.urandom(MIB)))
    world.bucket.ship("secret", {0: thin_stream(full(image))}, {0: len(image)}, FIRST, layers=("drbd", "luks"))
    world.bucket.write_files(linstor.remote)
    (item,) = listed(linstor, "secret", details=True)
    assert item["properties"]["luks"] is True
    for check in (True, False):
        assert any("ciphertext" in text for text in fetch(linstor, "secret", check=check).warnings)
    assert (linstor.root / "target.img").read_bytes() == image
    assert not any("ciphertext" in text for text in fetch(linstor, "db", "db.img").warnings)


def test_what_lies_beyond_the_volume_is_left_out_and_said(linstor: Place, world: World) -> None:
    image = content((0, b"data"), (SIZE - BLOCK, b"beyond"))
    backup = world.bucket.ship("cut", {0: thin_stream(full(image))}, {0: SIZE}, FIRST)
    world.bucket.change_meta(backup, layerData={})  # only the size that DRBD shows is known
    world.bucket.write_files(linstor.remote)
    outcome = fetch(linstor, "cut")
    assert (linstor.root / "target.img").read_bytes() == image[: SIZE - BLOCK]
    assert any("6 bytes of data were not restored" in text for text in outcome.warnings)


def test_two_clusters_in_one_bucket(linstor: Place, world: World) -> None:
    image = content((0, b"another"))
    world.bucket.ship("db", {0: thin_stream(full(image))}, {0: SIZE}, "20260309_170000", cluster="another-one")
    world.bucket.write_files(linstor.remote)
    failure = refusal(linstor)
    assert "2 clusters" in failure["msg"]
    assert not fetch(linstor, "db", origin="another-one").failures
    assert (linstor.root / "target.img").read_bytes() == image
    assert {item["origin"] for item in listed(linstor)} == {CLUSTER, "another-one"}
    assert len(listed(linstor, origin="another-one")) == 1


# --- what is wrong


def damage(linstor: Place, world: World, backup: int, how: str) -> str:
    """The object that is damaged."""
    key = f"db_00000_{world.ids[backup][3:]}"
    path = linstor.remote / key
    data = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif how == "cut in the stream":
        path.write_bytes(zstd(thin_stream(full(world.states[0][0]))[:-52]))
    elif how == "flipped":
        path.write_bytes(data[:-20] + bytes([data[-20] ^ 0x55]) + data[-19:])
    elif how == "trailing":
        path.write_bytes(data + b"junk that is no frame")
    elif how == "miscounted":
        path.write_bytes(zstd(thin_stream(full(world.states[0][0]))[:-24] + struct.pack(">QQQ", 9, 9, 9)))
    elif how == "no stream":
        path.write_bytes(zstd(b"something else, and more of it"))
    elif how == "nothing in it":
        path.write_bytes(zstd(b""))
    return key


HOWS = [
    *(
        "missing",
        "empty",
        "cut",
        "cut in the stream",
        "flipped",
        "trailing",
        "miscounted",
        "no stream",
        "nothing in it",
    ),
]


@pytest.mark.parametrize("program", [True, False])
@pytest.mark.parametrize("backup", [0, 2])
@pytest.mark.parametrize("how", HOWS)
def test_a_damaged_object_is_named(
    linstor: Place, world: World, how: str, backup: int, program: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not program:
        monkeypatch.setattr(zstd_reader.shutil, "which", lambda _name: None)
    key = damage(linstor, world, backup, how)
    failure = refusal(linstor)
    assert failure["code"] == "corrupt"
    assert key in failure["msg"]
    good = world.ids[1] if backup == 2 else None
    assert (f"newest good backup is {good} " if good else "No other backup") in failure["hint"]
    before = linstor.stored()
    (failure,) = linstor.verify("db", mode="data", origin=None).failures
    assert key in failure["msg"]
    assert linstor.stored() == before, "nothing is put among what another program wrote"
    plain = linstor.verify("db", mode="metadata", origin=None).failures
    assert bool(plain) == (how in ("missing", "empty"))
    if good:
        assert not fetch(linstor, "db", backup=good).failures


def test_a_missing_object_shows_in_the_listing(linstor: Place, world: World) -> None:
    key = damage(linstor, world, 1, "missing")
    by_id = {(item["id"], item["volume"]): item for item in listed(linstor)}
    assert by_id[world.ids[0], "db"]["complete"]
    assert by_id[world.ids[1], "db"]["problem"] == f"{key} is missing"
    assert by_id[world.ids[2], "db"]["problem"] == f"its base {world.ids[1]}: {key} is missing"
    assert by_id[world.ids[2], "db/1"]["complete"]


@pytest.mark.parametrize("backup", [0, 1])
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_metadata_that_is_gone_or_damaged_is_named_for_all_that_rests_on_it(
    linstor: Place, world: World, how: str, backup: int
) -> None:
    key = world.ids[backup] + ".meta"
    if how == "missing":
        world.bucket.objects.pop(key)
    else:
        world.bucket.objects[key] = world.bucket.objects[key][:-9]
    world.bucket.write_files(linstor.remote)
    for item in listed(linstor):
        if item["volume"] in ("db", "db/1"):
            assert item["complete"] or key in item["problem"], item
    failure = refusal(linstor)
    assert key in failure["msg"]
    assert ("is missing" if how == "missing" else "cut short") in failure["msg"]


def test_metadata_that_is_wrong(linstor: Place, world: World) -> None:
    def problem(backup: int, **fields: Any) -> str:
        kept = dict(world.bucket.objects)
        world.bucket.change_meta(world.ids[backup], **fields)
        world.bucket.write_files(linstor.remote)
        found = {(item["id"], item["volume"]): item for item in listed(linstor)}
        failure = refusal(linstor, backup=world.ids[backup])
        world.bucket.objects = kept
        shown = str(found[world.ids[backup], "db"]["problem"])
        assert not found[world.ids[backup], "db"]["complete"]
        assert shown in failure["msg"]
        return shown

    def named(key: str, volume: str = "0") -> dict[str, Any]:
        return {volume: [{"name": key, "finishedTimestamp": 1, "node": "alpha"}]}

    assert "no_back_20260101_000000.meta" in problem(2, basedOn="no_back_20260101_000000.meta")
    assert "is its own base" in problem(1, basedOn=world.ids[1] + ".meta")
    assert "isn't a backup" in problem(1, basedOn="../../etc/passwd")
    assert "which is younger" in problem(1, startTimestamp=1000)
    assert "belongs to something else" in problem(2, backups=named("../../etc/passwd"))
    assert "belongs to something else" in problem(2, backups=named(f"db_00001_{world.ids[2][3:]}"))
    assert "belongs to something else" in problem(2, backups=named(f"db_00000_{world.ids[0][3:]}"))
    assert "names no data of volume 0" in problem(2, backups=named(f"db_00001_{world.ids[2][3:]}", "1"))
    assert "it is about another resource" in problem(0, rscName="another")
    assert "names no volumes" in problem(0, backups={}, rscDfn=None)
    assert "its field backups is invalid" in problem(0, backups={"x": []})


def test_a_snapshot_that_was_shipped_twice(linstor: Place, world: World) -> None:
    """The second backup's metadata is, but for its name, that of the first, and names the first one's data."""
    first, second = world.ids[1], "db_back_20260309_154500^nightly"
    objects = world.bucket.objects
    objects[second + ".meta"] = objects[first + ".meta"]
    for volume in (0, 1):
        objects[f"db_0000{volume}_{second[3:]}"] = objects[f"db_0000{volume}_{first[3:]}"]
    world.bucket.write_files(linstor.remote)
    assert fetch(linstor, "db", backup=second).items[0]["chain"] == [world.ids[0], second]
    assert (linstor.root / "target.img").read_bytes() == world.states[1][0]
    for key in [key for key in objects if first[3:] in key]:
        del objects[key]
    world.bucket.write_files(linstor.remote)
    assert not fetch(linstor, "db", "again.img", backup=second).failures
    assert (linstor.root / "again.img").read_bytes() == world.states[1][0]


def test_a_circle_of_bases(linstor: Place, world: World) -> None:
    world.bucket.change_meta(world.ids[0], basedOn=world.ids[2] + ".meta")
    world.bucket.write_files(linstor.remote)
    assert not any(item["complete"] for item in listed(linstor))
    assert refusal(linstor)["code"] == "corrupt"


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff\xfe", b"null", b"[" * 100_000])
def test_metadata_that_is_none(linstor: Place, world: World, text: bytes) -> None:
    key = world.ids[2] + ".meta"
    (linstor.remote / key).write_bytes(text)
    items = {(item["id"], item["volume"]): item for item in listed(linstor, details=True)}
    assert key in items[world.ids[2], "db"]["problem"]
    assert items[world.ids[1], "db"]["complete"]
    failure = refusal(linstor, backup=world.ids[2])
    assert key in failure["msg"]
    assert world.ids[1] in failure["hint"]


def test_a_backup_that_is_not_finished_is_none(linstor: Place) -> None:
    assert not [item for item in listed(linstor) if "20260310" in item["id"]]
    failure = refusal(linstor, backup="db_back_20260310_000000")
    assert failure["code"] == "unknown_backup"


def test_an_unknown_volume(linstor: Place) -> None:
    for name in ("none", "db/2", "db/0", "a b", "../db"):
        failure = refusal(linstor, name)
        assert failure["code"] == "unknown_backup"
        assert "db, db/1" in failure["msg"]


# --- verifying


def test_what_can_be_verified(linstor: Place) -> None:
    for mode in ("metadata", "data"):
        outcome = linstor.verify("db", "db/1", mode=mode, origin=None)
        assert not outcome.failures
        assert any("no checksums" in text for text in outcome.warnings)
        assert not linstor.verify("db", mode=mode, origin=None, max_age="1h").changed
    (failure,) = linstor.verify("db", mode="source", origin=None).failures
    assert failure["code"] == "no_source"
    (failure,) = linstor.verify("db", mode="restore", origin=None).failures
    assert "scratch" in failure["hint"]
    scratch = str(linstor.root / "scratch.img")
    assert not linstor.verify("db", mode="restore", origin=None, scratch=scratch).failures
    assert not os.path.exists(scratch)


# --- it is only read


def test_nothing_is_written_there(linstor: Place, world: World) -> None:
    image = linstor.image("new.img", data=b"x" * MIB)
    before = {name: (linstor.remote / name).read_bytes() for name in linstor.stored()}
    for work in (
        lambda: linstor.ship(image),
        lambda: linstor.ship(image, check=True),
        lambda: linstor.remove(world.ids[2], cascade=True, origin=None),
    ):
        with pytest.raises(SnapshipError) as refused:
            work()
        assert refused.value.code == "read_only"
        assert "linstor" in refused.value.msg
    assert linstor.define(probe="always").changed
    assert {name: (linstor.remote / name).read_bytes() for name in linstor.stored()} == before


def test_a_place_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    place = Place(tmp_path, layout="linstor")
    with pytest.raises(SnapshipError, match="doesn't exist"):
        place.define()
    with pytest.raises(SnapshipError, match="doesn't exist"):
        listed(place)
    assert not place.remote.exists()
    (failure,) = fetch(place, "db").failures
    assert failure["code"] == "missing"


def test_the_layout_is_checked(tmp_path: Path) -> None:
    with pytest.raises(SnapshipError, match="layout 'ceph' is unknown"):
        listed(Place(tmp_path, layout="ceph"))
