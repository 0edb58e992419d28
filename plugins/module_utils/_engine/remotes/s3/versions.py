# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""A bucket with versioning as it was at a point in time, and earlier versions of one object."""

from __future__ import annotations

import builtins
import itertools
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Callable, NamedTuple, NoReturn

from ...common.errors import RemoteError, UsageError
from ...common.units import FUTURE_TOLERANCE, iso_time
from ..store import Buffer, Capabilities, Entry
from .errors import ReplyError
from .page_trail import modified
from .requests import S3Requests

_REMEMBERED = 100_000  # keys whose version needn't be asked for again
_TRIED = 16  # earlier versions of an object, the first ones


class Version(NamedTuple):
    """One version of an object, or a mark that it was deleted."""

    key: str
    id: str
    size: int  # bytes
    modified: float  # seconds since the epoch, by the server's clock; mostly whole ones
    latest: bool
    deleted: bool


def versions(requests: S3Requests, root: str, prefix: str) -> Iterator[list[Version]]:
    """The versions of each object below, the newest first. Keys are relative to ``root``."""
    waiting: dict[str, list[Version]] = {}
    for page in requests.version_pages(root + prefix, prefix):
        # The versions of one key come one after the other; those of a page's last key may go on in the next.
        last = {page.get("NextKeyMarker", "")[len(root) :]}
        for deleted, kind in ((False, "Versions"), (True, "DeleteMarkers")):
            found = [_version(item, root, deleted) for item in page.get(kind, ()) if item["Key"].startswith(root)]
            for version in found:
                waiting.setdefault(version.key, []).append(version)
            last.update(version.key for version in found[-1:])
        if page.get("IsTruncated"):
            yield from [waiting.pop(key) for key in list(waiting) if key not in last]
    yield from waiting.values()


def _version(item: Mapping[str, Any], root: str, deleted: bool) -> Version:
    latest = bool(item.get("IsLatest"))
    return Version(
        item["Key"][len(root) :], item.get("VersionId") or "null", item.get("Size", 0), modified(item), latest, deleted
    )


def at(found: Iterable[Version], moment: float) -> Version | None:
    """The version that was there at this time; ``None`` if none was.

    Of a version and a deletion within the server's same second the version counts, unless nothing came after the
    deletion.
    """
    known = [each for each in found if each.modified <= moment]
    newest = max(known, key=lambda each: (each.modified, each.deleted and each.latest, not each.deleted), default=None)
    return None if newest is None or newest.deleted else newest


def earlier(requests: S3Requests, root: str, key: str, limit: int, until: float | None = None) -> Iterator[bytes]:
    """What an object was before its newest version (or that at ``until``): the first versions, the oldest first.

    Nothing where the server keeps no versions, or the access key may not list them.
    """
    try:
        found = next((each for each in versions(requests, root, key) if each[0].key == key), [])
    except ReplyError:
        return
    kept = [each for each in found if not each.deleted and (until is None or each.modified <= until)]
    kept.sort(key=lambda each: each.modified, reverse=True)
    fitting = (each for each in reversed(kept[1:]) if each.size <= limit)
    for each in itertools.islice(fitting, _TRIED):
        data = requests.read(root + key, key, limit, each.id)
        if data is not None:
            yield data


class PastBucket:
    """A bucket as it was; see :class:`..store.ObjectStore`. It can only be read, and ``now`` is that point in time."""

    def __init__(
        self, requests: S3Requests, root: str, label: str, location: str, close: Callable[[], None], moment: float
    ) -> None:
        self._requests = requests
        self._root = root
        self._close = close
        self._moment = moment
        self.label = f"{label} as of {iso_time(moment)}"
        self.location = location
        self.requests = requests.counts
        self._lock = threading.Lock()
        self._checked = False
        self._known: dict[str, Version | None] = {}

    # Reading

    def list(self, prefix: str) -> Iterator[Entry]:
        """The objects that were below."""
        self._require_versions()
        for found in versions(self._requests, self._root, prefix):
            version = at(found, self._moment)
            self._remember(found[0].key, version)
            if version is not None:
                yield Entry(version.key, version.size, version.modified)

    def folders(self, prefix: str) -> builtins.list[str]:
        """From the keys: a folder may have only versions of another time."""
        below = (entry.key[len(prefix) :].partition("/") for entry in self.list(prefix))
        return sorted({name for name, slash, _rest in below if slash})

    def get(self, key: str, limit: int) -> bytes | None:
        """The whole object, in the version of that time."""
        version = self._at(key)
        return None if version is None else self._requests.read(self._root + key, key, limit, version.id)

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """As :meth:`get`."""
        version = self._at(key)
        if version is None:
            return None
        return self._requests.read_range(self._root + key, key, offset, length, version.id)

    def earlier(self, key: str, limit: int) -> Iterator[bytes]:
        """Versions before the one of that time."""
        return earlier(self._requests, self._root, key, limit, self._moment)

    def now(self, write: bool = False) -> float:
        """The point in time."""
        return self._moment

    def exists(self) -> bool:
        """Whether the bucket exists and keeps versions; raises where it doesn't."""
        self._require_versions()
        return True

    def probe(self, write: bool, delete: bool) -> Capabilities:
        """Test that versions can be listed."""
        self._require_versions()
        next(versions(self._requests, self._root, ""), None)
        return Capabilities(True, None, None, None, None, None)

    def close(self) -> None:
        """Close connections."""
        self._close()

    # What can't be done

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        """Refused."""
        self._refuse()

    def sync(self) -> None:
        """Nothing to do."""

    def delete(self, keys: builtins.list[str]) -> None:
        """Refused."""
        self._refuse()

    def create(self) -> bool:
        """Refused."""
        self._refuse()

    def extend_lock(self, keys: builtins.list[str], until: float) -> None:
        """Refused."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        raise RemoteError(f"{self.label}: the past can't be changed.", "Leave as_of out.", code="read_only")

    # Steps

    def _at(self, key: str) -> Version | None:
        if key not in self._known:
            self._require_versions()
            found = next((each for each in versions(self._requests, self._root, key) if each[0].key == key), [])
            version = at(found, self._moment)
            self._remember(key, version)
            return version
        return self._known[key]

    def _remember(self, key: str, version: Version | None) -> None:
        if len(self._known) < _REMEMBERED:
            self._known[key] = version

    def _require_versions(self) -> None:
        """Once: see that the bucket keeps versions, and that the point in time isn't to come."""
        with self._lock:
            if self._checked:
                return
            reply = self._requests.send("get_bucket_versioning", "ask whether it keeps versions")
            if reply.get("Status") not in ("Enabled", "Suspended"):
                raise UsageError(
                    f"{self.label}: the bucket keeps no versions, so as_of can't show what it was.",
                    "Leave as_of out. To be able to use it in future, enable versioning of the bucket now.",
                    code="no_versions",
                )
            ahead = self._moment - self._requests.now()
            if ahead > FUTURE_TOLERANCE:
                raise UsageError(f"as_of: {iso_time(self._moment)} is in the future by the server's clock.")
            self._checked = True
