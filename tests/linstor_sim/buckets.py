# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The storage of S3 remotes: a real bucket, or a directory in its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote

from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.state import Remote


class Unreachable(Exception):
    """The bucket doesn't exist, or the keys are wrong. ``root``: why nobody answers, if so."""

    def __init__(self, text: str, root: str = "") -> None:
        super().__init__(text)
        self.root = root


class Bucket(Protocol):
    """Objects by key. Everything raises Unreachable."""

    def keys(self, prefix: str) -> list[str]: ...

    def get(self, key: str) -> bytes: ...

    def put(self, key: str, body: bytes) -> None: ...

    def delete(self, key: str) -> None: ...


class DirectoryBucket:
    """Each object is a file. Characters that a file name can't have are quoted as in a URL."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keys(self, prefix: str) -> list[str]:
        if not self._directory.is_dir():
            raise Unreachable(f"The specified bucket does not exist: {self._directory.name}")
        names = sorted(unquote(each.name) for each in self._directory.iterdir())
        return [each for each in names if each.startswith(prefix)]

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except OSError as error:
            raise Unreachable(f"The specified key does not exist: {key}") from error

    def put(self, key: str, body: bytes) -> None:
        try:
            self._path(key).write_bytes(body)
        except OSError as error:
            raise Unreachable(str(error)) from error

    def delete(self, key: str) -> None:
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / quote(key, safe="^ ")


class _NoEntry:
    """Any bucket, with the wrong keys."""

    def keys(self, prefix: str) -> list[str]:
        raise Unreachable(
            "The request signature we calculated does not match the signature you provided. Check your key and signing "
            "method. (Service: Amazon S3; Status Code: 403; Error Code: SignatureDoesNotMatch)"
        )

    def get(self, key: str) -> bytes:
        raise Unreachable(f"The keys don't open {key}.")

    def put(self, key: str, body: bytes) -> None:
        self.get(key)

    def delete(self, key: str) -> None:
        self.get(key)


class _NoAnswer:
    """Any bucket, while nobody answers at its endpoint."""

    def __init__(self, where: str, why: str) -> None:
        self._root = f"Connect to {where} failed: {why}"

    def keys(self, prefix: str) -> list[str]:
        raise Unreachable(f"Unable to execute HTTP request: {self._root}", self._root)

    def get(self, key: str) -> bytes:
        raise Unreachable(f"Unable to execute HTTP request: {self._root}", self._root)

    def put(self, key: str, body: bytes) -> None:
        self.get(key)

    def delete(self, key: str) -> None:
        self.get(key)


class S3Bucket:
    """Through boto3, with the remote's own keys."""

    def __init__(self, remote: Remote) -> None:
        import boto3  # clusters without S3 don't need it
        from botocore.config import Config

        style = "path" if remote.fields.get("use_path_style") else "auto"
        endpoint = str(remote.fields["endpoint"])
        self._name = str(remote.fields["bucket"])
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=endpoint if "://" in endpoint else f"https://{endpoint}",
            region_name=str(remote.fields["region"]),
            aws_access_key_id=remote.secrets["access_key"],
            aws_secret_access_key=remote.secrets["secret_key"],
            config=Config(s3={"addressing_style": style}, request_checksum_calculation="when_required"),
        )

    def keys(self, prefix: str) -> list[str]:
        def listing() -> list[str]:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", [])]

        return self._tried(listing)  # type: ignore[no-any-return]

    def get(self, key: str) -> bytes:
        def reading() -> bytes:
            body: bytes = self._client.get_object(Bucket=self._name, Key=key)["Body"].read()
            return body

        return self._tried(reading)  # type: ignore[no-any-return]

    def put(self, key: str, body: bytes) -> None:
        self._tried(lambda: self._client.put_object(Bucket=self._name, Key=key, Body=body))

    def delete(self, key: str) -> None:
        self._tried(lambda: self._client.delete_object(Bucket=self._name, Key=key))

    def _tried(self, call: Any) -> Any:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

        try:
            return call()
        except HTTPClientError as error:
            raise Unreachable(f"Unable to execute HTTP request: {error}", str(error)) from error
        except (BotoCoreError, ClientError) as error:
            raise Unreachable(str(error)) from error


def bucket_of(cluster: Cluster, remote: Remote) -> Bucket:
    """The remote's bucket; a new client each time, so that changed keys count at once."""
    if cluster.buckets_away:
        return _NoAnswer(str(remote.fields["endpoint"]), cluster.buckets_away)
    directory, keys = cluster.options.bucket_directory, cluster.options.bucket_keys
    if directory is not None:
        if keys and keys.get(remote.secrets["access_key"]) != remote.secrets["secret_key"]:
            return _NoEntry()
        return DirectoryBucket(directory / str(remote.fields["bucket"]))
    return S3Bucket(remote)
