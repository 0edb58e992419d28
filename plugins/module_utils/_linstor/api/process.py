# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A process by a text that other processes can read: whether it still runs."""

from __future__ import annotations

import os
import secrets

_UNKNOWN = secrets.token_hex(8)


def this_process() -> str:
    """This process: the boot and the namespace it runs in, its number, and when it was started. No spaces."""
    pid = os.getpid()
    started = _started(pid)
    place = _place()
    return f"{place}:{pid}:{started}" if place and started else f"?:{_UNKNOWN}"


def is_alive(process: str) -> bool | None:
    """Whether a process that :func:`this_process` named still runs; ``None`` if it runs where this one can't look."""
    place, _colon, rest = process.rpartition(":")[0].rpartition(":")
    if not place or place != _place() or not rest.isdecimal():
        return None
    return _started(int(rest)) == process.rpartition(":")[2]


def _place() -> str:
    """This boot of this machine, and the namespace in which process numbers count."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as source:
            boot = source.read(64).strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}".replace(" ", "_").replace(":", "_")
    except OSError:
        return ""


def _started(pid: int) -> str:
    """When it was started, in ticks since boot; "" if it doesn't run, or its parent has yet to notice its end."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as source:
            fields = source.read(4096).rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
