# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Small files that survive a crash: written whole, made durable, swapped in. And locks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from typing import Any, Callable

from .bounded import RECORD_LIMIT, Unreadable, read_file, read_object, read_value
from .errors import BusyError, ConfigError


def sync_folder(path: str, within: int | None = None) -> None:
    """Make a folder's entries durable. ``within``: descriptor of the folder that a relative path starts at."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=within)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network filesystems have no such thing
            raise
    finally:
        os.close(descriptor)


def private_folder(path: str) -> None:
    """Make a folder and those above it that aren't there, all 0700."""
    if not os.path.isdir(path):
        private_folder(os.path.dirname(path))
        with contextlib.suppress(FileExistsError):
            os.mkdir(path, 0o700)


@contextlib.contextmanager
def writing(path: str) -> Iterator[None]:
    """Raises ConfigError, with the system's error as its cause, where this file can't be written."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = "Free some space." if full else "Give this user write access."
        raise ConfigError(f"{path} can't be written: {error.strerror or error}.", hint) from error


def write_private(path: str, text: bytes) -> None:
    """Replace a file by these bytes, mode 0600, in a 0700 folder; durable on return, never half there.

    Raises ConfigError where it can't be written.
    """
    with writing(path):
        private_folder(os.path.dirname(path))
        _replace(path, text, 0o600, ".new-")


def write_beside_others(path: str, content: bytes, mode: int) -> None:
    """Replace a file by these bytes, with these permission bits, in a folder that is there and has others' files, too.

    Durable on return, never half there; a link at ``path`` is replaced and not followed. Raises ConfigError where it
    can't be written.
    """
    with writing(path):
        _replace(path, content, mode, ".snapship-new-")


def _replace(path: str, content: bytes, mode: int, prefix: str) -> None:
    folder = os.path.dirname(path)
    descriptor, temporary = _unfinished(folder, prefix)
    try:
        with os.fdopen(descriptor, "wb") as target:
            target.write(content)
            target.flush()
            os.fchmod(target.fileno(), mode)
            os.fsync(target.fileno())
            os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    sync_folder(folder)


def _unfinished(folder: str, prefix: str) -> tuple[int, str]:
    """A new file, 0600, locked while it is open. Removes such files that killed runs left."""
    for entry in os.listdir(folder):
        if entry.startswith(prefix):
            _drop_dead(os.path.join(folder, entry))
    while True:
        descriptor, temporary = tempfile.mkstemp(prefix=prefix, dir=folder)
        if try_lock(descriptor) and os.fstat(descriptor).st_nlink:
            return descriptor, temporary
        os.close(descriptor)  # another run removed it before it was locked


def _drop_dead(path: str) -> None:
    """Remove an unfinished file that no process writes any more."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if try_lock(descriptor):
                os.unlink(path)
        finally:
            os.close(descriptor)


def write_json(path: str, value: Any) -> None:
    """:func:`write_private` of JSON."""
    write_private(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: str) -> Any:
    """The value in a JSON file, ``None`` where there is no file. Raises ConfigError where it can't be read."""
    data = read_private(path, RECORD_LIMIT)
    try:
        return None if data is None else read_value(data, RECORD_LIMIT, local=True)
    except Unreadable as error:
        raise damaged(path, str(error)) from None


def read_record(path: str) -> dict[str, Any] | None:
    """As :func:`read_json`, for files that hold one JSON object."""
    value = read_json(path)
    if value is not None and not isinstance(value, dict):
        raise damaged(path, "it isn't a JSON object")
    return value


def read_note(path: str) -> dict[str, Any]:
    """The members of a JSON object that can be found out again: none where it is damaged or there is no file.

    Raises ConfigError where this user may not read it.
    """
    try:
        data = read_file(path, RECORD_LIMIT)
        return {} if data is None else read_object(data, RECORD_LIMIT, local=True)
    except Unreadable:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error


def read_private(path: str, limit: int) -> bytes | None:
    """The content of a small file, ``None`` where there is none. Raises ConfigError where it can't be read."""
    try:
        return read_file(path, limit)
    except Unreadable as error:
        raise damaged(path, str(error)) from None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror or error}.") from error


def check_mode(path: str, mode: int, secret: bool) -> None:
    """Raises ConfigError for a file that others can change or, where it is ``secret``, everybody can read."""
    who = stat.S_IWGRP | stat.S_IWOTH | (stat.S_IROTH if secret else 0)
    if stat.S_ISREG(mode) and mode & who:
        can = "changed" if mode & (stat.S_IWGRP | stat.S_IWOTH) else "read"
        raise ConfigError(
            f"{path} can be {can} by other users (mode {stat.S_IMODE(mode):04o}), and isn't trusted.",
            f"Restrict it (chmod 600), and {'change the secrets in it' if secret else 'check its content'}.",
        )


def damaged(path: str, why: str) -> ConfigError:
    """The error for a file of this host that isn't as snapship wrote it. ``why``: the end of a sentence."""
    return ConfigError(f"{path} can't be read: {why}.", "Restore the file, or remove it if nothing needs it.")


@contextlib.contextmanager
def locked(path: str, timeout: float, what: str) -> Iterator[None]:
    """Hold an exclusive lock on a file, waiting up to ``timeout`` seconds. The lock ends with the process.

    Raises BusyError, which says that ``what`` is busy, when the time has passed.
    """
    until = time.monotonic() + timeout
    while True:
        with writing(path):
            private_folder(os.path.dirname(path))
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            wait_for(functools.partial(try_lock, descriptor), until, what)
            if os.fstat(descriptor).st_nlink:
                yield
                return
        finally:
            os.close(descriptor)
        # else its holder removed it with its folder: it locks nothing any more


def wait_for(take: Callable[[], bool], until: float, what: str) -> None:
    """Try to take a lock until it succeeds. Raises BusyError, which says that ``what`` is busy, when it is later than
    ``until`` (monotonic seconds)."""
    pause = 0.02
    while not take():
        if time.monotonic() >= until:
            raise BusyError(
                f"{what} is busy: another run holds its lock, and lock_timeout has passed.",
                "Wait for that run, or set a longer lock_timeout.",
                code="locked",
            )
        time.sleep(pause)
        pause = min(pause * 1.5, 1.0)


def try_lock(descriptor: int, shared: bool = False) -> bool:
    """Lock an open file if nobody else holds it."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
