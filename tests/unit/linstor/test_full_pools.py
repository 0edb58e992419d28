# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thin pool of the target that fills while a copy arrives. LINSTOR says Success, and the copy isn't its source."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_info, protection_info
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool, Remote
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

Two = tuple[Simulation, Simulation]
POOLS = "GET /v1/view/storage-pools"
MARK = "Aux/snapship.dr/arrival"
MIB = 1024  # KiB


@pytest.fixture
def clusters(two_clusters: Two) -> Two:
    """The resource db has 1 MiB of data; the thin pools of the other cluster have 64 MiB, so that LINSTOR tells them
    to the chunk."""
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    home.write("db", 0, bytes(range(256)) * 4 * MIB)
    for pool in away.cluster.pools.values():
        pool.total_kib = 64 * MIB
    return home, away


def shipping(home: Simulation, away: Simulation, **request: Any) -> Task:
    return Task(home, resources=["db"], remote=DR, target_cluster=access(away), **request)


def leave_free(simulation: Simulation, free_kib: int) -> None:
    for node, pool in simulation.cluster.pools:
        simulation.leave_free(node, free_kib, pool)


def fill_later(simulation: Simulation, free_kib: int, looks: int = 1) -> None:
    """After so many looks at the pools, somebody else has filled them."""
    shown = json.dumps(
        [
            {"storage_pool_name": name, "node_name": node, "provider_kind": pool.provider, "total_capacity": 64 * MIB}
            | {"free_capacity": 64 * MIB}
            for (node, name), pool in simulation.cluster.pools.items()
        ]
    )
    simulation.request_fault("reply", path="/v1/view/storage-pools", times=looks, status=200, body=shown)
    leave_free(simulation, free_kib)


def listed(home: Simulation, away: Simulation) -> list[dict[str, Any]]:
    with Cluster(access(home)) as cluster:
        request = backup_info.Request(remote=DR, target_cluster=access(away))
        return backup_info.listing(cluster, request).backups


def received(away: Simulation) -> list[dict[str, Any]]:
    with Cluster(access(away)) as cluster:
        return backup_info.listing(cluster, backup_info.Request()).backups


def marks(away: Simulation, resource: str = "db") -> list[str]:
    with away.cluster.lock:
        return [each.props.get(MARK, "") for each in away.cluster.definition(resource).snapshots.values()]


def ships(home: Simulation) -> int:
    return home.counts().get("POST /v1/remotes/{remote}/backups/ship", 0)


def test_what_does_not_fit_is_not_shipped(clusters: Two) -> None:
    home, away = clusters
    leave_free(away, 512)
    for check in (True, False):
        told = failure(shipping(home, away)(check=check))
        assert (told["code"], told["volume"], told["remote"]) == ("no_space", "db", DR)
        assert "db needs 1.0 MiB" in told["msg"] and "512.0 KiB" in told["msg"], told["msg"]
    assert ships(home) == 0
    leave_free(away, 2 * MIB)
    only(shipping(home, away).four_times())
    assert away.read("db") == home.read("db")


def test_several_must_fit_together(clusters: Two) -> None:
    home, away = clusters
    for name in ("web", "wal"):
        home.add_resource(name)
        home.write(name, 0, bytes(range(256)) * 4 * MIB)
    leave_free(away, MIB + 512)  # on each of two nodes
    outcome = Task(home, resources=["db", "web", "wal"], remote=DR, target_cluster=access(away))(check=True)
    told = failure(outcome)
    assert (told["code"], len(outcome.items)) == ("no_space", 2)
    assert "1.0 MiB for other resources" in told["msg"]


