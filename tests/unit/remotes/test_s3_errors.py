# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each way in which S3 can refuse or fail gets its own code and one line that says what to do."""

from __future__ import annotations

import datetime
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.auth
import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3 import client
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront

LARGE = 1 << 20  # asks the server before the body is sent
ACTIONS: dict[str, Callable[[Any], object]] = {
    "list": lambda store: list(store.list("")),
    "get": lambda store: store.get("data/a", 10),
    "put": lambda store: store.put("data/a", b"x"),
    "put-large": lambda store: store.put("data/a", bytes(LARGE)),
    "put-exclusive": lambda store: store.put("data/a", bytes(LARGE), exclusive=True),
}


def refused(action: Callable[[], object]) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        action()
    error = caught.value
    assert "\n" not in str(error)
    assert error.msg.endswith("."), error.msg
    assert error.__suppress_context__ or error.__context__ is None  # no traceback of botocore's beside it
    return error


@pytest.mark.parametrize("name", ACTIONS)
def test_an_unknown_access_key(s3: Any, name: str) -> None:
    error = refused(lambda: ACTIONS[name](s3(access_key="AKIDUNKNOWN")))
    assert error.code == "access_key"
    assert "doesn't know this access key" in error.msg
    assert "AKIDUNKNOWN" not in str(error)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_wrong_secret_key(s3: Any, name: str) -> None:
    error = refused(lambda: ACTIONS[name](s3(secret_key="wrongsecret")))
    assert error.code == "secret_key"
    assert "secret_key" in error.hint
    assert "wrongsecret" not in str(error)


@pytest.mark.parametrize("name", ACTIONS)
def test_a_missing_bucket(s3: Any, name: str) -> None:
    error = refused(lambda: ACTIONS[name](s3(bucket="not-there")))
    assert error.code == "bucket_missing"
    assert "'not-there'" in error.msg
    assert "create_bucket" in error.hint


def test_a_missing_bucket_can_be_made(s3: Any, bucket: Bucket) -> None:
    name = f"{bucket.name}-made"
    store = s3(bucket=name)
    try:
        assert not store.exists()
        assert store.create()
        assert store.exists()
        assert not store.create()
    finally:
        bucket.server.drop_bucket(name)


def test_a_key_that_may_only_read(s3: Any, bucket: Bucket) -> None:
    s3().put("data/a", b"1")
    reader = s3(access_key=bucket.ro.access_key, secret_key=bucket.ro.secret_key)
    assert reader.get("data/a", 1) == b"1"
    assert reader.probe(write=False, delete=False).read
    for action in (
        lambda: reader.put("data/b", b"1"),
        lambda: reader.put("data/b", bytes(LARGE)),
        lambda: reader.delete(["data/a"]),
        lambda: reader.probe(write=True, delete=True),
    ):
        assert refused(action).code == "denied"
    assert [entry.key for entry in s3().list("")] == ["data/a"]


def test_objects_that_cannot_be_deleted_are_named(s3: Any) -> None:
    failed = "<Error><Key>prod/one/data/{}</Key><Code>{}</Code><Message>no</Message></Error>"
    rows = failed.format("gone", "NoSuchKey") + failed.format("b", "AccessDenied") + failed.format("c", "AccessDenied")
    with ScriptedHttp(lambda _request: Reply(body=f"<DeleteResult>{rows}</DeleteResult>".encode())) as server:
        store = s3(endpoint_url=server.endpoint)
        error = refused(lambda: store.delete(["data/gone", "data/b", "data/c"]))
    assert error.code == "denied"
    assert "data/b and 1 more" in error.msg


