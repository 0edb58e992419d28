# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double's time: the machine's clock plus an offset, or a clock that only tests move."""

from __future__ import annotations

import datetime
import time


class Clock:
    """``now`` is in milliseconds since the epoch.

    ``frozen_at`` (seconds since the epoch) stops the clock there; ``advance`` moves either kind on. ``per_request``
    seconds pass at each request, so that a test that polls needs to wait for nothing.
    """

    def __init__(self, frozen_at: float | None = None, per_request: float = 0.0) -> None:
        self._frozen_at = frozen_at
        self._ahead = 0.0
        self.per_request = per_request

    @property
    def seconds(self) -> float:
        return (time.time() if self._frozen_at is None else self._frozen_at) + self._ahead

    @property
    def now(self) -> int:
        return int(self.seconds * 1000)

    def advance(self, seconds: float) -> None:
        self._ahead += seconds

    def freeze(self) -> None:
        """From now on only ``advance`` moves it."""
        self._frozen_at, self._ahead = self.seconds, 0.0

    def request(self) -> None:
        self._ahead += self.per_request

    def local(self) -> datetime.datetime:
        """In the machine's zone: LINSTOR names backups and reads cron expressions in the controller's."""
        return datetime.datetime.fromtimestamp(self.seconds).astimezone()
