# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The simulated storage pools: what they tell of their space, and what becomes of a copy that doesn't fit."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool

Two = tuple[Simulation, Simulation]


def space(simulation: Simulation, name: str = "thinpool") -> list[tuple[int, int]]:
    """Free and total capacity in KiB, as LINSTOR tells them."""
    with connected(simulation) as lin:
        pools = lin.storage_pool_list(None, [name])[0].data_v1
    return [(each["free_capacity"], each["total_capacity"]) for each in pools]


def ship(home: Simulation, away: Simulation, pool: str = "thinpool", **described: Any) -> str | None:
    """Ships db; returns the state of the shipment at its source."""
    home.peer_with(away)
    home.add_resource("db", pool=pool, **described)
    with connected(home) as lin:
        lin.backup_ship("away", "db", "db")
    for each in (home, away):
        each.advance(1)
    snapshot = next(iter(home.cluster.definition("db").snapshots.values()))
    return snapshot.source("away")


def test_volumes_and_snapshots_share_chunks(cluster: Simulation) -> None:
    pool = cluster.cluster.pools["alpha", "thinpool"]
    pool.total_kib = 1024
    cluster.add_resource("db", nodes=("alpha",))
    assert space(cluster)[0] == (768, 1024)
    with connected(cluster) as lin:
        lin.snapshot_create([], "db", "before", async_msg=False)
    assert space(cluster)[0] == (768, 1024)
    cluster.write("db", 0, b"changed")
    assert space(cluster)[0] == (704, 1024)


def test_a_percentage_with_two_decimals(cluster: Simulation) -> None:
    cluster.add_resource("db", nodes=("alpha",))
    pool = cluster.cluster.pools["alpha", "thinpool"]
    pool.total_kib = 1_000_000
    assert space(cluster)[0] == (999_700, 1_000_000)  # 0.03 %
    pool.total_kib = 256
    assert space(cluster)[0] == (0, 256)


@pytest.mark.parametrize("reports", [False, True])
def test_a_thin_pool_loses_what_does_not_fit(two_clusters: Two, reports: bool) -> None:
    home, away = two_clusters
    for pool in away.cluster.pools.values():
        pool.total_kib, pool.reports_full = 128, reports
    assert ship(home, away) == "Success"
    copy = next(iter(away.cluster.definition("db").snapshots.values()))
    assert copy.target() == "Success" and copy.volumes[0].content.allocated == 128 << 10
    assert away.read("db")[: 128 << 10] == home.read("db")[: 128 << 10]
    assert away.read("db") != home.read("db")
    assert (0, 128) in space(away)
    assert ["No space left" in each.message for each in away.cluster.reports] == [True] * reports


def test_a_zfs_pool_refuses_it(two_clusters: Two) -> None:
    home, away = two_clusters
    for each, size in ((home, 1 << 20), (away, 128)):
        for node in each.cluster.nodes:
            each.cluster.pools[node, "tank"] = Pool("tank", node, "ZFS_THIN", size)
    assert ship(home, away, "tank") == "Failed"
    assert not away.cluster.definition("db").snapshots
