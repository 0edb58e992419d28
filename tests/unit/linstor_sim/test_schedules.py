# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: schedules."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.clock import Clock
from ansible_collections.snapship.dr.tests.linstor_sim.cron import Cron, CronError
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.options import Options
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

HOUR = 3600
NOON = datetime.datetime(2026, 3, 9, 12, 0).astimezone()


@pytest.fixture
def still(bucket_directory: Path) -> Iterator[Simulation]:
    """A cluster at noon; time passes only where the test says so."""
    options = Options(bucket_directory=bucket_directory)
    with Simulation(options, Clock(NOON.timestamp())) as made:
        made.unlock()
        made.add_resource("db")
        yield made


@pytest.fixture
def client(still: Simulation) -> Iterator[Any]:
    with connected(still) as made:
        made.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
        yield made


def taken(still: Simulation) -> list[tuple[str, bool]]:
    """Hour and minute of each backup, and whether it is an increment."""
    snapshots = sorted(still.cluster.definition("db").snapshots.values(), key=lambda each: each.created)
    return [(each.name[-6:-2], each.source("s3a", "BackupLastSnapshot") is not None) for each in snapshots]


def test_fulls_and_increments_come_when_they_are_due(still: Simulation, client: Any) -> None:
    replies = client.schedule_create("daily", "0 14 * * *", incremental_cron="30 * * * *")
    assert client.all_api_responses_no_error(replies)
    assert client.all_api_responses_no_error(client.backup_schedule_enable("s3a", "daily", resource_name="db"))
    (row,) = client.schedule_list_by_resource()[0].schedule_resources
    assert (row.resource_name, row.remote_name, row.next_exec_inc) == ("db", "s3a", True)
    for _half_hour in range(6):
        still.advance(HOUR / 2)
        still.advance(5)
    assert taken(still) == [("1230", False), ("1330", True), ("1400", False), ("1430", True)]
    assert client.all_api_responses_no_error(client.backup_schedule_disable("s3a", "daily", resource_name="db"))
    still.advance(48 * HOUR)
    assert len(taken(still)) == 4


def test_only_so_many_chains_are_kept(still: Simulation, client: Any) -> None:
    client.schedule_create("hourly", "0 * * * *", keep_local=2, keep_remote=1)
    client.backup_schedule_enable("s3a", "hourly")
    for _hour in range(4):
        still.advance(HOUR)
        still.advance(5)
    assert [hour for hour, _incremental in taken(still)] == ["1500", "1600"]
    assert len(client.backup_list("s3a")[0].linstor) == 1


def test_a_failed_one_is_tried_again(still: Simulation, client: Any) -> None:
    client.schedule_create("hourly", "0 * * * *", on_failure="RETRY", max_retries=1)
    client.backup_schedule_enable("s3a", "hourly", resource_group_name="DfltRscGrp")
    still.shipment_fault("fail", times=2)
    still.advance(HOUR)
    still.advance(5)
    still.advance(61)
    still.advance(5)
    still.advance(600)
    assert [hour for hour, _incremental in taken(still)] == ["1300", "1301"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*/20 * * * *", "2026-03-09 12:20"),
        ("0 2 * * 7", "2026-03-15 02:00"),
        ("0 0 1 */3 *", "2026-04-01 00:00"),
        ("5,7 8-10 * * 1-5", "2026-03-10 08:05"),
        ("0 0 13 * 5", "2026-03-13 00:00"),
    ],
)
def test_cron_expressions(text: str, expected: str) -> None:
    assert Cron(text).after(NOON).strftime("%Y-%m-%d %H:%M") == expected


@pytest.mark.parametrize("text", ["", "@daily", "61 * * * *", "* * * *", "x * * * *"])
def test_what_is_no_cron_expression(text: str) -> None:
    with pytest.raises(CronError):
        Cron(text)
