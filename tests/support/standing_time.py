# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time that stands still: whoever would sleep goes on at once, and what was asked for is kept."""

from __future__ import annotations


class StandingTime:
    """Takes the place of the module ``time`` in a module under test. ``asked``: the sleeps, in seconds.

    Only ``now`` moves it, in seconds.
    """

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)


class SleptTime(StandingTime):
    """Time that passes only where it is slept through, and at once: work takes none, however busy the machine is."""

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self.now += seconds
