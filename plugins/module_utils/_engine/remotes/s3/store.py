# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""An S3 bucket, or a prefix in one, as an object store."""

from __future__ import annotations

import base64
import datetime
import hashlib
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

from ...common.errors import CorruptError, RemoteError
from ...common.keys import shown
from ...common.units import utc_time
from ..spec import RemoteSpec
from ..store import Buffer, Capabilities, Entry, ObjectStore, Throttle
from .client import Opened
from .errors import ReplyError, S3Place
from .page_trail import modified
from .payload import SMALL, UNSIGNED, Payload
from .requests import PAGE, S3Requests
from .settings import S3Settings
from .versions import PastBucket, earlier

Names = list[str]  # in the class, list is a method
_LOCK_THREADS = 8
# A storage class is for large objects that are seldom read. Manifests must be readable at once.
_CLASSED = "data/"
# The objects of a backup. Records beside them come and go.
_LOCKED = ("backups/", "data/")
_NOT_IMPLEMENTED = ("NotImplemented", "501")
# Errors of servers that can't delete several objects at once, or want a digest that this client doesn't send.
_NO_BULK_DELETE = (*_NOT_IMPLEMENTED, "MethodNotAllowed", "MissingContentMD5", "InvalidRequest", "MalformedXML")


class S3Store:
    """See :class:`.store.ObjectStore`. Exclusive puts are atomic where the server knows ``If-None-Match``."""

    def __init__(self, spec: RemoteSpec, opened: Opened) -> None:
        self._settings = settings = S3Settings.of(spec)
        self._append_only = spec.append_only
        self._client = opened.client
        self._aws = opened.aws
        self._region = opened.region
        self._root = f"{settings.prefix}/" if settings.prefix else ""
        self.label = f"s3://{settings.bucket}/{settings.prefix}".rstrip("/") + f" at {opened.endpoint}"
        self.location = "|".join(("s3", _plain_endpoint(opened), settings.bucket, settings.prefix))
        self._throttle = Throttle(spec.bandwidth_limit) if spec.bandwidth_limit else None
        self._place = place = S3Place(
            self.label, settings.bucket, opened.endpoint, opened.region, settings.ca_path, opened.hidden
        )
        self._requests = S3Requests(opened, place, self._throttle)
        self.requests = self._requests.counts
        self._bulk_delete = True
        self._unsigned: bool | None = None  # whether the server takes bodies that aren't signed; None: not known yet
        put_model = self._client.meta.service_model.operation_model("PutObject")
        self._conditional_put = True  # until the server says that it doesn't know it
        self._checksums = "ChecksumSHA256" in put_model.input_shape.members

    # Reading

    def list(self, prefix: str) -> Iterator[Entry]:
        """All objects below, 1000 a request, in the server's order: most sort by key, SeaweedFS folder by folder."""
        for page in self._requests.pages(self._root + prefix, None, prefix):
            for item in page.get("Contents", ()):
                if item["Key"].startswith(self._root):
                    yield Entry(item["Key"][len(self._root) :], item.get("Size", 0), modified(item))

    def folders(self, prefix: str) -> Names:
        """The next components, told apart by the server."""
        skip = len(self._root) + len(prefix)
        found: Names = []
        for page in self._requests.pages(self._root + prefix, "/", prefix):
            found.extend(item["Prefix"][skip:-1] for item in page.get("CommonPrefixes", ()))
        return found

    def get(self, key: str, limit: int) -> bytes | None:
        """The whole object. A body that ends early is asked for again, never returned."""
        return self._requests.read(self._root + key, key, limit)

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """As :meth:`get`."""
        return self._requests.read_range(self._root + key, key, offset, length)

    def now(self, write: bool = False) -> float:
        """By the Date header of the newest reply; asks for one if there was none yet."""
        if self._requests.clock_offset is None:
            self._requests.send("list_objects_v2", "read the clock", Prefix=self._root, MaxKeys=1)
        return self._requests.now()

    def earlier(self, key: str, limit: int) -> Iterator[bytes]:
        """Versions of an object before the newest, where the bucket keeps them."""
        return earlier(self._requests, self._root, key, limit)

    def as_of(self, moment: float) -> ObjectStore:
        """The bucket as it was at this time, by the server's clock. Closing that closes this."""
        return PastBucket(self._requests, self._root, self.label, self.location, self.close, moment)

    def exists(self) -> bool:
        """Whether the bucket exists. A list request, as the reply to HEAD gives no reason."""
        try:
            self._requests.send("list_objects_v2", "list", Prefix=self._root, MaxKeys=1)
        except RemoteError as error:
            if error.code == "bucket_missing":
                return False
            raise
        return True

    # Writing

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        """One PUT, repeated after passing failures. An exclusive one is read back where its outcome is unknown."""
        view = memoryview(data).cast("B")
        if sha256 is None and not exclusive and self._may_be_unsigned(len(view)):
            self._put_unsigned(key, view)
            return
        digest = sha256 or hashlib.sha256(view).hexdigest()
        if not exclusive:
            self._put(key, view, digest, seal=len(view) <= SMALL)
            return
        try:
            self._put_new(key, view, digest)
        except RemoteError as error:
            if error.code not in ("exists", "unreachable", "remote"):
                raise
            self._settle(key, len(view), digest, error)

    def _may_be_unsigned(self, size: int) -> bool:
        return size > SMALL and self._unsigned is not False and not self._settings.object_lock_days

    def _put_unsigned(self, key: str, data: memoryview) -> None:
        """A PUT whose signature covers everything but the body. A server, or a policy, may refuse that."""
        try:
            self._put(key, data, UNSIGNED, seal=False)
            self._unsigned = True
        except RemoteError as error:
            if self._unsigned is not None or error.code not in ("denied", "remote", "secret_key"):
                raise
            self._put(key, data, hashlib.sha256(data).hexdigest(), seal=False)
            self._unsigned = False

    def sync(self) -> None:
        """Nothing to do: acknowledged objects are durable."""

    def delete(self, keys: Sequence[str]) -> None:
        """Delete 1000 keys a request where the server can, otherwise one by one."""
        for start in range(0, len(keys), PAGE):
            batch = keys[start : start + PAGE]
            if self._bulk_delete:
                self._delete_batch(batch)
            if not self._bulk_delete:
                for key in batch:
                    self._delete_one(key)

    def create(self) -> bool:
        """Create the bucket, with object lock if the definition has object_lock_days."""
        if self.exists():
            return False
        options: dict[str, Any] = {}
        if self._aws and self._region != "us-east-1":
            options["CreateBucketConfiguration"] = {"LocationConstraint": self._region}
        if self._settings.object_lock_days:
            options["ObjectLockEnabledForBucket"] = True
        self._requests.send("create_bucket", "create the bucket", **options)
        return True

    def extend_lock(self, keys: Sequence[str], until: float) -> None:
        """Extend locks, never shorten them. Objects without a lock get one in governance mode."""
        moment = utc_time(until)
        with ThreadPoolExecutor(_LOCK_THREADS) as pool:
            for _done in pool.map(lambda key: self._extend_one(key, moment), keys):
                pass  # raises what a thread raised

    def close(self) -> None:
        """Close connections. Older clients close theirs when they are forgotten."""
        if hasattr(self._client, "close"):
            self._client.close()

    # Finding out

    def probe(self, write: bool, delete: bool) -> Capabilities:
        """Test the bucket. An append-only remote keeps the small test object."""
        self._requests.send("list_objects_v2", "list", Prefix=self._root, MaxKeys=1)
        key = f"probe/{secrets.token_hex(8)}"
        self.get(key, 64)
        lock = self._has_object_lock()
        if not write:
            return Capabilities(True, True, None, None, None, lock)
        if self._settings.object_lock_days and lock is False:
            hint = "Object lock can only be enabled when a bucket is created (create_bucket), or by its provider."
            raise RemoteError(f"{self.label}: object_lock_days is set, but the bucket has no object lock.", hint)
        self.put(key, key.encode())
        conditional = self._refuses_second_put(key)
        if self.get(key, 64) is None:
            raise RemoteError(
                f"{self.label}: a test object ({key}) disappeared right after it was written.", code="remote"
            )
        may_delete = delete and not self._append_only
        if may_delete:
            self.delete([key])
        return Capabilities(True, True, True, True if may_delete else None, conditional, lock)

    def _refuses_second_put(self, key: str) -> bool:
        if not self._conditional_put:
            return False
        body = key.encode()
        try:
            self._put(key, memoryview(body), hashlib.sha256(body).hexdigest(), exclusive=True)
        except RemoteError as error:
            # Servers without it either ignore it or report an error.
            if error.code in ("exists", "remote"):
                return error.code == "exists"
            raise
        return False

    def _has_object_lock(self) -> bool | None:
        try:
            reply = self._requests.send("get_object_lock_configuration", "read the object lock configuration")
        except RemoteError as error:
            # ObjectLockConfigurationNotFoundError: no lock. Not implemented or not allowed: unknown.
            absent = isinstance(error, ReplyError) and error.reason == "ObjectLockConfigurationNotFoundError"
            return False if absent else None
        return bool(reply.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")

    def _put_options(self, key: str, digest: str) -> dict[str, Any]:
        options: dict[str, Any] = {}
        if self._settings.storage_class and key.startswith(_CLASSED):
            options["StorageClass"] = self._settings.storage_class
        if self._settings.object_lock_days and key.startswith(_LOCKED):
            # Governance, not compliance: a backup host's key can lift neither, but an administrator with the right to
            # bypass governance can correct a wrong number of days (10000).
            options["ObjectLockMode"] = "GOVERNANCE"
            until = self._server_time() + self._settings.object_lock_days * 86400
            options["ObjectLockRetainUntilDate"] = utc_time(until)
            # With a lock S3 requires a checksum of the body: this, or with an older botocore its MD5.
            if self._checksums:
                options["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(digest)).decode()
        return options

    def _server_time(self) -> float:
        return time.time() if self._requests.clock_offset is None else time.monotonic() + self._requests.clock_offset

    def _put_new(self, key: str, data: memoryview, digest: str) -> None:
        if self._conditional_put:
            try:
                self._put(key, data, digest, exclusive=True)
                return
            except ReplyError as error:
                if error.reason not in _NOT_IMPLEMENTED:
                    raise
                self._conditional_put = False
        same = self._is_same(key, len(data), digest)
        if same is None:
            self._put(key, data, digest)
        elif not same:
            raise self._taken(key)

    def _put(self, key: str, data: memoryview, digest: str, seal: bool = True, exclusive: bool = False) -> None:
        body = Payload(data, digest, self._throttle, exclusive)
        options = self._put_options(key, digest)
        if seal or ("ObjectLockMode" in options and not self._checksums):
            # SeaweedFS stores an empty object when the sender dies between headers and body, unless the headers have a
            # digest. Segments have none: a resume checks their length.
            options["ContentMD5"] = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
        self._requests.send("put_object", f"put {shown(key)}", Key=self._root + key, Body=body, **options)

    def _settle(self, key: str, size: int, digest: str, error: RemoteError) -> None:
        """After an exclusive put that was refused, or whose reply was lost: check whether the object is ours."""
        try:
            same = self._is_same(key, size, digest)
        except RemoteError:
            same = None
        if same is None:
            raise error
        if not same:
            raise self._taken(key)

    def _is_same(self, key: str, size: int, digest: str) -> bool | None:
        """Whether the object has these bytes; ``None`` if it doesn't exist."""
        try:
            stored = self.get(key, size)
        except CorruptError:  # longer
            return False
        return None if stored is None else hashlib.sha256(stored).hexdigest() == digest

    def _taken(self, key: str) -> RemoteError:
        return RemoteError(f"{self.label}: {shown(key)} exists already with another content.", code="exists")

    def _delete_batch(self, keys: Sequence[str]) -> None:
        listed = {"Objects": [{"Key": self._root + key} for key in keys], "Quiet": True}
        try:
            reply = self._requests.send("delete_objects", f"delete {len(keys)} objects", Delete=listed)
        except RemoteError as error:
            if not isinstance(error, ReplyError) or error.reason not in _NO_BULK_DELETE:
                raise
            self._bulk_delete = False
            return
        failed = [item for item in reply.get("Errors", ()) if item.get("Code") not in ("NoSuchKey", "NotFound", "404")]
        if failed:
            first = failed[0]
            key, said = first.get("Key", "")[len(self._root) :], self._place.hidden.cleaned
            more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
            denied = "denied" in str(first.get("Code", "")).lower()
            raise RemoteError(
                f"{self.label}: {said(shown(key))}{more} can't be deleted "
                f"({said(first.get('Code'))}: {said(first.get('Message', ''))}).",
                "The access key needs the right to delete; a locked object stays until its lock ends."
                if denied
                else "",
                code="denied" if denied else "remote",
            )

    def _delete_one(self, key: str) -> None:
        try:
            self._requests.send("delete_object", f"delete {shown(key)}", Key=self._root + key)
        except RemoteError as error:
            if error.code != "no_key":
                raise

    def _extend_one(self, key: str, until: datetime.datetime) -> None:
        head = self._requests.send("head_object", f"read the lock of {shown(key)}", Key=self._root + key)
        held = head.get("ObjectLockRetainUntilDate")
        if held is not None and held >= until:
            return
        retention = {"Mode": head.get("ObjectLockMode") or "GOVERNANCE", "RetainUntilDate": until}
        self._requests.send(
            "put_object_retention", f"extend the lock of {shown(key)}", Key=self._root + key, Retention=retention
        )


def _plain_endpoint(opened: Opened) -> str:
    """The endpoint in a normal form: lower case, with its port; Amazon's without a region."""
    if opened.aws:
        return "https://s3.amazonaws.com"
    parts = urlsplit(opened.endpoint)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"
