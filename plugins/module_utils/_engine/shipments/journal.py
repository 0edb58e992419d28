# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The journal of a shipment: its head, then one line for each segment that the remote acknowledged."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..common.errors import need
from ..common.files import private_folder, sync_folder, writing
from ..repository.manifest import Segment

VERSION = 2  # a journal of another version is left alone
Line = tuple[int, int]  # where a line is in the file: position, length


class StoredSegment(NamedTuple):
    """One acknowledged segment: what it is, a digest of the regions it was made from, and its index records."""

    segment: Segment
    job: str
    changed: int  # bytes of data in it
    data: int  # DATA chunks
    unmap: int  # UNMAP chunks
    extents: int  # index records; they themselves are in the journal


def read_head(path: str) -> dict[str, Any] | None:
    """The head of a journal (reads only); ``None`` if there is none, or it has another version."""
    try:
        with open(path, encoding="utf-8") as source:
            head = json.loads(source.readline())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    return head if isinstance(head, dict) and head.get("journal") == VERSION else None


class Journal:
    """A journal that is open for writing from open() or start() to close()."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: int | None = None

    def _descriptor(self) -> int:
        return need(self._file, "the journal is open until finish, discard or close")

    def open(self) -> None:
        """Open the journal, which may exist."""
        with writing(self._path):
            private_folder(os.path.dirname(self._path))
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def start(self, head: dict[str, Any]) -> None:
        """Start a new journal, durable on return."""
        self.open()
        os.ftruncate(self._descriptor(), 0)
        self._append(head)
        os.fsync(self._descriptor())
        sync_folder(os.path.dirname(self._path))

    def add(self, stored: StoredSegment, records: bytes) -> Line:
        """Add a segment with its index records. Not from several threads at once."""
        text = base64.b64encode(records).decode()
        return self._append(dict(stored._asdict(), segment=list(stored.segment), records=text))

    def _append(self, value: dict[str, Any]) -> Line:
        line = json.dumps(value, separators=(",", ":")).encode() + b"\n"
        at = os.lseek(self._descriptor(), 0, os.SEEK_END)
        written = 0
        with writing(self._path):
            while written < len(line):
                written += os.write(self._descriptor(), line[written:])
        return at, len(line)

    def read(self) -> Iterator[tuple[StoredSegment, Line]]:
        """The lines after the head, and where they are. A last line that a kill cut short is removed."""
        with open(self._path, "rb") as source:
            source.readline()
            good = source.tell()
            for line in source:
                try:
                    value = json.loads(line)
                    value.pop("records")
                    value["segment"] = Segment(*value["segment"])
                    yield StoredSegment(**value), (good, len(line))
                except (ValueError, KeyError, TypeError):
                    break
                good += len(line)
        if self._file is not None:
            os.ftruncate(self._file, good)

    def records(self, line: Line) -> bytes:
        """The index records in a line."""
        at, length = line
        return base64.b64decode(json.loads(os.pread(self._descriptor(), length, at))["records"])

    def drop(self) -> None:
        """Remove it."""
        self.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)

    def close(self) -> None:
        """Close it; it stays for the next run."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = None
