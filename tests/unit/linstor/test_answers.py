# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Answers of a controller or of another server: refusals, warnings, invalid JSON; and authentication."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.replies import ControllerError, LostReply
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, ScriptedHttp
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront
from ansible_collections.snapship.dr.tests.unit.linstor.endpoints import HTML, JSON, answering, reach


def test_a_token_is_not_sent_in_the_clear() -> None:
    with (
        answering(lambda _request: Reply(200, b"{}", JSON)) as server,
        reach(server.endpoint, auth_token="t0ken") as it,
    ):
        it.read("remote_list")
    assert all("t0ken" not in str(request.headers) for request in server.requests)


def test_a_password_is_refused_without_tls() -> None:
    with answering(lambda _request: Reply(200, b"{}", JSON)) as server:
        with pytest.raises(ConfigError) as told, reach(server.endpoint, username="me", password="passw0rd") as it:
            it.read("remote_list")
        assert told.value.code == "insecure"
        assert all("Authorization" not in request.headers for request in server.requests)


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (403, "denied"), (404, "not_found"), (500, "controller")]
)
def test_refusals_with_a_status(status: int, code: str) -> None:
    number = {401: 412, 403: 423, 404: 301}.get(status, 998)
    body = json.dumps([{"ret_code": -(1 << 62) | number, "message": "no t0ken"}]).encode()
    with (
        answering(lambda _request: Reply(status, body, JSON)) as server,
        reach(server.endpoint, auth_token="t0ken") as it,
        pytest.raises(ControllerError) as told,
    ):
        it.read("remote_list", what="listing remotes")
    assert told.value.code == code
    assert told.value.msg == "listing remotes: no ********."


def test_an_error_inside_http_200() -> None:
    body = json.dumps([{"ret_code": -(1 << 62) | 321, "message": "Remote not found"}]).encode()
    with answering(lambda _request: Reply(200, body, JSON)) as server, reach(server.endpoint) as it:
        for ask in (
            lambda: it.read("remote_list"),
            lambda: it.read("snapshot_dfn_list"),
            lambda: it.read("keyvaluestore_list", "x"),
            lambda: it.change("backup_create", "remote", "db", what="backing up"),
        ):
            with pytest.raises(RemoteError) as told:
                ask()
            assert told.value.code in ("not_found", "bad_reply")


def test_a_warning_is_no_error() -> None:
    body = json.dumps([{"ret_code": -(1 << 63) | 1019, "message": "Only downloaded"}]).encode()
    with answering(lambda _request: Reply(201, body, JSON)) as server, reach(server.endpoint) as it:
        replies = it.change("backup_create", "remote", "db", what="backing up")
    assert replies.warnings == ["Only downloaded"]
    assert not replies.errors


def test_a_refusal_without_entries() -> None:
    with (
        answering(lambda _request: Reply(500, b"[]", JSON)) as server,
        reach(server.endpoint) as it,
        pytest.raises(ControllerError),
    ):
        it.change("backup_create", "remote", "db", what="backing up")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[Simulation, TlsFront]]:
    """A cluster that asks for a token, behind TLS with an authority of its own."""
    with Simulation(name="guarded", token="t0ken") as simulation:
        port = urlsplit(simulation.url).port
        assert port is not None
        with TlsFront(tmp_path / "tls", port) as front:
            yield simulation, front


def test_a_token_over_tls(guarded: tuple[Simulation, TlsFront]) -> None:
    simulation, front = guarded
    address = front.endpoint.replace("https", "linstor+ssl")
    with reach(address, auth_token="t0ken", ca_path=str(front.ca_path)) as it:
        assert it.cluster_id == simulation.cluster.id
        assert it.requests == 2
    for token in ("wrong", None):
        with pytest.raises(RemoteError) as told, reach(address, auth_token=token, ca_path=str(front.ca_path)) as it:
            it.read("remote_list")
        assert told.value.code == "unauthorized"
        assert "auth_token" in told.value.hint