def test_nothing_listens_there(s3: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = refused(lambda: list(s3(endpoint_url=f"http://127.0.0.1:{port}").list("")))
    assert error.code == "unreachable"
    assert "connection refused" in error.msg
    assert f"127.0.0.1:{port}" in error.msg


def test_a_name_that_nobody_knows(s3: Any) -> None:
    error = refused(lambda: list(s3(endpoint_url="http://s3.invalid:8333").list("")))
    assert error.code == "unreachable"
    assert "name can't be resolved" in error.msg


def test_a_server_that_stays_silent(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_READ_SECONDS", 0.3)
    monkeypatch.setattr(client, "_ATTEMPTS", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = s3(endpoint_url=f"http://127.0.0.1:{silent.getsockname()[1]}")
        error = refused(lambda: list(store.list("")))
    assert error.code == "unreachable"
    assert "no answer within the time-out" in error.msg


def test_a_certificate_that_nobody_vouches_for(s3: Any, s3_tls: TlsFront) -> None:
    error = refused(lambda: list(s3(endpoint_url=s3_tls.endpoint).list("")))
    assert error.code == "tls"
    assert "isn't trusted" in error.msg
    assert "ca_path" in error.hint


@pytest.mark.parametrize("trust", ["ca_path", "unchecked"])
def test_a_certificate_that_is_vouched_for_or_not_looked_at(s3: Any, s3_tls: TlsFront, trust: str) -> None:
    options = {"ca_path": str(s3_tls.ca_path)} if trust == "ca_path" else {"validate_certs": False}
    store = s3(endpoint_url=s3_tls.endpoint, **options)
    content = bytes(range(256)) * 8192
    store.put("data/a", content, exclusive=True)
    store.put("data/b", b"small")
    assert store.get("data/a", len(content)) == content
    assert store.probe(write=True, delete=True).conditional_put
    store.delete(["data/a", "data/b"])


def test_another_authority_than_the_one_in_ca_path(s3: Any, s3_tls: TlsFront, tmp_path: Path) -> None:
    with TlsFront(tmp_path / "other", 1) as other:
        error = refused(lambda: list(s3(endpoint_url=s3_tls.endpoint, ca_path=str(other.ca_path)).list("")))
    assert error.code == "tls"
    assert str(other.ca_path) in error.hint


def test_a_ca_path_that_is_not_there(s3: Any, s3_tls: TlsFront) -> None:
    error = refused(lambda: s3(endpoint_url=s3_tls.endpoint, ca_path="/nowhere/ca.pem"))
    assert error.code == "tls"
    assert "/nowhere/ca.pem" in error.msg


def test_a_ca_path_that_holds_no_certificate(s3: Any, s3_tls: TlsFront, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    error = refused(lambda: list(s3(endpoint_url=s3_tls.endpoint, ca_path=str(tmp_path / "ca.pem")).list("")))
    assert error.code == "tls"


def test_https_to_a_plain_port(s3: Any, bucket: Bucket) -> None:
    error = refused(lambda: list(s3(endpoint_url=bucket.endpoint.replace("http:", "https:")).list("")))
    assert error.code == "tls"
    assert "doesn't speak TLS" in error.msg


@pytest.mark.parametrize("minutes", [-60, 60])
@pytest.mark.parametrize("name", ACTIONS)
def test_a_clock_that_is_wrong(s3: Any, monkeypatch: pytest.MonkeyPatch, name: str, minutes: int) -> None:
    store = s3()
    shift_clock_of_signatures(monkeypatch, datetime.timedelta(minutes=minutes))
    error = refused(lambda: ACTIONS[name](store))
    assert error.code == "clock_skew"
    assert error.msg.count(datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT")) == 2, error.msg


def shift_clock_of_signatures(monkeypatch: pytest.MonkeyPatch, offset: datetime.timedelta) -> None:
    real = datetime.datetime

    class Shifted(real):  # type: ignore[misc,valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return real.now(tz) + offset

        @classmethod
        def utcnow(cls) -> Any:
            return real.now(datetime.timezone.utc).replace(tzinfo=None) + offset

    if hasattr(botocore.auth, "get_current_datetime"):
        monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_a, **_k: Shifted.utcnow())
    else:
        shifted = type("shifted", (), {"datetime": Shifted, "timedelta": datetime.timedelta})
        monkeypatch.setattr(botocore.auth, "datetime", shifted)


def test_a_region_that_the_server_corrects_is_followed(s3: Any) -> None:
    """As AWS does it; the signature of the second try has to be for the right region, the body's digest too."""

    def answer(request: Request) -> Reply:
        if "/eu-central-1/s3/" not in request.headers["Authorization"]:
            return Reply.error(400, "AuthorizationHeaderMalformed", "the region is wrong", Region="eu-central-1")
        return Reply(headers={"ETag": '"x"'})

    with ScriptedHttp(answer) as server:
        s3(endpoint_url=server.endpoint, region="us-east-1").put("data/a", bytes(LARGE))
    assert len(server.requests[-1].body) == LARGE


def test_a_wrong_region_is_named_with_the_right_one(s3: Any) -> None:
    def answer(_request: Request) -> Reply:
        return Reply.error(400, "AuthorizationHeaderMalformed", "the region is wrong", Region="eu-central-1")

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint, region="us-east-1")
        for action in ACTIONS.values():
            error = refused(lambda action=action: action(store))
            assert error.code == "region"
            assert "eu-central-1" in error.hint


def test_a_wrong_region_without_the_right_one(s3: Any) -> None:
    with ScriptedHttp(lambda _request: Reply.error(301, "PermanentRedirect", "use another endpoint")) as server:
        error = refused(lambda: list(s3(endpoint_url=server.endpoint, region="eu-west-9").list("")))
    assert error.code == "region"
    assert "eu-west-9" in error.msg


def test_a_front_that_sends_plain_http_to_https(s3: Any) -> None:
    def answer(request: Request) -> Reply:
        return Reply(301, headers={"Location": f"https://s3.example.com{request.path}"})

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint)
        for action in ACTIONS.values():
            error = refused(lambda action=action: action(store))
            assert error.code == "tls"
            assert "https://" in error.hint


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (507, "InsufficientStorage", "no room", "full"),
        (403, "QuotaExceeded", "the quota of the bucket is used up", "full"),
        (500, "InternalError", "write: no space left on device", "full"),
        (403, "ExpiredToken", "The provided token has expired.", "access_key"),
        (403, "InvalidToken", "The provided token is malformed", "access_key"),
        (403, "AccountProblem", "pay your bill", "denied"),
        (403, "SomethingNew", "no", "denied"),
        (503, "SlowDown", "Please reduce your request rate.", "unreachable"),
        (500, "InternalError", "oops", "unreachable"),
        (400, "InvalidArgument", "what?", "remote"),
        (400, "BadRequest", "Client sent an HTTP request to an HTTPS server.", "tls"),
    ],
)
def test_other_refusals(
    s3: Any, monkeypatch: pytest.MonkeyPatch, status: int, code: str, message: str, expected: str
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)  # between tries
    with ScriptedHttp(lambda _request: Reply.error(status, code, message)) as server:
        error = refused(lambda: s3(endpoint_url=server.endpoint).put("data/a", b"x"))
    assert error.code == expected
    if expected in ("remote", "unreachable"):
        assert code in error.msg and message.rstrip(".") in error.msg


