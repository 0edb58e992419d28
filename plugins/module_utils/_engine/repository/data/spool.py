# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is too large for memory while a run lasts: indexes and tables of segments, all of them in one file."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Iterator
from typing import BinaryIO

from ...local.host import Host
from ...streams.thin import Readable

_IN_MEMORY = 32 << 20  # bytes; more goes to a file in this host's state folder
_CACHED = 32 << 20  # bytes of blocks that are kept after they were read
_RUN = 1 << 20  # bytes read at once where all are wanted


class Spool:
    """Bytes that are appended once and read many times, from any thread. Close it: its file then disappears."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._memory = bytearray()
        self._file: BinaryIO | None = None
        self._size = 0
        self._lock = threading.Lock()
        self._cache: collections.OrderedDict[tuple[int, int], bytes] = collections.OrderedDict()
        self._cached = 0

    def append(self, data: Readable) -> None:
        """Add bytes at the end. Raises ConfigError where this host can't keep them."""
        if self._file is None and self._size + len(data) > _IN_MEMORY:
            self._file = self._host.spool()
            self._host.spooled(self._file, self._memory)
            self._memory = bytearray()
        if self._file is None:
            self._memory += data
        else:
            self._host.spooled(self._file, data)
        self._size += len(data)

    def __len__(self) -> int:
        return self._size

    def read(self, at: int, length: int) -> bytes:
        """These bytes, which were appended."""
        if self._file is None:
            return bytes(self._memory[at : at + length])
        return os.pread(self._file.fileno(), length, at)

    def cached(self, at: int, length: int) -> bytes:
        """As :meth:`read`, for what is likely to be wanted again soon."""
        with self._lock:
            found = self._cache.get((at, length))
            if found is None:
                found = self._cache[at, length] = self.read(at, length)
                self._cached += len(found)
                while self._cached > _CACHED:
                    self._cached -= len(self._cache.popitem(last=False)[1])
            else:
                self._cache.move_to_end((at, length))
        return found

    def close(self) -> None:
        """Remove it."""
        if self._file is not None:
            self._file.close()

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()


class Records:
    """Records of one size that were appended to a spool one after the other. See :class:`.index.RecordStore`."""

    def __init__(self, spool: Spool, start: int, count: int, record: int, block: int) -> None:
        """``start``: where they begin in the spool. ``record``: bytes of one. ``block``: how many one block has."""
        self._spool = spool
        self._start = start
        self._count = count
        self._record = record
        self._block = block

    def __len__(self) -> int:
        return self._count

    def blocks(self) -> Iterator[bytes]:
        """All of them, in blocks of whole records."""
        at, end = self._start, self._start + self._count * self._record
        run = _RUN // self._record * self._record
        while at < end:
            yield self._spool.read(at, min(run, end - at))
            at += run

    def block(self, number: int) -> bytes:
        """The records of block ``number``."""
        first = number * self._block
        count = min(self._block, self._count - first)
        return self._spool.cached(self._start + first * self._record, count * self._record)
