# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""LINSTOR's own schedules: created, changed, enabled on three levels, spread, and limited per node."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UnknownError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.schedules.enablement import slot_of
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import schedule
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import S3, Task, protect

CONCURRENT = "BackupShipping/MaxConcurrentBackupsPerNode"


def writes(simulation: Simulation) -> int:
    return sum(count for route, count in simulation.counts().items() if not route.startswith("GET"))


@pytest.fixture
def nightly(cluster: Simulation) -> Task:
    protect(cluster, "db", "wal", "web", "mail")
    return Task(cluster, schedule, name="nightly", full_cron="weekly", inc_cron="30 4 * * mon-sat")


def four_times(task: Task, **changes: Any) -> Outcome:
    """Check, run, run again, check: only the first two would change something, and only the run does."""
    before = writes(task.simulation)
    planned = task(check=True, **changes)
    assert writes(task.simulation) == before
    outcome = task(**changes)
    assert (planned.changed, outcome.changed) == (True, True)
    assert (planned.before, planned.after) == (outcome.before, outcome.after)
    assert planned.before != planned.after
    before = writes(task.simulation)
    for check in (False, True):
        again = task(check=check, **changes)
        assert not again.changed, (again.before, again.after)
        assert again.before == again.after
    assert writes(task.simulation) == before
    return outcome


def there(task: Task) -> dict[str, dict[str, Any]]:
    """All schedules as the controller lists them."""
    with urllib.request.urlopen(f"{task.simulation.url}/v1/schedules") as answer:
        return {each["schedule_name"]: each for each in json.load(answer).get("data", [])}


def enabled(task: Task, resource: str) -> dict[str, str]:
    """What is set on a resource, by schedule and option."""
    props = task.simulation.cluster.definition(resource).props
    return {key.split("/", 2)[2]: value for key, value in props.items() if key.startswith(f"Schedule/{S3}/")}


def test_made_and_changed(nightly: Task) -> None:
    item = four_times(nightly, keep_local=3, on_failure="RETRY", max_retries=2).items[0]
    assert item["actions"] == ["created"]
    assert there(nightly)["nightly"] == {
        "schedule_name": "nightly",
        "full_cron": "0 0 * * 0",
        "inc_cron": "30 4 * * 1-6",
        "keep_local": 3,
        "on_failure": "RETRY",
        "max_retries": 2,
    }
    assert four_times(nightly, full_cron="0 3 * * sun", keep_remote=5).items[0]["actions"] == ["modified"]
    # what isn't given stays, what is below zero goes
    four_times(nightly, full_cron=None, inc_cron="", keep_local=-1, max_retries=-1)
    assert there(nightly)["nightly"] == {
        "schedule_name": "nightly",
        "full_cron": "0 3 * * 0",
        "keep_remote": 5,
        "on_failure": "RETRY",
    }


def test_deleted(nightly: Task) -> None:
    nightly(remote=S3, resources=["db"])
    assert four_times(nightly, state="absent").items[0]["state"] == "absent"
    assert there(nightly) == {}


def test_enabled_on_resources(nightly: Task) -> None:
    item = four_times(nightly, remote=S3, resources=["db", "web"], node="alpha").items[0]
    assert item["actions"] == ["created", "enabled on resource db", "enabled on resource web"]
    assert [each["on"] for each in item["enabled_on"]] == ["db", "web"]
    assert enabled(nightly, "db") == {"nightly/Enabled": "True", "nightly/PrefNode": "alpha"}
    four_times(nightly, remote=S3, resources=["db"], node="")
    assert enabled(nightly, "db") == {"nightly/Enabled": "True"}
    four_times(nightly, remote=S3, resources=["db"], enablement="disabled")
    assert enabled(nightly, "db") == {"nightly/Enabled": "False"}
    four_times(nightly, remote=S3, resources=["db"], enablement="inherited")
    assert enabled(nightly, "db") == {}
    assert enabled(nightly, "web")["nightly/Enabled"] == "True"
    assert enabled(nightly, "mail") == {}


def test_enabled_on_groups_and_everywhere(nightly: Task) -> None:
    item = four_times(nightly, remote=S3, resource_groups=["DfltRscGrp"], all_resources=True).items[0]
    assert [each["level"] for each in item["enabled_on"]] == ["cluster", "resource_group"]
    four_times(nightly, remote=S3, all_resources=True, enablement="disabled")
    four_times(nightly, remote=S3, all_resources=True, enablement="inherited")


def test_what_linstor_does_not_take_back(nightly: Task) -> None:
    nightly(remote=S3, resources=["db"], force_restore=True, storage_pool_map={"a": "b"})
    with pytest.raises(UsageError, match="force_restore"):
        nightly(check=True, remote=S3, resources=["db"], force_restore=False)
    with pytest.raises(UsageError, match="storage_pool_map"):
        nightly(check=True, remote=S3, resources=["db"], storage_pool_map={})
    four_times(nightly, remote=S3, resources=["db"], storage_pool_map={"a": "c"})
    four_times(nightly, remote=S3, resources=["db"], enablement="inherited")
    warned = nightly(check=True, remote=S3, resources=["db"]).warnings
    assert any("storage_pool_map" in each and "from an earlier enablement" in each for each in warned)


