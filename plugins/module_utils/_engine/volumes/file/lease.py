# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""An image that is read in place, without a copy, while nobody has it open for writing.

A read lease (fcntl(2), F_SETLEASE) proves that. The kernel grants it only if nobody has the file open for writing, loop
devices and shared mappings included. It breaks it when somebody opens the file so, or truncates it; who does that waits
until the lease is given up, at most for /proc/sys/fs/lease-break-time (45 s). So a lease that still stands at the end
of reading was never broken, and all that was read is as it was when the lease was granted.
"""

from __future__ import annotations

import fcntl
import os
import signal
import threading

from ...common.errors import BaseLostError
from ..mounts import filesystem_type
from .reader import FileReader
from .snapshots import recognised
from .way import way_to

IN_PLACE = "in_place"  # the method of such a snapshot: it exists only while this process holds the lease
# Local filesystems without reflinks. On a network filesystem or FUSE a lease doesn't see the writers of other hosts.
_FILESYSTEMS = ("ext2", "ext3", "ext4")
_LOOK_EVERY = 0.1  # seconds; so long a writer waits for us


class Lease:
    """A read lease on an image."""

    def __init__(self, descriptor: int, volume: str) -> None:
        """``descriptor``, of the image, is closed by :meth:`close`. Raises OSError, and closes it, where there is no
        lease."""
        self.descriptor = descriptor
        self._volume = volume
        self._closed = threading.Event()
        self._lost = False
        try:
            # The kernel tells of a writer by a signal; SIGIO would end this process, SIGURG is ignored.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            os.fsync(descriptor)  # so that holes are where the filesystem says
            self.size = os.fstat(descriptor).st_size
            self._witness = recognised(descriptor)
        except OSError:
            os.close(descriptor)
            raise
        self._watcher = threading.Thread(target=self._watch, name="lease", daemon=True)
        self._watcher.start()

    def _stands(self) -> bool:
        return fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK

    def _watch(self) -> None:
        """Give the lease up as soon as a writer waits."""
        while not self._closed.wait(_LOOK_EVERY):
            if not self._stands():
                self._lost = True
                fcntl.fcntl(self.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
                return

    def check(self) -> None:
        """Raises BaseLostError if a writer came, or if the file isn't the same any more."""
        if self._lost or not self._stands() or recognised(self.descriptor) != self._witness:
            raise BaseLostError(
                f"{self._volume} was opened for writing, or changed, while it was read without a snapshot."
            )

    def close(self) -> None:
        """Give it up, and close the image."""
        self._closed.set()
        self._watcher.join()
        os.close(self.descriptor)


class LeasedReader(FileReader):
    """Reads an image in place, and stops when its lease is lost."""

    def __init__(self, lease: Lease) -> None:
        super().__init__(lease.descriptor, lease.size)
        self._lease = lease

    def read_into(self, offset: int, target: memoryview) -> None:
        """As the base; raises BaseLostError if the lease is lost."""
        try:
            super().read_into(offset, target)
        finally:
            self._lease.check()


def lease(volume: str) -> Lease | None:
    """A lease on an image, if its filesystem has no reflinks and nobody has it open for writing.

    Raises VolumeError where another user may have led us to it.
    """
    try:
        with way_to(volume) as way:
            image = way.open()
        if filesystem_type(f"/proc/self/fd/{image}") not in _FILESYSTEMS:
            os.close(image)
            return None
        return Lease(image, volume)
    except OSError:
        return None  # a writer, or another user's file
