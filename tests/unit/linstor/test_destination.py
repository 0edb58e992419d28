# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Missing nodes, pools, groups and interfaces of the target are reported before anything is shipped."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool
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

WRONG = [
    ({"node": "nowhere"}, "unknown_node", "delta, echo, foxtrot"),
    ({"storage_pool": "nopool"}, "no_pool", "tank, thinpool"),
    ({"storage_pool_map": {"thinpool": "nopool"}}, "no_pool", "tank, thinpool"),
    ({"node": "delta", "storage_pool": "tank"}, "no_pool", "node delta"),
    ({"node": "foxtrot", "storage_pool": "tank"}, "provider", "LVM_THIN"),
    ({"resource_group": "nogroup"}, "unknown_group", "DfltRscGrp"),
    ({"net_interface": "eth99"}, "unknown_interface", "default"),
]


@pytest.fixture
def clusters(two_clusters: Pair) -> Pair:
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    away.cluster.pools["foxtrot", "tank"] = Pool("tank", "foxtrot", "ZFS_THIN", 1 << 30)
    return home, away


@pytest.mark.parametrize(("asked", "code", "named"), WRONG)
def test_what_it_lacks(clusters: Pair, asked: dict[str, Any], code: str, named: str) -> None:
    home, away = clusters
    task = Task(home, resources=["db"], remote=DR, target_cluster=access(away), target=ShipmentTarget(**asked))
    for check in (True, False):
        outcome = task(check=check)
        told = failure(outcome)
        assert (told["code"], told["volume"], told["remote"], outcome.changed) == (code, "db", DR, False)
        assert named in told["msg"]
    assert home.counts().get("POST /v1/remotes/{remote}/backups/ship", 0) == 0
    assert home.cluster.definition("db").snapshots == {}


def test_what_it_has(clusters: Pair) -> None:
    home, away = clusters
    target = ShipmentTarget(node="Delta", storage_pool="THINPOOL", resource_group="dfltrscgrp", net_interface="default")
    only(Task(home, resources=["db"], remote=DR, target_cluster=access(away), target=target).four_times())


def test_a_map_counts_before_the_pool(clusters: Pair) -> None:
    home, away = clusters
    target = ShipmentTarget(storage_pool="tank", storage_pool_map={"thinpool": "thinpool"})
    only(Task(home, resources=["db"], remote=DR, target_cluster=access(away), target=target).four_times())


def test_within_one_cluster(cluster: Simulation) -> None:
    cluster.add_resource("db")
    point(cluster, cluster, SELF)
    told = failure(
        Task(cluster, resources=["db"], remote=SELF, target=ShipmentTarget("far", node="nowhere"))(check=True)
    )
    assert told["code"] == "unknown_node"
