# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores an image file: receives it beside its target, makes it durable, then renames it over the target."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import hashlib
import itertools
import os
import signal
from collections.abc import Iterator
from typing import Any

from ...common.direct_io import fits, open_direct, read_direct, write_direct
from ...common.errors import BusyError, SnapshipError, VolumeError
from ...common.files import sync_folder, try_lock
from .extents import data_regions
from .snapshots import filesystem_id, recognised


class FileTarget:
    """The file that is received beside the target. Its name is always the same: a new run finds and removes the file
    that a killed run left."""

    zeroed = True

    def __init__(self, target: str, size: int) -> None:
        self._target = target
        self._folder = os.path.dirname(target)
        digest = hashlib.sha256(os.path.basename(target).encode("utf-8", "surrogateescape")).hexdigest()[:24]
        self.path = os.path.join(self._folder, f".snapship-restore-{digest}")
        self._size = size
        self._released: dict[str, Any] = {}  # how the file was recognised when its descriptor was closed
        try:
            self._descriptor = self._create()
        except OSError as error:
            raise self._explained(error) from error
        self._direct = open_direct(self._descriptor, os.O_RDWR)

    def _create(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            left = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if not try_lock(left):
                    raise BusyError(
                        f"another run is restoring {self._target}.", "Wait until it has finished.", code="locked"
                    )
                os.unlink(self.path)
            finally:
                os.close(left)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try_lock(descriptor)
        os.ftruncate(descriptor, self._size)
        return descriptor

    def write(self, offset: int, data: memoryview) -> None:
        try:
            if self._direct is not None and fits(offset, len(data)):
                write_direct(self._direct, offset, data)
                return
            while data:
                done = os.pwrite(self._descriptor, data, offset)
                offset, data = offset + done, data[done:]
        except OSError as error:
            raise self._explained(error) from error

    def read_into(self, offset: int, target: memoryview) -> None:
        done = 0
        if self._direct is not None and fits(offset, len(target)):
            done = read_direct(self._direct, offset, target)
        while done < len(target):
            count = os.preadv(self._descriptor, [target[done:]], offset + done)
            if not count:
                raise VolumeError(f"{self._target}: the restored file is too short.")
            done += count

    def data(self) -> Iterator[tuple[int, int]]:
        return data_regions(self._descriptor, self._size)

    def sync(self) -> None:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._explained(error) from error

    def release(self) -> None:
        try:
            self._released = recognised(self._descriptor)
        except OSError as error:
            raise self._explained(error) from error
        self._close()

    def _open_again(self) -> None:
        """Open and lock the file that release() closed. Raises VolumeError if it isn't the same any more."""
        if self._descriptor >= 0:
            return
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            if not try_lock(descriptor) or recognised(descriptor) != self._released:
                os.close(descriptor)
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        except FileNotFoundError as error:
            raise VolumeError(
                f"the file restored for {self._target} was removed or replaced by another run. The target was not "
                "changed.",
                "Run it again.",
            ) from error
        except OSError as error:
            raise self._explained(error) from error
        self._descriptor = descriptor

    def witness(self) -> dict[str, Any]:
        self._open_again()
        return _witness(self._descriptor)

    def commit(self, keep_as: str | None) -> str | None:
        self._open_again()
        try:
            with contextlib.suppress(FileNotFoundError):
                there = os.stat(self._target)
                os.fchmod(self._descriptor, there.st_mode & 0o7777)
                if (there.st_uid, there.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(self._descriptor, there.st_uid, there.st_gid)
            kept = self._keep(keep_as)
            os.rename(self.path, self._target)
            os.fsync(self._descriptor)
            sync_folder(self._folder)
        except OSError as error:
            raise self._explained(error) from error
        self._close()
        return kept

    def _keep(self, keep_as: str | None) -> str | None:
        """Keep the old target under this name, with a number behind it if something else has the name."""
        if keep_as is None or not os.path.lexists(self._target):
            return None
        for number in itertools.count(1):
            path = os.path.join(self._folder, keep_as if number == 1 else f"{keep_as}-{number}")
            if not os.path.lexists(path):
                self._keep_under(path)
                break
            if os.path.samestat(os.lstat(path), os.lstat(self._target)):
                break  # a run that died has kept it already
        return path

    def _keep_under(self, path: str) -> None:
        try:
            os.link(self._target, path)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            os.rename(self._target, path)  # no hard links here: for a moment the target doesn't exist

    def abort(self) -> None:
        with contextlib.suppress(OSError, SnapshipError):
            self._open_again()  # else it is another run's
            os.unlink(self.path)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._descriptor, self._direct):
            with contextlib.suppress(OSError):
                os.close(-1 if descriptor is None else descriptor)
        self._descriptor, self._direct = -1, None

    def _explained(self, error: OSError) -> SnapshipError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return VolumeError(
                f"no space to restore {self._target}: the filesystem is full. The target was not changed.",
                "Free some space, or restore to another path.",
                code="no_space",
            )
        if error.errno == errno.EFBIG:
            return VolumeError(
                f"can't restore {self._target}: {self._size} bytes are too large for a file on this filesystem.",
                code="no_space",
            )
        return VolumeError(f"can't restore {self._target}: {error.strerror}. The target was not changed.")


def target_witness(path: str) -> dict[str, Any]:
    """What proves that nobody has written to a restored file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        return _witness(descriptor)
    finally:
        os.close(descriptor)


def _witness(descriptor: int) -> dict[str, Any]:
    found = os.fstat(descriptor)
    device = filesystem_id(descriptor)
    return {"identity": f"{device:x}-{found.st_ino:x}", "mtime": found.st_mtime_ns, "size": found.st_size}


def open_elsewhere(path: str) -> str | None:
    """What has a file open; ``None`` if nothing is known to.

    The kernel grants a write lease only if nobody else, loop devices included, has the file open (fcntl(2),
    F_SETLEASE). If it refuses, or has no leases here, loop devices and the processes that this user can see are
    searched.
    """
    granted = _lease(path)
    if granted:
        return None
    for backing in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(backing, encoding="utf-8", errors="surrogateescape") as source:
            if source.read().rstrip("\n") == path:
                return "/dev/" + backing.split("/")[3]
    return _process_with(path) or ("another process" if granted is False else None)


def _process_with(path: str) -> str | None:
    wanted = os.stat(path)
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(link), wanted):
                return f"process {link.split('/')[2]}"
    return None


def _lease(path: str) -> bool | None:
    """Whether a write lease is granted; ``None`` if this filesystem or user can't have one."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # who opens it at this moment must not end this process
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return False if error.errno == errno.EAGAIN else None
    finally:
        os.close(descriptor)
    return True
