# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors whose reason is only in LINSTOR's error report, and buckets that can't be reached."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import error_report
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.replies import ControllerError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import (
    backup_delete,
    backup_info,
    restore,
    snapshot,
)
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.endpoints import reach
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import S3, Task, failure, only, protect

REASON = "the database is on fire"


@pytest.fixture
def stored(cluster: Simulation) -> Simulation:
    """A cluster with a backup of db in its bucket."""
    protect(cluster, "db")
    only(Task(cluster, resources=["db"])())
    return cluster


def reports(cluster: Simulation) -> int:
    return cluster.counts().get("GET /v1/error-reports/{report}", 0)


def test_a_backup_tells_what_the_report_says(stored: Simulation) -> None:
    stored.advance(7200)
    stored.request_fault("report", method="POST", path=".*/backups", body=REASON)
    told = failure(Task(stored, resources=["db"])())
    assert told["msg"] == f"creating a backup of db on offsite: {REASON}."
    assert "LINSTOR's error report: " in told["hint"]
    assert reports(stored) == 1


def test_so_do_the_others(stored: Simulation) -> None:
    known = only(Task(stored, resources=["db"])())["id"]
    stored.request_fault("report", method="POST", path=".*/snapshots", body=REASON)
    assert REASON in failure(Task(stored, snapshot, resources=["db"], name="mine")())["msg"]
    stored.request_fault("report", method="POST", path=".*/restore", body=REASON)
    task = Task(stored, restore, remote=S3, resources=[{"source": "db", "target": "copy"}])
    assert REASON in failure(task())["msg"]
    stored.request_fault("report", method="DELETE", path=".*/backups", body=REASON)
    with pytest.raises(SnapshipError) as raised:
        Task(stored, backup_delete, remote=S3, id=known)()
    assert REASON in raised.value.msg
    assert reports(stored) == 3


def test_a_report_that_cannot_be_read(stored: Simulation) -> None:
    stored.request_fault("report", path="/v1/nodes", body=REASON)
    stored.request_fault("report", path="/v1/error-reports/.*", body="it burns, too")
    with reach(stored.uri) as it, pytest.raises(ControllerError) as raised:
        it.read("node_list", what="listing nodes")
    assert raised.value.msg == "listing nodes: An error report was generated."
    assert reports(stored) == 1


def test_what_is_refused_for_a_known_reason_costs_nothing_more(stored: Simulation) -> None:
    with reach(stored.uri) as it, pytest.raises(ControllerError) as raised:
        it.change("snapshot_create", [], "db", "9 lives", what="taking a snapshot")
    assert raised.value.reports
    stored.cluster.journal.clear()
    with reach(stored.uri) as it, pytest.raises(ControllerError) as raised:
        it.change("backup_create", "nosuch", "db", what="backing up")
    assert raised.value.code == "not_found"
    assert reports(stored) == 0


def test_a_bucket_that_cannot_be_reached(stored: Simulation) -> None:
    stored.cluster.buckets_away = "Connection refused"
    with pytest.raises(SnapshipError) as raised:
        Task(stored, resources=["db"])()
    assert raised.value.code == "bucket"
    assert raised.value.msg == (
        "listing the backups on offsite: the controller can't reach the bucket, or got an error from it: Unable to "
        "execute HTTP request: Connect to http://127.0.0.1:9 failed: Connection refused."
    )
    assert "endpoint" in raised.value.hint
    with reach(stored.uri) as it, pytest.raises(SnapshipError) as raised:
        backup_info.listing(it, backup_info.Request(remote=S3))
    assert raised.value.code == "bucket"


def test_a_bucket_that_goes_away_meanwhile(stored: Simulation) -> None:
    stored.advance(7200)
    stored.shipment_fault("slow", seconds=0.5)
    task = Task(stored, resources=["db"])
    only(task(wait=False))
    stored.cluster.buckets_away = "Connection refused"
    stored.advance(1)
    (name,) = (each.name for each in stored.cluster.definition("db").snapshots.values() if each.source(S3) == "Failed")
    assert "Connection refused" in stored.cluster.reports[-1].message
    stored.cluster.buckets_away = ""
    assert only(task())["snapshot"] != name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "Error message:                      Unable to daemon for SnapshotShipping\n\nErrorContext:\n"
            "  Description: Amazon exception attempting to start '[timeout, 0, bash, -c, thin_send a b | zstd;]'\n"
            "  Cause:       Access Denied. (Service: Amazon S3; Status Code: 403)\n\nCall backtrace:\n",
            "Unable to daemon for SnapshotShipping: Access Denied. (Service: Amazon S3; Status Code: 403)",
        ),
        ("Error message:  the disk is on fire", "the disk is on fire"),
        (
            "Error message:  No route\n\nCaused by:\n==========\n\nClass name:  Exception\nError message:   No cable\n",
            "No route: No cable",
        ),
        (f"Error message:  {'x' * 5000}", "x" * error_report.SHOWN),
        ("", "(nothing)"),
    ],
)
def test_what_a_report_says(text: str, said: str) -> None:
    (report,) = error_report.parse([SimpleNamespace(data_v1={"filename": "ErrorReport-5F-0-1.log", "text": text})])
    assert (report.number, report.said) == ("5F-0-1", said)
