# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of LINSTOR resources: taken, taken together, removed, copied, rolled back to."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.snapshots import resource_copy
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import snapshot
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.runs import Runs, access, only


@pytest.fixture
def runs(cluster: Simulation) -> Runs:
    for name in ("db", "wal"):
        cluster.add_resource(name)
    return Runs(snapshot, cluster)


def names(cluster: Simulation, resource: str = "db") -> list[str]:
    return sorted(cluster.cluster.definition(resource).snapshots)


def changes(cluster: Simulation) -> list[str]:
    return [f"{each.method} {each.route}" for each in cluster.cluster.journal.requests if each.method != "GET"]


def test_by_name(runs: Runs, cluster: Simulation) -> None:
    done = runs(resources=["db"], name="before-upgrade", check=True)
    assert (done.changed, only(done)["state_id"], only(done)["valid"]) == (True, None, True)
    item = only(runs(resources=["db"], name="before-upgrade"))
    assert (item["name"], item["volume"], item["provider"]) == ("before-upgrade", "db", "linstor")
    assert (item["size"], item["nodes"], item["valid"], item["group"]) == (4 << 20, ["alpha", "bravo"], True, None)
    assert (item["shipments"], item["received"]) == ([], False)
    for check in (False, True):
        again = runs(resources=["DB"], name="Before-Upgrade", check=check)
        assert not again.changed
        assert only(again) == item
        assert runs.requests == 3  # the version, the resources, the snapshots
    assert names(cluster) == ["before-upgrade"]


def test_by_age(runs: Runs, cluster: Simulation) -> None:
    first = only(runs(resources=["db"], max_age="1h"))
    assert not runs(resources=["db"], max_age="1h").changed
    cluster.advance(3601)
    assert runs(resources=["db"], max_age="1h", check=True).changed
    second = only(runs(resources=["db"], max_age="1h"))
    assert second["name"] != first["name"]
    assert only(runs(resources=["db"], max_age="2h"))["name"] == second["name"]
    assert runs(resources=["db"], max_age="0s").changed
    assert runs(resources=["db"], max_age="0s").changed
    assert len(names(cluster)) == 4


def test_a_failed_one_is_not_new_enough(runs: Runs, cluster: Simulation) -> None:
    only(runs(resources=["db"], name="broken"))
    found = cluster.snapshot("db", "broken")
    with cluster.cluster.lock:
        found.flags[:] = ["FAILED_DEPLOYMENT"]
    assert runs(resources=["db"], max_age="1h", check=True).changed
    with pytest.raises(SnapshipError) as told:
        runs(resources=["db"], name="broken")
    assert told.value.code == "broken_snapshot"


def test_several_by_themselves(runs: Runs) -> None:
    done = runs(resources=["db", "none", "wal"], name="one")
    assert done.changed
    assert [item["volume"] for item in done.items] == ["db", "wal"]
    assert [(each["volume"], each["code"]) for each in done.failures] == [("none", "unknown_volume")]
    assert "db, wal" in done.failures[0]["msg"]
    with pytest.raises(SnapshipError, match="none"):
        runs(resources=["none"], name="one")


def test_one_that_is_refused_does_not_stop_the_others(runs: Runs, cluster: Simulation) -> None:
    cluster.request_fault(
        "reply", method="POST", path=".*/db/snapshots", body='[{"ret_code": -4611686018427386906, "message": "no"}]'
    )
    done = runs(resources=["db", "wal"], name="one")
    assert done.changed
    assert [item["volume"] for item in done.items] == ["wal"]
    assert [each["volume"] for each in done.failures] == ["db"]
    assert done.after == {"db": [], "wal": ["one"]}


def test_together(runs: Runs, cluster: Simulation) -> None:
    wanted: dict[str, Any] = {"resources": ["db", "wal"], "consistent": True, "max_age": "1h"}
    assert runs(**wanted, check=True).changed
    done = runs(**wanted)
    assert changes(cluster) == ["POST /v1/actions/snapshot/multi"]
    assert {item["name"] for item in done.items} == {item["group"] for item in done.items}
    assert len({item["name"] for item in done.items}) == 1
    for check in (False, True):
        again = runs(**wanted, check=check)
        assert (again.changed, again.items) == (False, done.items)
    cluster.advance(3601)
    assert runs(**wanted).items[0]["name"] != done.items[0]["name"]


def test_what_was_not_taken_together_does_not_count(runs: Runs, cluster: Simulation) -> None:
    runs(resources=["db", "wal"], max_age="1h")
    runs(resources=["db", "wal"], name="same-name")
    assert runs(resources=["db", "wal"], consistent=True, max_age="1h", check=True).changed
    runs(resources=["db"], name="half")
    with pytest.raises(SnapshipError) as told:
        runs(resources=["db", "wal"], name="half", consistent=True)
    assert told.value.code == "not_together"
    assert not runs(resources=["db", "wal"], name="same-name", consistent=True).changed


