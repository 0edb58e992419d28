# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention by calendar: on S3, of received snapshots, of those left by shipping; needed ones are kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    RemoteError,
    UnknownError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import retention
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, failure, join, only, protect

HOUR = 3600.0
#: in use, with LINSTOR's signed numbers
BUSY = json.dumps([{"ret_code": (0xC000000000000000 | 997) - (1 << 64), "message": "It is busy."}])


def pruning(simulation: Simulation, **request: Any) -> Task:
    return Task(simulation, retention, **{"resources": ["db"], **request})


def deletes(simulation: Simulation) -> int:
    return sum(count for route, count in simulation.counts().items() if route.startswith("DELETE"))


def four_times(task: Task, **changes: Any) -> Outcome:
    """Check, run, run again, check: only the first two change something, and the check deletes nothing."""
    before = deletes(task.simulation)
    planned = task(check=True, **changes)
    assert deletes(task.simulation) == before
    outcome = task(**changes)
    assert planned.changed
    assert outcome.changed
    assert [(each["id"], each["kept"]) for each in planned.items] == [
        (each["id"], each["kept"]) for each in outcome.items
    ]
    assert planned.after == outcome.after
    for check in (False, True):
        again = task(check=check, **changes)
        assert not again.changed
        assert [each["id"] for each in again.items] == [each["id"] for each in outcome.items if each["kept"]]
    return outcome


def ids(outcome: Outcome, kept: bool) -> list[str]:
    return [each["id"] for each in outcome.items if each["kept"] is kept]


def reasons(outcome: Outcome) -> dict[str, list[str]]:
    return {each["id"]: each["reasons"] for each in outcome.items}


@pytest.fixture
def shipped(two_clusters: tuple[Simulation, Simulation]) -> tuple[Simulation, Simulation]:
    """Five states of db, an hour apart, shipped from home to away."""
    home, away = two_clusters
    home.add_resource("db")
    join(home, away)
    ship = Task(home, remote=DR, resources=["db"], max_age="0s")
    for number in range(5):
        home.write("db", 4096 * number, b"news %d" % number)
        only(ship())
        for each in (home, away):
            each.advance(HOUR)
    return home, away


def names_of(simulation: Simulation, resource: str = "db") -> list[str]:
    return sorted(simulation.cluster.definition(resource).snapshots)


def test_what_was_received(shipped: tuple[Simulation, Simulation]) -> None:
    home, away = shipped
    there = names_of(away)
    outcome = four_times(pruning(away, received_from="any", keep={"last": 2}))
    assert names_of(away) == there[-2:]
    assert {each["place"] for each in outcome.items} == {"received"}
    assert reasons(outcome) == {f"db/{name}": ["no rule keeps it"] for name in there[:3]} | {
        f"db/{there[4]}": ["last 1"],
        f"db/{there[3]}": ["last 2"],
    }
    assert list(outcome.before) == ["db (received)"]
    assert outcome.before["db (received)"][f"db/{there[0]}"] == "goes: no rule keeps it"
    assert list(outcome.after["db (received)"]) == [f"db/{name}" for name in reversed(there[-2:])]
    # the base of the next increment still exists
    home.write("db", 0, b"more")
    assert only(Task(home, remote=DR, resources=["db"], max_age="0s")())["type"] == "incremental"


def test_received_from_whom(shipped: tuple[Simulation, Simulation]) -> None:
    home, away = shipped
    keep = {"last": 1}
    by_id = pruning(away, received_from=home.cluster.id, keep=keep)(check=True)
    assert len(ids(by_id, False)) == 4
    assert {each["remote"] for each in by_id.items} == {home.cluster.id}
    assert pruning(away, received_from=away.cluster.id, keep=keep)(check=True).items == []
    with pytest.raises(UnknownError, match="Its remotes: home") as caught:
        pruning(away, received_from="nobody", keep=keep)(check=True)
    assert caught.value.code == "unknown_remote"
    with pytest.raises(UnknownError, match="cluster id of remote 'home' isn't known"):
        pruning(away, received_from="home", keep=keep)(check=True)


