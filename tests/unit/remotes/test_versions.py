# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions of objects in a real bucket: which one was there when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.versions import Version, at
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp

Opener = Callable[..., Any]


@pytest.fixture
def versioned(bucket: Bucket) -> Bucket:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def version(number: int, modified: float, latest: bool = False, deleted: bool = False) -> Version:
    return Version("a", str(number), 1, modified, latest, deleted)


def test_the_newest_of_that_time_counts() -> None:
    found = [version(4, 40.0, latest=True), version(3, 30.0), version(2, 20.0, deleted=True), version(1, 10.0)]
    chosen = [at(found, moment) for moment in (9.0, 10.0, 19.9, 20.0, 29.0, 30.0, 39.0, 40.0, 1e12)]
    assert [each and each.id for each in chosen] == [None, "1", "1", None, None, "3", "3", "4", "4"]


def test_within_one_second_a_version_counts_unless_the_deletion_was_the_end() -> None:
    assert at([version(1, 10.0), version(2, 10.0, deleted=True)], 10.0) == version(1, 10.0)
    assert at([version(1, 10.0), version(2, 10.0, latest=True, deleted=True)], 10.0) is None
    assert at([version(3, 10.0, latest=True), version(1, 10.0)], 10.0) == version(3, 10.0, latest=True)


def test_many_versions_over_several_pages(s3: Opener, versioned: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.requests.PAGE", 2)
    store = s3()
    names = ["data/a/1", "data/a/10", "data/a/2", "data/b", "data/c/1", "data/d%2Fe/1+2 ä"]
    for name in names:
        for content in (b"one", b"two", b"three"):
            store.put(name, content)
    store.delete(["data/b"])
    store.put("data/b", b"four")
    store.delete(["data/a/2"])
    past = store.as_of(time.time() + 60)
    assert {entry.key: entry.size for entry in past.list("data/")} == {
        entry.key: entry.size for entry in store.list("data/")
    }
    for name in names:
        assert past.get(name, 10) == store.get(name, 10), name
    fresh = store.as_of(time.time() + 60)  # without what listing has told
    assert [fresh.get(name, 10) for name in names] == [store.get(name, 10) for name in names]
    assert fresh.folders("data/") == ["a", "c", "d%2Fe"] == sorted(store.folders("data/"))
    assert fresh.get_range("data/a/10", 1, 3) == b"hre"
    assert fresh.get_range("data/a/3", 1, 3) is None
    with pytest.raises(CorruptError):
        fresh.get_range("data/a/10", 1, 30)
    with pytest.raises(CorruptError):
        fresh.get("data/a/10", 2)
    assert list(store.earlier("data/a/1", 10)) == [b"one", b"two"]
    assert list(store.earlier("data/a/1", 3)) == [b"one", b"two"]
    assert list(store.earlier("data/a", 10)) == []
    assert sum(fresh.requests.values()) == sum(store.requests.values())


def test_objects_from_before_versioning_have_a_past_too(s3: Opener, bucket: Bucket) -> None:
    store = s3()
    store.put("data/a", b"one")
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    assert store.as_of(time.time() + 60).get("data/a", 10) == b"one"
    store.put("data/a", b"two")
    assert list(store.earlier("data/a", 10)) == [b"one"]


def test_a_store_without_versions_has_nothing_earlier(store: Any) -> None:
    store.put("data/a", b"one")
    store.put("data/a", b"two")
    assert list(store.earlier("data/a", 10)) == []
    assert list(store.earlier("data/b", 10)) == []


def test_a_key_that_may_not_list_versions(opener: Opener) -> None:
    def refuse(_request: Request) -> Reply:
        return Reply.error(403, "AccessDenied")

    with ScriptedHttp(refuse) as server:
        store = opener(type="s3", bucket="b-b-b", endpoint_url=server.endpoint, access_key="a", secret_key="s")
        assert list(store.earlier("backups/a", 10)) == []
        with pytest.raises(RemoteError, match="versions") as caught:
            list(store.as_of(time.time()).list("backups/"))
        assert caught.value.code == "denied"
