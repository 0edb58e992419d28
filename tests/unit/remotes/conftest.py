# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores to test: each test of the protocol runs on a real bucket and on a real directory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import open_store, parse_remote
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

Opener = Callable[..., Any]


@pytest.fixture(autouse=True)
def nobodys_aws_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the user who runs the tests has set up for AWS counts for nothing here."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
                 "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE"):  # fmt: skip
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))


@pytest.fixture
def opener() -> Iterator[Opener]:
    """Opens stores from a definition's options; all are closed afterwards."""
    opened = []

    def open_it(**options: Any) -> Any:
        opened.append(open_store(parse_remote("offsite", options)))
        return opened[-1]

    yield open_it
    for store in opened:
        store.close()


@pytest.fixture
def s3(opener: Opener, bucket: Bucket) -> Opener:
    """Opens stores on the test's own bucket; options given win."""

    def open_it(**options: Any) -> Any:
        usual = {
            "type": "s3",
            "bucket": bucket.name,
            "prefix": "prod/one",
            "endpoint_url": bucket.endpoint,
            "region": bucket.region,
            "access_key": bucket.rw.access_key,
            "secret_key": bucket.rw.secret_key,
        }
        return opener(**{**usual, **options})

    return open_it


@pytest.fixture
def directory(opener: Opener, tmp_path: Path) -> Opener:
    """Opens stores on the test's own directory, which is there already."""

    def open_it(**options: Any) -> Any:
        path = tmp_path / "remote"
        path.mkdir(exist_ok=True)
        return opener(**{"type": "directory", "path": str(path), **options})

    return open_it


@pytest.fixture(params=["s3", "directory"])
def opened(request: pytest.FixtureRequest) -> Opener:
    """Opens a store of either kind."""
    open_it: Opener = request.getfixturevalue(request.param)
    return open_it


@pytest.fixture
def store(opened: Opener) -> Any:
    return opened()