def test_what_is_being_received_and_all_that_it_may_rest_on_stay(shipped: tuple[Simulation, Simulation]) -> None:
    home, away = shipped
    home.shipment_fault("hang")
    assert failure(Task(home, remote=DR, resources=["db"], max_age="0s", wait_timeout="1s")())["code"] == "timeout"
    outcome = pruning(away, received_from="any", keep={"last": 1})()
    assert not outcome.changed
    assert outcome.items[0]["reasons"] == ["under way"]
    assert "may be the base of" in " ".join(outcome.items[-1]["reasons"])


def test_what_shipping_leaves_behind(shipped: tuple[Simulation, Simulation]) -> None:
    home, _away = shipped
    there = names_of(home)
    outcome = four_times(pruning(home, remote=DR, local={"last": 2}))
    assert names_of(home) == there[-2:]
    assert reasons(outcome)[f"db/{there[4]}"] == ["it is the base of the next increment", "last 1"]
    home.write("db", 0, b"more")
    assert only(Task(home, remote=DR, resources=["db"], max_age="0s")())["type"] == "incremental"


def test_the_base_for_another_remote_stays(shipped: tuple[Simulation, Simulation]) -> None:
    home, _away = shipped
    there = names_of(home)
    protect(home)
    # the second oldest is what S3 has
    with home.cluster.lock:
        props = home.cluster.snapshot("db", there[1]).props
        props[f"BackupShipping/Source/{S3}/ShippingStatus"] = "Success"
        props[f"BackupShipping/Source/{S3}/BackupStartTimestamp"] = "1"
    four_times(pruning(home, remote=DR, local={"last": 1}))
    assert names_of(home) == [there[1], there[4]]


def test_snapshots_that_were_never_shipped_are_nobodys_business(shipped: tuple[Simulation, Simulation]) -> None:
    home, _away = shipped
    with home.cluster.lock:
        from ansible_collections.snapship.dr.tests.linstor_sim import snapshots

        definition, nodes = snapshots.check(home.cluster, "db", "by-hand", [])
        snapshots.take(home.cluster, definition, "by-hand", nodes, {}, home.cluster.clock.now)
    pruning(home, remote=DR, local={"last": 1})()
    assert len(names_of(home)) == 2
    assert "by-hand" in names_of(home)


def test_more_than_allowed_would_go(shipped: tuple[Simulation, Simulation]) -> None:
    _home, away = shipped
    for check in (True, False):
        outcome = pruning(away, received_from="any", keep={"last": 2}, max_delete_percent=59)(check=check)
        assert not outcome.changed
        error = failure(outcome)
        assert (error["code"], error["volume"]) == ("too_many", "db")
        assert "3 of the 5 received backups of db" in error["msg"]
        assert ids(outcome, False) == []
    assert len(names_of(away)) == 5
    assert pruning(away, received_from="any", keep={"last": 2}, max_delete_percent=60)().changed


def test_one_refusal_leaves_the_others_alone(shipped: tuple[Simulation, Simulation]) -> None:
    _home, away = shipped
    there = names_of(away)
    away.request_fault("reply", method="DELETE", path=f".*/{there[1]}", status=500, body=BUSY)
    outcome = pruning(away, received_from="any", keep={"last": 1})()
    assert outcome.changed
    assert len(outcome.failures) == 1
    assert names_of(away) == [there[1], there[4]]
    assert ids(outcome, True) == [f"db/{there[4]}", f"db/{there[1]}"]


def test_a_lost_reply_to_a_deletion_is_no_matter(shipped: tuple[Simulation, Simulation]) -> None:
    _home, away = shipped
    away.request_fault("drop", method="DELETE")
    outcome = pruning(away, received_from="any", keep={"last": 1})()
    assert outcome.failures == []
    assert len(names_of(away)) == 1


