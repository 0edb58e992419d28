# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The interface of an object store, and what its methods promise.

Keys are ``/``-separated, relative to the remote's prefix or directory; each component is already safe as a file
name (percent-encoded, at most 200 bytes; see :mod:`..common.keys`).

Error codes of :class:`..common.errors.RemoteError` that every store uses: ``access_key`` (key unknown), ``secret_key``
(signature doesn't match), ``denied``, ``bucket_missing``, ``region``, ``tls``, ``unreachable`` (endpoint down, name not
resolved, timed out), ``clock_skew``, ``full`` (no space, quota), ``missing`` (no such directory), ``library`` (boto3
missing), ``remote`` (anything else, with the server's message).
"""

from __future__ import annotations

import builtins
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple, Protocol, Union

Buffer = Union[bytes, bytearray, memoryview]


class Entry(NamedTuple):
    """One object in a listing."""

    key: str
    size: int  # bytes
    modified: float  # seconds since the epoch, by the store's clock


class Capabilities(NamedTuple):
    """What a remote can do. ``None``: not tested (an append-only key, check mode)."""

    list: bool | None
    read: bool | None
    write: bool | None
    delete: bool | None
    conditional_put: bool | None
    object_lock: bool | None


class ObjectStore(Protocol):
    """A place for whole objects. All methods are safe to call from several threads at once."""

    #: for messages: ``s3://bucket/prefix at https://...`` or ``/srv/backup``; never a secret
    label: str
    #: the same place gives the same string, whatever name the remote has; never a secret
    location: str
    #: list requests and others made so far, by kind ("list", "get", "put", "delete", "head")
    requests: dict[str, int]

    def list(self, prefix: str) -> Iterator[Entry]:
        """All objects whose key begins with ``prefix``.

        Most servers sort them by key; callers can't rely on that. Other people's objects under the prefix are yielded,
        too: the caller skips keys that it can't parse. A prefix without objects gives nothing.
        """

    def folders(self, prefix: str) -> builtins.list[str]:
        """The distinct next components below ``prefix`` (which ends in ``/``), without their slash."""

    def get(self, key: str, limit: int) -> bytes | None:
        """The whole object, or ``None`` if it doesn't exist. Raises CorruptError if it has over ``limit`` bytes."""

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """Exactly these bytes of an object, ``None`` if it doesn't exist. Raises CorruptError if it is shorter."""

    def earlier(self, key: str, limit: int) -> Iterator[bytes]:
        """What an object was before it was replaced, the oldest first: some of the first versions, of at most ``limit``
        bytes. Nothing where the store keeps no versions."""

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        """Store the whole object; on return it is acknowledged, but see :meth:`sync`.

        ``sha256`` (hex, of ``data``) is what the request is signed with. Without it a large body may go unsigned: its
        caller has recorded another digest of it. ``exclusive``: the key must not exist;
        atomic where the store can do that. After a lost reply the key is read back: the same bytes mean success.
        Raises RemoteError with code ``exists`` if the key has another content.
        """

    def sync(self) -> None:
        """Make every put acknowledged so far durable (directory: fsync of files and folders; S3: nothing to do)."""

    def delete(self, keys: builtins.list[str]) -> None:
        """Delete these keys. Missing ones are no error."""

    def now(self, write: bool = False) -> float:
        """Seconds since the epoch by the store's own clock.

        S3: the Date of a reply. A directory: the mtime of a file just made there, which needs ``write`` once; until
        then, and where this user can't write, the host's clock.
        """

    def probe(self, write: bool, delete: bool) -> Capabilities:
        """Test the remote: list and read always, write and delete where allowed. Deletes its test object if it can.

        Raises RemoteError where something fails that is needed.
        """

    def exists(self) -> bool:
        """Whether the bucket or directory exists (reads only)."""

    def create(self) -> bool:
        """Create the bucket or directory; true if it didn't exist."""

    def extend_lock(self, keys: builtins.list[str], until: float) -> None:
        """Extend the object lock of these keys (S3; elsewhere nothing). ``until``: seconds since the epoch."""

    def close(self) -> None:
        """Close connections."""


_LARGEST = 1 << 20
_SMALLEST = 4 << 10


class Throttle:
    """A bandwidth limit of ``rate`` bytes a second that all threads of a store share. Idle time earns no credit."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0
        #: bytes to ask for at a time, so that the line is used evenly: about an eighth of a second's worth
        self.slice = max(_SMALLEST, min(_LARGEST, rate // 8))

    def take(self, count: int) -> None:
        """Wait until ``count`` more bytes are within the limit."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + count / self._rate
        if start > now:
            time.sleep(start - now)
