# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The power of a machine that ships and restores is cut at random moments; nothing acknowledged is lost.

``SNAPSHIP_POWER_CUTS`` says how often, ``SNAPSHIP_SEED`` repeats a run.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.machine import CHECKOUT, GIB, Command, Guest

CUTS = int(os.environ.get("SNAPSHIP_POWER_CUTS", "2"))
LIMIT = 900.0  # seconds for what takes about one minute on a machine that does nothing else
PROGRAM = ("env", "PYTHONDONTWRITEBYTECODE=1", str(CHECKOUT / ".venv/bin/python"), str(CHECKOUT / "tests/lab/power.py"))


@pytest.mark.timeout(3600)
def test_power_is_cut_at_any_moment(tmp_path: Path) -> None:
    seed = int(os.environ.get("SNAPSHIP_SEED", "0")) or random.randrange(1 << 31)
    print(f"SNAPSHIP_SEED={seed}")
    rng = random.Random(seed)
    with Guest(tmp_path, disks=(6 * GIB, 6 * GIB)) as guest:
        guest.run(*PROGRAM, "set-up", seconds=LIMIT)
        guest.halt()
        for cut in range(CUTS):
            guest.boot()
            if cut:
                _check(guest)
            work = guest.start(*PROGRAM, "work", str(rng.randrange(1 << 31)))
            _wait(work, rng.uniform(1.0, 12.0))
            print(f"cut {cut}: {work.text.splitlines()[-1:]}")
            guest.power_off()
        guest.boot()
        _check(guest)
        guest.halt()


def _wait(work: Command, seconds: float) -> None:
    """Let it work for so long, counted from when it began; it never ends by itself."""
    while not work.text:
        assert not work.ended.wait(0.02), work.errors
    time.sleep(seconds)
    assert not work.ended.is_set(), work.errors


def _check(guest: Guest) -> None:
    done = guest.run(*PROGRAM, "check", check=False, seconds=LIMIT)
    assert done.code == 0, done.text + done.errors
