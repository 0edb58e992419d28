# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The block devices of zvols, and who uses them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import time
from collections.abc import Iterator

from ..errors import VolumeError
from .extents import unescape

_BLKZNAME = 0x8100127D  # _IOR(0x12, 125, char[256]): the name of the zvol (OpenZFS, include/sys/fs/zfs.h)
_PATIENCE = 20.0  # seconds in which a device has to come


def device_of(volume: str) -> str | None:
    """``/dev/zdN`` of a zvol, by what each such device says of itself; ``None`` where it has none."""
    quick = os.path.realpath("/dev/zvol/" + volume.replace(" ", "+"))
    for path in dict.fromkeys([quick, *glob.glob("/dev/zd[0-9]*")]):
        if os.path.basename(path)[2:].isdigit() and _name_of(path) == volume:
            return path
    return None


def _name_of(path: str) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        name = bytearray(256)
        fcntl.ioctl(descriptor, _BLKZNAME, name, True)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return name.partition(b"\0")[0].decode("ascii", "replace")


def wait_for_device(volume: str) -> str:
    """The device of a zvol that was just made. Raises VolumeError where none comes."""
    until = time.monotonic() + _PATIENCE
    while True:
        found = device_of(volume)
        if found is not None:
            return found
        if time.monotonic() >= until:
            raise VolumeError(f"{volume}: no device came for this zvol within {_PATIENCE:.0f} s.", "See its volmode.")
        time.sleep(0.05)


def activity(volume: str) -> object:
    """Counters that grow when a zvol is written to or discarded; ``None`` where it has no device."""
    device = device_of(volume)
    if device is None:
        return None
    try:
        with open(f"/sys/block/{os.path.basename(device)}/stat", encoding="ascii") as source:
            fields = source.read().split()
    except OSError:
        return None
    return tuple(fields[4:7:2] + fields[11:14:2])  # writes, sectors written, discards, sectors discarded


def mounted_on(volume: str) -> list[str]:
    """Mount points of filesystems on a zvol, its partitions, and what is made of those (device mapper, raid)."""
    device = device_of(volume)
    if device is None:
        return []
    numbers = set(_numbers(os.path.basename(device)))
    points: dict[str, str] = {}
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.split(" ")
            number = _source_number(fields)
            if number in numbers:
                points.setdefault(number, unescape(fields[4]))
    return sorted(points.values())


def _numbers(name: str) -> Iterator[str]:
    """``major:minor`` of a block device and of all that is made of it."""
    for place in [f"/sys/block/{name}", *glob.glob(f"/sys/block/{name}/{name}p*")]:
        with contextlib.suppress(OSError):
            with open(os.path.join(place, "dev"), encoding="ascii") as source:
                yield source.read().strip()
            for holder in os.listdir(os.path.join(place, "holders")):
                yield from _numbers(holder)


def _source_number(mount: list[str]) -> str:
    """Number of the device a line of mountinfo is about: btrfs gives a made up one there, so its source is asked."""
    source = unescape(mount[mount.index("-") + 2])
    if mount[2].startswith("0:") and source.startswith("/dev/"):
        with contextlib.suppress(OSError):
            number = os.stat(source).st_rdev
            return f"{os.major(number)}:{os.minor(number)}"
    return mount[2]


def used_by(volume: str) -> str | None:
    """Who has a zvol open, ``None`` if nobody is known to."""
    device = device_of(volume)
    if device is None:
        return None
    mounts = mounted_on(volume)
    if mounts:
        return f"mounted on {mounts[0]}"
    name = os.path.basename(device)
    for place in [f"/sys/block/{name}", *glob.glob(f"/sys/block/{name}/{name}p*")]:
        with contextlib.suppress(OSError):
            holders = os.listdir(os.path.join(place, "holders"))
            if holders:
                return f"part of /dev/{holders[0]}"
    return _process_with(device) or _claimed(device)


def _process_with(device: str) -> str | None:
    wanted = {os.stat(path).st_rdev for path in [device, *glob.glob(device + "p[0-9]*")]}
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found = os.stat(link)
            if found.st_rdev in wanted:
                return f"process {link.split('/')[2]}"
    return None


def _claimed(device: str) -> str | None:
    """Whether somebody has it for himself (open(2): O_EXCL of a block device), maybe in another namespace."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return "somebody" if error.errno == errno.EBUSY else None
    return None
