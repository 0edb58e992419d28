# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a use case may ask of an object store, whatever it is made of.

Keys are ``/``-separated, relative to the remote's prefix or directory; each component is already safe as a file
name (percent-encoded, at most 200 bytes; see :mod:`..names`).

Error codes of :class:`..errors.RemoteError` every store uses: ``access_key`` (key unknown), ``secret_key`` (signature
doesn't match), ``denied``, ``bucket_missing``, ``region``, ``tls``, ``unreachable`` (endpoint down, name not
resolved, timed out), ``clock_skew``, ``full`` (no space, quota), ``missing`` (the directory isn't there),
``library`` (boto3 missing), ``remote`` (anything else, with the server's words).
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
    """What was found out about a remote. ``None``: not tried (an append-only key, check mode)."""

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
        """All objects whose key begins with ``prefix``. What isn't ours beside it is never touched.

        They come by key, as far as the server keeps to that; nothing may rest on it.

        A prefix nobody has put anything under gives nothing. Strangers' objects under it are yielded too:
        the caller skips keys it can't parse.
        """

    def folders(self, prefix: str) -> builtins.list[str]:
        """The distinct next components below ``prefix`` (which ends in ``/``), without their slash."""

    def get(self, key: str, limit: int) -> bytes | None:
        """The whole object, or ``None`` where there is none. One longer than ``limit`` bytes raises CorruptError."""

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """Exactly these bytes of an object, ``None`` where there is none. One that is shorter raises CorruptError."""

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        """Store the whole object; on return it is acknowledged, but see :meth:`sync`.

        ``sha256`` (hex, of ``data``) saves hashing it again for the signature. ``exclusive``: there must be no such
        key yet; where the store can say so atomically it does. After a lost reply the key is read back: the same
        bytes mean success. Raises ``RemoteError`` with code ``exists`` where another object is there.
        """

    def sync(self) -> None:
        """Make every put acknowledged so far durable (directory: fsync of files and folders; S3: nothing to do)."""

    def delete(self, keys: builtins.list[str]) -> None:
        """Delete these; those that aren't there are no error."""

    def now(self) -> float:
        """Seconds since the epoch by the store's own clock (S3: Date of a reply; directory: the host's clock)."""

    def probe(self, write: bool, delete: bool) -> Capabilities:
        """Try the remote: list and read always, write and delete where allowed. Leaves nothing behind it may delete.

        Raises RemoteError (one clear line) where what is needed fails.
        """

    def exists(self) -> bool:
        """Whether the bucket or directory itself is there (reading only)."""

    def create(self) -> bool:
        """Create the bucket or directory; true where it wasn't there."""

    def extend_lock(self, keys: builtins.list[str], until: float) -> None:
        """Keep these locked until then (S3 object lock; elsewhere nothing). ``until``: seconds since the epoch."""

    def close(self) -> None:
        """Give connections back."""


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
