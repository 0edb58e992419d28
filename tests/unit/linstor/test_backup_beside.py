# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups to a bucket while other shipments are under way, and shipments that never end."""

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.clock import Pace
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments import (
    findings,
    refused,
)
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state import s3_list
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_info, retention, snapshot
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.standing_time import SleptTime
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import (
    DR,
    S3,
    Task,
    access,
    failure,
    join,
    only,
    protect,
)


def test_what_is_queued_behind_a_failed_one_is_not_waited_for(cluster: Simulation) -> None:
    protect(cluster, "db")
    db = Task(cluster, resources=["db"])
    db()
    cluster.shipment_fault("fail", resource="db")
    assert failure(db(max_age="0s"))["code"] == "shipment_failed"
    cluster.advance(5)
    with Cluster(access(cluster)) as linstor:
        for _each in range(2):
            linstor.change("backup_create", S3, "db", incremental=True, what="creating a backup")
            cluster.advance(2)
    checked = db(check=True, max_age="0s")
    assert only(checked)["type"] == "full"
    done = db(max_age="0s")
    assert (only(done)["type"], only(done)["joined"]) == ("full", False)
    assert "is stuck" in only(done)["reason"]
    assert len([text for text in done.warnings if "LINSTOR will never ship" in text]) == 2
    cluster.advance(2)
    assert only(db(max_age="0s"))["type"] == "incremental"


def test_what_linstor_takes_for_aborted_although_it_is_in_the_bucket(cluster: Simulation) -> None:
    protect(cluster, "db")
    db = Task(cluster, resources=["db"])
    made = only(db())
    # As if the controller was restarted before it recorded the end.
    props = cluster.snapshot("db", made["snapshot"]).props
    props[f"BackupShipping/Source/{S3}/ShippingStatus"] = "Aborted"
    assert not db().changed
    cluster.advance(5)
    with Cluster(access(cluster)) as linstor:
        linstor.change("backup_create", S3, "db", incremental=True, what="creating a backup")
    cluster.advance(5)
    done = only(db(max_age="0s"))
    assert (done["type"], done["joined"]) == ("full", False)


@pytest.fixture
def elsewhere(two_clusters: tuple[Simulation, Simulation], monkeypatch: pytest.MonkeyPatch) -> Simulation:
    """A cluster that ships another resource to another cluster for as long as it takes."""
    home, away = two_clusters
    monkeypatch.setattr(findings, "_PATIENCE", 0.0)
    monkeypatch.setattr(s3_list, "PATIENCE", 0.0)
    protect(home, "db", "web")
    join(home, away)
    home.shipment_fault("hang", resource="web")
    with Cluster(access(home)) as linstor:
        linstor.change("backup_ship", DR, "web", "web", what="shipping")
    return home


def test_a_bucket_that_can_not_be_listed(elsewhere: Simulation) -> None:
    db = Task(elsewhere, resources=["db", "web"])
    full = db(resources=["db"])  # LINSTOR looks at the others
    assert "can't list the backups" in full.warnings[0]
    assert only(full)["type"] == "full"
    elsewhere.advance(2)
    one = db(max_age="0s", resources=["db"])
    assert (only(one)["type"], only(one)["base"]) == ("incremental", only(full)["id"])
    again = db(resources=["db"])
    assert not again.changed
    assert "can't list the backups" in again.warnings[0]
    with Cluster(access(elsewhere)) as linstor:
        with pytest.raises(s3_list.UnlistableError, match="another remote"):
            backup_info.listing(linstor, backup_info.Request(remote=S3))
        linstor.change("backup_abort", DR, "web", create=True, what="aborting")
    listed = db(resources=["db"])
    assert (listed.changed, listed.warnings) == (False, [])
    for key in ("snapshot", "type", "state", "created"):
        assert only(listed)[key] == only(again)[key] == only(one)[key]
    # The bucket's id has the controller's local time in it, which only the list tells.
    assert only(again)["id"] == only(one)["id"] == f"db/{only(one)['snapshot']}"
    assert only(listed)["id"].endswith(f"^{only(one)['snapshot']}")


