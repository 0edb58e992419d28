# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can happen to an image file between two backups: system calls that Python has no name for, and worse."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

FICLONE, FICLONERANGE, FIDEDUPERANGE = 0x40049409, 0x4020940D, 0xC0189436
KEEP_SIZE, PUNCH_HOLE, ZERO_RANGE = 0x01, 0x02, 0x10
BLOCK = 4096
_libc = ctypes.CDLL(None, use_errno=True)


class Image:
    """An image file of about ``size`` bytes that is reshaped at random."""

    def __init__(self, path: Path, size: int, rng: random.Random, reflinks: bool) -> None:
        self.path, self.rng, self.reflinks = path, rng, reflinks
        self.largest = size
        with path.open("wb") as file:
            file.truncate(size)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def reshape(self) -> str:
        """One thing at random; its name."""
        ways: list[Callable[[int], None]] = [self.write, self.write, self.small, self.same, self.zeros, self.punch,
                                             self.prealloc, self.zero_range, self.grow, self.shrink]  # fmt: skip
        if self.reflinks:
            ways += [self.clone_range, self.dedupe]
        way = self.rng.choice(ways)
        descriptor = os.open(self.path, os.O_RDWR)
        try:
            way(descriptor)
        finally:
            os.close(descriptor)
        return way.__name__

    def _place(self, length: int) -> int:
        return self.rng.randrange(max(self.size - length, 1))

    def write(self, descriptor: int) -> None:
        length = self.rng.choice([1, 511, 4096, 65536, 70_001, 300_000])
        os.pwrite(descriptor, self._data(length), self._place(length))

    def _data(self, length: int) -> bytes:
        """Random, or such that a filesystem that compresses does so."""
        if self.rng.random() < 0.5:
            return self.rng.randbytes(length)
        return (self.rng.randbytes(50) * (length // 50 + 1))[:length]

    def small(self, descriptor: int) -> None:
        """So small a file that btrfs keeps its data with its metadata."""
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, self.rng.randbytes(self.rng.randrange(1, 3000)), 0)

    def same(self, descriptor: int) -> None:
        """New blocks with what was there."""
        at = self._place(100_000)
        os.pwrite(descriptor, os.pread(descriptor, 100_000, at), at)

    def zeros(self, descriptor: int) -> None:
        """Zeros that are data, not a hole."""
        os.pwrite(descriptor, bytes(200_000), self._place(200_000))

    def punch(self, descriptor: int) -> None:
        self._allocate(descriptor, PUNCH_HOLE | KEEP_SIZE)

    def prealloc(self, descriptor: int) -> None:
        """Unwritten extents; the next write into them makes parts of them data."""
        self._allocate(descriptor, 0)
        os.pwrite(descriptor, self.rng.randbytes(5000), self._place(5000))

    def zero_range(self, descriptor: int) -> None:
        self._allocate(descriptor, ZERO_RANGE)

    def _allocate(self, descriptor: int, mode: int) -> None:
        length = self.rng.choice([BLOCK, 65536, 400_000, 1_500_000])
        arguments = (ctypes.c_int(mode), ctypes.c_int64(self._place(length)), ctypes.c_int64(length))
        if _libc.fallocate(ctypes.c_int(descriptor), *arguments) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def grow(self, descriptor: int) -> None:
        os.ftruncate(descriptor, max(self.size, self.largest // 2) + self.rng.randrange(1 << 20))

    def shrink(self, descriptor: int) -> None:
        os.ftruncate(descriptor, self.rng.randrange(self.size + 1))

    def clone_range(self, descriptor: int) -> None:
        """Part of the image shared with another part of it."""
        blocks = self.size // BLOCK
        if blocks < 4:
            return
        count = self.rng.randrange(1, blocks // 2)
        start, to = (
            self.rng.randrange(blocks // 2 - count + 1),
            blocks // 2 + self.rng.randrange(blocks // 2 - count + 1),
        )
        range_ = struct.pack("=qQQQ", descriptor, start * BLOCK, count * BLOCK, to * BLOCK)
        fcntl.ioctl(descriptor, FICLONERANGE, range_)

    def dedupe(self, descriptor: int) -> None:
        """Two places get the same data, then the same blocks; then one of them is changed in part."""
        blocks = self.size // BLOCK
        if blocks < 40:
            return
        at, other = (
            self.rng.randrange(blocks // 2 - 16) * BLOCK,
            (blocks // 2 + self.rng.randrange(blocks // 2 - 16)) * BLOCK,
        )
        data = self.rng.randbytes(16 * BLOCK)
        os.pwrite(descriptor, data, at)
        os.pwrite(descriptor, data, other)
        os.fsync(descriptor)
        head = struct.pack("=QQHHL", at, len(data), 1, 0, 0)
        buffer = bytearray(head + struct.pack("=qQQlL", descriptor, other, 0, 0, 0))
        fcntl.ioctl(descriptor, FIDEDUPERANGE, buffer)
        os.pwrite(descriptor, b"x", other + self.rng.randrange(len(data)))

    # --- from outside

    def roll_back(self, snapshot: Path) -> None:
        """The content of an earlier snapshot, in the same file."""
        with snapshot.open("rb") as source, self.path.open("r+b") as target:
            os.ftruncate(target.fileno(), 0)
            if self.reflinks:
                fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
            else:
                target.write(source.read())

    def replace(self) -> None:
        """Another file of the same name and content."""
        copy = self.path.with_name("copy")
        copy.write_bytes(self.path.read_bytes())
        copy.replace(self.path)