def test_a_pool_that_fills_meanwhile(clusters: Two) -> None:
    home, away = clusters
    fill_later(away, 512)
    told = failure(shipping(home, away)())
    assert told["code"] == "pool_full"
    assert "storage pool thinpool of node" in told["msg"] and "was full while the copy arrived" in told["msg"]
    assert "Delete snapshot" in told["hint"]
    assert away.read("db") != home.read("db")
    assert marks(away)[0].startswith("doubtful: storage pool thinpool of node")
    # later runs know it, even when there is space again
    leave_free(away, 8 * MIB)
    for shown in (listed(home, away), received(away)):
        assert [(each["state"], each["complete"]) for each in shown] == [("success", False)]
        assert "can't be trusted: storage pool thinpool" in shown[0]["problem"]
    with Cluster(access(home)) as cluster:
        promise = protection_info.Promise(DR, "1h", ["db"], access(away))
        report = protection_info.report(cluster, protection_info.Request(promises=[promise]))
    assert "can't be trusted" in report.breached[0]["reason"], report.breached
    # never a base
    home.advance(10)
    away.advance(10)
    refused = failure(shipping(home, away, type="incremental")(check=True))
    assert refused["code"] == "no_base" and "can't be trusted" in refused["msg"]
    item = only(shipping(home, away).four_times())
    assert item["type"] == "full" and "can't be trusted" in item["reason"]
    newest = list(away.cluster.definition("db").snapshots.values())[-1]
    assert newest.volumes[0].content.read() == home.read("db")
    assert [each["complete"] for each in listed(home, away)] == [True, False]
    # and the next one is an increment on the good one
    for each in (home, away):
        each.advance(10)
    again = only(shipping(home, away)(max_age="0s"))
    assert (again["type"], again["base"]) == ("incremental", item["id"])


def test_seen_full_only_while_it_arrived(clusters: Two) -> None:
    home, away = clusters
    """Somebody else fills the pool for a while."""
    home.shipment_fault("slow", seconds=6.0)
    away.add_resource("somebody-elses")
    fill_later(away, 0)

    def free_again(*_: Any) -> None:
        if away.counts().get(POOLS, 0) >= 3:
            for pool in away.cluster.pools.values():
                pool.total_kib = 64 * MIB

    away.cluster.steps.append(free_again)
    told = failure(shipping(home, away)())
    assert told["code"] == "pool_full" and "was full while the copy arrived" in told["msg"]


def test_a_report_of_the_satellite(clusters: Two) -> None:
    """The pool has space again, but its satellite has reported that it had none."""
    home, away = clusters
    only(shipping(home, away)())
    for each in (home, away):
        each.advance(10)
    node = next(iter(next(iter(away.cluster.definition("db").snapshots.values())).nodes))
    home.shipment_fault("slow", seconds=1.0)
    home.cluster.followers.append(lambda *_: away.cluster.report(node, "write to pool: No space left on device"))
    told = failure(shipping(home, away)(max_age="0s"))
    assert told["code"] == "pool_full"
    assert f"node {node} reported while the copy arrived: write to pool: No space left" in told["msg"]
    assert marks(away)[-1].startswith("doubtful: node ")


def test_nobody_saw_it_arrive(clusters: Two) -> None:
    """Neither who started it nor LINSTOR looked; the pool is full now."""
    home, away = clusters
    leave_free(away, 512)
    only(Task(home, resources=["db"], remote=DR)())
    away.advance(1)
    assert marks(away) == [""]
    for shown in (listed(home, away), received(away)):
        assert "is full, and it wasn't checked" in shown[0]["problem"]
    for check in (True, False):
        assert failure(shipping(home, away)(check=check))["code"] == "no_space"
        assert marks(away)[0].startswith("doubtful: ") != check
    # it is remembered when there is space again
    leave_free(away, 8 * MIB)
    assert "it wasn't checked" in listed(home, away)[0]["problem"]
    assert only(shipping(home, away)(check=True))["type"] == "full"


def test_checked_before_the_pool_was_full(clusters: Two) -> None:
    home, away = clusters
    only(shipping(home, away).four_times())
    assert marks(away) == [f"sound {next(iter(away.cluster.definition('db').snapshots.values())).uuid}"]
    leave_free(away, 0)
    assert [each["problem"] for each in listed(home, away) + received(away)] == [None, None]
    # nothing to do takes no look at the pools
    task, before = shipping(home, away), away.counts().get(POOLS, 0)
    assert not task().changed
    assert (task.requests, away.counts().get(POOLS, 0)) == (3, before)
    # but no increment goes there
    for each in (home, away):
        each.advance(10)
    told = failure(shipping(home, away)(max_age="0s"))
    assert told["code"] == "pool_full" and "is nearly full" in told["msg"]


