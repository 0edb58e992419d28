# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""The directory of a store: opened once, and where it has to be a mounted filesystem, only beneath its mount."""

from __future__ import annotations

import errno
import os
import re
import threading

from ...common.errors import RemoteError
from ...common.files import sync_folder
from .tree import folder

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Root:
    """A path, and the descriptor of the directory that was there when it was first needed."""

    def __init__(self, path: str, mount_point: str | None = None) -> None:
        self.path = path
        self._mount_point = mount_point
        self._open: int | None = None
        self._lock = threading.Lock()

    def descriptor(self) -> int:
        """The directory. Raises FileNotFoundError where it isn't there or was removed since it was opened, RemoteError
        where the mount point isn't one."""
        with self._lock:
            if self._open is None:
                self._open = self._opened()
            if not os.fstat(self._open).st_nlink:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self.path)
            return self._open

    def exists(self) -> bool:
        """Whether it is there. Raises RemoteError where the mount point isn't one."""
        try:
            self.descriptor()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except PermissionError:
            return os.path.isdir(self.path)
        return True

    def vanished(self) -> bool:
        """Whether it was removed since it was opened."""
        try:
            return self._open is not None and not os.fstat(self._open).st_nlink
        except OSError:
            return True

    def create(self) -> None:
        """Create it (0700), and those above it; beneath the mount point where it has one."""
        if self._mount_point is None:
            os.makedirs(self.path, 0o700)
            sync_folder(os.path.dirname(self.path))
            return
        mount = self._mount(self._mount_point)
        try:
            with folder(mount, self._below(self._mount_point), create=True) as made:
                os.fsync(made)
        finally:
            os.close(mount)

    def close(self) -> None:
        """Close it. What comes later opens it anew."""
        with self._lock:
            if self._open is not None:
                os.close(self._open)
            self._open = None

    def __del__(self) -> None:
        self.close()

    def _opened(self) -> int:
        if self._mount_point is None:
            return os.open(self.path, _OPEN)
        mount = self._mount(self._mount_point)
        try:
            with folder(mount, self._below(self._mount_point)) as found:
                return os.dup(found)
        finally:
            os.close(mount)

    def _below(self, mount_point: str) -> tuple[str, ...]:
        """The parts of the path beneath the mount point, links resolved."""
        relative = os.path.relpath(os.path.realpath(self.path), os.path.realpath(mount_point))
        parts = tuple(part for part in relative.split("/") if part != ".")
        if ".." in parts:
            raise RemoteError(
                f"the directory {self.path} doesn't lie in the mount point {mount_point}: a link leads out of it.",
                "Set path to a directory in it, or correct mount_point.",
                code="not_mounted",
            )
        return parts

    @staticmethod
    def _mount(mount_point: str) -> int:
        """The root of the filesystem that is mounted there, opened."""
        try:
            mount = os.open(mount_point, _OPEN)
        except (FileNotFoundError, NotADirectoryError):
            mount = -1
        if mount >= 0:
            above = os.open("..", _OPEN, dir_fd=mount)
            try:
                if _mount_id(mount) != _mount_id(above) or mount_point == "/":
                    return mount
            finally:
                os.close(above)
            os.close(mount)
        raise RemoteError(
            f"nothing is mounted at {mount_point}, the remote's mount_point.",
            "Mount the filesystem that belongs there. Nothing was written.",
            code="not_mounted",
        )


def _mount_id(descriptor: int) -> str:
    """What tells the mount that a directory is in: the kernel's id of it; without /proc the device's number."""
    try:
        with open(f"/proc/self/fdinfo/{descriptor}", encoding="ascii") as source:
            found = re.search(r"^mnt_id:\s*(\d+)$", source.read(4096), re.MULTILINE)
    except OSError:
        found = None
    return found.group(1) if found else f"device {os.fstat(descriptor).st_dev}"
