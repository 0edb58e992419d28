# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""pytest fixtures of a real S3 server: one server for the session, a fresh bucket for each test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.support.seaweed import REGION, Key, S3Server
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront


@dataclass(frozen=True)
class Bucket:
    """An empty bucket of the test's own and how to reach it."""

    server: S3Server
    name: str
    region: str = REGION

    @property
    def endpoint(self) -> str:
        return self.server.endpoint

    @property
    def rw(self) -> Key:
        return self.server.rw

    @property
    def ro(self) -> Key:
        """May read and list only."""
        return self.server.ro

    @property
    def client(self) -> Any:
        """A new boto3 client with the read-write key."""
        return self.server.client()

    def keys(self, prefix: str = "") -> list[str]:
        """Every key under ``prefix``, in the order of the listing."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """Every object under ``prefix`` with its content: the whole state, for a comparison before and after."""
        client = self.client
        return {key: client.get_object(Bucket=self.name, Key=key)["Body"].read() for key in self.keys(prefix)}


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def bucket(s3_server: S3Server) -> Iterator[Bucket]:
    name = f"test-{secrets.token_hex(6)}"
    s3_server.client().create_bucket(Bucket=name)
    yield Bucket(s3_server, name)
    if s3_server.process is None:  # a test that killed the server and failed before it started it again
        s3_server.start()
    s3_server.drop_bucket(name)


@pytest.fixture(scope="session")
def s3_tls(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsFront]:
    """The same server by https; only ``ca_path`` vouches for it."""
    with TlsFront(tmp_path_factory.mktemp("tls"), s3_server.ports["s3.port"]) as front:
        yield front
