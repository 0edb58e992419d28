# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: shipments whose controller or satellite stops, and what reports say."""

from __future__ import annotations

import urllib.request
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

STATUS = "BackupShipping/Source/s3a/ShippingStatus"


@pytest.fixture(autouse=True)
def shipment(cluster: Simulation) -> None:
    """The snapshot ``mine`` of db is on its way to a bucket."""
    cluster.freeze()
    cluster.add_resource("db")
    cluster.unlock()
    with connected(cluster) as client:
        client.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
        client.backup_create("s3a", "db", snap_name="mine", node_name="alpha")


def test_after_a_restart_nobody_ships_what_is_called_shipping(cluster: Simulation) -> None:
    cluster.restart("die")
    cluster.unlock()
    cluster.advance(3600)
    with connected(cluster) as client:
        assert cluster.snapshot("db", "mine").props[STATUS] == "Shipping"
        assert {node.connection_status for node in client.node_list_raise().nodes} == {"ONLINE"}
        assert client.backup_list("s3a")[0].linstor == []
        assert not client.all_api_responses_no_error(client.snapshot_delete("db", "mine"))
        assert client.all_api_responses_no_error(client.backup_abort("s3a", "db", create=True))
        cluster.advance(3600)
        assert cluster.snapshot("db", "mine").props[STATUS] == "Aborting"
        assert client.all_api_responses_no_error(client.snapshot_delete("db", "mine"))


def test_what_is_called_aborted_may_have_arrived(cluster: Simulation) -> None:
    cluster.restart("arrive")
    cluster.unlock()
    with connected(cluster) as client:
        assert cluster.snapshot("db", "mine").props[STATUS] == "Aborted"
        (backup,) = client.backup_list("s3a")[0].linstor
        assert (backup.success, backup.restorable) == (True, True)


def test_a_satellite_may_come_back_without_its_shipment(cluster: Simulation) -> None:
    cluster.set_online("alpha", False, "die")
    cluster.set_online("alpha", True)
    cluster.advance(3600)
    assert cluster.snapshot("db", "mine").props[STATUS] == "Shipping"


def test_when_the_controller_was_started(cluster: Simulation) -> None:
    def started() -> float:
        with urllib.request.urlopen(f"{cluster.url}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith("process_start_time_seconds"))

    first = started()
    cluster.advance(100)
    assert started() == first
    cluster.restart("die")
    assert started() - first == pytest.approx(100, abs=2)


def test_a_bucket_that_nobody_answers_for(cluster: Simulation, lin: Any) -> None:
    cluster.cluster.buckets_away = "Connection refused"
    (reply,) = lin.backup_list("s3a")
    assert (reply.message, reply.is_error()) == ("Exception thrown.", True)
    (report,) = lin.error_report_list(ids=reply.error_report_ids, with_content=True)
    assert "Connection refused" in report.text
    assert report.id.startswith(f"{cluster.cluster.begun['Controller'] // 1000:08X}-00000-")


def test_only_the_report_has_the_reason(cluster: Simulation, lin: Any) -> None:
    cluster.request_fault("report", path="/v1/nodes", body="the database is on fire")
    (reply,) = lin.node_list()
    assert reply.message == "An error report was generated"
    (report,) = lin.error_report_list(ids=reply.error_report_ids, with_content=True)
    assert "the database is on fire" in report.text
