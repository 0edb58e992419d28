# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""When LINSTOR's schedules ran last and when they run next."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import schedule
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases.schedule import Question
from ansible_collections.snapship.dr.tests.linstor_sim.clock import Clock
from ansible_collections.snapship.dr.tests.linstor_sim.options import Options
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import S3, Task, access, protect

NOON = datetime.datetime(2026, 3, 9, 12, 0).astimezone()


@pytest.fixture
def home(bucket_directory: Path) -> Iterator[Simulation]:
    """A cluster at noon, with a schedule for two of its three resources."""
    clock = Clock(NOON.timestamp())
    with Simulation(Options(name="home", bucket_directory=bucket_directory), clock) as made:
        made.freeze()
        protect(made, "db", "web", "scratch")
        daily = {"name": "daily", "full_cron": "0 14 * * *", "inc_cron": "30 * * * *"}
        Task(made, schedule, remote=S3, resources=["db", "web"], **daily)()
        yield made


def asked(simulation: Simulation, **question: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The answer, from two requests besides the version."""
    with Cluster(access(simulation)) as cluster:
        found = schedule.describe(cluster, Question(**question))
        assert cluster.requests == 3
    return found


def at(hour: int, minute: int) -> str:
    return iso_time(NOON.replace(hour=hour, minute=minute).timestamp())


def test_before_the_first_run(home: Simulation) -> None:
    schedules, runs = asked(home)
    assert [(each["name"], each["full_cron"], each["inc_cron"]) for each in schedules] == [
        ("daily", "0 14 * * *", "30 * * * *")
    ]
    assert runs[0] == {
        "volume": "db",
        "remote": S3,
        "schedule": "daily",
        "enabled": True,
        "reason": None,
        "last": None,
        "last_type": None,
        "next": at(12, 30),
        "next_type": "incremental",
        "next_full": at(14, 0),
        "next_incremental": at(12, 30),
        "running": False,
    }
    assert [each["volume"] for each in runs] == ["db", "web"]


def test_while_it_runs_and_after_it(home: Simulation) -> None:
    home.shipment_fault("hang", resource="web")
    home.advance(1800)
    while_it_runs = asked(home, resources=["web"])[1][0]
    assert (while_it_runs["running"], while_it_runs["next"], while_it_runs["last"]) == (True, None, at(12, 30))
    home.advance(5)
    done = asked(home, resources=["db"])[1][0]
    assert (done["running"], done["last"], done["last_type"]) == (False, at(12, 30), "incremental")
    assert (done["next"], done["next_type"], done["next_full"]) == (at(13, 30), "incremental", at(14, 0))
    for seconds in (3595, 5, 1795, 5):  # 13:30 and 14:00, with time for each to end
        home.advance(seconds)
    full = asked(home, resources=["db"])[1][0]
    assert (full["last"], full["last_type"], full["next"]) == (at(14, 0), "full", at(14, 30))


def test_only_what_is_asked_for(home: Simulation) -> None:
    Task(home, schedule, name="other", full_cron="0 1 * * *", remote=S3, resources=["db"])()
    Task(home, schedule, name="daily", remote=S3, resources=["web"], enablement="disabled")()
    schedules, runs = asked(home, name="Daily")
    assert [each["name"] for each in schedules] == ["daily"]
    assert [(each["volume"], each["enabled"], each["reason"]) for each in runs] == [
        ("db", True, None),
        ("web", False, "disabled"),
    ]
    assert {each["schedule"] for each in asked(home, remote=S3.upper(), resources=["DB"])[1]} == {"daily", "other"}
    assert asked(home, remote="elsewhere")[1] == []
    (none,) = asked(home, resources=["scratch"])[1]
    assert (none["schedule"], none["enabled"], none["reason"]) == ("", False, "none set")


def test_the_slots_of_a_spread_schedule_belong_to_it(home: Simulation) -> None:
    fields = {"full_cron": "0 1 * * *", "spread": "1h", "spread_slots": 2, "remote": S3, "resources": ["scratch"]}
    Task(home, schedule, name="nightly", **fields)()
    schedules, runs = asked(home, name="nightly")
    assert [each["name"] for each in schedules] == ["nightly-slot1", "nightly-slot2"]
    assert [each["volume"] for each in runs] == ["scratch"]
