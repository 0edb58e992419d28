# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Thin pools and zpools that belong to the tests: what a test wants to do with them in one call each."""

from __future__ import annotations

import fcntl
import itertools
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

BLKZNAME = 0x8100127D  # _IOR(0x12, 125, char[256]): which dataset a zvol's device belongs to


def call(*words: object, check: bool = True, **options: Any) -> str:
    """What a program wrote to standard output. Fails the test with all it said when it fails."""
    argv = [str(word) for word in words]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **options)
    if check and done.returncode != 0:
        pytest.fail(f"{' '.join(argv)} ended with code {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class ThinPool:
    """An LVM thin pool."""

    vg: str
    pool: str
    serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def name(self) -> str:
        """``vg/pool``."""
        return f"{self.vg}/{self.pool}"

    @property
    def mapped(self) -> str:
        """What device-mapper calls the pool while one of its volumes is active."""
        return f"{self.vg}-{self.pool}-tpool"

    @property
    def metadata(self) -> Path:
        """The device of the pool's metadata, to be read while a metadata snapshot is reserved."""
        return Path(f"/dev/mapper/{self.vg}-{self.pool}_tmeta")

    def volume(self, mib: int = 256, name: str = "") -> str:
        """A new volume, as ``vg/lv``."""
        name = name or f"lv{next(self.serial)}"
        call("lvcreate", "-q", "-V", f"{mib}M", "-T", self.name, "-n", name)
        return f"{self.vg}/{name}"

    def snapshot(self, volume: str, name: str = "", options: tuple[str, ...] = ("-kn", "-pr")) -> str:
        """A new snapshot, as ``vg/lv``; active and read-only unless ``options`` (lvcreate's) say otherwise."""
        name = name or f"{volume.split('/')[1]}-snap{next(self.serial)}"
        call("lvcreate", "-q", "-s", "-n", name, *options, volume)
        return f"{self.vg}/{name}"

    def thin_id(self, volume: str) -> int:
        return int(call("lvs", "--noheadings", "-o", "thin_id", volume))

    def clear(self) -> None:
        """Removes every volume of the pool."""
        names = call("lvs", "--noheadings", "-o", "lv_name", "-S", f"pool_lv={self.pool}", self.vg).split()
        if names:
            call("lvremove", "-q", "-f", *(f"{self.vg}/{name}" for name in names))


@dataclass
class Zpool:
    """A zpool."""

    name: str
    serial: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def filesystem(self, name: str = "", *options: str) -> str:
        """A new filesystem, mounted, as ``pool/name``; ``options`` are zfs create's."""
        dataset = f"{self.name}/{name or f'fs{next(self.serial)}'}"
        call("zfs", "create", *options, dataset)
        return dataset

    def zvol(self, mib: int = 256, name: str = "", *options: str) -> str:
        """A new sparse volume, as ``pool/name``, whose device is there."""
        dataset = f"{self.name}/{name or f'vol{next(self.serial)}'}"
        call("zfs", "create", "-s", "-V", f"{mib}M", *options, dataset)
        self.device(dataset)
        return dataset

    def path(self, filesystem: str) -> Path:
        """Where a filesystem is mounted."""
        return Path(call("zfs", "get", "-H", "-o", "value", "mountpoint", filesystem).strip())

    def device(self, zvol: str, seconds: float = 10) -> Path:
        """A volume's device, which appears a moment after the volume."""
        deadline = time.monotonic() + seconds
        while True:
            for each in Path("/dev").glob("zd[0-9]*"):
                if each.name[2:].isdigit() and zvol_of(each) == zvol:
                    return each
            if time.monotonic() > deadline:
                pytest.fail(f"no device of {zvol} after {seconds} s")
            time.sleep(0.05)

    def clear(self) -> None:
        """Destroys every dataset and snapshot of the pool but its root."""
        for child in call("zfs", "list", "-H", "-o", "name", "-d", "1", self.name).splitlines()[1:]:
            call("zfs", "destroy", "-R", "-f", child)
        call("zfs", "destroy", "-R", f"{self.name}@%", check=False)


def zvol_of(device: Path) -> str | None:
    """The dataset that a zvol's device belongs to, None when there is none any more."""
    try:
        with device.open("rb", buffering=0) as file:
            return fcntl.ioctl(file, BLKZNAME, bytes(256)).rstrip(b"\0").decode()
    except OSError:
        return None
