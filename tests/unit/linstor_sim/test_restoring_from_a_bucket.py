# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: what is restored from a bucket, and what is deleted from it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

CODE = 0x7FFF


@pytest.fixture
def home(two_clusters: tuple[Simulation, Simulation]) -> Simulation:
    home = two_clusters[0]
    home.freeze()
    home.unlock()
    home.add_resource("db")
    with connected(home) as client:
        add_remote(client)
    return home


@pytest.fixture
def away(two_clusters: tuple[Simulation, Simulation]) -> Simulation:
    """Another cluster with the same bucket."""
    away = two_clusters[1]
    away.freeze()
    away.unlock()
    with connected(away) as client:
        add_remote(client)
    return away


@pytest.fixture
def client(home: Simulation) -> Iterator[Any]:
    with connected(home) as made:
        yield made


@pytest.fixture
def other(away: Simulation) -> Iterator[Any]:
    with connected(away) as made:
        yield made


def add_remote(client: Any, endpoint: str = "http://s3", bucket: str = "backups", **keys: str) -> None:
    access, secret = keys.get("access", "AK"), keys.get("secret", "SK")
    replies = client.remote_create_s3("s3a", endpoint, "us-east-1", bucket, access, secret, use_path_style=True)
    assert client.all_api_responses_no_error(replies), [str(each) for each in replies]


def back_up(home: Simulation, client: Any, count: int = 1) -> list[str]:
    """Backups of ``db``, each of other contents than the one before; their ids."""
    names = []
    for number in range(count):
        home.write("db", number << 16, f"contents {number}".encode())
        home.advance(1)
        replies = client.backup_create("s3a", "db", incremental=True)
        assert client.all_api_responses_no_error(replies)
        home.advance(1)
        names.append(next(each.object_refs["Snapshot"] for each in replies if "Snapshot" in each.object_refs))
    return [f"db_{name}" for name in names]


def codes(replies: list[Any]) -> set[int]:
    return {reply.ret_code & CODE for reply in replies if reply.is_error()}


def test_a_chain_is_restored_on_another_cluster(home: Simulation, away: Simulation, client: Any, other: Any) -> None:
    ids = back_up(home, client, 3)
    wanted = home.read("db")
    home.write("db", 0, b"later")
    info = other.backup_info("s3a", bak_id=ids[-1])[0]._rest_data
    assert (info["count"], info["latest"], info["full"]) == (3, ids[-1], f"{ids[0]}.meta")
    replies = other.backup_restore("s3a", "delta", "db2", bak_id=ids[-1])
    assert other.all_api_responses_no_error(replies)
    for _link in ids:
        away.advance(1)
    assert away.read("db2") == wanted
    assert list(away.cluster.definition("db2").resources) == ["delta"]
    assert {each.target() for each in away.cluster.definition("db2").snapshots.values()} == {"Success"}
    assert codes(other.backup_restore("s3a", "delta", "db2", bak_id=ids[-1])) == {516}


def test_a_download_leaves_the_resource_alone(home: Simulation, away: Simulation, client: Any, other: Any) -> None:
    (backup,) = back_up(home, client)
    assert other.all_api_responses_no_error(
        other.backup_restore("s3a", "echo", "x1", bak_id=backup, download_only=True)
    )
    away.advance(1)
    (snapshot,) = away.cluster.definition("x1").snapshots.values()
    assert snapshot.volumes[0].content.read() == home.read("db")
    assert not away.cluster.definition("x1").resources


@pytest.mark.parametrize("damage", ["corrupt", "fault"])
def test_one_that_fails_leaves_no_snapshot_but_a_report(
    home: Simulation, away: Simulation, client: Any, other: Any, bucket_directory: Path, damage: str
) -> None:
    (backup,) = back_up(home, client)
    if damage == "corrupt":
        (bucket_directory / "backups" / backup.replace("db_", "db_00000_")).write_bytes(b"rubbish")
    else:
        away.shipment_fault("fail", message="the disk is on fire")
    assert other.all_api_responses_no_error(other.backup_restore("s3a", "echo", "x1", bak_id=backup))
    away.advance(1)
    assert not away.cluster.definition("x1").snapshots
    (report,) = other.error_report_list()
    assert backup in report.exception_message


def test_a_missing_object_is_listed_as_not_restorable(home: Simulation, client: Any, bucket_directory: Path) -> None:
    (backup,) = back_up(home, client)
    (bucket_directory / "backups" / backup.replace("db_", "db_00000_")).unlink()
    (bucket_directory / "backups" / "a stranger's file").write_text("hello")
    listed = client.backup_list("s3a")[0]
    assert listed.linstor[0].restorable is False
    assert list(listed.other.files) == ["a stranger's file"]
    assert 315 in codes(client.backup_restore("s3a", "alpha", "x1", bak_id=backup))


def test_what_others_rest_on_is_only_deleted_with_them(home: Simulation, client: Any) -> None:
    ids = back_up(home, client, 2)
    assert codes(client.backup_delete("s3a", bak_id=ids[0])) == {977}
    assert len(client.backup_list("s3a")[0].linstor) == 2
    said = client.backup_delete("s3a", bak_id=ids[0], cascade=True, dryrun=True)
    assert "Would delete" in str(said[0])
    assert client.all_api_responses_no_error(client.backup_delete("s3a", bak_id=ids[0], cascade=True))
    assert not list(client.backup_list("s3a")[0].linstor)
    assert not home.cluster.definition("db").snapshots


def test_an_increment_whose_base_is_gone_is_a_full_and_nobody_says_so(home: Simulation, client: Any) -> None:
    (first,) = back_up(home, client)
    assert client.all_api_responses_no_error(client.backup_delete("s3a", bak_id=first, keep_snaps=True))
    home.advance(1)
    replies = client.backup_create("s3a", "db", incremental=True)
    assert not [reply for reply in replies if reply.is_error() or reply.is_warning()]
    home.advance(1)
    name = next(each.object_refs["Snapshot"] for each in replies if "Snapshot" in each.object_refs)
    assert home.snapshot("db", name).source("s3a", "BackupLastSnapshot") is None


def test_a_real_bucket_is_written_to_with_the_remotes_keys(bucket: Bucket) -> None:
    with Simulation() as simulation, connected(simulation) as client:
        simulation.unlock()
        simulation.add_resource("db")
        replies = client.remote_create_s3("s3a", bucket.endpoint, bucket.region, bucket.name, "no", "body", True)
        assert codes(replies) == {998}
        add_remote(client, bucket.endpoint, bucket.name, access=bucket.rw.access_key, secret=bucket.rw.secret_key)
        (backup,) = back_up(simulation, client)
        assert bucket.keys() == [backup.replace("db_", "db_00000_"), f"{backup}.meta"]
        assert client.all_api_responses_no_error(client.backup_restore("s3a", "charlie", "x1", bak_id=backup))
        simulation.advance(1)
        assert simulation.read("x1") == simulation.read("db")


def test_a_locked_passphrase_stops_it(home: Simulation, client: Any) -> None:
    home.restart()
    with connected(home) as again:
        assert again.crypt_status()[0]._rest_data == {"status": "locked"}
        assert codes(again.backup_create("s3a", "db")) == {216}
        assert codes(again.backup_list("s3a")) == {312}
        assert codes(again.crypt_enter_passphrase("wrong")) == {600}
        assert again.all_api_responses_no_error(again.crypt_enter_passphrase("the master passphrase"))
        assert again.all_api_responses_no_error(again.backup_create("s3a", "db"))
