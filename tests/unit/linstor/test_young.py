# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was started seconds ago: LINSTOR shows its snapshot without flags and properties for a while."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.process import this_process
from ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments import judge
from ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments.order import Order, start
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state import claims
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore
from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import SUCCESS
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, access, join, only, protect

#: a process of this host that doesn't run any more
DEAD = f"{this_process().rsplit(':', 1)[0]}:1"


@pytest.fixture(params=[S3, DR])
def slow(request: pytest.FixtureRequest, bucket_directory: Path) -> Iterator[tuple[Simulation, Task]]:
    """A cluster in which shipments show nothing for a while, and a backup of ``db`` to a bucket or a cluster."""
    with (
        Simulation(name="home", bucket_directory=bucket_directory, young_seconds=0.8) as home,
        Simulation(name="away", nodes=("delta", "echo"), bucket_directory=bucket_directory) as away,
    ):
        protect(home, "db")
        join(home, away)
        yield home, Task(home, resources=["db"], remote=request.param)


def shipped(simulation: Simulation, remote: str) -> list[str]:
    """The snapshots of ``db`` that were shipped."""
    return [
        name for name, each in simulation.cluster.definition("db").snapshots.items() if each.source(remote) == SUCCESS
    ]


def together(runs: int, task: Task) -> list[Outcome]:
    """So many identical runs at once."""
    found: list[Outcome] = []
    threads = [threading.Thread(target=lambda: found.append(task())) for _run in range(runs)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_one_run(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    assert only(task())["type"] == "full"
    assert not task().changed
    assert only(task(max_age="0s"))["type"] == "incremental"


@pytest.mark.parametrize("runs", [2, 5])
def test_identical_runs_at_once(slow: tuple[Simulation, Task], runs: int) -> None:
    home, task = slow
    outcomes = together(runs, task)
    assert [each.failures for each in outcomes] == [[]] * runs
    assert len(shipped(home, task.request["remote"])) == 1
    assert (
        sorted(only(each)["joined"] for each in outcomes if each.items[0].get("joined") is not None).count(False) == 1
    )
    assert len({only(each)["id"] for each in outcomes}) == 1
    assert [each.changed for each in outcomes].count(True) == 1
    assert home.cluster.stores.get("snapship-dr", {}) == {}


def test_a_second_run_three_seconds_later(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    only(task(wait=False))
    again = task()
    assert (again.changed, only(again)["joined"], only(again)["state"]) == (False, True, "success")
    assert len(shipped(home, task.request["remote"])) == 1


@pytest.mark.parametrize("type_", ["full", "auto"])
def test_a_claim_of_a_run_that_was_killed_before_it_asked(slow: tuple[Simulation, Task], type_: str) -> None:
    home, task = slow
    dead = f"1 0 0 backup-left {DEAD}"
    home.cluster.stores["snapship-dr"] = {f"shipping/{task.request['remote']}/db/abc": dead}
    done = only(task(type=type_))
    assert (done["snapshot"], done["joined"]) == ("backup-left", False)
    assert home.cluster.stores.get("snapship-dr", {}) == {}


def test_a_claim_of_a_run_that_was_killed_after_it_asked(
    slow: tuple[Simulation, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, task = slow
    dead = f"1 0 0 backup-left {DEAD}"
    home.cluster.stores["snapship-dr"] = {f"shipping/{task.request['remote']}/db/abc": dead}
    with Cluster(access(home)) as linstor:
        order = Order(task.request["remote"], "s3" if task.request["remote"] == S3 else "linstor")
        start(linstor, order, "db", False, "backup-left")
    done = task()
    assert (only(done)["snapshot"], only(done)["joined"], done.changed) == ("backup-left", True, False)
    assert home.cluster.stores.get("snapship-dr", {}) == {}


def test_what_the_controller_has_lost_is_shipped_again(
    slow: tuple[Simulation, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, task = slow
    monkeypatch.setattr(judge, "YOUNG_FOR", 0.5)
    home.cluster.stores["snapship-dr"] = {f"shipping/{task.request['remote']}/db/abc": f"1 0 0 backup-left {DEAD}"}
    with Cluster(access(home)) as linstor:
        linstor.change("snapshot_create", [], "db", "backup-left", what="taking a snapshot")
    done = task()
    assert only(done)["snapshot"] == "backup-left"
    assert "LINSTOR doesn't ship it" in done.warnings[0]


def test_a_claim_of_a_run_elsewhere_that_says_nothing_more(
    slow: tuple[Simulation, Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, task = slow
    monkeypatch.setattr(claims, "SILENT", 1.0)
    home.cluster.stores["snapship-dr"] = {f"shipping/{task.request['remote']}/db/abc": "1 0 0 backup-left other:1:1"}
    done = only(task())
    assert (done["joined"], done["state"]) == (False, "success")


def test_notes_that_nobody_can_have_written(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    folder = f"shipping/{task.request['remote']}/db"
    odd = ("", "1", "x y z", "1 0 0", f"{'9' * 5000} 0 0 a b", "-1 0 0 a b")
    home.cluster.stores["snapship-dr"] = {f"{folder}/{number}": text for number, text in enumerate(odd)}
    assert only(task())["state"] == "success"


@pytest.fixture
def restoring(bucket_directory: Path) -> Iterator[tuple[Simulation, Task]]:
    """A slow cluster with a backup of ``db`` in a bucket, and the restore of it into ``copy``."""
    with Simulation(name="home", bucket_directory=bucket_directory) as home:
        protect(home, "db")
        Task(home, resources=["db"])()
        home.cluster.options = dataclasses.replace(home.cluster.options, young_seconds=0.8)
        resources = [{"source": "db", "target": "copy"}]
        yield home, Task(home, restore, remote=S3, resources=resources, poll_interval="0.5s", wait_timeout="1m")


def test_a_restore(restoring: tuple[Simulation, Task]) -> None:
    home, task = restoring
    assert only(task())["state"] == "success"
    assert home.read("copy") == home.read("db")
    assert not task().changed


@pytest.mark.parametrize("runs", [2, 5])
def test_identical_restores_at_once(restoring: tuple[Simulation, Task], runs: int) -> None:
    home, task = restoring
    outcomes = together(runs, task)
    assert [each.failures for each in outcomes] == [[]] * runs
    assert home.read("copy") == home.read("db")
    assert not task().changed
    assert home.cluster.stores.get("snapship-dr", {}) == {}


def test_a_restore_that_goes_on_after_its_run(restoring: tuple[Simulation, Task]) -> None:
    home, task = restoring
    assert only(task(wait=False))["state"] == "shipping"
    assert only(task())["state"] == "success"
    assert home.read("copy") == home.read("db")


def test_what_a_run_that_was_killed_left_for_another_resource(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    folder, now = f"shipping/{task.request['remote']}", int(home.cluster.clock.seconds)
    young, mine = f"1 0 {now} backup-left {DEAD}", f"1 0 0 backup-left {this_process()}"
    home.cluster.stores["snapship-dr"] = {
        f"{folder}/web/old": f"1 0 {now - 700} backup-left {DEAD}",
        f"{folder}/web/young": young,
        f"{folder}/mail/alive": mine,
    }
    assert only(task())["state"] == "success"
    left = {key.strip("/"): value for key, value in home.cluster.stores["snapship-dr"].items()}
    assert left == {f"{folder}/web/young": young, f"{folder}/mail/alive": mine}


def test_a_controller_that_ships_only_snapshots_that_are_there(
    two_clusters: tuple[Simulation, Simulation],
) -> None:
    home, away = two_clusters
    protect(home, "db")
    join(home, away)
    said = {"ret_code": codes.FAIL_NOT_FOUND_SNAPSHOT_DFN - (1 << 64), "message": "Snapshot definition not found."}
    home.request_fault("reply", method="POST", path=".*/backups/ship", status=404, body=json.dumps([said]))
    done = only(Task(home, resources=["db"], remote=DR)())
    assert (done["state"], done["snapshot"][:5]) == ("success", "back_")


def test_notes_that_can_not_be_removed_at_the_end(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    home.request_fault("reply", method="PUT", path="/v1/key-value-store/.*", skip=2, status=500, body="[]")
    assert only(task())["state"] == "success"


def test_what_another_run_is_to_start_takes_no_place(slow: tuple[Simulation, Task]) -> None:
    home, task = slow
    home.add_resource("web")
    folder = f"shipping/{task.request['remote']}"
    home.cluster.stores["snapship-dr"] = {f"{folder}/db/abc": f"1 0 0 backup-left {this_process()}"}
    done = task(resources=["db", "web"], parallel=1, wait_timeout="3s")
    assert [each["volume"] for each in done.items] == ["web"]
    assert [(each["volume"], each["code"]) for each in done.failures] == [("db", "timeout")]
