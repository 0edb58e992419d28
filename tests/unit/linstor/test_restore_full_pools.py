# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores and downloads into a thin pool that is full, or fills meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore, retention
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import (
    DR,
    S3,
    Task,
    access,
    failure,
    four_times,
    join,
    only,
    protect,
)

Two = tuple[Simulation, Simulation]
MARK = "Aux/snapship.dr/arrival"
COPY = [{"source": "db", "target": "copy"}]
MIB = 1024  # KiB


def leave_free(simulation: Simulation, free_kib: int) -> None:
    for node, pool in simulation.cluster.pools:
        simulation.leave_free(node, free_kib, pool)


def marks(simulation: Simulation, resource: str) -> list[str]:
    with simulation.cluster.lock:
        return [each.props.get(MARK, "") for each in simulation.cluster.definition(resource).snapshots.values()]


@pytest.fixture
def chain(cluster: Simulation) -> Simulation:
    """A full backup of 256 KiB, and an increment that overwrites a quarter of it. LINSTOR asks only for what the newest
    needs, 512 KiB; both together take 576."""
    protect(cluster, "db")
    only(Task(cluster, resources=["db"])())
    cluster.advance(10)
    cluster.write("db", 0, b"changed")
    cluster.write("db", 1 << 20, bytes(range(256)) * MIB)
    only(Task(cluster, resources=["db"], max_age="0s")())
    return cluster


@pytest.mark.parametrize("way", [{}, {"download_only": True}, {"overwrite": True, "discard_changes": True}])
def test_a_download_fills_it(chain: Simulation, way: dict[str, Any]) -> None:
    if way.get("overwrite"):
        chain.add_resource("copy")
    leave_free(chain, 512)
    task = Task(chain, restore, remote=S3, resources=COPY, node="charlie", **way)
    told = failure(task())
    assert told["code"] == "pool_full"
    assert "storage pool thinpool of node charlie was full meanwhile" in told["msg"], told["msg"]
    assert all(each.startswith("doubtful: ") for each in marks(chain, "copy"))
    chain.advance(10)
    # the next run downloads it again, when there is space
    refused = failure(task())
    assert refused["code"] == "no_space"
    leave_free(chain, 8 * MIB)
    item = only(task())
    assert sum("which can't be trusted" in each for each in item["actions"]) == 2
    if not way.get("download_only"):
        assert chain.read("copy") == chain.read("db"), item["actions"]
    assert any(each.startswith("sound ") for each in marks(chain, "copy"))
    assert not task().changed


def test_downloaded_anyway(chain: Simulation) -> None:
    leave_free(chain, 512)
    task = Task(chain, restore, remote=S3, resources=COPY, allow_doubtful=True)
    outcome = task()
    assert only(outcome)["state"] == "success"
    assert any("was full meanwhile" in each for each in outcome.warnings)
    assert chain.read("copy") != chain.read("db")


def test_several_downloads_must_fit_together(chain: Simulation) -> None:
    leave_free(chain, 700)
    for node in ("bravo", "charlie"):
        chain.cluster.pools.pop((node, "thinpool"))
    pairs = [*COPY, {"source": "db", "target": "copy2"}]
    outcome = Task(chain, restore, remote=S3, resources=pairs)(check=True)
    assert failure(outcome)["code"] == "no_space"


@pytest.fixture
def shipped(two_clusters: Two) -> Two:
    """Two states of db, received by the other cluster; nobody looked at its storage pools."""
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    for data in (b"one", b"two"):
        home.write("db", 0, data)
        only(Task(home, remote=DR, resources=["db"], max_age="0s")())
        for each in (home, away):
            each.advance(10)
    return home, away


def test_a_received_copy_in_a_full_pool(shipped: Two) -> None:
    _home, away = shipped
    leave_free(away, 0)
    task = Task(away, restore, received_from="any", resources=COPY)
    for check in (True, False):
        told = failure(task(check=check))
        assert told["code"] == "pool_full"
        assert "is full, so copy wasn't restored" in told["msg"] and "It wasn't checked" in told["msg"]
        assert marks(away, "db")[1].startswith("doubtful: ") != check
    assert "copy" not in away.cluster.definitions
    leave_free(away, 8 * MIB)
    assert "before anybody had checked the copy" in failure(task())["msg"]
    leave_free(away, 0)
    outcome = task(allow_doubtful=True)
    assert only(outcome)["state"] == "success" and any("is full" in each for each in outcome.warnings)
    assert not task().changed  # it is restored


def test_a_received_copy_that_is_doubtful(shipped: Two) -> None:
    home, away = shipped
    newest = list(away.cluster.definition("db").snapshots.values())[-1]
    newest.props[MARK] = "doubtful: storage pool thinpool of node delta was full while the copy arrived"
    oldest = next(iter(away.cluster.definition("db").snapshots))
    task = Task(away, restore, received_from="any", resources=COPY)
    told = failure(task())
    assert told["code"] == "pool_full" and f"The newest copy without such a doubt is {oldest}." in told["hint"]
    four_times(Task(away, restore, received_from="any", resources=[{"source": "db", "target": "old"}], backup=oldest))
    outcome = task(allow_doubtful=True)
    assert only(outcome)["state"] == "success"
    assert any("can't be trusted: storage pool" in each for each in outcome.warnings)
    # what was built on a doubtful one is doubtful
    for each in away.cluster.definition("db").snapshots.values():
        each.props.pop(MARK, None)
    away.cluster.definition("db").snapshots[oldest].props[MARK] = "doubtful: it was full"
    assert "its base" in failure(task(overwrite=True))["msg"]


def test_retention_keeps_it_and_counts_it_not(shipped: Two) -> None:
    _home, away = shipped
    newest = list(away.cluster.definition("db").snapshots.values())[-1]
    newest.props[MARK] = "doubtful: storage pool thinpool of node delta was full while the copy arrived"
    outcome = Task(away, retention, received_from="any", resources=["db"], keep={"last": 1})()
    assert [(each["snapshot"] == newest.name, each["kept"]) for each in outcome.items] == [(True, True), (False, True)]
    assert any("can't be trusted" in each for each in outcome.warnings)


def test_a_pool_that_fills_while_it_is_restored(shipped: Two) -> None:
    _home, away = shipped

    def fill(*_: Any) -> None:
        if "copy" in away.cluster.definitions and away.cluster.definitions["copy"].resources:
            for pool in away.cluster.pools.values():
                pool.total_kib = 64

    away.cluster.steps.append(fill)
    task = Task(away, restore, received_from="any", resources=COPY)
    outcome = task()
    told = failure(outcome)
    assert told["code"] == "pool_full" and "copy was restored, but storage pool" in told["msg"]
    assert outcome.items[0]["state"] == "failed"
    away.cluster.steps.remove(fill)
    leave_free(away, 8 * MIB)
    assert only(task(overwrite=True))["state"] == "success"


def test_who_ships_sees_it(shipped: Two) -> None:
    """A run that only looks makes no mark."""
    home, away = shipped
    Task(home, remote=DR, resources=["db"], target_cluster=access(away))()
    assert marks(away, "db") == ["", ""]
