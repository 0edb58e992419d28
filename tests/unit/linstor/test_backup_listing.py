# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists of backups, and reports about protection."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import clock
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_info, protection_info
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases.protection_info import Promise
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, access, join, only, protect

Pair = tuple[Simulation, Simulation]


class Seen:
    """What a listing found, and how many requests it took."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.requests = 0

    def _ask(self, use: Any, request: Any) -> Any:
        with pytest.MonkeyPatch.context() as patch, Cluster(access(self.simulation)) as cluster:
            patch.setattr(clock, "now", lambda: self.simulation.cluster.clock.seconds)
            found = use(cluster, request)
            self.requests = cluster.requests
        return found

    def listing(self, **request: Any) -> backup_info.BackupList:
        found: backup_info.BackupList = self._ask(backup_info.listing, backup_info.Request(**request))
        return found

    def report(self, **request: Any) -> protection_info.Report:
        found: protection_info.Report = self._ask(protection_info.report, protection_info.Request(**request))
        return found


def test_a_bucket(cluster: Simulation) -> None:
    protect(cluster, "db", "web")
    db = Task(cluster, resources=["db"])
    full = only(db())
    cluster.advance(7200)
    increment = only(db())
    only(Task(cluster, resources=["web"])())
    seen = Seen(cluster)
    there = seen.listing(remote=S3)
    assert seen.requests <= 4
    assert {item["volume"] for item in there.backups} == {"db", "web"}
    newest, oldest = seen.listing(remote=S3, resources=["db"]).backups
    assert (newest["id"], newest["chain"], newest["complete"]) == (increment["id"], [full["id"], increment["id"]], True)
    assert (newest["chain_length"], oldest["chain_length"]) == (2, 1)
    assert newest["state_id"] == increment["state_id"]
    assert oldest["age"] == pytest.approx(7200, abs=5)
    assert [item["id"] for item in seen.listing(remote=S3, id=full["id"]).backups] == [full["id"]]
    with pytest.raises(SnapshipError) as raised:
        seen.listing(remote=S3, id="db_back_20200101_000000")
    assert raised.value.code == "unknown_backup"


def test_what_is_under_way_and_what_failed(cluster: Simulation) -> None:
    protect(cluster, "db", "web")
    cluster.shipment_fault("fail", resource="db")
    Task(cluster, resources=["db"])()
    cluster.shipment_fault("hang", resource="web")
    Task(cluster, resources=["web"])(wait=False)
    found = {item["volume"]: item for item in Seen(cluster).listing(remote=S3).backups}
    assert found["web"]["state"] == "shipping"
    assert not found["web"]["complete"]
    assert "db" not in found or not found["db"]["complete"]


def test_a_linstor_remote(two_clusters: Pair) -> None:
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    task = Task(home, resources=["db"], remote=DR, target=ShipmentTarget(resource="db-dr"))
    first = only(task())
    home.advance(7200)
    away.advance(7200)
    second = only(task())
    seen = Seen(home)
    newest, oldest = seen.listing(remote=DR).backups
    assert seen.requests <= 3
    assert (newest["id"], newest["base"], newest["chain_length"]) == (second["id"], first["id"], 2)
    assert newest["target_snapshot"] is None
    newest, oldest = seen.listing(remote=DR, target_cluster=access(away)).backups
    assert newest["target"] == oldest["target"] == "db-dr"
    received = Seen(away).listing()
    assert [item["volume"] for item in received.backups] == ["db-dr", "db-dr"]
    assert {item["origin"] for item in received.backups} == {home.cluster.id}
    assert [item["complete"] for item in received.backups] == [True, True]
    assert [item["type"] for item in received.backups] == ["incremental", "full"]
    assert [item["age"] for item in received.backups] == pytest.approx([newest["age"], oldest["age"]], abs=5)
    assert Seen(home).listing().warnings


def test_the_queue(two_clusters: Pair) -> None:
    home, away = two_clusters
    join(home, away)
    home.cluster.props["BackupShipping/MaxConcurrentBackupsPerNode"] = "1"
    for name in ("one", "two", "three"):
        home.add_resource(name)
        home.shipment_fault("hang", resource=name)
        Task(home, resources=[name], remote=DR)(wait=False)
    there = Seen(home).listing(remote=DR, queue=True)
    assert [(each["volume"], each["remote"], each["type"]) for each in there.queue] == [("three", DR, "full")]


def test_protection(cluster: Simulation) -> None:
    protect(cluster, "db", "web", "scratch")
    made = only(Task(cluster, resources=["db"])())
    cluster.advance(7200)
    only(Task(cluster, resources=["web"])())
    seen = Seen(cluster)
    told = seen.report(promises=[Promise(S3, "1h", ["db", "web"])])
    db, web = told.protection
    assert (db["volume"], db["id"], db["breached"]) == ("db", made["id"], True)
    assert db["reason"] == "the newest backup is 2h old, the RPO is 1h"
    assert db["age"] == pytest.approx(7200, abs=10)
    assert (web["volume"], web["breached"], web["reason"]) == ("web", False, None)
    assert [each["volume"] for each in told.breached] == ["db"]
    assert told.unprotected == ["scratch"]
    assert seen.report().unprotected == ["scratch"]
    everything = seen.report(rpo="1d")
    assert [(each["volume"], each["breached"]) for each in everything.protection] == [
        ("db", False),
        ("scratch", True),
        ("web", False),
    ]


def test_protection_that_cannot_be_seen(cluster: Simulation) -> None:
    protect(cluster, "db")
    told = Seen(cluster).report(promises=[Promise("nowhere", "1h", ["db"]), Promise(S3, "1h", ["nosuch"])])
    assert [each["reason"] for each in told.breached] == [
        "the cluster has no remote nowhere",
        "the cluster has no such resource",
    ]
    cluster.cluster.unlocked_by_passphrase = False
    told = Seen(cluster).report(promises=[Promise(S3, "1h", ["db"])])
    assert told.breached[0]["reason"].startswith("the remote can't be read: ")
    assert told.warnings


def test_protection_in_another_cluster(two_clusters: Pair) -> None:
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    only(Task(home, resources=["db"], remote=DR, target=ShipmentTarget(resource="db-dr"))())
    blind, looking = Promise(DR, "1h"), Promise(DR, "1h", target_cluster=access(away))
    assert not Seen(home).report(promises=[looking]).breached
    away.cluster.definitions["db-dr"].snapshots.clear()
    assert not Seen(home).report(promises=[blind]).breached
    told = Seen(home).report(promises=[looking])
    assert "no longer on the target" in told.protection[0]["problem"]
    assert told.breached


def test_copies_need_no_protection(two_clusters: Pair) -> None:
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    away.add_resource("own")
    only(Task(home, resources=["db"], remote=DR)())
    assert Seen(away).report().unprotected == ["own"]


def test_as_many_requests_for_300(cluster: Simulation) -> None:
    names = [f"vol-{number:03d}" for number in range(300)]
    protect(cluster, *names)
    seen = Seen(cluster)
    told = seen.report(promises=[Promise(S3, "1h")])
    assert len(told.breached) == len(told.unprotected) == 300
    assert seen.requests <= 7
    seen.listing(remote=S3)
    assert seen.requests <= 4
