# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resources with several volumes (as CSI makes one of a consistency group): shipped, listed and restored by number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import clock
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_info, restore
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

HOUR = 3600.0
KIB = 1024
#: not all numbers are used: volume 1 was deleted
SIZES = {0: 1024 * KIB, 2: 2048 * KIB, 3: 512 * KIB}
VOLUMES = [{"number": number, "size": size} for number, size in SIZES.items()]
TO = {"remote": DR, "target": ShipmentTarget(resource="{resource}-dr")}


@pytest.fixture
def home(cluster: Simulation) -> Simulation:
    """``db`` has three volumes, each with other content."""
    return with_volumes(cluster)


def with_volumes(simulation: Simulation) -> Simulation:
    protect(simulation)
    made = simulation.add_resource("db", sizes_kib=(1024, 64, 2048, 512))
    del made.volumes[1]
    write(simulation, "first")
    return simulation


def write(simulation: Simulation, text: str) -> None:
    for number in SIZES:
        simulation.write("db", number * 1000, f"{text} on {number}".encode(), number)


def contents(simulation: Simulation, resource: str) -> dict[int, bytes]:
    numbers = list(simulation.cluster.definition(resource).volumes)
    return {number: simulation.read(resource, number) for number in numbers}


def info(simulation: Simulation, **request: Any) -> list[dict[str, Any]]:
    with pytest.MonkeyPatch.context() as patch, Cluster(access(simulation)) as cluster:
        patch.setattr(clock, "now", lambda: simulation.cluster.clock.seconds)
        return backup_info.listing(cluster, backup_info.Request(**request)).backups


def back(simulation: Simulation, **request: Any) -> Task:
    fields = {"resources": [{"source": "db", "target": "copy"}], "poll_interval": "0.2s", **request}
    return Task(simulation, restore, **fields)


def test_to_a_bucket_and_back(home: Simulation, bucket_directory: Path) -> None:
    full = only(Task(home, resources=["db"])())
    assert full["bytes_logical"] == sum(SIZES.values())
    before = contents(home, "db")
    home.advance(2 * HOUR)
    write(home, "second")
    increment = only(Task(home, resources=["db"])())
    assert (increment["type"], increment["base"]) == ("incremental", full["id"])
    keys = sorted(path.name for path in (bucket_directory / "backups").iterdir())
    for made in (full, increment):
        tail = made["id"].removeprefix("db_")
        expected = [f"db_{number:05d}_{tail}" for number in SIZES]
        assert [key for key in keys if tail in key and not key.endswith(".meta")] == expected
        meta = json.loads((bucket_directory / "backups" / f"{made['id']}.meta").read_bytes())
        assert {int(number): [part["name"] for part in parts] for number, parts in meta["backups"].items()} == {
            number: [f"db_{number:05d}_{tail}"] for number in SIZES
        }
    assert [each["volumes"] for each in info(home, remote=S3)] == [VOLUMES, VOLUMES]
    item = four_times(back(home, remote=S3)).items[0]
    assert item["id"] == increment["id"]
    assert contents(home, "copy") == contents(home, "db") != before
    back(home, remote=S3, resources=[{"source": "db", "target": "earlier"}], backup=full["id"])()
    assert contents(home, "earlier") == before
    assert [each.size_kib * KIB for each in home.cluster.definition("earlier").volumes.values()] == [*SIZES.values()]


def test_without_their_snapshots_the_numbers_are_still_listed(home: Simulation) -> None:
    only(Task(home, resources=["db"])())
    home.cluster.definition("db").snapshots.clear()
    assert info(home, remote=S3)[0]["volumes"] == [{"number": number, "size": None} for number in SIZES]


@pytest.mark.parametrize("snapshots", [True, False])
def test_a_missing_object_of_one_volume_is_a_problem(home: Simulation, bucket_directory: Path, snapshots: bool) -> None:
    made = only(Task(home, resources=["db"])())
    next((bucket_directory / "backups").glob("db_00002_*")).unlink()
    if not snapshots:
        home.cluster.definition("db").snapshots.clear()
    (listed,) = info(home, remote=S3)
    missing = "the object of volume 2 is missing" if snapshots else "one of its objects is missing"
    assert (listed["complete"], listed["problem"]) == (False, missing)
    assert [each["number"] for each in listed["volumes"]] == ([0, 2, 3] if snapshots else [0, 3])
    refused = failure(back(home, remote=S3)())
    assert refused["code"] == CorruptError.code
    assert made["id"] in refused["msg"]
    assert "copy" not in home.cluster.definitions
    # it doesn't count, and nothing builds on it
    again = only(Task(home, resources=["db"])())
    assert (again["type"], again["id"] == made["id"]) == ("full", False)


def test_to_another_cluster_and_back(two_clusters: tuple[Simulation, Simulation]) -> None:
    home, away = with_volumes(two_clusters[0]), two_clusters[1]
    join(home, away)
    there = Access(controllers=(away.uri,))
    for text in ("first", "second"):
        write(home, text)
        made = only(Task(home, resources=["db"], **TO, target_cluster=there)())
        home.advance(2 * HOUR)
        away.advance(2 * HOUR)
    assert made["type"] == "incremental"
    for listed in (info(home, remote=DR), info(home, remote=DR, target_cluster=there), info(away)):
        assert [each["volumes"] for each in listed] == [VOLUMES, VOLUMES]
        assert [each["problem"] for each in listed] == [None, None]
    four_times(back(away, received_from="any", resources=[{"source": "db-dr", "target": "copy"}]))
    assert contents(away, "copy") == contents(home, "db")


def test_a_volume_that_did_not_arrive_is_a_problem(two_clusters: tuple[Simulation, Simulation]) -> None:
    home, away = with_volumes(two_clusters[0]), two_clusters[1]
    join(home, away)
    made = only(Task(home, resources=["db"], **TO)())
    there = Access(controllers=(away.uri,))
    (arrived,) = away.cluster.definition("db-dr").snapshots.values()
    del arrived.volumes[3]
    (listed,) = info(home, remote=DR, target_cluster=there)
    assert (listed["id"], listed["problem"]) == (made["id"], "volume 3 is missing on the target")


@pytest.mark.parametrize("remote", [S3, DR])
@pytest.mark.parametrize("named", [False, True])
def test_after_a_volume_was_added_comes_a_full_one(
    two_clusters: tuple[Simulation, Simulation], remote: str, named: bool
) -> None:
    home, away = with_volumes(two_clusters[0]), two_clusters[1]
    join(home, away)
    task = Task(home, resources=["db"], **(TO if remote == DR else {"remote": S3}))
    first = only(task())
    for each in (home, away):
        each.advance(2 * HOUR)
    home.cluster.definition("db").volumes[1] = home.cluster.new_volume("db", 1, 256, 2)
    name = None
    if named:
        name = "release"
        with Cluster(access(home)) as cluster:
            cluster.change("snapshot_create", [], "db", name, False, what="taking a snapshot")
    made = only(task(snapshot=name))
    assert (made["type"], made["reason"]) == ("full", f"volume 1 was added after {first['id']}")
    assert [each["number"] for each in info(home, remote=remote)[0]["volumes"]] == [0, 1, 2, 3]
