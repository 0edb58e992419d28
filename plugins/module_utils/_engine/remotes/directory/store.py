# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""A directory on a mounted filesystem as an object store: a key is a path below it."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import stat
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from ...common.errors import CorruptError, RemoteError
from ...common.keys import corrupt, shown
from ..spec import RemoteSpec
from ..store import Buffer, Capabilities, Entry, Throttle
from .root import Root
from .temporary import FOLDER, Incoming, made_now, remove_orphans
from .tree import folder, make_durable, remove_if_empty, subfolders, walk

Names = list[str]  # in the class, list is a method
_OURS = frozenset([FOLDER])


class DirectoryStore:
    """See :class:`.store.ObjectStore`.

    The directory is opened once, and everything is done relative to it: nothing is ever written to what appears at its
    path later. A file is complete and durable before it gets its name; :meth:`sync` then makes the names durable. An
    exclusive put is durable with its name when it returns. Symbolic links below the directory are never followed.
    """

    def __init__(self, spec: RemoteSpec) -> None:
        self._where = Root(str(spec.options["path"]), spec.options.get("mount_point"))
        self._append_only = spec.append_only
        self.label = self._where.path
        self.location = f"directory|{os.path.realpath(self._where.path)}"
        self.requests: dict[str, int] = {"list": 0, "get": 0, "put": 0, "delete": 0, "head": 0}
        self._throttle = Throttle(spec.bandwidth_limit) if spec.bandwidth_limit else None
        self._lock = threading.Lock()
        self._unsynced: set[tuple[str, ...]] = set()
        self._looked_for_orphans = False
        self._clock_offset: float | None = None  # what to add to this host's monotonic clock to get the directory's

    # Reading

    def list(self, prefix: str) -> Iterator[Entry]:
        """All regular files below, sorted by key."""
        self._count("list")
        parts, starts = _split_prefix(prefix)
        above = "".join(f"{part}/" for part in parts)
        with self._told(f"list {shown(prefix)}"):
            root = self._where.descriptor()
            try:
                with folder(root, parts) as descriptor:
                    for found in walk(descriptor, above, starts, frozenset() if parts else _OURS):
                        yield Entry(*found)
            except FileNotFoundError:
                return

    def folders(self, prefix: str) -> Names:
        """The folders in the one that ``prefix`` names, sorted."""
        self._count("list")
        parts, _starts = _split_prefix(prefix)
        with self._told(f"list {shown(prefix)}"):
            root = self._where.descriptor()
            try:
                with folder(root, parts) as descriptor:
                    return subfolders(descriptor, frozenset() if parts else _OURS)
            except FileNotFoundError:
                return []

    def get(self, key: str, limit: int) -> bytes | None:
        """The whole file, read in one go where there is no bandwidth limit."""
        with self._opened(key) as descriptor:
            if descriptor is None:
                return None
            self._check_readable(key, os.fstat(descriptor), limit)
            return self._read(descriptor)

    def get_range(self, key: str, offset: int, length: int) -> bytes | None:
        """These bytes of a file."""
        with self._opened(key) as descriptor:
            if descriptor is None:
                return None
            status = os.fstat(descriptor)
            if offset + length > status.st_size:
                raise corrupt(key, f"in {self.label} the object is shorter than it was when it was listed.")
            self._check_readable(key, status, status.st_size)
            os.lseek(descriptor, offset, os.SEEK_SET)
            return self._read(descriptor, length)

    @contextmanager
    def _opened(self, key: str) -> Iterator[int | None]:
        self._count("get")
        parts, name = _split_key(key)
        with self._told(f"get {shown(key)}"):
            root = self._where.descriptor()
            try:
                with folder(root, parts) as above:
                    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=above)
            except FileNotFoundError:
                yield None
                return
            try:
                yield descriptor
            finally:
                os.close(descriptor)

    def earlier(self, key: str, limit: int) -> Iterator[bytes]:
        """Nothing: what is replaced is gone."""
        return iter(())

    def now(self, write: bool = False) -> float:
        """The clock of whoever keeps the directory, such as a NAS."""
        if self._clock_offset is None and write:
            asked = time.monotonic()
            with suppress(OSError):  # not there, read-only, full: the host's clock
                self._clock_offset = made_now(self._where.descriptor()) - asked
        return time.time() if self._clock_offset is None else time.monotonic() + self._clock_offset

    def exists(self) -> bool:
        """Whether the directory exists."""
        with self._told("look at it"):
            return self._where.exists()

    # Writing

    def put(self, key: str, data: Buffer, sha256: str | None = None, exclusive: bool = False) -> None:
        """Write the file durably under a temporary name, then link (exclusive) or rename it into place."""
        self._count("put")
        parts, name = _split_key(key)
        view = memoryview(data).cast("B")
        with self._told(f"put {shown(key)}"):
            self._remove_orphans_once()
            incoming = Incoming(self._where.descriptor())
            try:
                incoming.write(view, self._throttle)
                taken = self._place(incoming, parts, name, exclusive)
            finally:
                incoming.close()
            self._remember(parts)
            if taken:
                self._compare(key, view, sha256)
            if exclusive:
                self._sync_folders(_chain(parts))

    def sync(self) -> None:
        """fsync every folder that got a new name since the last call."""
        with self._lock:
            waiting, self._unsynced = self._unsynced, set()
        try:
            with self._told("make it durable"):
                self._sync_folders(sorted(waiting, key=len, reverse=True))
                remove_orphans(self._where.descriptor())
        except RemoteError:
            with self._lock:
                self._unsynced |= waiting
            raise

    def delete(self, keys: Sequence[str]) -> None:
        """Delete these, and folders that become empty."""
        emptied = set()
        for key in keys:
            self._count("delete")
            parts, name = _split_key(key)
            with self._told(f"delete {shown(key)}"):
                root = self._where.descriptor()
                try:
                    with folder(root, parts) as above:
                        os.unlink(name, dir_fd=above)
                except FileNotFoundError:
                    pass
                self._remember(parts)
            emptied.add(parts)
        for parts in sorted(emptied, key=len, reverse=True):
            remove_if_empty(self._where.descriptor(), parts)

    def create(self) -> bool:
        """Create the directory (0700), and those above it."""
        if self.exists():
            return False
        with self._told("create it"):
            self._where.create()
        return True

    def extend_lock(self, keys: Sequence[str], until: float) -> None:
        """Nothing: a directory has no object lock."""

    def close(self) -> None:
        """Close the directory."""
        self._where.close()

    # Finding out

    def probe(self, write: bool, delete: bool) -> Capabilities:
        """Test the directory. An append-only remote keeps the small test file."""
        with self._told("list it"):
            os.listdir(self._where.descriptor())
        key = f"probe/{secrets.token_hex(8)}"
        self.get(key, 64)
        if not write:
            return Capabilities(True, True, None, None, None, False)
        self.put(key, key.encode(), exclusive=True)
        if self.get(key, 64) != key.encode():
            raise RemoteError(
                f"{self.label}: a test file ({key}) disappeared right after it was written.", code="remote"
            )
        conditional = self._refuses_second_put(key)
        may_delete = delete and not self._append_only
        if may_delete:
            self.delete([key])
            remove_if_empty(self._where.descriptor(), (FOLDER,))
        return Capabilities(True, True, True, True if may_delete else None, conditional, False)

    def _refuses_second_put(self, key: str) -> bool:
        try:
            self.put(key, b"another", exclusive=True)
        except RemoteError as error:
            if error.code != "exists":
                raise
            return True
        return False

    # Steps

    def _check_readable(self, key: str, status: os.stat_result, limit: int) -> None:
        if not stat.S_ISREG(status.st_mode):
            raise corrupt(key, f"in {self.label} the object isn't a regular file.")
        if status.st_size > limit:
            raise corrupt(key, f"in {self.label} the object has {status.st_size} bytes; at most {limit} are expected.")

    def _read(self, descriptor: int, length: int | None = None) -> bytes:
        with open(descriptor, "rb", buffering=0, closefd=False) as file:
            if self._throttle is None and length is None:
                return file.readall()
            size = self._throttle.slice if self._throttle else length or 0
            data = bytearray()
            while length is None or len(data) < length:
                piece = file.read(size if length is None else min(size, length - len(data)))
                if not piece:
                    break
                data += piece
                if self._throttle:
                    self._throttle.take(len(piece))
            return bytes(data)

    def _place(self, incoming: Incoming, parts: tuple[str, ...], name: str, exclusive: bool) -> bool:
        """Give the file its name; true where the name is taken."""
        for _attempt in range(100):
            try:
                with folder(self._where.descriptor(), parts, create=True) as above:
                    if exclusive:
                        incoming.link(name, above)
                    else:
                        incoming.rename(name, above)
                return False
            except FileExistsError:
                return True
            except FileNotFoundError:
                self._where.descriptor()  # else another run removed the empty folder at this moment
        raise FileNotFoundError(errno.ENOENT, "the folder disappears each time it is created", "/".join(parts))

    def _compare(self, key: str, data: memoryview, sha256: str | None) -> None:
        try:
            there = self.get(key, len(data))
        except CorruptError:
            there = None
        digest = sha256 or hashlib.sha256(data).hexdigest()
        if there is None or len(there) != len(data) or hashlib.sha256(there).hexdigest() != digest:
            raise RemoteError(f"{self.label}: {shown(key)} exists already with another content.", code="exists")

    def _remember(self, parts: tuple[str, ...]) -> None:
        with self._lock:
            self._unsynced.update(_chain(parts))

    def _sync_folders(self, folders: Sequence[tuple[str, ...]]) -> None:
        for parts in folders:
            make_durable(self._where.descriptor(), parts)

    def _remove_orphans_once(self) -> None:
        with self._lock:
            if self._looked_for_orphans:
                return
            self._looked_for_orphans = True
        remove_orphans(self._where.descriptor())

    def _count(self, kind: str) -> None:
        with self._lock:
            self.requests[kind] += 1

    @contextmanager
    def _told(self, action: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._remote_error(error, action) from None

    def _remote_error(self, error: OSError, action: str) -> RemoteError:
        where = f"{self.label}: {action}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            words = "no space is left" if error.errno == errno.ENOSPC else "the quota is used up"
            hint = "Free some space there. Complete backups are unaffected."
            return RemoteError(f"{where}: {words}.", hint, code="full")
        if error.errno == errno.EROFS:
            return RemoteError(f"{where}: the filesystem is read-only.", "Mount it read-write.", code="denied")
        if error.errno in (errno.EACCES, errno.EPERM):
            return RemoteError(f"{where}: permission denied.", "Give this user access to it.", code="denied")
        if self._where.vanished() or error.errno in (errno.ESTALE, errno.ENODEV):
            hint = "Look whether it was removed or unmounted. Nothing was written to another place."
            return RemoteError(f"the directory {self.label} vanished while it was used.", hint, code="missing")
        if not os.path.isdir(self.label):
            hint = "Mount the filesystem that belongs there, or create the directory."
            return RemoteError(f"the directory {self.label} doesn't exist.", hint, code="missing")
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            hint = "Symbolic links below the remote's directory are never followed."
            return RemoteError(f"{where}: the path contains a symbolic link or a file.", hint, code="remote")
        hint = "Look at the kernel's log." if error.errno == errno.EIO else ""
        return RemoteError(f"{where}: {error.strerror or error}.", hint, code="remote")


def _split_key(key: str) -> tuple[tuple[str, ...], str]:
    parts = tuple(key.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in parts) or parts[0] in _OURS:
        raise RemoteError(f"{key!r} isn't a valid key for a directory.", code="remote")
    return parts[:-1], parts[-1]


def _split_prefix(prefix: str) -> tuple[tuple[str, ...], str]:
    """The folder to look in, and the beginning of names in it."""
    parts = tuple(prefix.split("/"))
    if any(part in ("", ".", "..") or "\0" in part for part in parts[:-1]):
        raise RemoteError(f"{prefix!r} isn't a valid prefix for a directory.", code="remote")
    return parts[:-1], parts[-1]


def _chain(parts: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The folder, those above it, and the root: deepest first."""
    return [parts[:count] for count in range(len(parts), -1, -1)]
