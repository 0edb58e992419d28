# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base that LINSTOR chooses for a backup to a bucket, predicted: LINSTOR doesn't report a full one."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import retention
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import S3, Task, failure, only, protect


@pytest.fixture
def db(cluster: Simulation) -> Task:
    protect(cluster, "db")
    return Task(cluster, resources=["db"], max_age="0s")


def take(cluster: Simulation, name: str) -> None:
    cluster.advance(2)
    with connected(cluster) as lin:
        lin.snapshot_create([], "db", name)
    cluster.advance(2)


def as_told(db: Task, **request: Any) -> dict[str, Any]:
    """Run it; the check before must predict the result."""
    told = only(db(check=True, **request))
    outcome = db(**request)
    item = only(outcome)
    assert [told[key] for key in ("type", "base", "reason")] == [item[key] for key in ("type", "base", "reason")]
    assert outcome.warnings == []
    return item


def test_of_snapshots_that_it_takes_itself_those_that_were_there_do_not_count(db: Task, cluster: Simulation) -> None:
    take(cluster, "release")
    assert as_told(db, snapshot="release")["type"] == "full"
    first = as_told(db)
    assert first["type"] == "full"
    assert "this is the first one" in first["reason"]
    take(cluster, "second")
    second = as_told(db, snapshot="second")
    assert second["base"] == first["id"]
    assert as_told(db)["base"] == first["id"]


def test_one_that_was_there_is_built_on_the_one_just_before_it(db: Task, cluster: Simulation) -> None:
    first = as_told(db)
    take(cluster, "local")
    take(cluster, "release")
    item = as_told(db, snapshot="release")
    assert item["type"] == "full"
    assert "the remote has no backup of its base local" in item["reason"]
    again = as_told(db, snapshot="local")
    assert again["base"] == first["id"]


def test_an_increment_that_is_demanded_is_refused_before_anything_is_shipped(db: Task, cluster: Simulation) -> None:
    as_told(db)
    take(cluster, "local")
    take(cluster, "release")
    before = cluster.counts()
    told = failure(db(snapshot="release", type="incremental"))
    assert told["code"] == "no_base"
    assert "local" in told["msg"]
    assert {key for key in cluster.counts() if not key.startswith("GET")} == {
        key for key in before if not key.startswith("GET")
    }


def test_what_it_will_be_built_on_is_waited_for(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("slow", seconds=1)
    only(db(wait=False))
    take(cluster, "release")
    told = only(db(check=True, snapshot="release"))
    item = only(db(snapshot="release"))
    assert (told["type"], item["type"]) == ("incremental", "incremental")


def test_what_is_on_its_way_counts_for_the_chain(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(2)
    cluster.shipment_fault("slow", seconds=3)
    only(db(wait=False))
    told = only(db(check=True, max_chain=2))
    assert (told["type"], only(db(max_chain=2))["type"]) == ("full", "full")


def test_without_waiting_it_is_a_full_one(db: Task, cluster: Simulation) -> None:
    only(db())
    cluster.advance(2)
    cluster.shipment_fault("slow", seconds=3600)
    only(db(wait=False))
    take(cluster, "release")
    assert as_told(db, snapshot="release", wait=False)["type"] == "full"


def test_the_chain_that_counts_is_the_one_it_will_be_built_on(db: Task, cluster: Simulation) -> None:
    first = as_told(db)
    for name in ("aa", "bb", "cc"):
        take(cluster, name)
        as_told(db, snapshot=name)
    item = as_told(db, max_chain=3)
    assert item["base"] == first["id"]


def test_a_volume_that_has_grown(db: Task, cluster: Simulation) -> None:
    as_told(db)
    volume = cluster.cluster.definitions["db"].volumes[0]
    volume.size_kib *= 2
    volume.content.resize(volume.size_kib << 10)
    item = as_told(db)
    assert item["type"] == "full"
    assert "the size of its volumes changed" in item["reason"]


def test_what_the_next_one_will_be_built_on_is_not_tidied_away(db: Task, cluster: Simulation) -> None:
    first = as_told(db)
    take(cluster, "release")
    as_told(db, snapshot="release")
    tidy = Task(cluster, use_case=retention, remote=S3, resources=["db"], local={"last": 1}, max_delete_percent=100)
    assert not tidy().changed
    cluster.write("db", 0, b"news")
    assert as_told(db)["base"] == first["id"]
    assert tidy().changed
    names = [snap.name for snap in cluster.cluster.definitions["db"].snapshots.values()]
    assert first["snapshot"] not in names