def test_all_or_nothing(runs: Runs, cluster: Simulation) -> None:
    with pytest.raises(SnapshipError) as told:
        runs(resources=["db", "none"], name="one", consistent=True)
    assert told.value.code == "unknown_volume"
    assert changes(cluster) == []


def test_three_hundred(cluster: Simulation) -> None:
    resources = [f"r{number}" for number in range(300)]
    for name in resources:
        cluster.add_resource(name, nodes=("alpha",))
    runs = Runs(snapshot, cluster)
    assert len(runs(resources=resources, consistent=True, name="all").items) == 300
    assert runs.requests == 5  # the version, the resources, the snapshots twice, and one to take them
    assert not runs(resources=resources, name="all").changed
    assert runs.requests == 3


def test_absent(runs: Runs, cluster: Simulation) -> None:
    runs(resources=["db", "wal"], name="one")
    wanted = {"resources": ["db", "wal"], "name": "One", "state": "absent"}
    checked = runs(**wanted, check=True)
    assert checked.changed
    assert names(cluster) == ["one"]
    done = runs(**wanted)
    assert [item["name"] for item in done.items] == ["one", "one"]
    assert (done.before, done.after) == ({"db": ["one"], "wal": ["one"]}, {"db": [], "wal": []})
    assert names(cluster) == []
    for check in (False, True):
        assert not runs(**wanted, check=check).changed


def test_what_the_next_increment_rests_on(runs: Runs, cluster: Simulation) -> None:
    runs(resources=["db"], name="base")
    cluster.cluster.definition("db").props["BackupShipping/Source/offsite/BackupLastStartedOrQueued"] = "base"
    done = runs(resources=["db"], name="base", state="absent", check=True)
    assert done.warnings == ["Without snapshot base, the next backup of db on offsite will be a full one."]


@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_answers_that_get_lost(runs: Runs, cluster: Simulation, how: str) -> None:
    for method, path in (("POST", ".*/db/snapshots"), ("POST", ".*/multi"), ("DELETE", ".*/db/snapshots/.*")):
        cluster.request_fault(how, method=method, path=path)
    assert runs(resources=["db"], name="one").failures == []
    assert runs(resources=["db", "wal"], name="two", consistent=True).failures == []
    assert names(cluster) == ["one", "two"]
    assert runs(resources=["db"], name="one", state="absent").failures == []
    assert names(cluster) == ["two"]


# --- a copy beside it ----------------------------------------------------------------------------------------------


def copy(to: str = "db-before", **more: Any) -> dict[str, Any]:
    options = resource_copy.Options(to_resource=to, **more)
    return {"resources": ["db"], "name": "before", "state": "restored", "copy": options}


@pytest.fixture
def taken(runs: Runs, cluster: Simulation) -> Runs:
    runs(resources=["db"], name="before")
    cluster.write("db", 0, b"written since")
    return runs


def test_a_copy(taken: Runs, cluster: Simulation) -> None:
    before = cluster.read("db")
    done = taken.settle(**copy())
    assert only(done)["target"] == "db-before"
    assert done.after == {"db-before": "restored from snapshot before of db"}
    copied = cluster.read("db-before")
    assert len(copied) == len(before)
    assert copied != before
    assert cluster.read("db") == before


def test_a_copy_of_another_snapshot_is_not_touched(taken: Runs, cluster: Simulation) -> None:
    taken(**copy())
    taken(resources=["db"], name="later")
    with pytest.raises(SnapshipError) as told:
        taken(**{**copy(), "name": "later"})
    assert told.value.code == "target_exists"
    with pytest.raises(SnapshipError) as told:
        taken(**copy("wal"))
    assert told.value.code == "target_exists"
    with pytest.raises(UsageError):
        taken(**copy("DB"))


def test_a_copy_of_what_is_not_there(taken: Runs) -> None:
    with pytest.raises(SnapshipError) as told:
        taken(**{**copy(), "name": "none"})
    assert told.value.code == "unknown_snapshot"
    assert "before" in told.value.msg


@pytest.mark.parametrize("path", ["/v1/resource-definitions", ".*volume-definition.*", ".*restore-resource.*"])
@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_a_copy_whose_answers_get_lost(taken: Runs, cluster: Simulation, how: str, path: str) -> None:
    cluster.request_fault(how, method="POST", path=path)
    assert taken(**copy()).changed
    assert not taken(**copy()).changed


def test_a_copy_that_fails_leaves_nothing(taken: Runs, cluster: Simulation) -> None:
    refusal = '[{"ret_code": -4611686018427386907, "message": "not connected"}]'
    cluster.request_fault("reply", method="POST", path=".*restore-resource.*", body=refusal)
    with pytest.raises(SnapshipError, match="not connected"):
        taken(**copy())
    assert "db-before" not in cluster.cluster.definitions
    assert taken(**copy()).changed


