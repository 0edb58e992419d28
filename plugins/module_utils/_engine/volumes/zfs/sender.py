# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Sends snapshots with ``zfs send``."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from typing import IO

from ...common.errors import SnapshipError, VolumeError, need
from ...common.processes import start
from ..provider import Snapshot
from .commands import one_line
from .stream_header import SIZE, parse

PIPE = 1 << 20  # bytes; the most that Linux allows every user
_SETPIPE_SZ = 1031
# Large blocks, and blocks compressed as on disk. No embedded data (-e): no encrypted parent could receive it.
_PLAIN = ["-L", "-c"]
_RAW = ["-w"]  # encrypted blocks as on disk, large and compressed ones, too
_KNOWN = frozenset((*_PLAIN, *_RAW))


def flags_for(encrypted: bool, chain: list[str] | None, volume: str) -> list[str]:
    """The options for a stream: the chain's, or those of a new chain. Raises VolumeError, code ``flags_changed``."""
    if chain is None:
        return list(_RAW if encrypted else _PLAIN)
    if not set(chain) <= _KNOWN or ("-w" in chain) != encrypted:
        raise VolumeError(
            f"{volume}: its chain was sent with {' '.join(chain) or 'no options'}, which doesn't match "
            f"{'an encrypted' if encrypted else 'an unencrypted'} dataset.",
            "Make a full backup.",
            code="flags_changed",
        )
    return list(chain)


class Sender:
    """A running ``zfs send``."""

    def __init__(self, base: Snapshot | None, snapshot: Snapshot, flags: list[str]) -> None:
        self.flags = flags
        self._base, self._snapshot = base, snapshot
        increment = ["-i", base.path] if base is not None else []
        self._command = ["zfs", "send", *flags, *increment, snapshot.path]
        self._said: IO[bytes] = tempfile.TemporaryFile(prefix="snapship-send-")  # noqa: SIM115  # close() does
        self._head = b""  # read for the check, but not passed on yet
        try:
            self._process = start(self._command, stderr=self._said)
        except SnapshipError:
            self._said.close()
            raise
        self._output = need(self._process.stdout, "it was started with a pipe").fileno()
        widen(self._output)

    def begin(self) -> None:
        """Wait for the header of the stream and check that it is of these snapshots, by GUID: names can be reused."""
        while len(self._head) < SIZE:
            found = os.read(self._output, SIZE - len(self._head))
            if not found:
                self._check()
                break
            self._head += found
        begin = parse(self._head)
        wanted = self._base.state_id if self._base is not None else None
        if (begin.state, begin.base) != (self._snapshot.state_id, wanted):
            raise VolumeError(
                f"{self._snapshot.volume}: {' '.join(self._command)} sends other snapshots: they were renamed or "
                "replaced.",
                "Run it again.",
                code="snapshot_gone",
            )

    def read_into(self, target: memoryview) -> int:
        done = min(len(self._head), len(target))
        target[:done] = self._head[:done]
        self._head = self._head[done:]
        while done < len(target):
            count = os.readv(self._output, [target[done:]])
            if not count:
                self._check()
                break
            done += count
        return done

    def _check(self) -> None:
        """At the end of the stream, check that the sender didn't die."""
        status = self._process.wait()
        if status == 0:
            return
        self._said.seek(0)
        said = self._said.read(1 << 16).decode(errors="replace")
        error = one_line(self._command, status, said)
        if "does not exist" in said or "no such snapshot" in said:
            raise VolumeError(
                f"{self._snapshot.volume}: a snapshot was removed before it was sent: {error.said}",
                code="snapshot_gone",
            )
        killed = f" (killed by signal {-status})" if status < 0 else ""
        raise VolumeError(
            f"{self._snapshot.volume}: zfs send failed with {status}{killed}: {error.said or 'no error message'}",
            "See zpool status.",
            code="send",
        )

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.wait()
        self._said.close()


@contextlib.contextmanager
def sending(base: Snapshot | None, snapshot: Snapshot, flags: list[str]) -> Iterator[Sender]:
    """A sender whose stream has the right header."""
    with contextlib.closing(Sender(base, snapshot, flags)) as sender:
        sender.begin()
        yield sender


def widen(pipe: int) -> None:
    """Enlarge a pipe, so that its ends wait less for each other; not an error if that isn't allowed."""
    try:
        fcntl.fcntl(pipe, _SETPIPE_SZ, PIPE)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EBUSY, errno.EINVAL):
            raise
