# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The block devices of zvols, and what uses them."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import stat
import time

from ...common.errors import VolumeError
from .. import mounts

_BLKZNAME = 0x8100127D  # _IOR(0x12, 125, char[256]): the name of the zvol (OpenZFS, include/sys/fs/zfs.h)
_PATIENCE = 20.0  # seconds to wait for a device


def device_of(volume: str) -> str | None:
    """``/dev/zdN`` of a zvol, found by asking each such device for its name; ``None`` if it has no device."""
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
    """The device of a zvol that was just created. Raises VolumeError if none appears."""
    until = time.monotonic() + _PATIENCE
    while True:
        found = device_of(volume)
        if found is not None:
            return found
        if time.monotonic() >= until:
            raise VolumeError(
                f"{volume}: the device of this zvol didn't appear within {_PATIENCE:.0f} s.", "See its volmode."
            )
        time.sleep(0.05)


def activity(volume: str) -> object:
    """Counters that grow when a zvol is written to or discarded; ``None`` if it has no device."""
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
    """Mount points of filesystems on a zvol, its partitions and devices built on them (device mapper, RAID)."""
    device = device_of(volume)
    return mounts.mounted_on(set(_above(device))) if device is not None else []


def _above(device: str) -> dict[str, str]:
    """A device, its partitions and devices built on them: kernel names by ``major:minor``."""
    try:
        number = os.stat(device).st_rdev
    except OSError:
        return {}
    return mounts.above(f"{os.major(number)}:{os.minor(number)}")


def used_by(volume: str) -> str | None:
    """What has a zvol open; ``None`` if nothing is known to."""
    device = device_of(volume)
    if device is None:
        return None
    stacked = _above(device)
    points = mounts.mounted_on(set(stacked))
    if points:
        return f"mounted on {points[0]}"
    name = os.path.basename(device)
    own = {number for number, each in stacked.items() if each == name or each.startswith(f"{name}p")}
    others = sorted(each for number, each in stacked.items() if number not in own)
    if others:
        return f"part of /dev/{others[0]}"
    return _process_with(own) or _claimed(device)


def _process_with(numbers: set[str]) -> str | None:
    for link in glob.iglob("/proc/[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            found = os.stat(link)
            if stat.S_ISBLK(found.st_mode) and f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}" in numbers:
                return f"process {link.split('/')[2]}"
    return None


def _claimed(device: str) -> str | None:
    """Whether somebody has opened it exclusively (open(2), O_EXCL of a block device), maybe in another namespace."""
    try:
        os.close(os.open(device, os.O_RDONLY | os.O_EXCL | os.O_CLOEXEC))
    except OSError as error:
        return "opened exclusively" if error.errno == errno.EBUSY else None
    return None
