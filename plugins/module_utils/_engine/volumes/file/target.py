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
import stat
from collections.abc import Iterator
from typing import Any

from ...common.direct_io import fits, open_direct, read_direct, write_direct
from ...common.errors import BusyError, SnapshipError, VolumeError
from ...common.files import sync_folder, try_lock
from ..provider import TargetState
from .extents import data_regions
from .snapshots import filesystem_id, recognised
from .way import Way, kind_of, way_to


class FileTarget:
    """The file that is received beside the target. Its name is always the same: a new run finds and removes the file
    that a killed run left."""

    zeroed = True

    def __init__(self, target: str, size: int, recorded: dict[str, Any] | None = None) -> None:
        """``recorded``: properties of the backed-up volume; ``uid``, ``gid`` and ``mode`` are those of a new file."""
        self._target = target
        self._size = size
        self._recorded = recorded or {}
        self._released: dict[str, Any] = {}  # how the file was recognised when its descriptor was closed
        self._descriptor, self._direct = -1, None
        self._stack = contextlib.ExitStack()
        try:
            self._way = self._stack.enter_context(way_to(target))
            self._way.check(self._way.look())
            digest = hashlib.sha256(self._way.name.encode("utf-8", "surrogateescape")).hexdigest()[:24]
            self._name = f".snapship-restore-{digest}"
            self.path = os.path.join(self._way.above, self._name)
            self._descriptor = self._create()
        except BaseException as error:
            self._close()
            if isinstance(error, OSError):
                raise self._explained(error) from error
            raise
        self._direct = open_direct(self._descriptor, os.O_RDWR)

    def _open(self, flags: int) -> int:
        return os.open(self._name, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600, dir_fd=self._way.folder)

    def _create(self) -> int:
        with contextlib.suppress(FileNotFoundError):
            left = self._open(os.O_RDWR)
            try:
                if not try_lock(left):
                    raise BusyError(
                        f"another run is restoring {self._target}.", "Wait until it has finished.", code="locked"
                    )
                os.unlink(self._name, dir_fd=self._way.folder)
            finally:
                os.close(left)
        descriptor = self._open(os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            try_lock(descriptor)
            os.ftruncate(descriptor, self._size)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(self._name, dir_fd=self._way.folder)
            os.close(descriptor)
            raise
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
            beside = self._stack.enter_context(way_to(self.path))
            beside.check(beside.look())
            self._way = beside._replace(name=self._way.name)
            descriptor = self._open(os.O_RDWR)
            if not try_lock(descriptor) or recognised(descriptor) != self._released:
                os.close(descriptor)
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        except FileNotFoundError as error:
            self._stack.close()
            raise VolumeError(
                f"the file restored for {self._target} was removed or replaced by another run. The target was not "
                "changed.",
                "Run it again.",
            ) from error
        except OSError as error:
            self._stack.close()
            raise self._explained(error) from error
        self._descriptor = descriptor

    def witness(self) -> dict[str, Any]:
        self._open_again()
        return _witness(self._descriptor)

    def commit(self, keep_as: str | None) -> str | None:
        self._open_again()
        way = self._way
        try:
            self._give_away()
            kept = self._keep(keep_as)
            os.rename(self._name, way.name, src_dir_fd=way.folder, dst_dir_fd=way.folder)
            os.fsync(self._descriptor)
            sync_folder(".", way.folder)
        except OSError as error:
            raise self._explained(error) from error
        self._close()
        return kept

    def _give_away(self) -> None:
        """Owner and mode: as those of the file that is replaced, else as they were when it was backed up."""
        there = self._way.look()
        self._way.check(there)
        if there is None:
            owners = _owners(self._recorded)
            if owners is None:
                return
            user, group, mode = owners
        elif stat.S_ISREG(there.st_mode):
            user, group, mode = there.st_uid, there.st_gid, there.st_mode
        else:
            raise VolumeError(f"target {self._target!r} is {kind_of(there.st_mode)} now. It was not changed.")
        self._chown(user, group, must=there is not None)
        mine = os.fstat(self._descriptor)
        if mine.st_gid != group and mode >> 3 & 7 != mode & 7:
            mode &= 0o700  # the rights of that group aren't given to another
        os.fchmod(self._descriptor, mode & 0o777)  # an image is no program that runs as its owner

    def _chown(self, user: int, group: int, must: bool) -> None:
        """Give the file to this user and group. Unless it ``must`` be, a user who may not keeps it."""
        mine = os.fstat(self._descriptor)
        if (user, group) == (mine.st_uid, mine.st_gid):
            return
        try:
            os.fchown(self._descriptor, user, group)
        except OSError:
            if must:
                raise
            with contextlib.suppress(OSError):
                os.fchown(self._descriptor, -1, group)

    def _keep(self, keep_as: str | None) -> str | None:
        """Keep the old target under this name, with a number behind it if something else has the name."""
        way = self._way
        old = way.look()
        if keep_as is None or old is None:
            return None
        for number in itertools.count(1):
            name = keep_as if number == 1 else f"{keep_as}-{number}"
            there = way._replace(name=name).look()
            if there is None:
                self._keep_under(name)
                break
            if os.path.samestat(there, old):
                break  # a run that died has kept it already
        return os.path.join(way.above, name)

    def _keep_under(self, name: str) -> None:
        way = self._way
        try:
            os.link(way.name, name, src_dir_fd=way.folder, dst_dir_fd=way.folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK):
                raise
            # no hard links here: for a moment the target doesn't exist
            os.rename(way.name, name, src_dir_fd=way.folder, dst_dir_fd=way.folder)

    def abort(self) -> None:
        with contextlib.suppress(OSError, SnapshipError):
            self._open_again()  # else it is another run's
            os.unlink(self._name, dir_fd=self._way.folder)
        self._close()

    def _close(self) -> None:
        for descriptor in (self._descriptor, self._direct):
            with contextlib.suppress(OSError):
                os.close(-1 if descriptor is None else descriptor)
        self._descriptor, self._direct = -1, None
        self._stack.close()

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


def look_at(target: str) -> TargetState:
    """The target as it is now. Raises VolumeError where it can't be one."""
    try:
        with way_to(target) as way:
            space = os.fstatvfs(way.folder)
            found = way.look()
            way.check(found)
            free = space.f_bavail * space.f_frsize
            if found is None:
                return TargetState(False, {}, None, free)
            if not stat.S_ISREG(found.st_mode):
                raise VolumeError(
                    f"target {target!r} is {kind_of(found.st_mode)}, not an image file.", code="wrong_type"
                )
            return _state(way, free)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise VolumeError(
            f"can't create target {target!r} in folder {os.path.dirname(target)}: {error.strerror}.",
            "Create the folder, or restore to another path.",
        ) from error
    except OSError as error:
        raise VolumeError(f"can't use target {target!r}: {error.strerror}.") from error


def _state(way: Way, free: int) -> TargetState:
    descriptor = way.open()
    try:
        return TargetState(True, _witness(descriptor), open_elsewhere(way.path, descriptor), free)
    finally:
        os.close(descriptor)


def _owners(recorded: dict[str, Any]) -> tuple[int, int, int] | None:
    """User, group and permission bits of a backed-up image; ``None`` where none, or nonsense, is recorded."""
    user, group, mode = (recorded.get(name) for name in ("uid", "gid", "mode"))
    numbers = [each for each in (user, group, mode) if isinstance(each, int) and not isinstance(each, bool)]
    if len(numbers) < 3 or not all(0 <= each < (1 << 32) - 1 for each in numbers[:2]) or not 0 <= numbers[2] <= 0o7777:
        return None
    return numbers[0], numbers[1], numbers[2]


def _witness(descriptor: int) -> dict[str, Any]:
    found = os.fstat(descriptor)
    device = filesystem_id(descriptor)
    return {"identity": f"{device:x}-{found.st_ino:x}", "mtime": found.st_mtime_ns, "size": found.st_size}


def open_elsewhere(path: str, descriptor: int) -> str | None:
    """What else has a file open; ``None`` if nothing is known to. ``descriptor``: the file, opened for reading.

    The kernel grants a write lease only if nobody else, loop devices included, has the file open (fcntl(2),
    F_SETLEASE). If it refuses, or has no leases here, loop devices and the processes that this user can see are
    searched.
    """
    granted = _lease(descriptor)
    if granted:
        return None
    for backing in glob.glob("/sys/block/loop*/loop/backing_file"):
        with contextlib.suppress(OSError), open(backing, encoding="utf-8", errors="surrogateescape") as source:
            if source.read().rstrip("\n") == path:
                return "/dev/" + backing.split("/")[3]
    return _process_with(descriptor) or ("another process" if granted is False else None)


def _process_with(descriptor: int) -> str | None:
    wanted, own = os.fstat(descriptor), f"/proc/{os.getpid()}/fd/{descriptor}"
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            if link != own and os.path.samestat(os.stat(link), wanted):
                return f"process {link.split('/')[2]}"
    return None


def _lease(descriptor: int) -> bool | None:
    """Whether a write lease is granted; ``None`` if this filesystem or user can't have one."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)  # who opens it at this moment must not end this process
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return False if error.errno == errno.EAGAIN else None
    return True
