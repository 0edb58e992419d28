# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A chain of backups being read: what a restore or a verification asks of it, whoever wrote the backups."""

from __future__ import annotations

from typing import Callable, Protocol

from ..common.workers import Workers
from ..volumes.provider import Readback, StreamTarget, Target

Progress = Callable[[int], None]


class Blocks(Protocol):
    """A chain of block streams being put together, a context manager. See :class:`.assembly.Assembly`."""

    fetched: int  # bytes from the remote so far
    written: int  # bytes to the target so far

    def __enter__(self) -> Blocks: ...

    def __exit__(self, *exc: object) -> None: ...

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target surely needs room for, and all that progress will be told of."""

    def fetch(self, target: Target, workers: Workers, progress: Progress) -> None:
        """Fetch and write everything. ``progress`` gets bytes done since it was told last, from any thread."""

    def clear(self, target: Target) -> None:
        """Where a target doesn't make what wasn't written read as zero: write those zeros."""

    def check(self, target: Readback, workers: Workers) -> None:
        """Read a volume that was fetched, and compare it. Raises CorruptError."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """Fetch everything and check it, as far as that can be done, without a target. ``progress``: bytes so far."""

    @property
    def cautions(self) -> list[str]:
        """What is to be said of what was written."""


class Streams(Protocol):
    """The streams of a chain that only their own kind of volume takes. See :class:`.relay.Relay`."""

    fetched: int
    written: int

    def sizes(self) -> tuple[int, int]:
        """As :meth:`Blocks.sizes`."""

    def check(self) -> None:
        """Everything is there. Raises CorruptError."""

    def run(self, target: StreamTarget, workers: Workers, progress: Progress) -> None:
        """Write what the target hasn't yet. ``progress`` gets bytes done since it was told last."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """As :meth:`Blocks.read_all`."""
