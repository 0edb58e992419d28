# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: things that go wrong on the way, and who may come in."""

from __future__ import annotations

import dataclasses
import json
import os
import select
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import linstor
import pytest

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.replies import entry
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.certificates import Authority

SNAPSHOTS = "/v1/resource-definitions/db/snapshots"


@pytest.fixture(autouse=True)
def resource(cluster: Simulation) -> None:
    cluster.freeze()
    cluster.add_resource("db")


def test_a_reply_can_be_lost_though_the_request_was_carried_out(cluster: Simulation, lin: Any) -> None:
    cluster.request_fault("drop", method="POST", path=SNAPSHOTS)
    with pytest.raises(linstor.LinstorNetworkError):
        lin.snapshot_create([], "db", "s1")
    assert list(cluster.cluster.definition("db").snapshots) == ["s1"]


def test_a_request_can_be_cut_before_it_is_carried_out(cluster: Simulation, lin: Any) -> None:
    cluster.request_fault("refuse", method="POST", path=SNAPSHOTS)
    with pytest.raises(linstor.LinstorNetworkError):
        lin.snapshot_create([], "db", "s1")
    assert not cluster.cluster.definition("db").snapshots


def test_a_reply_can_be_anything(cluster: Simulation, lin: Any) -> None:
    cluster.forgive()
    cluster.request_fault("reply", path="/v1/nodes", status=200, body="<html>")
    with pytest.raises((linstor.LinstorError, ValueError)):
        lin.node_list()
    said = entry(codes.FAIL_UNKNOWN_ERROR, "no")
    for status, kind in ((500, list), (403, list), (404, list)):
        cluster.request_fault("reply", path="/v1/nodes", status=status, body=json.dumps([said]))
        (reply,) = kind(lin.node_list())
        assert reply.is_error()
    cluster.request_fault("reply", path="/v1/nodes", status=401, body=json.dumps([said]))
    with pytest.raises(linstor.LinstorApiCallError):
        lin.node_list()


def test_an_error_can_come_with_a_good_status(cluster: Simulation, lin: Any) -> None:
    said = entry(codes.FAIL_UNKNOWN_ERROR, "the satellite has burnt down")
    cluster.request_fault("add", method="POST", path=SNAPSHOTS, entries=(said,))
    replies = lin.snapshot_create([], "db", "s1")
    assert replies[-1].is_error()
    assert not lin.all_api_responses_no_error(replies)


def test_idle_connections_are_closed() -> None:
    with Simulation(idle_seconds=600) as simulation, connected(simulation) as client:
        assert client.node_list()
        simulation.cluster.options = dataclasses.replace(simulation.cluster.options, idle_seconds=0.1)
        assert client.node_list()
        assert select.select([client._rest_conn.sock], [], [], 600)[0]  # the other side has closed it
        with pytest.raises(linstor.LinstorNetworkError):
            client.node_list()


def test_faults_wait_their_turn(cluster: Simulation, lin: Any) -> None:
    cluster.request_fault("refuse", path="/v1/nodes", skip=1)
    assert lin.node_list()
    with pytest.raises(linstor.LinstorNetworkError):
        lin.node_list()


def test_the_next_controller_is_tried(cluster: Simulation) -> None:
    second = cluster.add_controller()
    cluster.servers[0].stop()
    with linstor.MultiLinstor([cluster.uri, second.uri]) as client:
        assert [node.name for node in client.node_list_raise().nodes] == ["alpha", "bravo", "charlie"]
    cluster.servers[0].start()
    with connected(cluster) as client:
        assert client.node_list_raise().nodes


def test_a_token_is_asked_for() -> None:
    with Simulation(token="open sesame") as simulation:
        client = linstor.MultiLinstor([simulation.uri], auth_token="open sesame")
        client.allow_insecure = True
        with client:
            assert client.node_list_raise().nodes
        stranger = linstor.MultiLinstor([simulation.uri])
        with pytest.raises(linstor.LinstorApiCallError):
            stranger.connect()


def test_passwords_go_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Simulation(tls=authority.server(), users={"ansible": "secret"}) as simulation:
        client = linstor.MultiLinstor([simulation.uri])
        client.username, client.password, client.cafile = "ansible", "secret", str(authority.ca_path)
        with client:
            assert client.node_list_raise().nodes
        doubter = linstor.MultiLinstor([simulation.uri])
        doubter.username, doubter.password = "ansible", "secret"
        doubter.cafile = str(Authority(tmp_path / "another").ca_path)
        with pytest.raises(linstor.LinstorNetworkError):
            doubter.connect()


