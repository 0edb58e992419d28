# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the ZFS provider does without ZFS: names, listings, records, and the beginnings of streams."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import processes
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    UnknownError,
    UsageError,
    VolumeError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.processes import ProgramError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import TakeRequest
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs import (
    commands,
    datasets,
    names,
    records,
    sender,
    staging_area,
    stream_header,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider

GROUP = "20261122T214041.123457Z-0123456789abcdef"
CREATED = 1795374041.123457
REQUEST = TakeRequest(
    ["tank/db"], "s1", "snapship", CREATED, {"id": GROUP, "members": ["tank/db"]}, {"method": "none"}, {"h": "pending"}
)


def row(name: str, kind: str, guid: str, txg: int, **more: str) -> dict[str, str]:
    values = dict.fromkeys(datasets.COLUMNS, "-")
    return {**values, "name": name, "type": kind, "guid": guid, "createtxg": str(txg), "creation": "1795374041", **more}


@pytest.mark.parametrize("name", ["tank", "tank/db", "tank/a b", "tank/-x", "tank/a.b:c_d", "tank/..."])
def test_names_zfs_takes(name: str) -> None:
    assert names.normalise(name) == name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "",
            "/",
            "tank/",
            "tank//db",
            "/tank/db",
            "tank/..",
            "tank/.",
            "tank/a@b",
            "tank/a#b",
            "tank/a;b",
            "tank/$(x)",
        ),
        *(
            "tank/a\nb",
            "tank/a\tb",
            "-tank/x",
            "tank/a%b",
            "tank/a,b",
            "tank/é",
            "tank/" + "x" * 300,
            "tank/\udcff",
            "1x",
        ),
    ],
)
def test_names_zfs_refuses(name: str) -> None:
    with pytest.raises(UsageError):
        names.normalise(name)
    assert not ZfsProvider().claims(name)


def test_a_device_is_the_zvol_behind_it() -> None:
    assert names.normalise("/dev/zvol/tank/vm+disk/x") == "tank/vm disk/x"
    with pytest.raises(UsageError, match="'tank/db'"):
        names.normalise("tank/db@now")


def test_names_of_bookmarks() -> None:
    name = names.bookmark_name("holder", CREATED)
    meant = names.parse_bookmark(name)
    assert meant == (names.holder_digest("holder"), CREATED)
    assert names.parse_bookmark(name + ".2") == meant
    for other in ("snapship.x.y", "zrepl_CURSOR", name + ".", "snapship.0123456789abcdef."):
        assert names.parse_bookmark(other) is None


def test_where_a_target_is_received() -> None:
    place = names.beside("tank/a/db", "tank/a")
    assert names.is_beside(place) and names.normalise(place) == place
    assert place != names.beside("tank/a/db2", "tank/a")
    with pytest.raises(VolumeError, match="too long"):
        names.beside("tank/a/db", "tank/" + "x" * 220)
    assert names.storable("-e vil\n$(x)") == "e vil___x_"


def test_records_come_back_and_only_on_their_own_dataset() -> None:
    record, holds = (make(["12345678901234567890", "7"], what) for make, what in RECORDS)
    found = [
        records.snapshot_from(
            row("tank/db@s1", "snapshot", "99", 5, **{"snapship:record": record, "snapship:holds": holds}), dataset
        )
        for dataset in ("7", "12345678901234567890", "8")
    ]
    assert [each.created for each in found] == [CREATED, CREATED, 1795374041.0]
    assert [each.made_by for each in found] == ["snapship", "snapship", "user"]
    assert [each.holds for each in found] == [{"h": "pending"}, {"h": "pending"}, {}]
    assert found[0].group == REQUEST.group and found[2].group is None
    assert (found[0].name, found[0].volume, found[0].state_id, found[0].lineage) == ("s1", "tank/db", "99", "7")


RECORDS: Any = ((records.record_text, REQUEST), (records.holds_text, {"h": "pending"}))


@pytest.mark.parametrize("text", ["-", "", "x", "eJyrVipJLUlVslJQKs7PTVVSqAUAMRsFQw=="])
def test_records_of_others_are_no_records(text: str) -> None:
    found = records.snapshot_from(
        row("tank/db@x", "snapshot", "99", 5, volsize="4096", **{"snapship:record": text, "snapship:holds": text}), "7"
    )
    assert (found.made_by, found.holds, found.size) == ("user", {}, 4096)


def test_a_group_of_five_hundred_fits_and_what_doesnt_is_refused() -> None:
    guids = [str(int.from_bytes(os.urandom(8), "big")) for _each in range(500)]
    members = [f"tank/data/customer{number:04d}" for number in range(500)]
    assert records.record_text(guids, REQUEST._replace(group={"id": GROUP, "members": members}))
    with pytest.raises(VolumeError, match="8191"):
        records.record_text([str(number * 0x9E3779B1) for number in range(5000)], REQUEST)