def test_nothing_to_do_takes_one_list(shipped: tuple[Simulation, Simulation]) -> None:
    _home, away = shipped
    task = pruning(away, received_from="any", keep={"last": 5})
    assert not task().changed
    assert task.requests == 2  # with the version


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"keep": {"last": 1}}, "Set either remote or received_from"),
        ({"remote": S3, "received_from": "any", "keep": {"last": 1}}, "Set either remote or received_from"),
        ({"remote": S3, "resources": [], "keep": {"last": 1}}, "Set either resources or all_resources"),
        ({"remote": S3, "all_resources": True, "keep": {"last": 1}}, "Set either resources or all_resources"),
        ({"remote": S3}, "Set keep"),
        ({"received_from": "any", "local": {"last": 1}}, "Set keep"),
        ({"received_from": "any", "keep": {"last": 1}, "local": {"last": 1}}, "local is for the cluster that ships"),
        ({"remote": S3, "keep": {}}, "no rule keeps anything"),
        ({"remote": S3, "keep": {"last": 1}, "local": {"daily": 0}}, "local: no rule"),
        ({"remote": S3, "keep": {"within": "7"}}, "within"),
        ({"remote": DR, "keep": {"last": 1}}, "keeps no list"),
    ],
)
def test_refused(two_clusters: tuple[Simulation, Simulation], request_: dict[str, Any], message: str) -> None:
    home, away = two_clusters
    join(home, away)
    with pytest.raises(UsageError, match=message):
        pruning(home, **request_)(check=True)


@pytest.fixture
def stored(cluster: Simulation) -> Simulation:
    """Of db a full and three increments, a day apart, then a full and one more increment; of web one full."""
    protect(cluster, "db", "web")
    back_up = Task(cluster, resources=["db"], max_age="0s")
    for number in range(6):
        cluster.write("db", 4096 * number, b"news %d" % number)
        only(back_up(type="full" if number == 4 else "auto"))
        cluster.advance(24 * HOUR)
    only(Task(cluster, resources=["web"])())
    return cluster


def listed(simulation: Simulation) -> list[str]:
    """Ids of db on the remote, the oldest first."""
    outcome = pruning(simulation, remote=S3, keep={"last": -1})(check=True)
    return [each["id"] for each in reversed(outcome.items) if each["volume"] == "db"]


def test_whole_ends_of_chains_go(stored: Simulation) -> None:
    there = listed(stored)
    outcome = four_times(pruning(stored, remote=S3, keep={"last": 1}))
    # the base of the newest is the fifth; nothing of the first chain is needed
    assert listed(stored) == there[4:]
    assert reasons(outcome)[there[4]] == [f"base of {there[5]}"]
    done = [each["actions"] for each in outcome.items]
    assert done == [[], []] + [[f"deleted remote {each}"] for each in reversed(there[:4])]


def test_the_beginning_of_a_chain_stays_with_what_rests_on_it(stored: Simulation) -> None:
    there = listed(stored)
    # the third last is the end of the first chain and needs all of it
    assert not pruning(stored, remote=S3, keep={"last": 3})(check=True).changed
    stored.advance(400 * 24 * HOUR)
    newest = only(Task(stored, resources=["db"], max_age="0s", type="full")())["id"]
    four_times(pruning(stored, remote=S3, keep={"yearly": 2}))
    assert listed(stored) == [*there[4:], newest]


def test_snapshots_in_the_cluster_stay_unless_asked(stored: Simulation) -> None:
    assert len(names_of(stored)) == 6
    pruning(stored, remote=S3, keep={"last": 1})()
    assert len(names_of(stored)) == 6


def test_snapshots_go_along_when_asked_except_what_is_needed(stored: Simulation) -> None:
    there = names_of(stored)
    pruning(stored, remote=S3, keep={"last": 1}, keep_snaps=False)()
    assert names_of(stored) == there[4:]


def test_both_ends_in_one_task(stored: Simulation) -> None:
    there = names_of(stored)
    outcome = four_times(pruning(stored, remote=S3, keep={"last": 1}, local={"last": 1}))
    assert {each["place"] for each in outcome.items} == {"remote", "local"}
    assert names_of(stored) == there[5:]
    stored.write("db", 0, b"more")
    assert only(Task(stored, resources=["db"], max_age="0s")())["type"] == "incremental"


