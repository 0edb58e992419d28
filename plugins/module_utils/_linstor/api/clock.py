# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Time: how often to check something that LINSTOR does in the background, and for how long."""

from __future__ import annotations

import time
from typing import Callable, TypeVar

from ..._engine.common.errors import BusyError, RemoteError
from ..._engine.common.units import show_duration
from .replies import ControllerError

T = TypeVar("T")

FIRST = 0.25  # seconds: small things are done soon
GROWTH = 1.6


def now() -> float:
    """Seconds since the epoch by this host's clock. Ages are measured by it."""
    return time.time()


class Pace:
    """Pauses that grow from a fraction of a second to ``interval`` seconds.

    ``clock`` and ``sleep`` are those of :mod:`time`; tests replace them.
    """

    def __init__(
        self,
        interval: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.interval = interval
        self.clock = clock
        self._sleep = sleep
        self._next = min(FIRST, interval)

    def again(self) -> None:
        """Start over with short pauses, as something new has begun."""
        self._next = min(FIRST, self.interval)

    def step(self) -> float:
        """The length of the next pause, in seconds."""
        pause = self._next
        self._next = min(self._next * GROWTH, self.interval)
        return pause

    def pause(self, until: float | None = None) -> None:
        """Sleep for one step, but not beyond ``until`` (by ``clock``)."""
        step = self.step()
        if until is not None:
            step = min(step, max(until - self.clock(), 0.0))
        self._sleep(step)


def unreachable(error: RemoteError) -> bool:
    """Whether no controller answered, so that waiting may help. A refusal gives ``False``."""
    return not isinstance(error, ControllerError)


def until(check: Callable[[], T | None], timeout: float, pace: Pace, what: str) -> T:
    """Call ``check`` until it returns something other than ``None``; returns that.

    It also waits for a controller that doesn't answer. ``what`` completes "waited ... for", as in "the restore of
    web". Raises BusyError (code ``timeout``) after ``timeout`` seconds, and whatever ``check`` raises.
    """
    deadline = pace.clock() + timeout
    while True:
        trouble = ""
        try:
            found = check()
            if found is not None:
                return found
        except RemoteError as error:
            if not unreachable(error):
                raise
            trouble = f" The controller doesn't answer: {error.msg}"
        if pace.clock() >= deadline:
            raise BusyError(
                f"waited {show_duration(timeout)} for {what} without success.{trouble}",
                "LINSTOR goes on in the background and may still finish. Check later, or set a longer wait_timeout.",
                code="timeout",
            )
        pace.pause(deadline)
