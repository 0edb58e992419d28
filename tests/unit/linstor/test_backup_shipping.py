# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups of LINSTOR resources in another cluster, and on other nodes of the same one."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import clock
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import (
    DR,
    SELF,
    Task,
    access,
    failure,
    join,
    only,
    point,
)

Pair = tuple[Simulation, Simulation]


@pytest.fixture
def clusters(two_clusters: Pair) -> Pair:
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    return home, away


@pytest.fixture
def db(clusters: Pair) -> Task:
    """Knows the source's side only."""
    return Task(clusters[0], resources=["db"], remote=DR)


@pytest.fixture
def seen(clusters: Pair) -> Task:
    """Looks at the target too."""
    return Task(clusters[0], resources=["db"], remote=DR, target_cluster=access(clusters[1]))


def ships(cluster: Simulation) -> int:
    return cluster.counts().get("POST /v1/remotes/{remote}/backups/ship", 0)


def test_first_shipment(db: Task, clusters: Pair) -> None:
    home, away = clusters
    item = only(db.four_times())
    assert (item["type"], item["base"]) == ("full", None)
    assert item["id"] == f"db/{item['snapshot']}"
    assert item["target"] == "db"
    assert item["bytes_logical"] == 4 << 20
    assert item["bytes_changed"] > 0
    assert item["bytes_sent"] is None
    assert item["actions"] == ["ship db to db on dr-site"]
    away.advance(10)  # it wasn't looked at, and may be restoring still
    assert away.read("db") == home.read("db")
    assert ships(home) == 1


def test_increment(db: Task, clusters: Pair) -> None:
    home, away = clusters
    full = only(db())
    home.write("db", 0, b"news")
    home.advance(7200)
    item = only(db.four_times())
    assert (item["type"], item["base"]) == ("incremental", full["id"])
    assert item["bytes_changed"] is None


def test_nothing_to_do(db: Task, seen: Task) -> None:
    only(db())
    only(db())
    assert db.requests <= 3
    only(seen())
    assert seen.requests <= 3


def test_where_it_goes(db: Task, clusters: Pair) -> None:
    _home, away = clusters
    target = ShipmentTarget(resource="{resource}-dr", node="echo", storage_pool="thinpool", download_only=True)
    item = only(db.four_times(target=target))
    assert item["target"] == "db-dr"
    received = away.cluster.definitions["db-dr"]
    assert list(received.resources) == []
    assert [list(snapshot.nodes) for snapshot in received.snapshots.values()] == [["echo"]]


def test_several_names(clusters: Pair) -> None:
    home, away = clusters
    home.add_resource("web")
    task = Task(home, resources=["db", "web"], remote=DR)
    for wrong in ("copy", "{resource}!", "x" * 60):
        with pytest.raises(UsageError):
            task(target=ShipmentTarget(resource=wrong))
    outcome = task(target=ShipmentTarget(resource={"db": "database"}))
    assert [item["target"] for item in outcome.items] == ["database", "web"]
    assert sorted(away.cluster.definitions) == ["database", "web"]


def test_what_is_gone_from_the_target_does_not_count(db: Task, seen: Task, clusters: Pair) -> None:
    home, away = clusters
    first = only(seen.four_times())
    assert away.read("db") == home.read("db")
    assert first["target_snapshot"].startswith(first["snapshot"])
    away.cluster.definitions["db"].snapshots.clear()
    assert not db().changed
    outcome = seen()
    assert outcome.changed
    assert only(outcome)["id"] != first["id"]


def test_the_same_cluster(cluster: Simulation) -> None:
    point(cluster, cluster, SELF)
    cluster.add_resource("db")
    task = Task(cluster, resources=["db"], remote=SELF)
    with pytest.raises(UsageError) as raised:
        task()
    assert "same cluster" in raised.value.msg
    target = ShipmentTarget(resource="{resource}-far", node="charlie", storage_pool="thinpool")
    item = only(task.four_times(target=target))
    assert item["target_snapshot"] == item["snapshot"]
    assert cluster.read("db-far") == cluster.read("db")
    assert list(cluster.cluster.definitions["db-far"].resources) == ["charlie"]
    cluster.cluster.definitions["db-far"].snapshots.clear()
    assert task(target=target).changed


