# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The kinds of volumes there are: made, written to at random, looked at and removed in the same words."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call

KIB, MIB = 1 << 10, 1 << 20


class Kind(Protocol):
    """A volume to be shipped, and where it may be restored to."""

    volume: str

    def write(self, offset: int, data: bytes) -> None:
        """Put these bytes somewhere that ``offset`` tells."""

    def change(self, rng: random.Random) -> None:
        """Random writes, discards and growth."""

    def state(self) -> object:
        """What is in it now, to be compared."""

    def target(self, name: str) -> str:
        """The name of a volume that isn't there, to restore to."""

    def state_of(self, target: str) -> object:
        """What is in a restored volume."""

    def remove(self, target: str) -> None:
        """Remove a restored volume."""


def device_state(device: Path, size: int | None = None) -> tuple[int, str]:
    """Size and digest of a block device; beyond ``size``, where it is given, there must be nothing but zeros."""
    digest, left = hashlib.sha256(), size
    with device.open("rb", buffering=0) as file:
        whole = file.seek(0, os.SEEK_END)
        file.seek(0)
        left = whole if size is None else size
        while left:
            data = file.read(min(left, 4 * MIB))
            digest.update(data)
            left -= len(data)
        while data := file.read(4 * MIB):
            assert not data.strip(b"\0"), f"{device} isn't zero after {size}"
    return whole if size is None else size, digest.hexdigest()


def overwrite(device: Path, offset: int, data: bytes) -> None:
    with device.open("r+b", buffering=0) as file:
        file.seek(offset)
        file.write(data)
        os.fsync(file.fileno())


class _Device:
    """Block volumes."""

    volume: str

    def device(self, volume: str) -> Path:
        raise NotImplementedError

    def grow(self, mib: int) -> None:
        raise NotImplementedError

    def write(self, offset: int, data: bytes) -> None:
        overwrite(self.device(self.volume), offset, data)

    def size(self) -> int:
        return int(call("blockdev", "--getsize64", self.device(self.volume)))

    def change(self, rng: random.Random) -> None:
        size = self.size()
        for _turn in range(rng.randrange(1, 6)):
            length = rng.choice([512, 4096, 70_000, 1_500_000])
            self.write(rng.randrange((size - length) // 512) * 512, rng.randbytes(length))
        for _turn in range(rng.randrange(3)):
            length = rng.randrange(1, 64) * 64 * KIB
            call(
                "blkdiscard",
                "-o",
                rng.randrange((size - length) // 4096) * 4096,
                "-l",
                length,
                self.device(self.volume),
            )
        if rng.random() < 0.3:
            self.grow(8)
            self.write(size + 4 * MIB, rng.randbytes(5000))

    def state(self) -> object:
        return device_state(self.device(self.volume))

    def state_of(self, target: str) -> object:
        return device_state(self.device(target), self.size_of_backup)

    size_of_backup: int | None = None


class Thin(_Device):
    """An LVM thin volume."""

    def __init__(self, pool: ThinPool, mib: int = 64) -> None:
        self.pool = pool
        self.volume = pool.volume(mib)

    def device(self, volume: str) -> Path:
        return Path("/dev") / volume

    def grow(self, mib: int) -> None:
        call("lvextend", "-q", "-L", f"+{mib}M", self.volume)

    def target(self, name: str) -> str:
        return f"{self.pool.vg}/{name}"

    def remove(self, target: str) -> None:
        call("lvremove", "-q", "-f", target)


class Zvol(_Device):
    """A zvol."""

    def __init__(self, pool: Zpool, mib: int = 64, *options: str) -> None:
        self.pool = pool
        self.volume = pool.zvol(mib, "", *options)

    def device(self, volume: str) -> Path:
        return self.pool.device(volume)

    def grow(self, mib: int) -> None:
        size = int(call("zfs", "get", "-Hp", "-o", "value", "volsize", self.volume))
        call("zfs", "set", f"volsize={size + mib * MIB}", self.volume)

    def target(self, name: str) -> str:
        return f"{self.pool.name}/{name}"

    def remove(self, target: str) -> None:
        call("zfs", "destroy", "-r", target)


class Filesystem:
    """A ZFS filesystem."""

    def __init__(self, pool: Zpool, *options: str) -> None:
        self.pool = pool
        self.volume = pool.filesystem("", *options)
        self._path = pool.path(self.volume)

    def write(self, offset: int, data: bytes) -> None:
        (self._path / f"at{offset}").write_bytes(data)

    def change(self, rng: random.Random) -> None:
        for _turn in range(rng.randrange(1, 8)):
            place = self._path / f"d{rng.randrange(4)}" / f"f{rng.randrange(12)}"
            place.parent.mkdir(exist_ok=True)
            with contextlib.suppress(FileNotFoundError):
                if rng.random() < 0.3:
                    place.unlink()
                    continue
            with place.open("ab") as file:
                file.truncate(rng.choice([0, 1000, file.tell()]))
                file.seek(rng.choice([0, 4 * MIB]))
                file.write(rng.randbytes(rng.choice([10, 5000, 300_000])))
        if rng.random() < 0.3:
            shutil.rmtree(self._path / f"d{rng.randrange(4)}", ignore_errors=True)
        (self._path / "turn").write_bytes(rng.randbytes(100_000))

    def state(self) -> object:
        return tree_state(self._path)

    def target(self, name: str) -> str:
        return f"{self.pool.name}/{name}"

    def state_of(self, target: str) -> object:
        with mounted(target) as path:
            return tree_state(path)

    def remove(self, target: str) -> None:
        call("zfs", "destroy", "-r", target)


@contextlib.contextmanager
def mounted(filesystem: str) -> Iterator[Path]:
    """A filesystem that nobody mounted."""
    assert call("zfs", "get", "-H", "-o", "value", "mounted", filesystem).strip() == "no"
    call("zfs", "mount", filesystem)
    try:
        yield Path(call("zfs", "get", "-H", "-o", "value", "mountpoint", filesystem).strip())
    finally:
        call("zfs", "unmount", filesystem)


def tree_state(root: Path) -> dict[str, tuple[int, int, str]]:
    """Every path below a folder: mode, size, digest."""
    found = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        regular = stat.S_ISREG(status.st_mode)
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if regular else ""
        found[str(path.relative_to(root))] = (status.st_mode, status.st_size if regular else 0, digest)
    return found
