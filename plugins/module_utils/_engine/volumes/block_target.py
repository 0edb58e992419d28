# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Writes a restored volume to a block device, and remembers which regions were written."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator

from ..common.direct_io import fits, open_direct, write_direct
from ..common.errors import SnapshipError, VolumeError
from .device_reader import read_device


class Touched:
    """Which pieces of a device were written, each of ``grain`` bytes; one bit each."""

    def __init__(self, size: int, grain: int) -> None:
        self._size = size
        self._grain = grain
        self._bits = bytearray(size // grain // 8 + 1)
        self._lock = threading.Lock()

    def add(self, offset: int, length: int) -> None:
        """Remember a write. Any thread may call it."""
        with self._lock:
            for piece in range(offset // self._grain, (offset + length - 1) // self._grain + 1):
                self._bits[piece >> 3] |= 1 << (piece & 7)

    def regions(self) -> Iterator[tuple[int, int]]:
        """Start and end of the written regions, in whole pieces, joined and in order."""
        start = -1
        for piece in range(-(-self._size // self._grain)):
            if not piece & 7 and not self._bits[piece >> 3] and start < 0:
                continue
            set_here = self._bits[piece >> 3] >> (piece & 7) & 1
            if set_here and start < 0:
                start = piece * self._grain
            elif not set_here and start >= 0:
                yield start, piece * self._grain
                start = -1
        if start >= 0:
            yield start, self._size


class BlockTarget:
    """The part of a :class:`.provider.Target` that is the same for every block device.

    The device must be new or read as zeros, and is opened exclusively. ``grain``: the storage allocates the device in
    units of so many bytes, so a write may bring along old data around it (where ``zeroed`` is false).
    """

    def __init__(self, path: str, name: str, grain: int, zeroed: bool = True) -> None:
        """Error messages call the target ``name``. Raises VolumeError."""
        self.zeroed = zeroed
        self._name = name
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_EXCL | os.O_CLOEXEC)
        except OSError as error:
            raise self._explained(error) from error
        self.device_size = os.lseek(self._descriptor, 0, os.SEEK_END)
        self._direct = open_direct(self._descriptor, os.O_RDWR)
        self._touched = Touched(self.device_size, grain)

    @property
    def descriptor(self) -> int:
        """The descriptor of the open device."""
        return self._descriptor

    def write(self, offset: int, data: memoryview) -> None:
        """Write ``data`` at ``offset``. Any thread may call it."""
        if not len(data):
            return
        self._touched.add(offset, len(data))
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
        """Fill ``target`` with the bytes from ``offset`` on. Any thread may call it."""
        try:
            done = read_device(self._descriptor, self._direct, offset, target)
        except OSError as error:
            raise self._explained(error) from error
        if done < len(target):
            raise VolumeError(f"{self._name}: the restored volume is too short.")

    def data(self) -> Iterator[tuple[int, int]]:
        """Regions that were written, in order, in whole grains, up to the device's end."""
        return self._touched.regions()

    def sync(self) -> None:
        """Make what was written durable."""
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise self._explained(error) from error

    def release(self) -> None:
        """Make it durable and close it, if it is open."""
        if self._descriptor >= 0:
            self.sync()
            self.close()

    def close(self) -> None:
        """Close the device."""
        for descriptor in (self._direct, self._descriptor):
            with contextlib.suppress(OSError):
                os.close(-1 if descriptor is None else descriptor)
        self._direct, self._descriptor = None, -1

    def _explained(self, error: OSError) -> SnapshipError:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENODATA):
            return VolumeError(
                f"no space to restore {self._name}: its pool is full. The target was not changed.",
                "Extend the pool, or restore elsewhere.",
                code="no_space",
            )
        return VolumeError(f"can't restore {self._name}: {error.strerror}. The target was not changed.")