def test_spread(nightly: Task) -> None:
    names = ["db", "wal", "web", "mail"]
    spread = {"remote": S3, "resources": names, "spread": "1h", "spread_slots": 4}
    four_times(nightly, **spread)
    assert [each["full_cron"] for each in there(nightly).values()] == [f"{m} 0 * * 0" for m in (0, 15, 30, 45)]
    assert [each["inc_cron"] for each in there(nightly).values()] == [
        "30 4 * * 1-6",
        "45 4 * * 1-6",
        "0 5 * * 1-6",
        "15 5 * * 1-6",
    ]
    for name in names:
        assert enabled(nightly, name) == {f"nightly-slot{slot_of(name, 4) + 1}/Enabled": "True"}
    # coarser: resources move, and what isn't needed goes
    four_times(nightly, **{**spread, "spread_slots": 2})
    assert list(there(nightly)) == ["nightly-slot1", "nightly-slot2"]
    for name in names:
        assert enabled(nightly, name) == {f"nightly-slot{slot_of(name, 2) + 1}/Enabled": "True"}
    # and back to one
    four_times(nightly, remote=S3, resources=names)
    assert list(there(nightly)) == ["nightly"]
    assert all(enabled(nightly, name) == {"nightly/Enabled": "True"} for name in names)
    four_times(nightly, **spread)
    four_times(nightly, state="absent")
    assert there(nightly) == {}


def test_resources_spread_about_evenly_and_stay_where_they_are() -> None:
    slots = [slot_of(f"vm-{number}-disk", 6) for number in range(600)]
    assert all(70 <= slots.count(slot) <= 130 for slot in range(6))
    assert slot_of("DB", 6) == slot_of("db", 6)


def test_how_many_at_once(nightly: Task) -> None:
    simulation = nightly.simulation
    four_times(nightly, max_concurrent_per_node=2)
    assert simulation.cluster.props[CONCURRENT] == "2"
    four_times(nightly, max_concurrent_per_node=1, nodes=["alpha", "bravo"])
    assert [each.props.get(CONCURRENT) for each in simulation.cluster.nodes.values()] == ["1", "1", None]
    four_times(nightly, max_concurrent_per_node=-5)
    assert simulation.cluster.props[CONCURRENT] == "-1"


def test_no_limit_is_what_there_is_without_one(nightly: Task) -> None:
    nightly()
    assert not nightly(max_concurrent_per_node=-1).changed


def test_nothing_to_do_takes_few_requests(nightly: Task) -> None:
    wish = {"remote": S3, "resources": ["db", "wal", "web", "mail"]}
    nightly(**wish)
    nightly(**wish)
    assert nightly.requests == 4  # remotes, schedules, definitions; and the version


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"full_cron": "61 * * * *"}, UsageError, "minute"),
        ({"full_cron": None}, UsageError, "needs full_cron"),
        ({"name": "a_b"}, UsageError, "isn't a valid schedule name"),
        ({"name": "x" * 60, "spread": "1h"}, UsageError, "isn't a valid schedule name"),
        ({"spread": "2m"}, UsageError, "less than a minute"),
        ({"spread": "1h", "inc_cron": "*/5 * * * *"}, UsageError, "can't be spread"),
        ({"spread": "40h"}, UsageError, "next day"),
        ({"spread": "1h", "remote": S3, "all_resources": True}, UsageError, "spread needs resources"),
        ({"spread_slots": 0}, UsageError, "spread_slots"),
        ({"remote": S3, "resource_groups": ["g"], "target_resource_group": "x"}, UsageError, "ignores"),
        ({"remote": S3, "resources": ["db", "web"], "target_resource": "x"}, UsageError, "one resource"),
        ({"nodes": ["alpha"]}, UsageError, "max_concurrent_per_node"),
        ({"max_concurrent_per_node": 1, "nodes": ["zulu"]}, UnknownError, "no node 'zulu'"),
    ],
)
def test_refused(nightly: Task, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    for check in (True, False):
        with pytest.raises(error, match=message):
            nightly(check=check, **changes)
    assert there(nightly) == {}


@pytest.mark.parametrize(
    ("lacking", "code"),
    [
        ({"remote": "later"}, "unknown_remote"),
        ({"resources": ["later"]}, "unknown_volume"),
        ({"resource_groups": ["later"]}, "unknown_volume"),
    ],
)
def test_what_a_dry_run_has_not_made(nightly: Task, lacking: dict[str, Any], code: str) -> None:
    fields: dict[str, Any] = {"remote": S3, "resources": ["db"], **lacking}
    planned = nightly(check=True, **fields)
    assert planned.changed
    assert ["later" in text and "A real run would fail" in text for text in planned.warnings] == [True]
    with pytest.raises(UnknownError) as told:
        nightly(**fields)
    assert told.value.code == code
    assert there(nightly) == {}
