# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``make bench`` in the lab: real thin pools and zpools, each part in a new guest, its disks files of this machine.

A ``thin_send`` on PATH that guests can see too, because it is below the project's cache, is on their PATH as well.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from ansible_collections.snapship.dr.tests.lab import build
from ansible_collections.snapship.dr.tests.lab.debian import CannotBuild
from ansible_collections.snapship.dr.tests.lab.machine import CHECKOUT, GIB, Guest, GuestLost

PARTS = ("lvm", "restore", "filesystem", "zvol")
GUEST_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
DISKS = 2
LIMIT = 3 * 3600.0  # seconds for one part


def run(parent: Path, size: float, rounds: int, parts: tuple[str, ...] = PARTS) -> list[str]:
    """The lines of the report; where the lab can't run, one that says why. ``size``: GiB of data in a volume."""
    reason = build.why_not()
    if reason is not None:
        return [f"lab: it can't run here: {reason}"]
    lines = []
    for part in parts:
        try:
            lines += ["", f"lab, {part}:", *_part(parent, part, size, rounds)]
        except (CannotBuild, GuestLost, TimeoutError) as error:
            lines.append(f"lab, {part}: {error}")
    return lines


def _part(parent: Path, part: str, size: float, rounds: int) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="bench-lab-", dir=parent) as directory:
        disks = (int((size * 2 + 4) * GIB),) * DISKS
        with Guest(Path(directory), disks) as guest:
            argv: list[object] = [CHECKOUT / ".venv/bin/python", CHECKOUT / "tests/bench/lab_rounds.py", part]
            argv += ["--size", size, "--rounds", rounds]
            command = guest.start(*argv, env={"PATH": _path(), "PYTHONUNBUFFERED": "1"}, sink=_show)
            if command.wait(LIMIT):
                return [f"failed: {(command.errors or command.text).strip()[-500:]}"]
            return command.text.partition("== report\n")[2].splitlines()


def _path() -> str:
    thin_send = shutil.which("thin_send")
    if thin_send is None or not Path(thin_send).is_relative_to(build.cache()):
        return GUEST_PATH
    return f"{os.path.dirname(thin_send)}:{GUEST_PATH}"


def _show(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
