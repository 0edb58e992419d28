# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shipments that nobody carries any more, satellites that died, and what has arrived whatever LINSTOR says."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.shipments import judge, run, timeouts
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.liveness import Course, Liveness
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
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

Pair = tuple[Simulation, Simulation]
HOUR = 3600.0


@pytest.fixture
def db(cluster: Simulation) -> Task:
    """Waits for minutes, so that a test that hangs is seen to fail."""
    protect(cluster, "db")
    cluster.freeze()
    return Task(cluster, resources=["db"], wait_timeout="30s", poll_interval="0.2s")


@pytest.fixture
def shipped(two_clusters: Pair) -> Task:
    """Looks at the target too."""
    home, away = two_clusters
    join(home, away)
    home.add_resource("db")
    home.freeze()
    away.freeze()
    target = access(away)
    return Task(home, resources=["db"], remote=DR, target_cluster=target, wait_timeout="30s", poll_interval="0.2s")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """LINSTOR is given a second to abort."""
    for module in (timeouts, judge):
        monkeypatch.setattr(module, "ABORTING_FOR", 1.0)


def counted(cluster: Simulation, route: str) -> int:
    return cluster.counts().get(route, 0)


def during(task: Task, what: Callable[[], object], at: int = 2) -> Task:
    """The same task; something happens before its second look."""

    def later(**changes: object) -> object:
        looks = 0
        original = run.Shipping._look
        with pytest.MonkeyPatch.context() as patch:

            def look(self: run.Shipping) -> None:
                nonlocal looks
                looks += 1
                if looks == at:
                    what()
                original(self)

            patch.setattr(run.Shipping, "_look", look)
            return task(**changes)  # type: ignore[arg-type]

    return later  # type: ignore[return-value]


def kill_controller(cluster: Simulation, how: str = "die") -> None:
    cluster.advance(0.1)  # it was working before, and no shipment ends so soon
    cluster.restart(how)
    cluster.unlock()
    cluster.advance(HOUR)


def test_a_dead_shipment_of_an_earlier_run_is_told_at_once(db: Task, cluster: Simulation) -> None:
    name = only(db(wait=False))["snapshot"]
    kill_controller(cluster)
    outcome = db()
    told = failure(outcome)
    assert told["code"] == "stalled"
    assert f"no change of the shipment of db (snapshot {name}) to offsite was seen since" in told["msg"]
    assert "(1h)" in told["msg"]
    assert "Node alpha, which carries it, is connected." in told["msg"] or "Node bravo" in told["msg"]
    assert "The controller was started at" in told["msg"]
    assert "It wasn't aborted." in told["msg"]
    assert "abort_on_timeout: true" in told["hint"]
    assert "linstor backup abort --create offsite db" in told["hint"]
    assert not outcome.changed
    assert cluster.snapshot("db", name).source(S3) == "Shipping"


@pytest.mark.usefixtures("impatient")
def test_it_is_aborted_if_that_is_wanted(db: Task, cluster: Simulation) -> None:
    name = only(db(wait=False))["snapshot"]
    kill_controller(cluster)
    outcome = db(abort_on_timeout=True)
    told = failure(outcome)
    assert told["code"] == "stalled"
    assert "hasn't confirmed" in told["msg"]
    assert cluster.snapshot("db", name).source(S3) == "Aborting"
    cluster.advance(2)
    item = only(during(db, lambda: cluster.advance(5), at=12)())
    assert (item["state"], item["type"]) == ("success", "full")
    assert not db().changed


