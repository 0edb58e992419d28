# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Who uses an LV's device."""

from __future__ import annotations

import os
import time

from ..mounts import above, mounted_on
from . import commands, device_mapper
from .report import Lv, pool_device

_MOMENT = 1.0  # seconds; no program of LVM's has a device suspended for longer


def number(lv: Lv) -> str | None:
    """``major:minor`` of an LV's device; ``None`` while it isn't active."""
    return "{}:{}".format(*lv.device) if lv.device is not None else None


def mounts(lv: Lv) -> list[str]:
    """Mount points of filesystems on an LV, or on what lies on it."""
    device = number(lv)
    return mounted_on(set(above(device))) if device is not None else []


def used_by(lv: Lv) -> str | None:
    """Who has an LV open; ``None`` where nobody has. What is open for a moment only (udev looks at devices) isn't
    counted."""
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
    """How often a device is open, as device-mapper counts."""
    try:
        return device_mapper.open_count(lv.name.mapped)
    except OSError:
        return 0


def written(lv: Lv) -> tuple[str, ...] | None:
    """Counters that grow when a volume is written to or discarded; ``None`` where they can't be had."""
    device = number(lv)
    if device is None:
        return ()  # nobody writes to what isn't active
    try:
        with open(f"/sys/dev/block/{device}/stat", encoding="ascii") as source:
            fields = source.read().split()
    except OSError:
        return None
    return (device, *fields[4:7:2], *fields[11:14:2])  # writes, sectors written, discards, sectors discarded


# --- what killed programs leave


def resume_left(*volumes: Lv) -> None:
    """Resume volumes and pools that a program of LVM's left suspended when it was killed or the power failed: all that
    is done with them hangs. One that another program has suspended just now is left to it."""
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
        return False  # it isn't active
