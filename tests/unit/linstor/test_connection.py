# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reaching a cluster: which controller, by which options, and what each failure is called."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.errors import ConfigError, RemoteError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor import access as access_module
from ansible_collections.snapship.dr.plugins.module_utils._linstor.access import authorities, settle
from ansible_collections.snapship.dr.plugins.module_utils._linstor.connection import Access, Cluster, same_version
from ansible_collections.snapship.dr.plugins.module_utils._linstor.replies import ControllerError, LostReply
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront

VERSION = {"version": "1.33.3", "git_hash": "x", "build_time": "y", "rest_api_version": "1.27.0"}
JSON = {"Content-Type": "application/json"}
NOTHING_LISTENS = "127.0.0.1:1"


@pytest.fixture(autouse=True)
def _nothing_configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This machine's own configuration of LINSTOR's client doesn't count."""
    monkeypatch.delenv("LS_CONTROLLERS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("_SYSTEM_CONFIG", "_SYSTEM_PARTS", "_NODE_TOKEN"):
        monkeypatch.setattr(access_module, name, str(tmp_path / name))


def reach(*controllers: str, **options: object) -> Cluster:
    return Cluster(Access(controllers=controllers, timeout=5, **options), pauses=(0.02, 0.02))  # type: ignore[arg-type]


def answering(answer: Callable[[Request], Reply]) -> ScriptedHttp:
    """A controller that tells its version, and otherwise answers so."""

    def both(request: Request) -> Reply:
        if request.path == "/v1/controller/version":
            return Reply(200, json.dumps(VERSION).encode(), JSON)
        return answer(request)

    return ScriptedHttp(both)


# --- which controller -------------------------------------------------------------------------------------------


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


def test_another_takes_over_between_two_reads(cluster: Simulation) -> None:
    second = cluster.add_controller()
    with reach(cluster.servers[0].uri, second.uri) as found:
        found.read("remote_list")
        cluster.servers[0].stop()
        found.read("remote_list")
        found.change("controller_set_prop", "Aux/x", "1", what="setting Aux/x")
        assert found.properties()["Aux/x"] == "1"


def test_a_controller_that_is_started_again(cluster: Simulation) -> None:
    server = cluster.servers[0]
    with Cluster(Access(controllers=(server.uri,)), pauses=(0.3,) * 10) as found:
        found.read("remote_list")
        server.stop()
        timer = threading.Timer(0.7, server.start)
        timer.start()
        found.read("remote_list")
        timer.join()


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


# --- options, environment, configuration -----------------------------------------------------------------------


def config(path: Path, **values: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f"{key.replace('_', '-')}={value}" for key, value in values.items()]
    path.write_text("\n".join(["[global]", *lines, ""]), encoding="utf-8")
    return path


def test_where_the_controllers_come_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settle(Access()).controllers == ("linstor://localhost",)
    config(tmp_path / "_SYSTEM_CONFIG", controllers="system")
    assert settle(Access()).controllers == ("linstor://system",)
    config(tmp_path / ".config/linstor/linstor-client.conf", controllers="mine,https://mine2:1", auth_token="t0ken")
    settled = settle(Access())
    assert settled.controllers == ("linstor://mine", "https://mine2:1")
    assert settled.auth_token == "t0ken"
    own = config(tmp_path / "own.conf", controllers="own")
    assert settle(Access(config_file=str(own))).controllers == ("linstor://own",)
    monkeypatch.setenv("LS_CONTROLLERS", "env1, linstor+ssl://env2")
    assert settle(Access(config_file=str(own))).controllers == ("linstor://env1", "linstor+ssl://env2")
    assert settle(Access(controllers=("said",))).controllers == ("linstor://said",)


def test_a_satellites_own_token(tmp_path: Path) -> None:
    (tmp_path / "_NODE_TOKEN").write_text('{"token": "ofnode"}', encoding="utf-8")
    assert settle(Access()).auth_token == "ofnode"
    assert settle(Access(auth_token="said")).auth_token == "said"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"controllers": ("ftp://x",)}, "ftp://x"),
        ({"controllers": ("linstor://",)}, "no address"),
        ({"controllers": ("host:notaport",)}, "host:notaport"),
        ({"controllers": ("linstor://me:pw@host",)}, "password in it"),
        ({"username": "me"}, "go together"),
        ({"client_key": "/dev/null"}, "client_cert"),
    ],
)
def test_mistakes(options: dict[str, object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        settle(Access(**options))  # type: ignore[arg-type]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    for option in ("ca_path", "client_cert", "config_file"):
        with pytest.raises(ConfigError, match=option):
            settle(Access(**{option: str(tmp_path / "none")}))  # type: ignore[arg-type]


def test_a_broken_configuration_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "bad.conf").write_text("auth-token=t0ken-in-no-section\n", encoding="utf-8")
    with pytest.raises(ConfigError) as told:
        settle(Access(config_file=str(tmp_path / "bad.conf")))
    assert "t0ken" not in str(told.value)


def test_certificates_are_checked_unless_switched_off() -> None:
    assert authorities(Access(validate_certs=False)) is None
    found = authorities(Access())
    assert found is not None
    assert Path(found).is_file()


def test_secrets_are_in_no_representation() -> None:
    shown = repr(Access(auth_token="t0ken", username="me", password="passw0rd"))
    assert "t0ken" not in shown
    assert "passw0rd" not in shown


def test_without_the_library(tmp_path: Path) -> None:
    """A module that is run where it isn't installed says so; nothing is imported before it is needed."""
    code = (
        "import sys; sys.modules['linstor'] = None\n"
        "from ansible_collections.snapship.dr.plugins.module_utils._linstor.connection import Access, Cluster\n"
        "try: Cluster(Access()).version\n"
        "except Exception as error: print(type(error).__name__, error.code, error)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("ConfigError library The Python library python-linstor isn't installed for")


# --- who may -----------------------------------------------------------------------------------------------------


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
    number = {401: 10000, 403: 423, 404: 301}.get(status, 998)
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


# --- answers that aren't LINSTOR's --------------------------------------------------------------------------------

HTML = {"Content-Type": "text/html"}


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


# --- connections that break ----------------------------------------------------------------------------------------


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
    with Cluster(Access(controllers=(cluster.uri,), timeout=0.5)) as found:
        found.read("remote_list")
        cluster.request_fault("slow", path="/v1/remotes", seconds=2)
        with pytest.raises(RemoteError) as told:
            found.read("remote_list")
        assert told.value.code == "timeout"
        cluster.request_fault("slow", method="POST", path="/v1/controller/properties", seconds=2)
        with pytest.raises(LostReply):
            found.change("controller_set_prop", "Aux/x", "1", what="setting Aux/x")


def test_raw_requests_quote_their_parts() -> None:
    with answering(lambda _request: Reply(200, b"[]", JSON)) as server, reach(server.endpoint) as it:
        it.change_raw("POST", ("v1", "remotes", "a/b c", "backups"), {"x": 1}, what="trying")
    last = server.requests[-1]
    assert (last.method, last.path, json.loads(last.body)) == ("POST", "/v1/remotes/a%2Fb%20c/backups", {"x": 1})


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
