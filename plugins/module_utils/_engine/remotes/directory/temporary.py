# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""Temporary files of a directory store: each is written under a temporary name, and locked while it is written."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time

from ...common.direct_io import write_whole
from ..store import Throttle
from .tree import folder

#: the folder for them, below the store's path; no key begins with it
FOLDER = "tmp"
_TICK = 0.01  # seconds; a new file's stamp is at most so much older than the file
_OLD = 86400.0  # seconds; only used where the filesystem has no locks
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class Incoming:
    """One temporary file, locked by this process until it is closed."""

    def __init__(self, root: int) -> None:
        self._root = root
        self.name, self.descriptor = _create_locked(root)

    def write(self, data: memoryview, throttle: Throttle | None) -> None:
        """All of ``data``, made durable."""
        if throttle is None:
            write_whole(self.descriptor, data)
        else:
            at = 0
            while at < len(data):
                written = os.write(self.descriptor, data[at : at + throttle.slice])
                at += written
                throttle.take(written)
        os.fsync(self.descriptor)

    def rename(self, name: str, target: int) -> None:
        """Rename it to ``name`` in the folder with descriptor ``target``; replaces an existing file."""
        with folder(self._root, (FOLDER,)) as here:
            os.rename(self.name, name, src_dir_fd=here, dst_dir_fd=target)

    def link(self, name: str, target: int) -> None:
        """Link it to ``name`` in the folder with descriptor ``target``. Raises FileExistsError if the name is taken."""
        with folder(self._root, (FOLDER,)) as here:
            try:
                os.link(self.name, name, src_dir_fd=here, dst_dir_fd=target, follow_symlinks=False)
                return
            except OSError as error:
                if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
                    raise
            # A filesystem without hard links (FAT, some network filesystems): the same, but not atomic.
            if _is_there(name, target):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), name)
            os.rename(self.name, name, src_dir_fd=here, dst_dir_fd=target)

    def close(self) -> None:
        """Remove the temporary name if it still exists, and unlock."""
        try:
            with folder(self._root, (FOLDER,)) as here:
                os.unlink(self.name, dir_fd=here)
        except FileNotFoundError:
            pass
        finally:
            os.close(self.descriptor)


def made_now(root: int) -> float:
    """Seconds since the epoch by the clock that stamps new files: the server's on a network filesystem.

    Never before the stamp of a file that was made earlier.
    """
    incoming = Incoming(root)
    try:
        return os.fstat(incoming.descriptor).st_mtime + _TICK
    finally:
        incoming.close()


def _create_locked(root: int) -> tuple[str, int]:
    for _attempt in range(100):
        name = f"{os.getpid()}-{secrets.token_hex(8)}"
        try:
            with folder(root, (FOLDER,), create=True) as here:
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                descriptor = os.open(name, flags, 0o600, dir_fd=here)
        except FileNotFoundError:
            if not os.fstat(root).st_nlink:
                raise
            continue  # another run removed the empty folder at this moment
        if _lock(descriptor) is not False and os.fstat(descriptor).st_nlink:
            return name, descriptor
        os.close(descriptor)  # a cleaner removed it before it was locked
    raise OSError(errno.EAGAIN, "no temporary file can be created", FOLDER)


def _lock(descriptor: int) -> bool | None:
    """Whether it is locked by us now; ``None`` where the filesystem has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


def remove_orphans(root: int) -> None:
    """Remove temporary files whose writer is dead: nobody holds their lock."""
    try:
        with folder(root, (FOLDER,)) as here:
            for name in os.listdir(here):
                _remove_orphan(name, here)
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        pass


def _remove_orphan(name: str, here: int) -> None:
    try:
        if not stat.S_ISREG(os.stat(name, dir_fd=here, follow_symlinks=False).st_mode):
            return
        descriptor = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=here)
    except OSError:
        return  # gone, or another user's
    try:
        locked = _lock(descriptor)
        if locked is None:
            locked = time.time() - os.fstat(descriptor).st_mtime > _OLD
        if locked:
            os.unlink(name, dir_fd=here)
    except OSError:
        pass  # the next run tries again
    finally:
        os.close(descriptor)


def _is_there(name: str, target: int) -> bool:
    try:
        os.stat(name, dir_fd=target, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True
