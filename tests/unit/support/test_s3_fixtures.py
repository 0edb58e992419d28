# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The S3 server that other tests rest on: it must refuse what a real one refuses."""

from __future__ import annotations

import os

import boto3
import pytest
from botocore.exceptions import ClientError, SSLError

from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.support.seaweed import Key
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront


def test_what_is_put_is_read_back_and_listed(bucket: Bucket) -> None:
    body = os.urandom(1 << 20)
    bucket.client.put_object(Bucket=bucket.name, Key="a/b c", Body=body)
    assert bucket.keys() == ["a/b c"]
    assert bucket.objects("a/") == {"a/b c": body}


def test_each_test_has_an_empty_bucket(bucket: Bucket) -> None:
    assert bucket.keys() == []


def test_the_read_only_key_reads_but_never_writes(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="kept", Body=b"1")
    reader = bucket.server.client(bucket.ro)
    assert reader.get_object(Bucket=bucket.name, Key="kept")["Body"].read() == b"1"
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.put_object(Bucket=bucket.name, Key="new", Body=b"2")
    with pytest.raises(ClientError, match="AccessDenied"):
        reader.delete_object(Bucket=bucket.name, Key="kept")


def test_a_wrong_secret_is_refused(bucket: Bucket) -> None:
    stranger = bucket.server.client(Key(bucket.rw.access_key, "wrong"))
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.put_object(Bucket=bucket.name, Key="new", Body=b"2")


def test_an_append_only_bucket_takes_objects_and_keeps_them(bucket: Bucket) -> None:
    bucket.server.forbid_deleting(bucket.name)
    bucket.client.put_object(Bucket=bucket.name, Key="kept", Body=b"1")
    with pytest.raises(ClientError, match="AccessDenied"):
        bucket.client.delete_object(Bucket=bucket.name, Key="kept")
    assert bucket.keys() == ["kept"]


def test_a_killed_server_comes_back_with_its_data(bucket: Bucket) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key="kept", Body=b"1")
    bucket.server.kill()
    bucket.server.start()
    assert bucket.objects() == {"kept": b"1"}


def test_https_is_trusted_only_with_its_own_ca(bucket: Bucket, s3_tls: TlsFront) -> None:
    def client(verify: str | bool) -> object:
        return boto3.client(
            "s3",
            endpoint_url=s3_tls.endpoint,
            region_name=bucket.region,
            aws_access_key_id=bucket.rw.access_key,
            aws_secret_access_key=bucket.rw.secret_key,
            verify=verify,
        )

    client(str(s3_tls.ca_path)).put_object(Bucket=bucket.name, Key="by-tls", Body=b"1")
    assert bucket.keys() == ["by-tls"]
    with pytest.raises(SSLError):
        client(True).list_buckets()