def test_other_resources_are_left_alone(stored: Simulation) -> None:
    outcome = pruning(stored, remote=S3, keep={"last": 1})()
    assert {each["volume"] for each in outcome.items} == {"db"}
    outcome = pruning(stored, resources=[], all_resources=True, remote=S3, keep={"last": 1})()
    assert {each["volume"] for each in outcome.items} == {"db", "web"}
    assert not outcome.changed


def test_what_another_cluster_made_stays(stored: Simulation, bucket_directory: Path) -> None:
    with Simulation(name="other", nodes=("xray",), bucket_directory=bucket_directory) as other:
        protect(other, "db")
        other.advance(30 * 24 * HOUR)
        theirs = only(Task(other, resources=["db"])())
        outcome = pruning(stored, remote=S3, keep={"last": 1})()
        assert reasons(outcome)[theirs["id"]][0] == "another cluster made it"
        assert any("another cluster" in each for each in outcome.warnings)
        assert listed(other)[-1] == theirs["id"]


def test_what_cannot_be_restored_stays_and_is_told_of(stored: Simulation, bucket_directory: Path) -> None:
    there = listed(stored)
    broken = next(path for path in bucket_directory.rglob(f"db_00000_{there[2][3:]}*") if path.suffix != ".meta")
    broken.unlink()
    outcome = pruning(stored, remote=S3, keep={"last": 1})()
    assert any(there[2] in each and "can't be restored" in each for each in outcome.warnings)
    assert there[2] in listed(stored)
    assert there[3] in listed(stored)  # it is the base


def test_what_is_under_way_and_what_it_rests_on(stored: Simulation) -> None:
    there = listed(stored)
    stored.shipment_fault("hang")
    stored.write("db", 0, b"more")
    assert failure(Task(stored, resources=["db"], max_age="0s", wait_timeout="1s")())["code"] == "timeout"
    outcome = pruning(stored, remote=S3, keep={"last": 1})()
    assert outcome.items[0]["reasons"] == ["under way"]
    assert any("is the base of" in each for each in reasons(outcome)[there[5]])


def test_one_that_gets_a_dependant_meanwhile_stays(stored: Simulation) -> None:
    there = listed(stored)
    said = json.dumps([{"ret_code": (0xC000000000000000 | 977) - (1 << 64), "message": "one references it"}])
    stored.request_fault("reply", method="DELETE", path=".*/backups", status=500, body=said)
    outcome = pruning(stored, remote=S3, keep={"last": 1})()
    assert failure(outcome)["code"] == "base_in_use"
    # and so do its bases
    assert listed(stored) == there
    assert not outcome.changed


def test_the_passphrase_is_missing(stored: Simulation) -> None:
    stored.restart()
    with pytest.raises(RemoteError, match="passphrase|master key") as caught:
        pruning(stored, remote=S3, keep={"last": 1})()
    assert caught.value.code == "locked"


def test_three_lists_and_the_version_are_all_it_takes(stored: Simulation) -> None:
    task = pruning(stored, remote=S3, keep={"last": -1})
    assert not task().changed
    assert task.requests == 4  # snapshots, nodes, backups; and the version


def test_what_a_dry_run_has_not_made(cluster: Simulation) -> None:
    protect(cluster, "db")
    task = pruning(cluster, remote="later", keep={"last": 1})
    planned = task(check=True)
    assert (planned.changed, planned.items, planned.failures) == (False, [], [])
    assert ["later" in text and "A real run would fail" in text for text in planned.warnings] == [True]
    with pytest.raises(UnknownError) as told:
        task()
    assert told.value.code == "unknown_remote"


def test_a_name_of_nothing_is_told(cluster: Simulation) -> None:
    protect(cluster, "db")
    only(Task(cluster, resources=["db"])())
    told = Task(cluster, retention, remote=S3, resources=["db", "typo"], keep={"last": 1})(check=True)
    assert told.warnings == ["resource typo has no backups to prune."]