def test_a_list_is_asked_for_again(elsewhere: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def ended(seconds: float) -> None:
        asked.append(seconds)
        with Cluster(access(elsewhere)) as linstor:
            linstor.change("backup_abort", DR, "web", create=True, what="aborting")

    monkeypatch.setattr(s3_list.time, "sleep", ended)
    with Cluster(access(elsewhere)) as linstor:
        assert s3_list.backup_list(linstor, S3, patience=60.0).linstor == []
    assert len(asked) == 1


@pytest.fixture
def stumbling(two_clusters: tuple[Simulation, Simulation], monkeypatch: pytest.MonkeyPatch) -> Simulation:
    """A cluster that can't finish aborts, because the snapshot of a refused shipment was deleted."""
    home, away = two_clusters
    slept = SleptTime()
    monkeypatch.setattr(Pace.__init__, "__defaults__", (slept.monotonic, slept.sleep))
    monkeypatch.setattr(refused, "SETTLED", 0.0)
    protect(home, "db", "web")
    join(home, away)
    web = Task(home, resources=["web"], remote=DR, target=ShipmentTarget(storage_pool="nowhere"))
    assert "suitable storage pool" in failure(web())["msg"]
    (left,) = home.cluster.definition("web").snapshots
    with Cluster(access(home)) as linstor:
        linstor.change("snapshot_delete", "web", left, what="deleting what should stay")
    home.shipment_fault("hang", resource="db")
    return home


def test_an_abort_that_linstor_does_not_end(stumbling: Simulation) -> None:
    db = Task(stumbling, resources=["db"])
    told = failure(db(wait_timeout="10s", poll_interval="2s", abort_on_timeout=True))
    assert told["code"] == "timeout"
    assert "restart the controller" in told["msg"]
    stumbling.restart()
    stumbling.unlock()
    assert only(db())["type"] == "full"


def test_what_somebody_else_aborts_is_not_waited_for_for_ever(stumbling: Simulation) -> None:
    db = Task(stumbling, resources=["db"], poll_interval="2s", wait_timeout="90s")
    with Cluster(access(stumbling)) as linstor:
        linstor.change("backup_create", S3, "db", what="creating a backup")
        linstor.change("backup_abort", S3, "db", create=True, what="aborting")
    stumbling.advance(5)
    done = db()
    assert "ended with state aborted" in done.warnings[0]
    assert failure(done)["code"] == "timeout"  # nothing ends any more


def test_what_was_refused_stays_until_the_controller_is_started_anew(
    two_clusters: tuple[Simulation, Simulation], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, away = two_clusters
    monkeypatch.setattr(refused, "SETTLED", 0.0)
    protect(home, "db", "web")
    join(home, away)
    web = Task(home, resources=["web"], remote=DR)
    told = web(target=ShipmentTarget(storage_pool="nowhere"))
    assert failure(told)["code"] == "controller"
    assert "restart the controller before deleting it" in told.warnings[0]
    (left,) = home.cluster.definition("web").snapshots
    tidy = Task(home, use_case=retention, remote=DR, resources=["web"], local={"last": 1}, max_delete_percent=100)
    assert "LINSTOR may still use it" in tidy().items[0]["reasons"][0]
    gone = Task(home, use_case=snapshot, resources=["web"], name=left, state="absent")(check=True)
    assert "restart the controller before deleting it" in gone.warnings[0]
    assert left in home.cluster.definition("web").snapshots
    assert only(Task(home, resources=["db"])())["state"] == "success"
    home.advance(5)
    done = web()
    assert (only(done)["joined"], only(done)["state"]) == (False, "success")
    home.restart()
    home.unlock()
    assert Task(home, use_case=snapshot, resources=["web"], name=left, state="absent")().changed
    home.advance(2)
    assert only(web(max_age="0s"))["type"] == "incremental"
