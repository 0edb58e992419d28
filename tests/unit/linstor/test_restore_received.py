# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores of received snapshots: into new resources, and to keep a copy current."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore
from ansible_collections.snapship.dr.tests.linstor_sim import snapshots
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, Task, failure, four_times, join, only

HOUR = 3600.0
Two = tuple[Simulation, Simulation]


def restoring(simulation: Simulation, source: str, target: str, **request: Any) -> Task:
    pair = [{"source": source, "target": target}]
    return Task(simulation, restore, **{"received_from": "any", "resources": pair, **request})


def ship(home: Simulation, away: Simulation, data: bytes, **target: Any) -> dict[str, Any]:
    """A new state of db, on its way to the other cluster; an hour goes by."""
    home.write("db", 0, data)
    made = only(Task(home, remote=DR, resources=["db"], max_age="0s", **target)())
    for each in (home, away):
        each.advance(HOUR)
    return made


@pytest.fixture
def shipped(two_clusters: Two) -> Two:
    """Two states of db, in snapshots of away's db; LINSTOR made a resource of the first."""
    home, away = two_clusters
    home.add_resource("db")
    join(home, away)
    ship(home, away, b"one")
    ship(home, away, b"two")
    return home, away


def props(simulation: Simulation, resource: str) -> dict[str, str]:
    prefix = "Aux/snapship.dr/restored/"
    own = simulation.cluster.definition(resource).props
    return {key[len(prefix) :]: value for key, value in own.items() if key.startswith(prefix)}


def test_into_a_new_resource(shipped: Two) -> None:
    _home, away = shipped
    newest = list(away.cluster.definition("db").snapshots)[-1]
    item = only(four_times(restoring(away, "db", "copy")))
    assert away.read("copy")[:3] == b"two"
    assert (item["id"], item["state"], item["nodes"]) == (newest, "success", list(away.snapshot("db", newest).nodes))
    assert item["bytes_logical"] == 4 << 20
    definition = away.cluster.definition("copy")
    stamp = props(away, "copy")
    assert (stamp["backup"], stamp["resource"], stamp["state"]) == (newest, definition.uuid, "done")
    assert stamp["snapshot"] == away.snapshot("db", newest).uuid


def test_an_older_one_by_name_and_by_time(shipped: Two) -> None:
    _home, away = shipped
    oldest = next(iter(away.cluster.definition("db").snapshots))
    then = away.cluster.clock.seconds - 1.5 * HOUR
    only(four_times(restoring(away, "db", "by-name", backup=oldest)))
    only(four_times(restoring(away, "db", "by-time", at=iso_time(then))))
    assert away.read("by-name")[:3] == away.read("by-time")[:3] == b"one"
    early = restoring(away, "db", "by-time", at="2001-01-01T00:00:00Z", overwrite=True)()
    assert failure(early)["code"] == "unknown_backup"


def test_a_copy_is_kept_current(shipped: Two) -> None:
    home, away = shipped
    task = restoring(away, "db", "copy", overwrite=True)
    four_times(task)
    uuid = away.cluster.definition("copy").uuid
    ship(home, away, b"three")
    item = only(four_times(task))
    assert away.read("copy")[:5] == b"three"
    assert away.cluster.definition("copy").uuid == uuid
    assert any(each.startswith("deleted resource copy on ") for each in item["actions"])


def test_the_resource_that_the_snapshots_were_received_into(shipped: Two) -> None:
    home, away = shipped
    assert away.read("db")[:3] == b"one"
    # what LINSTOR restored by itself isn't known to be a copy
    refused = failure(restoring(away, "db", "db", overwrite=True)())
    assert refused["code"] == "target_exists"
    assert "discard_changes" in refused["hint"]
    four_times(restoring(away, "db", "db", overwrite=True, discard_changes=True))
    assert away.read("db")[:3] == b"two"
    # from now on it is
    ship(home, away, b"three")
    four_times(restoring(away, "db", "db", overwrite=True))
    assert away.read("db")[:5] == b"three"
    # and the next shipment is an increment on what is there
    assert ship(home, away, b"four")["type"] == "incremental"


def test_existence_alone_proves_nothing(shipped: Two) -> None:
    _home, away = shipped
    away.add_resource("other", nodes=("delta",))
    for check in (True, False):
        outcome = restoring(away, "db", "other")(check=check)
        assert failure(outcome)["code"] == "target_exists"
        assert not outcome.changed
    assert failure(restoring(away, "db", "other", overwrite=True)())["code"] == "target_exists"


def test_a_copy_of_the_copy_is_not_taken_for_it(shipped: Two) -> None:
    _home, away = shipped
    four_times(restoring(away, "db", "copy"))
    with away.cluster.lock:
        made = away.cluster.add_resource("copys-copy", nodes=("delta",))
        made.props.update(away.cluster.definition("copy").props)  # LINSTOR carries them along in snapshots
    assert failure(restoring(away, "db", "copys-copy")())["code"] == "target_exists"


def test_in_use_is_never_replaced(shipped: Two) -> None:
    home, away = shipped
    task = restoring(away, "db", "copy", overwrite=True, discard_changes=True)
    four_times(task)
    ship(home, away, b"three")
    with away.cluster.lock:
        next(iter(away.cluster.definition("copy").resources.values())).in_use = True
    for check in (True, False):
        refused = failure(task(check=check))
        assert refused["code"] == "target_busy"
        assert "in use on" in refused["msg"]
    assert away.read("copy")[:3] == b"two"


