# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The journal of a running shipment on this host: what the remote has acknowledged, so that a next run sends the rest.

First the head: the magic, u32 its length, and JSON. Then an entry for each stored segment: u32 bytes of the rest, u32
its CRC-32, then its record of the segment table, 32 bytes that tell what it was made from, u64 bytes of data, u32 DATA
and u32 UNMAP chunks, and its index records. Big-endian.
"""

from __future__ import annotations

import contextlib
import json
import os
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

from ..common.bounded import Unreadable, read_object
from ..common.errors import need
from ..common.files import private_folder, sync_folder, writing
from ..repository.data.segment_table import ROW, Segment, unpack
from ..streams.index import RECORD

MAGIC = b"snapship journal 3\n"  # a journal of another version is left alone
_HEAD_LIMIT = 1 << 20
_LENGTH = struct.Struct(">I")
_ENTRY = struct.Struct(">II")
_FACTS = struct.Struct(">32sQII")
_FIXED = ROW.size + _FACTS.size
_LARGEST = _FIXED + 100_000 * RECORD.size  # no segment has so many chunks
Line = tuple[int, int]  # where an entry's index records are in the file: position, length


class StoredSegment(NamedTuple):
    """One acknowledged segment, a digest of what it was made from, and what it adds to the manifest's sums."""

    segment: Segment
    job: bytes  # 32 bytes
    changed: int  # bytes of data in it
    data: int  # DATA chunks
    unmap: int  # UNMAP chunks

    @property
    def extents(self) -> int:
        """Index records of it; they themselves are in the journal."""
        return self.data + self.unmap


def read_head(path: str) -> dict[str, Any] | None:
    """The head of a journal (reads only); ``None`` if there is none, or it has another version."""
    try:
        with _reading(path) as source:
            return _head(source)
    except OSError:  # none; or what no journal is
        return None


def _reading(path: str) -> BinaryIO:
    """The file, which may be anything: no link is followed, no pipe waited for."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _head(source: BinaryIO) -> dict[str, Any] | None:
    if source.read(len(MAGIC)) != MAGIC:
        return None
    length = int.from_bytes(source.read(_LENGTH.size), "big")
    try:
        return read_object(source.read(min(length, _HEAD_LIMIT + 1)), _HEAD_LIMIT)
    except Unreadable:
        return None


class Journal:
    """A journal that is open for writing from open() or start() on. After close() the next use opens it again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def _descriptor(self) -> int:
        if self._file is None:
            self.open()
        return need(self._file, "open() opens it")

    def open(self) -> None:
        """Open the journal, which may exist."""
        with writing(self._path):
            private_folder(os.path.dirname(self._path))
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def start(self, head: dict[str, Any]) -> None:
        """Start a new journal, durable on return."""
        self.open()
        os.ftruncate(self._descriptor(), 0)
        text = json.dumps(head, separators=(",", ":")).encode()
        self._append(MAGIC + _LENGTH.pack(len(text)) + text)
        os.fsync(self._descriptor())
        sync_folder(os.path.dirname(self._path))

    def add(self, stored: StoredSegment, records: bytes) -> Line:
        """Add a segment with its index records. Not from several threads at once."""
        entry = stored.segment.pack() + _FACTS.pack(*stored[1:]) + records
        at = self._append(_ENTRY.pack(len(entry), zlib.crc32(entry)) + entry)
        return at + _ENTRY.size + _FIXED, len(records)

    def _append(self, data: bytes) -> int:
        at = os.lseek(self._descriptor(), 0, os.SEEK_END)
        written = 0
        with writing(self._path):
            while written < len(data):
                written += os.write(self._descriptor(), data[written:])
        return at

    def read(self) -> Iterator[tuple[StoredSegment, Line]]:
        """The segments, and where their index records are. A last entry that a kill cut short is removed."""
        with _reading(self._path) as source:
            if _head(source) is None:
                return
            good = source.tell()
            while True:
                head = source.read(_ENTRY.size)
                length, crc = _ENTRY.unpack(head) if len(head) == _ENTRY.size else (0, 0)
                if not _FIXED <= length <= _LARGEST:
                    break
                entry = source.read(length)
                if len(entry) != length or zlib.crc32(entry) != crc:
                    break
                facts = _FACTS.unpack_from(entry, ROW.size)
                (segment,) = unpack(entry[: ROW.size])
                yield StoredSegment(segment, *facts), (good + _ENTRY.size + _FIXED, length - _FIXED)
                good += _ENTRY.size + length
        if self._file is not None:
            os.ftruncate(self._file, good)

    def records(self, line: Line) -> bytes:
        """The index records of an entry."""
        at, length = line
        return os.pread(self._descriptor(), length, at)

    def drop(self) -> None:
        """Remove it."""
        self.close()
        with writing(self._path), contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def close(self) -> None:
        """Close it; it stays for the next use, or the next run."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
