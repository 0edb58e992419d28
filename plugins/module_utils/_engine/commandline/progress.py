# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A progress line on a terminal."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TextIO

from ..common.units import show_bytes

_PAUSE = 0.1  # seconds between two updates


class ProgressLine:
    """The progress callback of :class:`..local.host.Host`, for any thread. Silent if ``stream`` is ``None``."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._last = 0.0
        self._shown = False

    def __call__(self, volume: str, done: int, total: int) -> None:
        """Show that ``done`` of ``total`` bytes of a volume are done."""
        if self._stream is None:
            return
        with self._lock:
            now = time.monotonic()
            if now - self._last < _PAUSE:
                return
            self._last = now
            self._shown = True
            self._stream.write("\r" + _fitting(volume, done, total) + "\x1b[K")
            self._stream.flush()

    def clear(self) -> None:
        """Remove the line, before something else is written."""
        with self._lock:
            if self._stream is not None and self._shown:
                self._stream.write("\r\x1b[K")
                self._stream.flush()
                self._shown = False


def on_terminal(stream: TextIO) -> ProgressLine:
    """A line on this stream if it is a terminal, else a silent one."""
    return ProgressLine(stream if stream.isatty() else None)


def _fitting(volume: str, done: int, total: int) -> str:
    share = f" ({100 * done // total} %)" if total else ""
    amount = f"  {show_bytes(done)} of {show_bytes(total)}{share}"
    room = shutil.get_terminal_size().columns - len(amount) - 1
    name = "".join(letter if letter.isprintable() else "?" for letter in volume)
    if len(name) > room:
        name = "..." + name[len(name) - max(room - 3, 0) :]
    return name + amount
