# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of LINSTOR resources on an S3 remote."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_delete
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import S3, Task, failure, only, protect


def posts(cluster: Simulation) -> int:
    return sum(count for route, count in cluster.counts().items() if route.startswith("POST") and "backups" in route)


@pytest.fixture
def db(cluster: Simulation) -> Task:
    protect(cluster, "db")
    return Task(cluster, resources=["db"])


def test_first_backup(db: Task, cluster: Simulation) -> None:
    item = only(db.four_times())
    assert posts(cluster) == 2  # the backup, and the question for its size
    assert item["type"] == "full"
    assert item["base"] is None
    assert item["reason"] == "first backup of this resource on this remote"
    assert item["bytes_logical"] == 4 << 20
    assert item["bytes_sent"] == item["bytes_stored"] > 0
    assert item["state"] == "success"
    assert item["actions"] == [f"create a backup of db on {S3}"]
    assert item["seconds"] > 0


def test_increment(db: Task, cluster: Simulation) -> None:
    full = only(db())
    cluster.write("db", 0, b"news")
    cluster.advance(7200)
    item = only(db.four_times())
    assert (item["type"], item["base"]) == ("incremental", full["id"])
    assert item["reason"] == f"the newest common state is {full['id']}"
    assert 0 < item["bytes_stored"] < full["bytes_stored"]


def test_nothing_to_do_tells_what_is_there(db: Task) -> None:
    made = only(db())
    there = only(db())
    assert there["id"] == made["id"]
    assert there["bytes_sent"] == 0
    assert there["actions"] == []
    assert db.requests <= 4


def test_now_means_now(db: Task, cluster: Simulation) -> None:
    first = only(db(max_age="0s"))
    cluster.advance(2)
    second = only(db(max_age="0s"))
    assert second["id"] != first["id"]
    assert second["base"] == first["id"]


def test_twice_in_a_second(db: Task, cluster: Simulation) -> None:
    cluster.cluster.options = dataclasses.replace(cluster.cluster.options, ship_seconds=0.0)
    names = {only(db(max_age="0s"))["snapshot"] for _round in range(3)}
    assert len(names) == 3


