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

    written: int  # bytes to the target so far

    @property
    def fetched(self) -> int:
        """Bytes from the remote so far."""

    def __enter__(self) -> Blocks: ...

    def __exit__(self, *exc: object) -> None: ...

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target needs at least, and bytes that progress will count in all."""

    def fetch(self, target: Target, workers: Workers, progress: Progress) -> None:
        """Fetch and write everything. ``progress`` gets bytes done since it was told last, from any thread."""

    def clear(self, target: Target) -> None:
        """Write zeros to the regions without data, where the target doesn't read them as zero by itself."""

    def check(self, target: Readback, workers: Workers) -> None:
        """Read a volume that was fetched, and compare it. Raises CorruptError."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """Fetch everything and check it, as far as that can be done, without a target. ``progress``: bytes so far."""

    @property
    def cautions(self) -> list[str]:
        """Warnings about what was written."""


class Streams(Protocol):
    """The streams of a chain that only one kind of volume can receive, a context manager. See :class:`.relay.Relay`."""

    written: int

    @property
    def fetched(self) -> int:
        """As :attr:`Blocks.fetched`."""

    def __enter__(self) -> Streams: ...

    def __exit__(self, *exc: object) -> None: ...

    def sizes(self) -> tuple[int, int]:
        """As :meth:`Blocks.sizes`."""

    def check(self) -> None:
        """See that every object exists. Raises CorruptError."""

    def run(self, target: StreamTarget, workers: Workers, progress: Progress) -> None:
        """Write what the target lacks. ``progress`` gets bytes done since it was told last."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """As :meth:`Blocks.read_all`."""