def test_a_web_server_that_is_no_s3_server(s3: Any) -> None:
    with ScriptedHttp(lambda _request: Reply(404, b"<html>not here</html>")) as server:
        store = s3(endpoint_url=server.endpoint)
        for action in (lambda: store.get("data/a", 1), lambda: list(store.list(""))):
            error = refused(action)
            assert error.code == "remote"
            assert "endpoint_url" in error.hint


def test_a_missing_object_is_told_from_a_missing_bucket(s3: Any) -> None:
    assert s3().get("data/nothing", 1) is None


def test_no_credentials_anywhere(s3: Any) -> None:
    error = refused(lambda: s3(access_key=None, secret_key=None))
    assert error.code == "access_key"
    for tried in ("access_key", "AWS_ACCESS_KEY_ID", "profile default", "role"):
        assert tried in error.msg


def test_credentials_from_the_environment(s3: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", bucket.rw.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", bucket.rw.secret_key)
    s3(access_key=None, secret_key=None).put("data/a", bytes(LARGE))


def test_credentials_from_a_profile(s3: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "credentials"
    pair = f"aws_access_key_id = {bucket.rw.access_key}\naws_secret_access_key = {bucket.rw.secret_key}\n"
    file.write_text(f"[backups]\n{pair}", encoding="utf-8")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    s3(access_key=None, secret_key=None, profile="backups").put("data/a", b"x")
    error = refused(lambda: s3(access_key=None, secret_key=None, profile="nosuch"))
    assert error.code == "config"
    assert "nosuch" in error.msg


def test_a_profile_does_not_win_over_keys_that_are_given(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    s3().put("data/a", b"x")


def test_without_boto3(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "botocore"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "botocore", None)
    error = refused(s3)
    assert error.code == "library"
    assert "python3-boto3" in error.hint
