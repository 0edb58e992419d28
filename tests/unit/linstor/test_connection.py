# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reaching a cluster: which of its controllers answers, and what becomes of requests when a connection breaks."""

from __future__ import annotations

import json
import threading
import types

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import cluster as api_cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster, same_version
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.replies import LostReply
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, ScriptedHttp
from ansible_collections.snapship.dr.tests.unit.linstor.endpoints import JSON, VERSION, reach

NOTHING_LISTENS = "127.0.0.1:1"


def test_the_first_that_answers(cluster: Simulation) -> None:
    with reach(NOTHING_LISTENS, cluster.uri) as found:
        assert found.version == (1, 33, 3)
        assert found.rest_version == (1, 27, 0)
        assert found.cluster_id == cluster.cluster.id
        assert found.requests == 2  # the version, the properties
        assert found.name == f"linstor://{NOTHING_LISTENS}, {cluster.uri}"


def test_none_answers() -> None:
    with pytest.raises(RemoteError) as told, reach(NOTHING_LISTENS, "127.0.0.1:2") as found:
        found.read("remote_list")
    assert told.value.code == "unreachable"
    assert "127.0.0.1:1" in told.value.msg
    assert "127.0.0.1:2" in told.value.msg
    assert told.value.msg.endswith("refused.")
    assert "Check that a controller runs there" in told.value.hint


def test_another_takes_over_between_two_reads(cluster: Simulation) -> None:
    second = cluster.add_controller()
    with reach(cluster.servers[0].uri, second.uri) as found:
        found.read("remote_list")
        cluster.servers[0].stop()
        found.read("remote_list")
        found.change("controller_set_prop", "Aux/x", "1", what="setting Aux/x")
        assert found.properties()["Aux/x"] == "1"


def test_a_controller_that_is_started_again(cluster: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    server = cluster.servers[0]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            server.start()

    monkeypatch.setattr(api_cluster, "time", types.SimpleNamespace(sleep=sleep))
    with Cluster(Access(controllers=(server.uri,)), pauses=(0.5, 2.0, 5.0, 7.0)) as found:
        found.read("remote_list")
        server.stop()
        found.read("remote_list")
    assert slept == [0.5, 2.0, 5.0]


def test_each_thread_has_a_connection_of_its_own(cluster: Simulation) -> None:
    with reach(cluster.uri) as found:
        errors: list[BaseException] = []

        def work() -> None:
            try:
                for _each in range(5):
                    found.read("remote_list")
            except BaseException as error:
                errors.append(error)
                raise

        threads = [threading.Thread(target=work) for _each in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert found.requests == 4 * (5 + 1)


def test_a_change_is_made_once_however_its_answer_is_lost(cluster: Simulation) -> None:
    cluster.add_resource("db")
    cluster.request_fault("drop", method="POST", path=".*/snapshots")
    with (
        reach(cluster.uri) as found,
        pytest.raises(LostReply) as told,
    ):
        found.change("snapshot_create", [], "db", "one", what="taking snapshot one of db")
        assert told.value.code == "lost_reply"
        assert [snap.name for snap in found.read("snapshot_dfn_list").snapshots] == ["one"]
    assert [each.method for each in cluster.cluster.journal.requests].count("POST") == 1


def test_a_read_is_tried_again(cluster: Simulation) -> None:
    cluster.request_fault("drop", method="GET", path="/v1/remotes", times=2)
    with reach(cluster.uri) as found:
        found.read("remote_list")


def test_a_read_is_not_tried_for_ever(cluster: Simulation) -> None:
    cluster.request_fault("drop", method="GET", path="/v1/remotes", times=10)
    with reach(cluster.uri) as found, pytest.raises(RemoteError) as told:
        found.read("remote_list")
    assert told.value.code == "unreachable"


def test_a_connection_that_was_closed_while_idle_costs_no_change(cluster: Simulation) -> None:
    with reach(cluster.uri) as found:
        found.read("remote_list")
        cluster.servers[0].stop()
        cluster.servers[0].start()
        found.change("controller_set_prop", "Aux/x", "1", what="setting Aux/x")


def test_a_controller_that_takes_too_long(cluster: Simulation) -> None:
    with Cluster(Access(controllers=(cluster.uri,), timeout=600)) as found:
        found.read("remote_list")
        assert cut_short(found) == 600
        cluster.request_fault("hold", path="/v1/remotes")
        with pytest.raises(RemoteError) as told:
            found.read("remote_list")
        assert told.value.code == "timeout"
        found.read("remote_list")
        assert cut_short(found) == 600
        cluster.request_fault("hold", method="POST", path="/v1/controller/properties")
        with pytest.raises(LostReply):
            found.change("controller_set_prop", "Aux/x", "1", what="setting Aux/x")


def cut_short(found: Cluster) -> float | None:
    """Returns how long this thread's connection waits for a reply, in seconds; from now on it waits hardly at all."""
    sock = found._client()._session._rest_conn.sock
    before: float | None = sock.gettimeout()
    sock.settimeout(0.1)
    return before


def test_what_an_old_controller_does_not_know() -> None:
    old = {**VERSION, "rest_api_version": "1.9.0"}
    with (
        ScriptedHttp(lambda _request: Reply(200, json.dumps(old).encode(), JSON)) as server,
        pytest.raises(RemoteError) as told,
        reach(server.endpoint) as it,
    ):
        it.read("remote_list", what="listing remotes")
    assert told.value.code == "unsupported"
    assert "1.10.0" in told.value.msg


def test_versions_that_do_not_ship_to_each_other(cluster: Simulation) -> None:
    with Simulation(name="old", version="1.32.0") as old, reach(cluster.uri) as one, reach(old.uri) as other:
        different = same_version(one, other)
        assert different is not None
        assert different.code == "version"
        assert "1.33.3" in different.msg
        assert "1.32.0" in different.msg
        assert same_version(one, one) is None