def test_a_certificate_that_nobody_trusts(guarded: tuple[Simulation, TlsFront]) -> None:
    simulation, front = guarded
    with pytest.raises(RemoteError) as told, reach(front.endpoint, auth_token="t0ken") as it:
        it.read("remote_list")
    assert told.value.code == "tls"
    assert "ca_path" in told.value.hint
    assert simulation.cluster.journal.requests == []
    with reach(front.endpoint, auth_token="t0ken", validate_certs=False) as it:
        assert it.cluster_id == simulation.cluster.id


def test_a_name_that_is_not_in_the_certificate(guarded: tuple[Simulation, TlsFront]) -> None:
    elsewhere = guarded[1].endpoint.replace("127.0.0.1", "127.0.0.2")
    with (
        pytest.raises(RemoteError) as told,
        reach(elsewhere, auth_token="t0ken", ca_path=str(guarded[1].ca_path)) as it,
    ):
        it.read("remote_list")
    assert told.value.code in ("tls", "unreachable")


@pytest.mark.parametrize("token", ["t0ken", None])
def test_a_controller_that_sends_everybody_to_tls(guarded: tuple[Simulation, TlsFront], token: str | None) -> None:
    simulation, front = guarded
    moved = Reply(302, b"", {"Location": front.endpoint + "/v1/controller/version"})
    with (
        ScriptedHttp(lambda _request: moved) as plain,
        reach(plain.endpoint, auth_token=token, ca_path=str(front.ca_path)) as it,
    ):
        if token:
            assert it.cluster_id == simulation.cluster.id
        else:
            with pytest.raises(RemoteError) as told:
                it.read("remote_list")
            assert told.value.code == "unauthorized"
    assert all("t0ken" not in str(request.headers) for request in plain.requests)


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(200, b"<html>hello</html>", HTML), "bad_reply"),
        (Reply(200, b'{"some": "thing"', JSON), "bad_reply"),
        (Reply(404, b"<html>none</html>", HTML), "bad_reply"),
        (Reply(401, b"", {}), "unauthorized"),
        (Reply(403, b"go away", HTML), "denied"),
        (Reply(503, b"later", HTML), "bad_reply"),
        (Reply(500, b'{"message": "no list"}', JSON), "bad_reply"),
    ],
)
def test_not_json(reply: Reply, code: str) -> None:
    with (
        answering(lambda _request: reply) as server,
        reach(server.endpoint) as it,
        pytest.raises(RemoteError) as told,
    ):
        it.read("remote_list")
    assert told.value.code == code
    assert server.endpoint in str(told.value)


def test_a_web_server_that_is_no_controller() -> None:
    with (
        ScriptedHttp(lambda _request: Reply(200, b"<html>hello</html>", HTML)) as server,
        pytest.raises(RemoteError) as told,
        reach(server.endpoint) as it,
    ):
        it.read("remote_list")
    assert told.value.code == "bad_reply"


@pytest.mark.parametrize(
    ("reply", "lost"),
    [
        (Reply(200, b"<html>hello</html>", HTML), True),
        (Reply(502, b"bad gateway", HTML), True),
        (Reply(504, b"gateway timeout", HTML), True),
        (Reply(503, b"later", HTML), False),
        (Reply(404, b"<html>none</html>", HTML), False),
    ],
)
def test_a_change_whose_outcome_is_or_is_not_known(reply: Reply, lost: bool) -> None:
    with (
        answering(lambda _request: reply) as server,
        reach(server.endpoint) as it,
        pytest.raises(RemoteError) as told,
    ):
        it.change("backup_create", "remote", "db", what="backing up db", hide=["hello"])
    assert isinstance(told.value, LostReply) is lost
    assert "hello" not in str(told.value)
    assert len([request for request in server.requests if request.method == "POST"]) == 1