def test_a_client_certificate_can_be_asked_for(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Simulation(tls=authority.server(wants_client=True)) as simulation:
        client = linstor.MultiLinstor([simulation.uri])
        client.cafile = str(authority.ca_path)
        client.certfile = client.keyfile = str(authority.issue("client"))
        with client:
            assert client.node_list_raise().nodes
        nobody = linstor.MultiLinstor([simulation.uri])
        nobody.cafile = str(authority.ca_path)
        with pytest.raises(linstor.LinstorNetworkError):
            nobody.connect()


def test_requests_are_counted(cluster: Simulation, lin: Any) -> None:
    before = cluster.counts().get("GET /v1/view/snapshots", 0)
    for _again in range(3):
        lin.snapshot_dfn_list(filter_by_resources=["db"])
    assert cluster.counts()["GET /v1/view/snapshots"] == before + 3


def test_a_restart_aborts_what_is_under_way(cluster: Simulation) -> None:
    cluster.unlock()
    with connected(cluster) as client:
        client.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
        cluster.shipment_fault("hang")
        client.backup_create("s3a", "db", snap_name="mine")
    cluster.restart()
    assert cluster.snapshot("db", "mine").source("s3a") == "Aborted"


def test_before_1_33_the_state_is_in_flags(bucket_directory: Path) -> None:
    with Simulation(version="1.32.0", bucket_directory=bucket_directory) as simulation:
        simulation.freeze()
        simulation.unlock()
        simulation.add_resource("db")
        with connected(simulation) as client:
            client.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
            client.backup_create("s3a", "db", snap_name="mine")
            seen = []
            for _moment in range(2):
                (snapshot,) = client.snapshot_dfn_list_raise().snapshots
                seen.append(sorted(snapshot.flags))
                simulation.advance(1)
            (snapshot,) = client.snapshot_dfn_list_raise().snapshots
            assert sorted(snapshot.flags) == ["BACKUP", "SHIPPED", "SUCCESSFUL"]
            assert seen[0] == ["BACKUP", "SHIPPING", "SUCCESSFUL"]
            assert not [key for key in snapshot._rest_data["snapshot_definition_props"] if "ShippingStatus" in key]


def test_the_codes_are_linstors() -> None:
    for name, value in vars(codes).items():
        if name.isupper() and hasattr(linstor.sharedconsts, name):
            assert value == getattr(linstor.sharedconsts, name), name


def test_the_program_says_where_it_is_and_takes_orders() -> None:
    command = [sys.executable, "-m", "ansible_collections.snapship.dr.tests.linstor_sim"]
    with subprocess.Popen(
        [*command, "--cluster", "home", "--cluster", "away", "--peers", "--resources", "2"], stdout=subprocess.PIPE
    ) as program:
        assert program.stdout is not None
        try:
            told = json.loads(program.stdout.readline())
            home, away = told["clusters"]["home"], told["clusters"]["away"]
            order(f"{home['control']}/faults/request", {"how": "reply", "path": "/v1/nodes", "status": 500})
            order(f"{home['control']}/volumes/vm1/0", {"offset": 3, "text": "hello"})
            with linstor.MultiLinstor([home["controllers"]]) as client:
                with pytest.raises(linstor.LinstorError):
                    client.node_list()
                assert client.all_api_responses_no_error(client.backup_ship("away", "vm1", "vm1"))
            order(f"{home['control']}/advance", {"seconds": 5})
            with urllib.request.urlopen(f"{away['control']}/volumes/vm1/0") as reply:
                assert reply.read()[3:8] == b"hello"
            with urllib.request.urlopen(f"{home['control']}/counts") as reply:
                assert json.load(reply)["POST /v1/remotes/{remote}/backups/ship"] == 1
        finally:
            os.kill(program.pid, signal.SIGTERM)
        assert program.wait(600) == 0


def order(url: str, what: dict[str, Any]) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(what).encode(), method="POST")) as reply:
        assert reply.status == 200


def test_a_snapshot_that_fails_is_left_behind(cluster: Simulation, lin: Any) -> None:
    cluster.add_resource("wal")
    cluster.snapshot_fault(resource="wal", message="Error executing lvcreate.")
    replies = lin.snapshot_create_multi([], ["db", "wal"], "s1")
    assert not lin.all_api_responses_no_error(replies)
    assert [snapshot.flags for snapshot in lin.snapshot_dfn_list_raise().snapshots] == [["FAILED_DEPLOYMENT"]] * 2


def test_many_resources_are_cheap(bucket_directory: Path) -> None:
    with Simulation(bucket_directory=bucket_directory) as home, Simulation(name="away") as away:
        home.peer_with(away)
        home.unlock()
        for number in range(300):
            home.add_resource(f"vm{number}")
        with connected(home) as client:
            client.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
            for number in range(300):
                assert client.all_api_responses_no_error(client.backup_create("s3a", f"vm{number}"))
            home.advance(1)
            assert len(client.snapshot_dfn_list_raise().snapshots) == 300
            assert len(client.backup_list("s3a")[0].linstor) == 300
            home.advance(1)
            for number in range(300):
                assert client.all_api_responses_no_error(client.backup_ship("away", f"vm{number}", f"vm{number}"))
            home.advance(1)
        assert len(away.cluster.definitions) == 300
        assert away.read("vm7") == home.read("vm7")


def test_a_satellite_that_goes_takes_its_shipments_with_it(cluster: Simulation, lin: Any) -> None:
    cluster.unlock()
    lin.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
    lin.backup_create("s3a", "db", snap_name="mine", node_name="alpha")
    cluster.set_online("alpha", False)
    cluster.advance(5)
    assert not cluster.cluster.definition("db").snapshots
    assert not list(lin.backup_list("s3a")[0].linstor)
    assert lin.all_api_responses_no_error(lin.snapshot_create([], "db", "s1"))
    assert list(cluster.snapshot("db", "s1").nodes) == ["bravo"]


def test_a_plain_port_can_send_everyone_to_the_other(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with Simulation(tls=authority.server(), token="open sesame") as simulation:
        client = linstor.MultiLinstor([simulation.add_redirect().uri], auth_token="open sesame")
        client.cafile = str(authority.ca_path)
        with client:
            assert client.node_list_raise().nodes