def test_bases_are_snapshots_and_our_bookmarks_by_age() -> None:
    mine = names.bookmark_name("h", CREATED)
    listing = datasets.DatasetListing(
        [
            row("tank/db", "filesystem", "7", 1, logicalreferenced="10", recordsize="131072", encryption="aes-256-gcm"),
            row("tank/db@late", "snapshot", "3", 30),
            row("tank/db@early", "snapshot", "1", 10),
            row(f"tank/db#{mine}", "bookmark", "2", 20),
            row(f"tank/db#{mine}.2", "bookmark", "3", 30),
            row("tank/db#theirs", "bookmark", "4", 40),
            row("tank/db/child", "volume", "8", 2, volsize="1048576", volblocksize="16384", encryption="off"),
            row("gone@x", "snapshot", "9", 3),
        ]
    )
    assert [(each.state_id, each.method) for each in listing.bases("tank/db")] == [
        ("3", "snapshot"),
        ("2", "bookmark"),
        ("1", "snapshot"),
    ]
    assert listing.bases("tank/db")[1].created == CREATED
    assert listing.datasets["tank/db"].encrypted and not listing.datasets["tank/db/child"].encrypted
    assert listing.datasets["tank/db/child"].size == 1 << 20
    assert listing.snapshots("gone") == [] == listing.bases("tank/db/child")


def listed(folder: Path, monkeypatch: pytest.MonkeyPatch, output: bytes, said: str = "", status: int = 0) -> list[Any]:
    """What rows() makes of a program's words."""
    (folder / "output").write_bytes(output)
    (folder / "said").write_text(said)
    (folder / "zfs").write_text(f'#!/bin/sh\ncd "{folder}"; cat output; cat said >&2; exit {status}\n')
    (folder / "zfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return list(commands.rows(["list"], ("name", "value"), ["a", "b"]))


def test_what_isnt_there_is_left_out_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = "cannot open 'b': dataset does not exist\n"
    assert listed(tmp_path, monkeypatch, b"a\t1\n", gone, 1) == [{"name": "a", "value": "1"}]
    for said in (gone + "cannot open 'a': pool I/O is currently suspended\n", "", "internal error\n"):
        with pytest.raises(ProgramError):
            listed(tmp_path, monkeypatch, b"a\t1\n", said, 1)


def test_values_with_line_breaks_are_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = listed(tmp_path, monkeypatch, b"a\tone\ntwo\nthree\nb\t\n")
    assert found == [{"name": "a", "value": "one\n"}, {"name": "b", "value": ""}]
    assert listed(tmp_path, monkeypatch, b"") == []


def test_no_zfs_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "environment", lambda: {"PATH": "/nonexistent"})
    monkeypatch.setenv("PATH", "/nonexistent")
    if not any(os.path.exists(f"{place}/zfs") for place in ("/sbin", "/usr/sbin", "/usr/local/sbin")):
        with pytest.raises(UnknownError, match="isn't installed"):
            ZfsProvider().info("tank/db")


def test_many_names_are_asked_for_in_parts() -> None:
    many = [f"tank/{number:04d}{'x' * 200}" for number in range(2000)]
    parts = list(commands._parts([*many, many[0]]))
    assert [name for part in parts for name in part] == many
    assert 1 < len(parts) < 10 and all(sum(map(len, part)) <= 100_000 for part in parts)


def test_states_like_the_last() -> None:
    now = 1 << 62
    assert datasets._same([(1, "a", 5), (2, "b", 0), (3, "c", 0), (now, "fs", 0)]) == {"a", "b", "c", "fs"}
    assert datasets._same([(now, "fs", 0), (2, "b", 7), (1, "a", 5)]) == {"b", "fs"}
    assert datasets._same([(1, "a", 5), (now, "fs", 1)]) == {"fs"}


def begin(order: str = "<", **changed: Any) -> bytes:
    fields = {"kind": 0, "payload": 0, "magic": 0x2F5BACBAC, "version": 1, "created": 0, "type": 2, "flags": 0}
    fields.update({"to": 11, "from": 0, "name": b"tank/db@now", **changed})
    return struct.pack(order + "IIQQQIIQQ256s", *fields.values()) + b"more"


def test_beginnings_of_streams() -> None:
    assert stream_header.parse(begin()) == ("11", None, "filesystem", "now", False)
    assert stream_header.parse(begin(">", **{"from": 10}, type=3)) == ("11", "10", "volume", "now", False)
    assert stream_header.parse(begin(version=1 | (1 << 24) << 2)).raw
    for bad in (begin(version=2), begin(magic=1), begin(type=9), begin(kind=1), begin()[:300], b"", os.urandom(400)):
        with pytest.raises(VolumeError):
            stream_header.parse(bad)


def test_flags_stay_those_of_the_chain() -> None:
    assert sender.flags_for(False, None, "v") == ["-L", "-c"]
    assert sender.flags_for(True, None, "v") == ["-w"]
    assert sender.flags_for(False, ["-L"], "v") == ["-L"]
    plain = (["-w"], ["-R"], ["-L", "-e", "-c"])
    for encrypted, chain in ((True, ["-L"]), (True, ["-w", "tank/x"]), *((False, each) for each in plain)):
        with pytest.raises(VolumeError) as caught:
            sender.flags_for(encrypted, chain, "v")
        assert caught.value.code == "flags_changed"


def test_properties_that_are_set_unasked() -> None:
    recorded = {
        "properties": {"compression": "lz4", "mountpoint": "/x", "quota": "1", "sharenfs": "on", "my:note": "x"}
    }
    assert staging_area.properties_to_set(recorded, [], "t") == {}
    assert staging_area.properties_to_set(recorded, ["all"], "t") == {"compression": "lz4", "my:note": "x"}
    assert staging_area.properties_to_set(recorded, ["mountpoint", "all"], "t").keys() == {
        "compression",
        "mountpoint",
        "my:note",
    }
    with pytest.raises(UsageError, match="atime"):
        staging_area.properties_to_set(recorded, ["atime"], "t")
    assert staging_area.properties_to_set({}, ["all"], "t") == {}