def test_no_reverse_remote(db: Task, clusters: Pair) -> None:
    home, away = clusters
    home.add_resource("web")
    away.cluster.remotes.clear()
    outcome = Task(home, resources=["db", "web"], remote=DR)(parallel=1)
    assert [told["code"] for told in outcome.failures] == ["unknown_cluster", "unknown_cluster"]
    assert "linstor_remote" in outcome.failures[0]["hint"]
    assert ships(home) == 1  # the second one would fail the same way


def test_another_version(bucket_directory: Path) -> None:
    with Simulation(name="home") as home, Simulation(name="away", version="1.34.0") as away:
        join(home, away)
        home.add_resource("db")
        told = failure(Task(home, resources=["db"], remote=DR)())
        assert told["code"] == "version"
        task = Task(home, resources=["db"], remote=DR, target_cluster=access(away))
        with pytest.raises(SnapshipError) as raised:
            task()
        assert raised.value.code == "version"
        assert ships(home) == 1
        assert task(check=True).changed


def test_the_reply_is_lost(db: Task, clusters: Pair) -> None:
    home, _away = clusters
    home.request_fault("drop", method="POST", path=".*/ship")
    outcome = db()
    assert outcome.changed
    assert only(outcome)["state"] == "success"
    assert len(home.cluster.definitions["db"].snapshots) == 1
    assert not db().changed
    assert ships(home) == 1


def test_the_reply_is_lost_and_the_run_killed(db: Task, clusters: Pair) -> None:
    home, _away = clusters
    home.shipment_fault("slow", seconds=1.5)
    home.request_fault("drop", method="POST", path=".*/ship")
    first = only(db(wait=False))
    outcome = db()
    assert (outcome.changed, only(outcome)["snapshot"]) == (False, first["snapshot"])
    assert ships(home) == 1


@pytest.fixture
def busy(clusters: Pair) -> Iterator[Simulation]:
    """Each node may ship one at a time."""
    home, _away = clusters
    home.cluster.props["BackupShipping/MaxConcurrentBackupsPerNode"] = "1"
    yield home


def test_queued(busy: Simulation) -> None:
    names = [f"vol-{number}" for number in range(6)]
    for name in names:
        busy.add_resource(name)
    outcome = Task(busy, resources=names, remote=DR)(parallel=6)
    assert outcome.failures == []
    assert len(outcome.items) == 6


def test_what_is_queued_is_forgotten(busy: Simulation) -> None:
    for name in ("one", "two", "three"):
        busy.add_resource(name)
        busy.shipment_fault("hang", resource=name)
    states = [only(Task(busy, resources=[name], remote=DR)(wait=False))["state"] for name in ("one", "two", "three")]
    assert states == ["shipping", "shipping", "queued"]
    busy.restart()
    busy.cluster.faults.clear()
    busy.advance(60)
    outcome = Task(busy, resources=["three"], remote=DR)()
    assert outcome.changed
    assert only(outcome)["state"] == "success"


def test_it_fails(db: Task, clusters: Pair) -> None:
    home, _away = clusters
    home.shipment_fault("cut")
    told = failure(db())
    assert told["code"] == "shipment_failed"
    assert "alpha reported at that time: socat" in told["msg"]
    assert "error report" in told["hint"]
    assert only(db())["state"] == "success"


def test_the_target_never_hears_of_it(db: Task, clusters: Pair) -> None:
    home, away = clusters
    home.shipment_fault("lose")
    assert failure(db())["code"] == "shipment_failed"
    told = failure(db())
    assert told["code"] == "in_use"
    assert "RecvTimeoutInMs" in told["hint"]
    away.advance(301)
    assert only(db())["state"] == "success"


def test_it_never_begins_and_is_aborted(db: Task, clusters: Pair) -> None:
    home, away = clusters
    home.shipment_fault("stuck")
    told = failure(db(wait_timeout="1s", abort_on_timeout=True))
    assert told["code"] == "timeout"
    assert "aborted" in told["msg"]
    assert home.cluster.shipments == []
    home.advance(2)
    assert only(db())["state"] == "success"


def test_silently_a_full_one(db: Task, clusters: Pair) -> None:
    home, away = clusters
    only(db())
    home.advance(7200)
    away.cluster.definitions["db"].snapshots.clear()
    outcome = db()
    assert only(outcome)["type"] == "full"
    assert any("a full one instead of an increment" in text for text in outcome.warnings)
    home.advance(7200)
    away.cluster.definitions["db"].snapshots.clear()
    home.shipment_fault("slow", seconds=3600)
    told = failure(db(type="incremental"))
    assert told["code"] == "no_base"
    assert "aborted" in told["msg"]
    assert home.cluster.shipments == []