def test_a_shipment_of_this_run_dies(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    told = failure(during(db, lambda: kill_controller(cluster))(stall_timeout="2s"))
    assert told["code"] == "stalled"
    assert "The controller was started at" in told["msg"]


def test_it_takes_no_more_than_a_request_at_each_look(db: Task, cluster: Simulation) -> None:
    only(db(wait=False))
    kill_controller(cluster)
    cluster.cluster.journal.clear()
    failure(db())
    lists = counted(cluster, "GET /v1/view/snapshots")
    extra = counted(cluster, "GET /metrics") + counted(cluster, "GET /v1/nodes") - 1  # the plan lists the nodes
    assert 0 < extra <= lists


def test_nothing_to_do_asks_for_nothing_more(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("slow", seconds=0.0)
    only(during(db, lambda: cluster.advance(5))())
    cluster.cluster.journal.clear()
    only(db())
    assert counted(cluster, "GET /metrics") == 0
    assert db.requests <= 4


def test_what_was_started_after_the_controller_is_given_its_time(
    db: Task, cluster: Simulation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """LINSTOR doesn't tell how far an upload is."""
    monkeypatch.setattr(timeouts, "SLOWEST", 1)
    kill_controller(cluster)
    cluster.shipment_fault("hang")
    only(db(wait=False))
    assert failure(db(stall_timeout="1s", wait_timeout="3s"))["code"] == "timeout"


def test_an_upload_that_takes_too_long(db: Task, cluster: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "SLOWEST", 64 << 20)
    cluster.shipment_fault("hang")
    only(db(wait=False))
    told = failure(db(stall_timeout="1s"))
    assert told["code"] == "stalled"
    assert "LINSTOR doesn't tell how far it is" in told["msg"]
    assert "It began at" in told["msg"]


def test_it_may_take_as_long_as_earlier_ones(db: Task, cluster: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeouts, "SLOWEST", 1 << 40)
    cluster.shipment_fault("slow", seconds=600)
    only(during(db, lambda: cluster.advance(700))())
    cluster.advance(7200)
    cluster.shipment_fault("hang")
    only(db(wait=False))
    assert failure(db(stall_timeout="1s", wait_timeout="3s"))["code"] == "timeout"


def test_what_is_in_the_bucket_was_not_aborted(db: Task, cluster: Simulation) -> None:
    outcome = during(db, lambda: kill_controller(cluster, "arrive"))()
    item = only(outcome)
    assert item["state"] == "success"
    assert item["id"] is not None
    assert cluster.snapshot("db", item["snapshot"]).source(S3) == "Aborted"
    assert any("complete in the bucket" in text for text in outcome.warnings)
    cluster.advance(2)
    assert not db(max_age="2d").changed
    assert only(during(db, lambda: cluster.advance(5))(max_age="0s"))["type"] == "full"


def test_nor_was_what_another_run_has_begun(db: Task, cluster: Simulation) -> None:
    name = only(db(wait=False))["snapshot"]
    outcome = during(db, lambda: kill_controller(cluster, "arrive"))(max_age="2d")
    assert (only(outcome)["snapshot"], outcome.changed) == (name, False)


def test_a_bucket_that_cannot_be_asked(db: Task, cluster: Simulation) -> None:
    def happen() -> None:
        kill_controller(cluster, "abort")
        cluster.cluster.buckets_away = "Connection refused"

    cluster.shipment_fault("hang")
    outcome = during(db, happen)()
    cluster.cluster.buckets_away = ""
    assert failure(outcome)["code"] == "aborted"
    assert any("it isn't known whether offsite has the backup" in text for text in outcome.warnings)


def test_a_satellite_dies(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    told = failure(during(db, lambda: cluster.set_online("alpha", False))(source_node="alpha"))
    assert told["code"] == "aborted"
    assert "no longer exists, and its shipment has ended. Node alpha, which shipped it, is OFFLINE." in told["msg"]
    assert "Somebody" not in told["msg"] + told["hint"]


def test_a_snapshot_disappears_for_no_known_reason(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")

    def abort() -> None:
        with connected(cluster) as lin:
            lin.backup_abort(S3, "db", create=True)

    told = failure(during(db, abort)())
    assert told["code"] == "aborted"
    assert "gives no reason" in told["hint"]


def test_a_satellite_is_gone_and_its_shipment_stays(db: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    gone = during(db, lambda: cluster.set_online("alpha", False, "die"))
    told = failure(gone(source_node="alpha", stall_timeout="1s"))
    assert told["code"] == "stalled"
    assert "Node alpha, which carries it, is OFFLINE." in told["msg"]


def test_the_target_has_nothing_of_it(shipped: Task, two_clusters: Pair) -> None:
    home, away = two_clusters
    home.shipment_fault("hang")

    def lose() -> None:
        away.cluster.definitions["db"].snapshots.clear()
        away.cluster.receptions.clear()

    told = failure(during(shipped, lose)(stall_timeout="1s"))
    assert told["code"] == "stalled"
    assert "has no snapshot of it" in told["msg"]


def test_free_space_does_not_change(shipped: Task, two_clusters: Pair) -> None:
    home, away = two_clusters
    for pool in away.cluster.pools.values():
        pool.total_kib = 1 << 20
    home.shipment_fault("hang")
    only(shipped(wait=False))
    told = failure(shipped(stall_timeout="2s"))
    assert told["code"] == "stalled"
    assert "The free space where it arrives hasn't changed." in told["msg"]


def test_free_space_that_changes_is_a_sign_of_life(shipped: Task, two_clusters: Pair) -> None:
    home, away = two_clusters
    now = 0.0
    with Cluster(access(home)) as here, Cluster(access(away)) as there:
        liveness = Liveness(here, there, 100.0, lambda: now)
        course = Course("alpha", None, 1000.0, "db", "some uuid")
        traces = []
        for _look in range(12):
            liveness.look(["db"])
            traces.append(liveness.trace(course))
            for pool in away.cluster.pools.values():
                pool.total_kib -= 4
            now += 4.0
        assert traces[0] == ()
        assert len(set(traces)) == 4  # each of four facts is read again after 10 seconds
        assert here.requests + there.requests == 2 + 12


def test_what_the_target_has_completely(shipped: Task, two_clusters: Pair) -> None:
    home, away = two_clusters
    only(shipped(wait=False))

    def arrive() -> None:
        for shipment in home.cluster.shipments:
            shipment.ends = None
        (received,) = away.cluster.definitions["db"].snapshots.values()
        received.props["BackupShipping/Target/ShippingStatus"] = "Success"
        away.cluster.receptions.clear()
        away.cluster.definitions["db"].flags.clear()

    outcome = during(shipped, arrive)(stall_timeout="1s")
    assert only(outcome)["state"] == "success"
    assert any("has received db" in text for text in outcome.warnings)


@pytest.fixture
def copy(db: Task, cluster: Simulation) -> Task:
    """Restores db from the bucket."""
    only(during(db, lambda: cluster.advance(5))())
    cluster.advance(60)
    pairs = [{"source": "db", "target": "copy"}]
    return Task(cluster, restore, remote=S3, resources=pairs, wait_timeout="30s", poll_interval="0.2s")


def test_a_dead_download_is_told_at_once(copy: Task, cluster: Simulation) -> None:
    cluster.shipment_fault("hang")
    only(copy(wait=False))
    cluster.advance(60)
    kill_controller(cluster)
    told = failure(copy())
    assert told["code"] == "stalled"
    assert "no change of the download of backup db_" in told["msg"]
    assert "The controller was started at" in told["msg"]
    assert "linstor backup abort --restore offsite copy" in told["hint"]


def test_a_download_that_stands_still(copy: Task, cluster: Simulation) -> None:
    for pool in cluster.cluster.pools.values():
        pool.total_kib = 1 << 20
    cluster.shipment_fault("hang")
    told = failure(copy(stall_timeout="1s"))
    assert told["code"] == "stalled"
    assert "The free space where it arrives hasn't changed." in told["msg"]


def test_the_option_is_checked(db: Task) -> None:
    for wrong in ("0s", "soon"):
        with pytest.raises(UsageError):
            db(stall_timeout=wrong)
