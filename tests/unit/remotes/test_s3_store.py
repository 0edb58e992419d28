# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""S3 on a bad line, with many objects, with locks, and on servers that can do less."""

from __future__ import annotations

import concurrent.futures
import hashlib
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3 import requests
from ansible_collections.snapship.dr.tests.support.cutting_proxy import CuttingProxy
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp

LARGE = 2 << 20
EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
CONTINUE = len(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.fixture
def proxy(bucket: Bucket) -> Any:
    with CuttingProxy(int(bucket.endpoint.rsplit(":", 1)[1])) as line:
        yield line


@pytest.fixture
def no_pauses(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "_PAUSES", (0.01, 0.01, 0.01))


def test_a_body_cut_midway_is_asked_for_again(s3: Any, proxy: CuttingProxy) -> None:
    content = os.urandom(LARGE)
    s3().put("data/a", content)
    proxy.reply_limits = [LARGE // 2, 1000, 0]
    assert s3(endpoint_url=proxy.endpoint).get("data/a", LARGE) == content
    assert proxy.connections == 4


@pytest.mark.parametrize("limit", [None, "10M"])
def test_a_body_that_is_always_cut_is_an_error_never_short(s3: Any, proxy: CuttingProxy, limit: str | None) -> None:
    s3().put("data/a", bytes(LARGE))
    proxy.reply_limits = [LARGE // 2] * 100
    with pytest.raises(RemoteError, match="the connection broke") as caught:
        s3(endpoint_url=proxy.endpoint, bandwidth_limit=limit).get("data/a", LARGE)
    assert caught.value.code == "unreachable"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [*range(0, 60, 7), 17, 150, 250])
def test_a_listing_or_object_cut_among_its_headers_is_never_taken_for_empty(
    s3: Any, proxy: CuttingProxy, no_pauses: None, cut: int
) -> None:
    s3().put("data/a", b"content")
    store = s3(endpoint_url=proxy.endpoint)
    proxy.reply_limits = [cut] * 2
    assert [entry.key for entry in store.list("data/")] == ["data/a"]
    store.close()
    store = s3(endpoint_url=proxy.endpoint)
    store.now()
    store.close()
    proxy.reply_limits = [cut] * 2
    assert store.get("data/a", 10) == b"content"


@pytest.mark.parametrize("size", [10, LARGE])
@pytest.mark.parametrize("lost", [1, 2])
def test_an_exclusive_put_whose_reply_is_lost_has_succeeded(s3: Any, proxy: CuttingProxy, size: int, lost: int) -> None:
    """The retry meets our own object; it is read back and found to be ours."""
    content = os.urandom(size)
    proxy.reply_limits = [CONTINUE + 1 if size == LARGE else 0] * lost
    s3(endpoint_url=proxy.endpoint).put("backups/a", content, exclusive=True)
    assert s3().get("backups/a", size) == content
    assert proxy.connections > lost


def test_an_exclusive_put_is_read_back_after_the_last_try(s3: Any, proxy: CuttingProxy) -> None:
    content = os.urandom(LARGE)
    proxy.reply_limits = [CONTINUE + 1] * 4  # as many as there are tries
    s3(endpoint_url=proxy.endpoint).put("backups/a", content, exclusive=True)
    assert s3().get("backups/a", LARGE) == content


def test_a_put_whose_reply_is_lost_over_another_object_is_refused(s3: Any, proxy: CuttingProxy) -> None:
    s3().put("backups/a", os.urandom(LARGE))
    proxy.reply_limits = [CONTINUE + 1] * 4
    with pytest.raises(RemoteError) as caught:
        s3(endpoint_url=proxy.endpoint).put("backups/a", os.urandom(LARGE), exclusive=True)
    assert caught.value.code == "exists"


def test_a_line_that_stays_down_is_an_error(s3: Any, proxy: CuttingProxy) -> None:
    proxy.reply_limits = [0] * 100
    store = s3(endpoint_url=proxy.endpoint)
    for exclusive in (False, True):
        with pytest.raises(RemoteError) as caught:
            store.put("backups/a", bytes(LARGE), exclusive=exclusive)
        assert caught.value.code == "unreachable"


@pytest.mark.parametrize("failures", [4, 12, 15])
def test_a_server_that_answered_before_is_waited_for(s3: Any, no_pauses: None, failures: int) -> None:
    replies = [Reply(), *[Reply.error(503, "SlowDown")] * failures]

    with ScriptedHttp(lambda _request: replies.pop(0) if replies else Reply()) as server:
        store = s3(endpoint_url=server.endpoint)
        store.put("data/a", b"x")
        store.put("data/b", bytes(LARGE))
    assert len(server.requests) == failures + 2
    assert len(server.requests[-1].body) == LARGE


@pytest.mark.parametrize("refusal", ["AccessDenied", "XAmzContentSHA256Mismatch", "SignatureDoesNotMatch"])
def test_a_body_is_signed_where_the_server_wants_that(s3: Any, refusal: str) -> None:
    """A large body whose digest isn't known goes unsigned, unless the server refuses that: it is asked once."""

    def answer(request: Request) -> Reply:
        unsigned = request.headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"
        return Reply.error(403, refusal) if unsigned and refusing else Reply()

    for refusing, unsigned in ((False, 3), (True, 1)):
        with ScriptedHttp(answer) as server:
            store = s3(endpoint_url=server.endpoint)
            for name in ("a", "b", "c"):
                store.put(f"data/{name}", bytes(LARGE))
            store.put("data/small", b"x")
            store.put("data/known", bytes(LARGE), hashlib.sha256(bytes(LARGE)).hexdigest())
        digests = [request.headers["x-amz-content-sha256"] for request in server.requests]
        assert digests.count("UNSIGNED-PAYLOAD") == unsigned
        assert len(digests) == (6 if refusing else 5)


def test_waiting_has_an_end(s3: Any, no_pauses: None) -> None:
    replies = [Reply()]
    with ScriptedHttp(lambda _request: replies.pop(0) if replies else Reply.error(503, "SlowDown")) as server:
        store = s3(endpoint_url=server.endpoint)
        store.put("data/a", b"x")
        with pytest.raises(RemoteError, match="SlowDown") as caught:
            store.put("data/b", b"x")
    assert caught.value.code == "unreachable"
    assert len(server.requests) == 17


def test_a_slow_line_is_no_time_out(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole body may take much longer than the time-out: that holds for each send, and each send is small."""
    sent: list[tuple[int, float]] = []
    real = socket.socket.sendall

    def sendall(self: socket.socket, data: Any, *flags: int) -> None:
        limit = self.gettimeout()
        assert limit is not None
        sent.append((memoryview(data).nbytes, limit))
        real(self, data, *flags)

    store, content = s3(), os.urandom(32 << 20)
    with monkeypatch.context() as patch:
        patch.setattr(socket.socket, "sendall", sendall, raising=False)
        store.put("data/a", content)
    speed = 120_000  # bytes a second
    assert all(size / speed < limit for size, limit in sent)
    assert sum(size for size, _limit in sent) / speed > max(limit for _size, limit in sent)
    assert sum(size for size, _limit in sent) >= len(content)
    assert store.get("data/a", len(content)) == content


def test_the_digest_that_is_handed_in_is_what_is_signed(s3: Any) -> None:
    digest = hashlib.sha256(b"something else").hexdigest()
    with ScriptedHttp(lambda _request: Reply()) as server:
        s3(endpoint_url=server.endpoint).put("data/a", bytes(LARGE), sha256=digest)
    assert server.requests[0].headers["X-Amz-Content-SHA256"] == digest


def test_what_commits_is_checked_by_the_server(s3: Any) -> None:
    """A sender that dies after the headers would otherwise leave an empty object on some servers."""
    with ScriptedHttp(lambda _request: Reply()) as server:
        store = s3(endpoint_url=server.endpoint)
        store.put("inflight/a", b"small")
        store.put("backups/a", bytes(LARGE), exclusive=True)
        store.put("data/a", bytes(LARGE))
    assert [bool(request.headers.get("Content-MD5")) for request in server.requests] == [True, True, False]
    assert [request.headers.get("Expect") for request in server.requests] == [None, "100-continue", "100-continue"]


@pytest.mark.parametrize("size", [10, LARGE])
def test_a_sender_that_dies_before_the_body_leaves_nothing(s3: Any, proxy: CuttingProxy, size: int) -> None:
    proxy.requests_without_bodies = True
    with pytest.raises(RemoteError) as caught:
        s3(endpoint_url=proxy.endpoint).put("backups/a", os.urandom(size), exclusive=True)
    assert caught.value.code == "unreachable"
    proxy.wait_for_the_server()
    assert s3().get("backups/a", LARGE) is None


def test_the_body_is_neither_copied_nor_hashed_again(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real = hashlib.sha256

    def watched(data: Any = b"", **more: Any) -> Any:
        seen.append(len(data))
        return real(data, **more)

    store, content = s3(), bytearray(os.urandom(LARGE))
    digest = real(content).hexdigest()
    store.put("data/warm", content, sha256=digest)
    monkeypatch.setattr("botocore.auth.sha256", watched)
    monkeypatch.setattr("hashlib.sha256", watched)
    store.put("data/a", content, sha256=digest)
    assert max(seen, default=0) < 4096  # the headers
    assert store.get("data/a", LARGE) == content


def test_other_users_of_botocore_are_left_alone(s3: Any, bucket: Bucket) -> None:
    s3().put("data/a", bytes(LARGE))
    bucket.client.put_object(Bucket=bucket.name, Key="theirs", Body=bytes(LARGE))
    assert s3().get("data/a", LARGE) == bytes(LARGE)


def test_keys_are_listed_and_deleted_by_the_thousand(s3: Any) -> None:
    store = s3()
    expected = {f"backups/web1/db/{number:05d}~full" for number in range(2001)}
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda key: store.put(key, b"x"), expected))
    before = store.requests["list"]
    listed = [entry.key for entry in store.list("backups/")]
    assert store.requests["list"] - before == 3
    assert listed == sorted(expected)
    deletes = store.requests["delete"]
    store.delete(listed)
    assert store.requests["delete"] - deletes == 3
    assert list(store.list("")) == []


def test_strangers_beside_and_below_the_prefix(s3: Any, bucket: Bucket) -> None:
    ours = s3(prefix="prod")
    ours.put("backups/a", b"1")
    for key in ("production/backups/b", "backups/c", "prod", "prod/backups/strange name\u00e9/", "prod/x/y"):
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=b"")
    assert {entry.key for entry in ours.list("backups/")} >= {"backups/a"}
    assert all(entry.key.startswith("backups/") for entry in ours.list("backups/"))
    assert sorted(ours.folders("")) == ["backups", "x"]
    assert "backups/c" in [entry.key for entry in s3(prefix="").list("backups/")]
    ours.delete([entry.key for entry in ours.list("")])
    assert {"production/backups/b", "backups/c", "prod"} <= set(bucket.keys())


def test_the_clock_is_the_servers(s3: Any) -> None:
    def answer(_request: Request) -> Reply:
        return Reply(body=EMPTY_LIST)

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint)
        before = time.time()
        assert before - 2 < store.now() < time.time() + 2
        asking = time.time() - before
    assert len(server.requests) == 1
    before = time.time()
    assert before - 2 - asking < store.now() < time.time() + 2  # no further request


def test_a_skewed_servers_clock(s3: Any) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "PUT":
            return Reply(headers={"Date": "Mon, 09 Mar 2026 14:30:00 GMT"})
        return Reply.error(404, "NoSuchKey")

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint)
        store.put("data/a", b"x")
        assert 0 <= store.now() - 1773066600 < 3600


@pytest.mark.parametrize("code", ["NotImplemented", "MissingContentMD5", "MethodNotAllowed"])
def test_a_server_that_deletes_one_by_one_only(s3: Any, code: str) -> None:
    def answer(request: Request) -> Reply:
        status = 501 if code == "NotImplemented" else 400
        return Reply.error(status, code) if request.method == "POST" else Reply(204)

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint)
        store.delete(["data/a", "data/b"])
        store.delete(["data/c"])
    assert [request.method for request in server.requests] == ["POST", "DELETE", "DELETE", "DELETE"]


def test_a_server_that_has_no_conditional_put(s3: Any) -> None:
    stored: dict[str, bytes] = {}

    def answer(request: Request) -> Reply:
        if request.headers.get("If-None-Match"):
            return Reply.error(501, "NotImplemented")
        if request.method == "PUT":
            stored[request.path] = request.body
            return Reply()
        body = stored.get(request.path)
        return Reply.error(404, "NoSuchKey") if body is None else Reply(body=body)

    with ScriptedHttp(answer) as server:
        store = s3(endpoint_url=server.endpoint)
        store.put("backups/a", b"one", exclusive=True)
        store.put("backups/a", b"one", exclusive=True)
        with pytest.raises(RemoteError, match="exists already with another content"):
            store.put("backups/a", b"two", exclusive=True)
        with pytest.raises(RemoteError, match="exists already with another content"):
            store.put("backups/a", b"-", exclusive=True)
    assert list(stored.values()) == [b"one"]


def test_a_server_that_ignores_the_condition_is_found_out(s3: Any) -> None:
    def answer(request: Request) -> Reply:
        if request.method == "GET" and "list-type" in request.path:
            return Reply(body=EMPTY_LIST)
        if request.method == "GET" and "object-lock" in request.path:
            return Reply.error(501, "NotImplemented")
        if request.method == "GET":
            return Reply(body=request.path.removeprefix(f"/{bucket_of(request)}/prod/one/").encode())
        return Reply(
            204 if request.method == "DELETE" else 200, b"<DeleteResult/>" if request.method == "POST" else b""
        )

    with ScriptedHttp(answer) as server:
        found = s3(endpoint_url=server.endpoint).probe(write=True, delete=True)
    assert found.conditional_put is False
    assert found.object_lock is None


def bucket_of(request: Request) -> str:
    return request.path.split("/")[1]


def test_a_body_without_a_length_is_bounded_too(s3: Any) -> None:
    with ScriptedHttp(lambda _request: Reply(body=b"5\r\nabcde\r\n0\r\n\r\n", headers=CHUNKED)) as server:
        store = s3(endpoint_url=server.endpoint)
        assert store.get("data/a", 5) == b"abcde"
        with pytest.raises(CorruptError):
            store.get("data/a", 4)


CHUNKED = {"Transfer-Encoding": "chunked", "Content-Length": ""}


def test_the_storage_class_is_for_data_only(s3: Any) -> None:
    with ScriptedHttp(lambda _request: Reply()) as server:
        store = s3(endpoint_url=server.endpoint, storage_class="STANDARD_IA")
        store.put("data/a", b"x")
        store.put("backups/a", b"x")
    assert [request.headers.get("x-amz-storage-class") for request in server.requests] == ["STANDARD_IA", None]


@pytest.fixture
def locked(s3: Any, bucket: Bucket) -> Any:
    """Opens stores on a bucket with object lock."""
    name = f"{bucket.name}-locked"

    def open_it(**options: Any) -> Any:
        return s3(bucket=name, object_lock_days=2, **options)

    assert open_it().create()
    yield open_it
    bucket.server.drop_bucket(name)


def test_what_a_backup_consists_of_is_locked(locked: Any, bucket: Bucket) -> None:
    store, client = locked(), bucket.client
    before = time.time()
    store.put("data/a", os.urandom(LARGE))
    store.put("backups/a", b"x", exclusive=True)
    store.put("inflight/a", b"x")
    after = time.time()
    name = f"{bucket.name}-locked"
    for key in ("data/a", "backups/a"):
        head = client.head_object(Bucket=name, Key=f"prod/one/{key}")
        assert head["ObjectLockMode"] == "GOVERNANCE"
        locked_from = head["ObjectLockRetainUntilDate"].timestamp() - 2 * 86400
        assert before - 60 < locked_from < after + 60  # the clock is the server's
    assert "ObjectLockMode" not in client.head_object(Bucket=name, Key="prod/one/inflight/a")
    version = client.head_object(Bucket=name, Key="prod/one/data/a")["VersionId"]
    with pytest.raises(ClientError, match="AccessDenied|locked|WORM"):
        client.delete_object(Bucket=name, Key="prod/one/data/a", VersionId=version)
    store.delete(["data/a"])  # hides it
    assert store.get("data/a", LARGE) is None


def test_a_lock_is_extended_and_never_shortened(locked: Any, bucket: Bucket) -> None:
    store, client = locked(), bucket.client
    store.put("data/a", b"x")
    later = time.time() + 5 * 86400
    store.extend_lock(["data/a"], later)
    store.extend_lock(["data/a"], time.time() + 86400)
    head = client.head_object(Bucket=f"{bucket.name}-locked", Key="prod/one/data/a")
    assert abs(head["ObjectLockRetainUntilDate"].timestamp() - later) < 2


def test_probing_sees_the_object_lock(locked: Any) -> None:
    assert locked().probe(write=True, delete=True) == (True, True, True, True, True, True)


def test_probing_a_bucket_without_the_object_lock_that_is_wanted(s3: Any) -> None:
    with pytest.raises(RemoteError, match="no object lock"):
        s3(object_lock_days=7).probe(write=True, delete=True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"endpoint_url": None}, "s3|https://s3.amazonaws.com|dr|prod"),
        ({"endpoint_url": None, "region": "eu-west-1"}, "s3|https://s3.amazonaws.com|dr|prod"),
        ({"endpoint_url": "https://s3.eu-west-1.amazonaws.com"}, "s3|https://s3.amazonaws.com|dr|prod"),
        ({"endpoint_url": "https://Store.Example.com"}, "s3|https://store.example.com:443|dr|prod"),
        ({"endpoint_url": "https://store.example.com:443/"}, "s3|https://store.example.com:443|dr|prod"),
        ({"endpoint_url": "http://store.example.com"}, "s3|http://store.example.com:80|dr|prod"),
        ({"endpoint_url": "http://[::1]:8333"}, "s3|http://[::1]:8333|dr|prod"),
    ],
)
def test_the_same_place_has_one_location(opener: Any, options: dict[str, Any], expected: str) -> None:
    usual = {"bucket": "dr", "prefix": "/prod//", "access_key": "AKID", "secret_key": "secret"}
    store = opener(**{**usual, **options})
    assert store.location == expected
    assert "AKID" not in store.label + store.location


def test_the_endpoint_may_come_from_the_environment(opener: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:8333")
    store = opener(bucket="dr", access_key="AKID", secret_key="secret")
    assert store.location == "s3|http://127.0.0.1:8333|dr|"


def test_messages_and_places_hold_no_secret(s3: Any, bucket: Bucket, tmp_path: Path) -> None:
    store = s3()
    for text in (store.label, store.location, repr(store), str(vars(store))):
        assert bucket.rw.secret_key not in text
