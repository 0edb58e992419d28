# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""Requests to S3 and their replies: repeated, counted, checked for completeness, and explained when they fail."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from ...common.errors import RemoteError
from ...common.keys import corrupt, shown
from ..store import Throttle
from .client import Opened
from .errors import ReplyError, S3Place, failures, remote_error
from .page_trail import PageTrail

PAGE = 1000
_READ_ATTEMPTS = 4
_PAST_END = ("InvalidRange", "416")
# Seconds between further tries, after botocore's own (which may be over in a second), when a server that has answered
# before doesn't any more: a restart or a short cut of the line must not end a run of hours.
_PAUSES = (1.0, 4.0, 10.0)
_KINDS = {
    "ListObjectsV2": "list",
    "ListObjectVersions": "list",
    "GetObject": "get",
    "PutObject": "put",
    "DeleteObjects": "delete",
    "DeleteObject": "delete",
    "HeadObject": "head",
}


class S3Requests:
    """All requests of one store go through here; safe to use from several threads."""

    def __init__(self, opened: Opened, place: S3Place, throttle: Throttle | None) -> None:
        self._client = opened.client
        self._place = place
        self._throttle = throttle
        self._lock = threading.Lock()
        #: requests sent so far, each try counted
        self.counts: dict[str, int] = {"list": 0, "get": 0, "put": 0, "delete": 0, "head": 0}
        #: what to add to this host's monotonic clock to get the server's, by its newest reply
        self.clock_offset: float | None = None
        self._client.meta.events.register("before-send.s3", self._count)
        self._client.meta.events.register("response-received.s3", self._read_clock)

    def send(self, method: str, action: str, **options: Any) -> Mapping[str, Any]:
        """Call a method of the client on the bucket. ``action`` names it in error messages."""
        for pause in (*_PAUSES, None):
            try:
                reply: Mapping[str, Any] = getattr(self._client, method)(Bucket=self._place.bucket, **options)
                _check_whole(method, reply)
                return reply
            except failures() as error:
                told = remote_error(error, action, self._place)
                # A server that never answered is reported at once: a user may be waiting to correct the address.
                answered = self.clock_offset is not None or isinstance(error, ConnectionError)
                if told.code != "unreachable" or pause is None or not answered:
                    raise told from None
            time.sleep(pause)
            if "Body" in options:
                options["Body"].seek(0)  # botocore rewinds between its own tries only
        raise AssertionError("the last try returns or raises")

    def pages(self, prefix: str, delimiter: str | None, listed: str) -> Iterator[Mapping[str, Any]]:
        """Replies to list requests; ``listed`` is the prefix below that of the remote."""
        options: dict[str, Any] = {"Prefix": prefix, "MaxKeys": PAGE}
        if delimiter:
            options["Delimiter"] = delimiter
        action = f"list {shown(listed)}".strip()
        trail = PageTrail(f"{self._place.label}: {action}")
        while True:
            page = self.send("list_objects_v2", action, **options)
            trail.check(page, ("Contents", "CommonPrefixes"))
            yield page
            if not page.get("IsTruncated"):
                return
            options["ContinuationToken"] = trail.next(page.get("NextContinuationToken"))

    def version_pages(self, prefix: str, listed: str) -> Iterator[Mapping[str, Any]]:
        """As :meth:`pages`, of all versions."""
        options: dict[str, Any] = {"Prefix": prefix, "MaxKeys": PAGE}
        action = f"list versions of {shown(listed)}"
        trail = PageTrail(f"{self._place.label}: {action}")
        while True:
            page = self.send("list_object_versions", action, **options)
            trail.check(page, ("Versions", "DeleteMarkers"))
            yield page
            if not page.get("IsTruncated"):
                return
            version = page.get("NextVersionIdMarker")
            options["KeyMarker"] = trail.next(page.get("NextKeyMarker"), version)
            options.pop("VersionIdMarker", None)
            if version:
                options["VersionIdMarker"] = version

    def now(self) -> float:
        """Seconds since the epoch by the Date header of the newest reply. Raises RemoteError before the first one."""
        if self.clock_offset is None:
            raise RemoteError(
                f"{self._place.label}: the server's replies have no Date header, so its clock is unknown.",
                code="remote",
            )
        return time.monotonic() + self.clock_offset

    def read(self, full_key: str, key: str, limit: int, version: str | None = None) -> bytes | None:
        """The whole object, ``None`` if it doesn't exist. A body that ends early is requested again, never returned."""
        return self._read(full_key, key, limit, **({"VersionId": version} if version else {}))

    def read_range(self, full_key: str, key: str, offset: int, length: int, version: str | None = None) -> bytes | None:
        """Exactly these bytes of an object, ``None`` if it doesn't exist. Raises CorruptError if it is shorter."""
        try:
            options = {"VersionId": version} if version else {}
            data = self._read(full_key, key, length, Range=f"bytes={offset}-{offset + length - 1}", **options)
        except ReplyError as error:
            if error.reason not in _PAST_END:
                raise
            data = b""
        if data is not None and len(data) != length:
            raise corrupt(key, f"on {self._place.label} the object is shorter than it was when it was listed.")
        return data

    def _read(self, full_key: str, key: str, limit: int, **options: str) -> bytes | None:
        for attempt in range(_READ_ATTEMPTS):
            try:
                reply = self.send("get_object", f"get {shown(key)}", Key=full_key, **options)
            except RemoteError as error:
                if error.code == "no_key":
                    return None
                raise
            try:
                return self._read_body(reply, key, limit)
            except RemoteError as error:
                if error.code != "unreachable" or attempt == _READ_ATTEMPTS - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
        raise AssertionError("unreachable")

    def _read_body(self, reply: Mapping[str, Any], key: str, limit: int) -> bytes:
        body = reply["Body"]
        size = reply.get("ContentLength")
        if size is not None and (size < 0 or "transfer-encoding" in reply["ResponseMetadata"]["HTTPHeaders"]):
            size = None  # what it says isn't what ends the body
        if size is not None and size > limit:
            body.close()
            raise corrupt(key, f"on {self._place.label} the object has {size} bytes; at most {limit} are expected.")
        try:
            # Without a length the body is read up to the limit and no further.
            most = None if size is not None else limit + 1
            data = body.read(most) if self._throttle is None else _read_slowly(body, most, self._throttle)
        except failures() as error:
            raise remote_error(error, f"get {shown(key)}", self._place) from None
        if size is None and len(data) > limit:
            body.close()
            raise corrupt(key, f"on {self._place.label} the object has more than the {limit} bytes expected.")
        return bytes(data)

    # Events of botocore

    def _count(self, event_name: str, **_kwargs: Any) -> None:
        kind = _KINDS.get(event_name.rsplit(".", 1)[-1])
        if kind:
            with self._lock:
                self.counts[kind] += 1

    def _read_clock(self, response_dict: Mapping[str, Any] | None = None, **_kwargs: Any) -> None:
        stamp = ((response_dict or {}).get("headers") or {}).get("date")
        if not stamp:
            return
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            self.clock_offset = parsedate_to_datetime(stamp).timestamp() - time.monotonic()


def _read_slowly(body: Any, most: int | None, throttle: Throttle) -> bytes:
    data = bytearray()
    while most is None or len(data) < most:
        piece = body.read(throttle.slice)
        if not piece:
            break
        data += piece
        throttle.take(len(piece))
    return bytes(data)


def _check_whole(method: str, reply: Mapping[str, Any]) -> None:
    """Refuse a reply whose connection broke within its headers: http.client takes that for their end.

    A listing would then look empty, and an object without a length too short.
    """
    if method in ("list_objects_v2", "list_object_versions"):
        whole = "IsTruncated" in reply
    elif method == "get_object":
        headers = reply.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        whole = "content-length" in headers or "transfer-encoding" in headers
    else:
        return
    if not whole:
        raise ConnectionError("Connection broken: the headers of the reply are incomplete")
