# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Any number of locks in one file, with one descriptor: each is a byte, at an offset that stands for its name.

The locks are those of an open file description (fcntl(2), F_OFD_SETLK; Linux 3.15): they end with the process, and two
threads of one process exclude each other, too, since each call opens the file itself.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .errors import ConfigError
from .files import private_folder, wait_for, writing

_SETLK = getattr(fcntl, "F_OFD_SETLK", 37)  # Python has it since 3.9
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, process (0 for these locks)
_BUSY = (errno.EAGAIN, errno.EACCES)
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


class Lock(NamedTuple):
    """One lock to take."""

    what: str  # for the message when it is busy
    name: str  # any text; the same text is the same lock


@contextlib.contextmanager
def locked_ranges(path: str, timeout: float, locks: Sequence[Lock]) -> Iterator[None]:
    """Hold these locks of a file, waiting up to ``timeout`` seconds for each. They are taken in the order of their
    names, so that two runs never wait for each other.

    Raises BusyError about the one that is busy when the time has passed, ConfigError where files can't be locked.
    """
    while True:
        with writing(path):
            private_folder(os.path.dirname(path))
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            for lock in sorted(set(locks), key=lambda each: each.name):
                _take(descriptor, path, timeout, lock)
            if os.fstat(descriptor).st_nlink:
                yield
                return
        finally:
            os.close(descriptor)
        # else somebody removed the file with its folder: it locks nothing any more


def _take(descriptor: int, path: str, timeout: float, lock: Lock) -> None:
    start = int.from_bytes(hashlib.sha256(lock.name.encode("utf-8", "surrogateescape")).digest()[:8], "big") >> 2
    wanted = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)

    def try_it() -> bool:
        try:
            fcntl.fcntl(descriptor, _SETLK, wanted)
        except OSError as error:
            if error.errno in _BUSY:
                return False
            if error.errno in _NO_LOCKS:
                raise ConfigError(
                    f"{path} can't be locked: {error.strerror}.",
                    "Put the configuration directory on a filesystem with file locks, such as a local one.",
                ) from error
            raise
        return True

    wait_for(try_it, time.monotonic() + timeout, lock.what)