def test_a_copy_that_was_cut_off_is_made_anew(taken: Runs, cluster: Simulation) -> None:
    cluster.request_fault("reply", method="POST", path=".*restore-resource.*", status=500, body="[]")
    cluster.request_fault("refuse", method="DELETE", path="/v1/resource-definitions/db-before", times=9)
    with pytest.raises(SnapshipError):
        taken(**copy())
    assert "db-before" in cluster.cluster.definitions
    cluster.cluster.faults.clear()
    assert taken(**copy(), check=True).changed
    assert taken(**copy()).changed
    assert not taken(**copy()).changed


# --- back to it ------------------------------------------------------------------------------------------------------


def test_back(taken: Runs, cluster: Simulation) -> None:
    wanted: dict[str, Any] = {"resources": ["db"], "name": "before", "state": "rolled_back"}
    written = cluster.read("db")
    with pytest.raises(UsageError, match="discard_changes"):
        taken(**wanted)
    assert taken(**wanted, discard_changes=True, check=True).changed
    assert cluster.read("db") == written
    done = taken(**wanted, discard_changes=True)
    assert done.after == {"db": "as in snapshot before"}
    assert only(done)["name"] == "before"
    assert not cluster.read("db").startswith(b"written since")


def test_back_past_others(taken: Runs, cluster: Simulation) -> None:
    cluster.advance(10)
    taken(resources=["db"], name="newer")
    done = taken(resources=["db", "wal"], name="before", state="rolled_back", discard_changes=True, check=True)
    assert "newer" in done.warnings[0]
    assert [each["code"] for each in done.failures] == ["unknown_snapshot"]


def test_back_is_not_tried_twice(taken: Runs, cluster: Simulation) -> None:
    cluster.request_fault("drop", method="POST", path=".*rollback.*")
    done = taken(resources=["db"], name="before", state="rolled_back", discard_changes=True)
    assert not done.changed
    assert [each["code"] for each in done.failures] == ["lost_reply"]


# --- what doesn't go together, and looking --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "a1", "max_age": "1h"},
        {},
        {"state": "absent"},
        {"state": "restored", "name": "a1"},
        {"state": "gone", "name": "a1"},
        {"max_age": "soon"},
        {"name": "a1", "parallel": 0},
        {"name": "a" * 49},
        {"name": "2024"},
        {"name": ""},
    ],
)
def test_mistakes(runs: Runs, cluster: Simulation, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        runs(resources=["db"], **fields)
    assert changes(cluster) == []


def test_describe(runs: Runs, cluster: Simulation) -> None:
    runs(resources=["db", "wal"], name="first")
    cluster.advance(60)
    runs(resources=["db"], name="second")
    with Cluster(access(cluster)) as linstor:
        told = snapshot.describe(linstor, None, None)
        assert [(each["volume"], each["name"]) for each in told] == [
            ("db", "second"),
            ("db", "first"),
            ("wal", "first"),
        ]
        assert [each["volume"] for each in snapshot.describe(linstor, ["WAL", "none"], None)] == ["wal"]
        assert [each["volume"] for each in snapshot.describe(linstor, None, "FIRST")] == ["db", "wal"]
        assert linstor.requests == 4


def test_nodes_without_a_disk(runs: Runs, cluster: Simulation) -> None:
    cluster.add_resource("far", nodes=("charlie",))
    for check in (True, False):
        done = runs(resources=["db", "far"], name="first", nodes=["charlie"], check=check)
        assert [(each["volume"], each["code"]) for each in done.failures] == [("db", "no_replica")]
        assert [each["volume"] for each in done.items] == ["far"]
        with pytest.raises(SnapshipError, match="It has disks on alpha, bravo") as told:
            runs(resources=["db", "far"], name="both", nodes=["charlie"], consistent=True, check=check)
        assert told.value.code == "no_replica"
    assert names(cluster) == []
    assert names(cluster, "far") == ["first"]


@pytest.mark.parametrize(
    ("options", "code"), [({"nodes": ["charlie"]}, "no_replica"), ({"storage_pools": {"thinpool": "no"}}, "no_pool")]
)
def test_copies_to_where_nothing_is(runs: Runs, cluster: Simulation, options: dict[str, Any], code: str) -> None:
    runs(resources=["db"], name="first")
    before = changes(cluster)
    copy = resource_copy.Options("copy", **options)
    for check in (True, False):
        with pytest.raises(SnapshipError) as told:
            runs(resources=["db"], name="first", state="restored", copy=copy, check=check)
        assert told.value.code == code
    assert changes(cluster) == before