def test_full_when_asked(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(7200)
    item = only(db.four_times(type="full"))
    assert (item["type"], item["reason"]) == ("full", "type is full")


def test_an_increment_is_no_full(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(7200)
    assert only(db())["type"] == "incremental"
    cluster.advance(2)
    assert only(db(type="full"))["type"] == "full"


def test_full_every(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(86400)
    assert only(db(full_every="2d"))["type"] == "incremental"
    cluster.advance(2 * 86400)
    item = only(db.four_times(full_every="2d"))
    assert (item["type"], item["reason"]) == ("full", "the newest full one is older than 2d")


def test_max_chain(db: Task, cluster: Simulation) -> None:
    types = []
    for _round in range(5):
        types.append(only(db(max_chain=3))["type"])
        cluster.advance(7200)
    assert types == ["full", "incremental", "incremental", "full", "incremental"]


def test_incremental_wants_a_base(db: Task, cluster: Simulation) -> None:
    told = failure(db(type="incremental"))
    assert (told["code"], told["volume"], told["remote"]) == ("no_base", "db", S3)
    assert posts(cluster) == 0
    only(db())
    cluster.advance(7200)
    assert only(db(type="incremental"))["type"] == "incremental"


def test_a_named_snapshot(db: Task, cluster: Simulation) -> None:
    told = failure(db(snapshot="release"))
    assert told["code"] == "unknown_snapshot"
    checked = db(check=True, snapshot="release")
    assert checked.failures == []
    assert "release" in checked.warnings[0]
    take(cluster, "db", "release")
    item = only(db.four_times(snapshot="release"))
    assert item["snapshot"] == "release"
    assert item["id"].endswith("^release")


def test_a_named_snapshot_once_more(db: Task, cluster: Simulation) -> None:
    take(cluster, "db", "release")
    cluster.shipment_fault("fail")
    assert failure(db(snapshot="release"))["code"] == "shipment_failed"
    cluster.request_fault("drop", method="POST", path=".*/backups")
    outcome = db(snapshot="release")
    assert only(outcome)["state"] == "success"


def test_a_named_snapshot_that_failed_is_queued(db: Task, cluster: Simulation) -> None:
    take(cluster, "db", "release")
    cluster.shipment_fault("fail")
    failure(db(snapshot="release"))
    cluster.cluster.props["BackupShipping/MaxConcurrentBackupsPerNode"] = "1"
    cluster.freeze()
    for name in ("alpha", "bravo"):
        cluster.add_resource(f"busy-{name}", nodes=(name,))
        cluster.shipment_fault("slow", resource=f"busy-{name}", seconds=5)
        only(Task(cluster, resources=[f"busy-{name}"])(wait=False))
    assert only(watched(db, lambda: cluster.advance(2), snapshot="release"))["state"] == "success"


def take(cluster: Simulation, resource: str, name: str) -> None:
    from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected

    with connected(cluster) as lin:
        lin.snapshot_create([], resource, name)


def test_without_waiting(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("slow", seconds=3600)
    started = db(wait=False)
    item = only(started)
    assert started.changed
    assert (item["state"], item["id"], item["type"]) == ("shipping", None, "full")
    again = db(wait=False)
    assert not again.changed
    assert only(again)["snapshot"] == item["snapshot"]
    assert posts(cluster) == 1
    assert not db(check=True).changed
    cluster.advance(3601)
    done = db(max_age="2h")
    assert not done.changed
    assert only(done)["snapshot"] == item["snapshot"]


def test_joins_what_is_under_way(db: Task, cluster: Simulation) -> None:
    cluster.freeze()
    cluster.shipment_fault("slow", seconds=5)
    started = only(db(wait=False))
    joined = watched(db, lambda: cluster.advance(2))
    item = only(joined)
    assert (joined.changed, item["joined"], item["snapshot"]) == (False, True, started["snapshot"])
    assert item["state"] == "success"
    assert item["bytes_sent"] == 0
    assert posts(cluster) == 1


def test_joins_and_then_makes_its_own(db: Task, cluster: Simulation) -> None:
    cluster.freeze()
    cluster.shipment_fault("slow", seconds=5)
    started = only(db(wait=False))
    outcome = watched(db, lambda: cluster.advance(2), max_age="0s")
    item = only(outcome)
    assert outcome.changed
    assert item["snapshot"] != started["snapshot"]
    assert item["type"] == "incremental"


def test_joins_what_is_queued(db: Task, cluster: Simulation) -> None:
    cluster.add_resource("web")
    cluster.cluster.props["BackupShipping/MaxConcurrentBackupsPerNode"] = "1"
    cluster.freeze()
    for name in ("alpha", "bravo"):
        cluster.shipment_fault("slow", resource=f"busy-{name}", seconds=5)
        cluster.add_resource(f"busy-{name}", nodes=(name,))
        only(Task(cluster, resources=[f"busy-{name}"])(wait=False))
    queued = only(Task(cluster, resources=["web"])(wait=False))
    assert queued["state"] == "queued"
    joined = watched(Task(cluster, resources=["web"]), lambda: cluster.advance(2))
    assert not joined.changed
    assert only(joined)["snapshot"] == queued["snapshot"]


def test_the_reply_is_lost(db: Task, cluster: Simulation) -> None:
    cluster.request_fault("drop", method="POST", path=".*/backups")
    outcome = db()
    assert outcome.changed
    assert only(outcome)["state"] == "success"
    assert not db().changed
    assert len(cluster.cluster.definitions["db"].snapshots) == 1


def test_the_request_never_arrives(db: Task, cluster: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments.judge.LOOK_FOR", 1.0)
    cluster.request_fault("refuse", method="POST", path=".*/backups")
    told = failure(db())
    assert told["code"] == "lost_reply"
    assert cluster.cluster.definitions["db"].snapshots == {}
    assert only(db())["state"] == "success"


def test_a_shipment_fails(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("fail", message="zstd ended with exit code 1")
    outcome = db()
    told = failure(outcome)
    assert outcome.changed
    assert told["code"] == "shipment_failed"
    assert told["volume"] == "db"
    assert "ended with state failed" in told["msg"]
    assert only(db.four_times())["state"] == "success"
    cluster.advance(7200)
    cluster.shipment_fault("fail")
    broken = failure(db())
    cluster.advance(2)
    item = only(db())
    assert item["type"] == "full"  # an increment on what has failed would wait in the queue for ever
    assert "the base that LINSTOR would choose" in item["reason"]
    assert broken["code"] == "shipment_failed"
    cluster.advance(7200)
    assert only(db())["type"] == "incremental"


def test_what_is_joined_fails(db: Task, cluster: Simulation) -> None:
    cluster.freeze()
    cluster.shipment_fault("fail", seconds=5)
    first = only(db(wait=False))
    outcome = watched(db, lambda: cluster.advance(2))
    assert outcome.changed
    assert only(outcome)["snapshot"] != first["snapshot"]
    assert any("ended with state failed" in text for text in outcome.warnings)


def test_somebody_aborts_it(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    only(db(wait=False))
    cluster.restart()
    cluster.unlock()
    item = only(db())
    assert item["state"] == "success"


def test_the_controller_is_restarted_meanwhile(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    seen = 0

    def restart() -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            cluster.restart()

    told = failure(watched(db, restart))
    assert told["code"] in ("aborted", "shipment_failed")
    assert "aborted" in told["msg"]


def test_the_controller_is_away_for_a_while(db: Task, cluster: Simulation) -> None:
    cluster.freeze()
    cluster.shipment_fault("slow", seconds=1.0)
    seen = 0

    def come_and_go() -> None:
        nonlocal seen
        seen += 1
        if seen == 2:
            cluster.servers[0].stop()
        elif seen == 4:
            cluster.servers[0].start()
        elif seen > 4:
            cluster.advance(2)

    outcome = watched(db, come_and_go)
    assert seen >= 4
    assert only(outcome)["state"] == "success"


def watched(task: Task, at_each_look: Callable[[], None], **request: Any) -> Outcome:
    """Run with something happening before each look."""
    from ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments import run

    original = run.Shipping._look
    with pytest.MonkeyPatch.context() as patch:

        def look(self: run.Shipping) -> None:
            at_each_look()
            original(self)

        patch.setattr(run.Shipping, "_look", look)
        return task(**request)


def test_it_hangs(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    told = failure(db(wait_timeout="1s"))
    assert told["code"] == "timeout"
    assert "Its state is shipping" in told["msg"]
    assert len(cluster.cluster.shipments) == 1
    told = failure(db(wait_timeout="1s"))
    assert told["code"] == "timeout"
    assert posts(cluster) == 1


def test_it_hangs_and_is_aborted(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    told = failure(db(wait_timeout="1s", abort_on_timeout=True))
    assert told["code"] == "timeout"
    assert "aborted" in told["msg"]
    assert cluster.cluster.shipments == []
    assert only(db())["state"] == "success"


def test_silently_a_full_one(db: Task, cluster: Simulation) -> None:
    base = only(db())
    cluster.advance(7200)
    cluster.shipment_fault("full")
    outcome = db()
    item = only(outcome)
    assert (item["type"], item["base"]) == ("full", None)
    assert "an increment wasn't possible" in item["reason"]
    assert base["snapshot"] in item["reason"]
    assert "a full one instead of an increment" in outcome.warnings[0]


def test_silently_a_full_one_where_that_is_refused(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(7200)
    cluster.shipment_fault("full")
    told = failure(db(type="incremental"))
    assert told["code"] == "no_base"


def test_the_base_is_gone(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(7200)
    cluster.cluster.definitions["db"].snapshots.clear()
    item = only(db())
    assert item["type"] == "full"
    assert "no longer exists" in item["reason"]


def test_the_volume_has_grown(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(7200)
    volume = cluster.cluster.definitions["db"].volumes[0]
    volume.size_kib *= 2
    volume.content.resize(volume.size_kib << 10)
    outcome = db()
    item = only(outcome)
    assert item["type"] == "full"
    assert "the size of its volumes changed" in item["reason"]


def test_a_locked_passphrase(db: Task, cluster: Simulation) -> None:
    cluster.cluster.unlocked_by_passphrase = False
    with pytest.raises(SnapshipError) as raised:
        db()
    assert raised.value.code == "locked"
    assert posts(cluster) == 0
    checked = db(check=True)
    assert checked.changed
    assert "passphrase" in checked.warnings[0]


@pytest.mark.parametrize("version", ["1.31.0", "1.32.0"])
def test_older_clusters(version: str, bucket_directory: Path) -> None:
    with Simulation(name="home", version=version, bucket_directory=bucket_directory) as old:
        protect(old, "db")
        task = Task(old, resources=["db"])
        full = only(task.four_times())
        assert full["type"] == "full"
        old.advance(7200)
        item = only(task.four_times())
        assert (item["type"], item["base"]) == ("incremental", full["id"])
        old.advance(7200)
        old.shipment_fault("hang")
        told = failure(task(wait_timeout="1s"))
        assert told["code"] == "timeout"


def test_unknown_things(db: Task, cluster: Simulation) -> None:
    cluster.add_resource("thick", pool="thinpool")
    outcome = Task(cluster, resources=["db", "nosuch"])()
    assert [item["volume"] for item in outcome.items] == ["db"]
    told = outcome.failures[0]
    assert (told["code"], told["volume"]) == ("unknown_volume", "nosuch")
    with pytest.raises(SnapshipError) as raised:
        db(remote="nowhere")
    assert raised.value.code == "unknown_remote"
    assert S3 in raised.value.msg
    assert db(check=True, remote="nowhere").changed


def test_nothing_that_could_be_shipped(bucket_directory: Path) -> None:
    with Simulation(pools={"thick": "LVM", "thin": "LVM_THIN"}, bucket_directory=bucket_directory) as cluster:
        protect(cluster)
        cluster.add_resource("db", pool="thick")
        cluster.add_resource("web", pool="thin", nodes=("charlie",))
        cluster.cluster.nodes["charlie"].online = False
        outcome = Task(cluster, resources=["db", "web"])()
        assert [told["code"] for told in outcome.failures] == ["no_provider", "offline"]
        assert posts(cluster) == 0


def test_another_clusters_backups_do_not_count(db: Task, cluster: Simulation, bucket_directory: Path) -> None:
    with Simulation(name="other", nodes=("yankee", "zulu"), bucket_directory=bucket_directory) as other:
        protect(other, "db")
        only(Task(other, resources=["db"])())
    assert only(db.four_times())["type"] == "full"


def test_a_backup_whose_snapshot_is_gone_counts(db: Task, cluster: Simulation) -> None:
    made = only(db())
    cluster.cluster.definitions["db"].snapshots.clear()
    again = db()
    assert not again.changed
    assert only(again)["id"] == made["id"]


def test_a_broken_backup_does_not_count(db: Task, cluster: Simulation, bucket_directory: Path) -> None:
    made = only(db())
    for each in (bucket_directory / "backups").iterdir():
        if "_00000_" in each.name:
            each.unlink()
    outcome = db()
    assert outcome.changed
    assert any(made["id"] in text for text in outcome.warnings)


def test_options_that_do_not_go_together(db: Task) -> None:
    for wrong in (
        {"resources": []},
        {"resources": ["db", "DB"]},
        {"max_age": None},
        {"max_age": "12"},
        {"parallel": 0},
        {"max_chain": 0},
        {"max_chain": 1, "type": "incremental"},
    ):
        with pytest.raises(UsageError):
            db(**wrong)


def test_removal(db: Task, cluster: Simulation) -> None:
    full = only(db())
    cluster.advance(7200)
    increment = only(db())
    absent = Task(cluster, backup_delete, remote=S3)
    with pytest.raises(UsageError) as raised:
        absent(id=full["id"])
    assert raised.value.code == "has_dependants"
    checked = absent(check=True, id=full["id"], cascade=True)
    assert (checked.changed, len(checked.items)) == (True, 2)
    gone = absent(id=full["id"], cascade=True)
    assert [item["id"] for item in gone.items] == [increment["id"], full["id"]]
    assert not absent(id=full["id"], cascade=True).changed
    assert len(cluster.cluster.definitions["db"].snapshots) == 2
    cluster.advance(7200)
    assert only(db())["type"] == "full"


def test_300_resources(cluster: Simulation) -> None:
    names = [f"vol-{number:03d}" for number in range(300)]
    protect(cluster, *names)
    task = Task(cluster, resources=names)
    outcome = task(parallel=8, sizes=False)
    assert outcome.failures == []
    assert len(outcome.items) == 300
    creates = posts(cluster)
    assert creates == 300
    assert task.requests <= 300 * 2 + 20
    again = task(parallel=8)
    assert not again.changed
    assert task.requests <= 4
    assert not task(check=True).changed
    assert task.requests <= 4


def test_what_a_dry_run_has_not_made(cluster: Simulation) -> None:
    protect(cluster, "db")
    planned = Task(cluster, resources=["later"])(check=True)
    assert planned.changed
    assert planned.after == {"later": {"newest": "(new backup)"}}
    assert [(each["id"], each["type"], each["state"]) for each in planned.items] == [(None, None, None)]
    with pytest.raises(UsageError, match="remote is empty"):
        Task(cluster, resources=["db"], remote="")(check=True)