def test_the_other_cluster_is_away(clusters: Pair) -> None:
    home, away = clusters
    home.add_resource("web")
    away.servers[0].stop()
    outcome = Task(home, resources=["db", "web"], remote=DR)(parallel=1)
    away.servers[0].start()
    assert len(outcome.failures) == 2
    assert outcome.failures[1]["msg"].startswith("not started")
    assert not outcome.changed
    assert ships(home) == 1


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments.refused.SETTLED", 0.1)


@pytest.mark.usefixtures("soon")
def test_the_target_refuses(db: Task, clusters: Pair) -> None:
    home, _away = clusters
    told = failure(db(target=ShipmentTarget(node="nosuch")))
    assert "Remote 'dr-site'" in told["msg"]
    assert len(home.cluster.definitions["db"].snapshots) == 1
    home.advance(2)
    assert (only(db())["state"], only(db())["joined"]) == ("success", False)


def test_what_a_refusal_has_left_is_not_waited_for(db: Task, clusters: Pair) -> None:
    home, _away = clusters
    only(db())
    with connected(home) as lin:
        lin.snapshot_create([], "db", "left-behind")
    began = str(home.cluster.clock.now)
    props = home.snapshot("db", "left-behind").props
    props.update({f"BackupShipping/Source/{DR}/{key}": began for key in ("BackupStartTimestamp", "BackupTargetRemote")})
    props[f"BackupShipping/Source/{DR}/ShippingStatus"] = "Prepare Shipping"
    home.advance(7200)
    outcome = db()
    item = only(outcome)
    assert (item["joined"], item["type"]) == (False, "incremental")
    assert any("left-behind" in text and "deleting it" in text for text in outcome.warnings)


def test_it_was_sent_and_does_not_arrive(seen: Task, clusters: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    _home, away = clusters
    original = backup.confirm

    def fail_there(*args: Any) -> None:
        for snapshot in away.cluster.definitions["db"].snapshots.values():
            snapshot.props["BackupShipping/Target/ShippingStatus"] = "Failed"
        original(*args)

    monkeypatch.setattr(backup, "confirm", fail_there)
    told = failure(seen())
    assert told["code"] == "not_arrived"
    assert "its state on the target is failed" in told["msg"]
    monkeypatch.undo()
    outcome = seen()
    assert outcome.changed
    assert only(outcome)["target_snapshot"] is not None


@pytest.mark.parametrize("version", ["1.31.0", "1.32.0"])
def test_older_clusters(version: str) -> None:
    with Simulation(name="home", version=version) as home, Simulation(name="away", version=version) as away:
        join(home, away)
        home.add_resource("db")
        task = Task(home, resources=["db"], remote=DR)
        assert only(task.four_times())["state"] == "success"
        home.advance(7200)
        only(task.four_times())
        away.advance(10)
        assert away.read("db") == home.read("db")


def test_options_that_contradict_each_other(db: Task) -> None:
    with pytest.raises(UsageError):
        db(target=ShipmentTarget(download_only=True, force_restore=True))


def test_300_resources(clusters: Pair) -> None:
    home, away = clusters
    names = [f"vol-{number:03d}" for number in range(300)]
    for name in names:
        home.add_resource(name, sizes_kib=(256,))
    task = Task(home, resources=names, remote=DR, target_cluster=access(away))
    outcome = task(parallel=8)
    assert outcome.failures == []
    assert len(outcome.items) == 300
    assert ships(home) == 300
    assert task.requests <= 300 * 2 + 20
    assert not task().changed
    assert task.requests <= 3


def test_two_runs_at_once(clusters: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """LINSTOR names snapshots by the second, and refuses the second one of a name."""
    home, _away = clusters
    # Both replace the clock while they run, and may put it back in any order.
    monkeypatch.setattr(clock, "now", lambda: home.cluster.clock.seconds)
    for name in ("web", "wal"):
        home.add_resource(name)
    task = {"resources": ["db", "web", "wal"], "remote": DR}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [each.result() for each in [pool.submit(Task(home, **task)) for _run in range(2)]]
    assert [outcome.failures for outcome in both] == [[], []]
    assert not Task(home, **task)().changed