def test_a_copy_that_somebody_works_with(shipped: Two) -> None:
    home, away = shipped
    task = restoring(away, "db", "copy", overwrite=True)
    four_times(task)
    ship(home, away, b"three")
    with away.cluster.lock:
        definition, nodes = snapshots.check(away.cluster, "copy", "mine", [])
        snapshots.take(away.cluster, definition, "mine", nodes, {}, away.cluster.clock.now)
    refused = failure(task())
    assert refused["code"] == "target_changed"
    assert "snapshots were taken of it since (mine)" in refused["msg"]
    assert away.read("copy")[:3] == b"two"
    only(four_times(task, discard_changes=True))


def test_cut_off_between_deleting_and_restoring_it_goes_on(shipped: Two) -> None:
    home, away = shipped
    task = restoring(away, "db", "copy", overwrite=True)
    four_times(task)
    ship(home, away, b"three")
    away.request_fault("refuse", method="POST", path=".*/snapshot-restore-resource/.*", times=2)
    outcome = task()
    assert outcome.failures
    assert outcome.changed
    assert props(away, "copy")["state"] == "pending"
    assert only(task())["changed"]
    assert away.read("copy")[:5] == b"three"


@pytest.mark.parametrize("path", ["/v1/resource-definitions", ".*volume-definition.*", ".*restore-resource.*"])
@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_a_new_one_whose_answers_get_lost(shipped: Two, how: str, path: str) -> None:
    _home, away = shipped
    away.request_fault(how, method="POST", path=path)
    assert only(four_times(restoring(away, "db", "copy")))["id"]


def test_cut_off_before_it_was_recorded_it_is_done_again(shipped: Two) -> None:
    home, away = shipped
    task = restoring(away, "db", "copy", overwrite=True)
    four_times(task)
    ship(home, away, b"three")
    away.request_fault("refuse", method="PUT", path=".*/resource-definitions/copy", skip=1)
    assert task().failures
    assert away.read("copy")[:5] == b"three"
    assert only(four_times(task))["id"]


def test_a_new_one_that_fails_leaves_nothing(shipped: Two) -> None:
    _home, away = shipped
    away.request_fault("reply", method="POST", path=".*/snapshot-restore-resource/.*", body="[]", status=400)
    outcome = restoring(away, "db", "copy")()
    assert outcome.failures
    assert away.cluster.find_definition("copy") is None


def test_several_of_which_one_fails(shipped: Two) -> None:
    _home, away = shipped
    pairs = [{"source": "nothing", "target": "copy1"}, {"source": "db", "target": "copy2"}]
    outcome = restoring(away, "", "", resources=pairs)()
    assert failure(outcome)["code"] == "unknown_backup"
    assert [each["target"] for each in outcome.items] == ["copy2"]
    assert outcome.changed


def test_on_a_node_that_has_it_not(shipped: Two) -> None:
    _home, away = shipped
    newest = list(away.cluster.definition("db").snapshots)[-1]
    elsewhere = next(node for node in away.cluster.nodes if node not in away.snapshot("db", newest).nodes)
    refused = failure(restoring(away, "db", "copy", node=elsewhere)())
    assert refused["code"] == "unknown_node"
    assert away.cluster.find_definition("copy") is None


def test_nothing_to_do_over_many_takes_three_lists(shipped: Two) -> None:
    _home, away = shipped
    pairs = [{"source": "db", "target": f"copy{number}"} for number in range(8)]
    task = restoring(away, "", "", resources=pairs)
    assert task().changed
    assert not task().changed
    assert task.requests == 4  # definitions, resources, snapshots; and the version


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"remote": "offsite"}, "Set either remote or received_from"),
        ({"resources": []}, "nothing to restore"),
        ({"resources": [{"source": "db", "target": "a b"}]}, "isn't a valid resource name"),
        ({"resources": [{"source": "db", "target": "x1"}, {"source": "web", "target": "X1"}]}, "the same target"),
        ({"backup": "b", "at": "2026-01-01"}, "Set only one of backup, at"),
        ({"backup": "b", "resources": [{"source": n, "target": f"{n}2"} for n in ("db", "web")]}, "one resource"),
        ({"at": "yesterday"}, "a point in time"),
        ({"download_only": True}, "download_only"),
        ({"discard_changes": True}, "needs overwrite"),
        ({"wait_timeout": "5"}, "wait_timeout"),
    ],
)
def test_refused(two_clusters: Two, request_: dict[str, Any], message: str) -> None:
    before = two_clusters[1].counts()
    with pytest.raises(UsageError, match=message):
        restoring(two_clusters[1], "db", "copy", **request_)(check=True)
    assert {key for key, count in two_clusters[1].counts().items() if count != before.get(key)} == set()


def test_all_or_none(shipped: Two) -> None:
    home, away = shipped
    home.add_resource("wal")
    both = [{"source": name, "target": f"{name}-copy"} for name in ("db", "wal")]

    def ship_both() -> None:
        only(Task(home, remote=DR, resources=["wal"], max_age="0s")())
        ship(home, away, b"new")

    ship_both()
    together = restoring(away, "db", "copy", resources=both, overwrite=True, consistent=True)
    assert [item["target"] for item in four_times(together).items] == ["db-copy", "wal-copy"]
    ship_both()
    next(iter(away.cluster.definition("wal-copy").resources.values())).in_use = True
    held = props(away, "db-copy")
    for check in (True, False):
        outcome = together(check=check)
        assert not outcome.changed
        assert [(each["volume"], each["code"]) for each in outcome.failures] == [
            ("db", "together"),
            ("wal", "target_busy"),
        ]
    assert props(away, "db-copy") == held
    next(iter(away.cluster.definition("wal-copy").resources.values())).in_use = False
    four_times(together)
