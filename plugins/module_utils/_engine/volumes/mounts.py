# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Mount points, and the devices that are built on a block device (partitions, device mapper, RAID)."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator


def mount_table() -> Iterator[tuple[str, str]]:
    """All mounts: the number of the device (``major:minor``) and the mount point."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            fields = line.rstrip("\n").split(" ")
            yield _number(fields), unescape(fields[4])


def _number(mount: list[str]) -> str:
    """The device's number. Btrfs puts a made-up number into mountinfo, so the mount's source is looked at."""
    source = unescape(mount[mount.index("-") + 2])
    if mount[2].startswith("0:") and source.startswith("/dev/"):
        with contextlib.suppress(OSError):
            number = os.stat(source).st_rdev
            return f"{os.major(number)}:{os.minor(number)}"
    return mount[2]


def unescape(field: str) -> str:
    """A path from mountinfo, with its octal escapes decoded."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match.group(1), 8)), field)


def filesystem_type(path: str) -> str:
    """The type of the filesystem that holds a path, from /proc/self/mountinfo; empty if it can't be told."""
    real, best, found = os.path.realpath(path), "", ""
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
            for line in mounts:
                left, _dash, right = line.partition(" - ")
                point = unescape(left.split(" ")[4])
                inside = real == point or real.startswith(point.rstrip("/") + "/")
                if inside and len(point) >= len(best):
                    best, found = point, right.split(" ")[0]
    except OSError:
        return ""
    return found


def mounted_on(numbers: set[str]) -> list[str]:
    """One mount point of each filesystem on these devices (``major:minor``), sorted."""
    points: dict[str, str] = {}
    for number, point in mount_table():
        if number in numbers:
            points.setdefault(number, point)
    return sorted(points.values())


def above(number: str) -> dict[str, str]:
    """A device (``major:minor``), its partitions and all devices built on them, each with its kernel name."""
    found: dict[str, str] = {}
    _collect(os.path.realpath(f"/sys/dev/block/{number}"), found)
    return found


def _collect(folder: str, found: dict[str, str]) -> None:
    try:
        with open(os.path.join(folder, "dev"), encoding="ascii") as source:
            number = source.read().strip()
    except OSError:
        return
    if number in found:
        return
    found[number] = os.path.basename(folder)
    with contextlib.suppress(OSError):
        for holder in os.listdir(os.path.join(folder, "holders")):
            _collect(os.path.realpath(f"/sys/class/block/{holder}"), found)
    for entry in os.listdir(folder):
        if os.path.exists(os.path.join(folder, entry, "partition")):
            _collect(os.path.join(folder, entry), found)
