# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A bandwidth limit that all threads of a store share."""

from __future__ import annotations

import threading
import time

_LARGEST = 1 << 20
_SMALLEST = 4 << 10


class Throttle:
    """Lets ``rate`` bytes a second pass, whoever asks; nobody gets ahead by having been idle."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0
        #: bytes to ask for at a time, so that the line is used evenly: about an eighth of a second's worth
        self.slice = max(_SMALLEST, min(_LARGEST, rate // 8))

    def take(self, count: int) -> None:
        """Wait until ``count`` more bytes may pass."""
        with self._lock:
            now = time.monotonic()
            start = max(now, self._free_at)
            self._free_at = start + count / self._rate
        if start > now:
            time.sleep(start - now)