def test_an_increment_on_a_doubtful_copy(clusters: Two) -> None:
    """A schedule of LINSTOR's own takes it as the base."""
    home, away = clusters
    fill_later(away, 512)
    failure(shipping(home, away)())
    leave_free(away, 8 * MIB)
    for each in (home, away):
        each.advance(10)
    only(Task(home, resources=["db"], remote=DR, max_age="0s")())
    assert [each["complete"] for each in listed(home, away)] == [False, False]
    assert listed(home, away)[0]["problem"].startswith("the copy can't be trusted: its base ")
    item = only(shipping(home, away)(check=True))
    assert item["type"] == "full"


def test_shipped_again_by_name(clusters: Two) -> None:
    home, away = clusters
    fill_later(away, 512)
    failure(shipping(home, away)())
    name = next(iter(home.cluster.definition("db").snapshots))
    leave_free(away, 8 * MIB)
    told = failure(shipping(home, away, snapshot=name)())
    assert told["code"] == "pool_full" and "was shipped, but the copy can't be trusted" in told["msg"]
    away.cluster.definition("db").snapshots.clear()
    only(shipping(home, away, snapshot=name)())


def test_another_pool_of_the_node_is_full(clusters: Two) -> None:
    home, away = clusters
    for node in away.cluster.nodes:
        away.cluster.pools[node, "other"] = Pool("other", node, "LVM_THIN", 0)
        away.leave_free(node, 0, "other")
        away.cluster.pools[node, "other"].total_kib = 64
        away.add_resource(f"filler-{node}", nodes=(node,), pool="other")
    # deployed, so that LINSTOR tells its pool
    only(shipping(home, away).four_times())
    # only a snapshot
    target = ShipmentTarget("copy", download_only=True)
    told = failure(shipping(home, away, target=target)())
    assert told["code"] == "pool_full" and "LINSTOR doesn't tell which of the node's pools" in told["msg"]
    named = ShipmentTarget("copy2", storage_pool="thinpool", download_only=True)
    only(shipping(home, away, target=named).four_times())


def test_a_full_zfs_pool_refuses(two_clusters: Two) -> None:
    home, away = two_clusters
    join(home, away)
    for each in (home, away):
        for node in each.cluster.nodes:
            each.cluster.pools[node, "tank"] = Pool("tank", node, "ZFS_THIN", 256)
    for pool in home.cluster.pools.values():
        pool.total_kib = 1 << 20
    home.add_resource("db", pool="tank")
    home.write("db", 0, bytes(range(256)) * 4 * MIB)
    told = failure(shipping(home, away)())
    assert told["code"] == "shipment_failed"
    assert not away.cluster.definition("db").snapshots


def test_within_one_cluster(cluster: Simulation) -> None:
    cluster.add_resource("db", nodes=("alpha",))
    cluster.write("db", 0, bytes(range(256)) * 4 * MIB)
    point(cluster, cluster, SELF)
    cluster.leave_free("charlie", 512)
    target = ShipmentTarget("far", node="charlie")
    task = Task(cluster, resources=["db"], remote=SELF, target=target)
    assert failure(task())["code"] == "no_space"
    cluster.leave_free("charlie", 64 * MIB)
    only(task.four_times())
    assert marks(cluster, "far")[0].startswith("sound ")


def test_the_mark_of_a_copy_that_is_shipped_on(clusters: Two, bucket_directory: Any) -> None:
    home, away = clusters
    fill_later(away, 512)
    failure(shipping(home, away)())
    leave_free(away, 8 * MIB)
    copy = next(iter(away.cluster.definition("db").snapshots))
    with Simulation(name="third", nodes=("golf",), bucket_directory=bucket_directory) as third:
        for at, to, name in ((away, third, "third"), (third, away, "away")):
            at.cluster.remotes[name] = Remote(name, "linstor", {"url": to.url}, {}, to.cluster.id)
        outcome = Task(away, resources=["db"], remote="third", snapshot=copy, target_cluster=access(third))()
        told = failure(outcome)
        assert told["code"] == "pool_full" and "can't be trusted: storage pool thinpool" in told["msg"]
