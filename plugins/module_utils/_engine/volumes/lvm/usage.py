# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Who uses the device of an LV."""

from __future__ import annotations

import os
import time

from ..mounts import above, mounted_on
from . import commands, device_mapper
from .report import Lv, pool_device

_MOMENT = 1.0  # seconds; an LVM program that is alive suspends a device for less


def number(lv: Lv) -> str | None:
    """``major:minor`` of an LV's device; ``None`` if it isn't active."""
    return "{}:{}".format(*lv.device) if lv.device is not None else None


def mounts(lv: Lv) -> list[str]:
    """Mount points of filesystems on an LV, or on devices built on it."""
    device = number(lv)
    return mounted_on(set(above(device))) if device is not None else []


def used_by(lv: Lv) -> str | None:
    """What has an LV open; ``None`` if nothing has. A device that is open only for a moment doesn't count, since udev
    looks at devices."""
    device = number(lv)
    if device is None:
        return None
    mounted = mounts(lv)
    if mounted:
        return f"mounted on {mounted[0]}"
    holders = sorted(set(above(device).values()) - {os.path.basename(os.path.realpath(f"/sys/dev/block/{device}"))})
    if holders:
        return f"part of /dev/{holders[0]}"
    for pause in (0.1, 0.2, 0.4, 0.8, 0.0):
        if not _open_count(lv):
            return None
        time.sleep(pause)
    return "open in another process"


def _open_count(lv: Lv) -> int:
    """How many times a device is open, as device-mapper counts."""
    try:
        return device_mapper.open_count(lv.name.mapped)
    except OSError:
        return 0


def written(lv: Lv) -> tuple[str, ...] | None:
    """Counters that grow when a volume is written to or discarded; ``None`` if they can't be read."""
    device = number(lv)
    if device is None:
        return ()  # nobody can write to an inactive LV
    try:
        with open(f"/sys/dev/block/{device}/stat", encoding="ascii") as source:
            fields = source.read().split()
    except OSError:
        return None
    return (device, *fields[4:7:2], *fields[11:14:2])  # writes, sectors written, discards, sectors discarded


# --- what killed programs leave


def resume_left(*volumes: Lv) -> None:
    """Resume volumes and pools that an LVM program left suspended when it was killed or the power failed: every access
    to them hangs. If another program has suspended one just now, it is left alone."""
    left = [lv for lv in volumes if _suspended(lv)]
    if left:
        time.sleep(_MOMENT)
    for lv in left:
        if _suspended(lv):
            commands.refresh(lv)


def _suspended(lv: Lv) -> bool:
    try:
        path = f"/dev/mapper/{pool_device(lv)}" if lv.is_pool else lv.name.device
        device = os.stat(path).st_rdev
        with open(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}/dm/suspended", encoding="ascii") as source:
            return source.read().strip() == "1"
    except OSError:
        return False  # not active
