# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The thin-send-recv stream: chunks of a block device, written as format 1.1, read as 1.1 and 1.0.

A chunk is a big-endian header of 28 bytes (u64 magic, u64 offset, u64 length, u32 command; both in bytes) and, for
DATA, ``length`` bytes. 1.1 starts with BEGIN and ends with END. END's payload counts all chunks (also BEGIN, END and
optional ones), the DATA chunks and the UNMAP chunks.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Union

from ..common.errors import CorruptError

FORMAT, VERSION = "thin-send-recv", "1.1"
HEADER = struct.Struct(">QQQI")
COUNTS = struct.Struct(">QQQ")
MAGIC_1_1 = 0x24C4F02AAE2E4FA9
MAGIC_1_0 = 0xCA7F00D5DE7EC7ED
MAGIC_OLD = 0xE85BC5636CC72A05
DATA, UNMAP, BEGIN, END = 0, 1, 2, 3
OPTIONAL = 1 << 31  # a reader that doesn't know the chunk may skip it
_PIECE = 1 << 20

Readable = Union[bytes, bytearray, memoryview]


class Chunk(NamedTuple):
    """One chunk; ``at`` is where its payload begins in the buffer it was parsed from."""

    command: int
    offset: int
    length: int
    at: int


def begin() -> bytes:
    """The chunk that opens a 1.1 stream."""
    return HEADER.pack(MAGIC_1_1, 0, 0, BEGIN)


def end(data: int, unmap: int) -> bytes:
    """The chunk that closes a 1.1 stream with these counts of DATA and UNMAP chunks."""
    return HEADER.pack(MAGIC_1_1, 0, COUNTS.size, END) + COUNTS.pack(data + unmap + 2, data, unmap)


def pack_header(buffer: bytearray, at: int, command: int, offset: int, length: int) -> None:
    """Write the header of a DATA or UNMAP chunk into a buffer."""
    HEADER.pack_into(buffer, at, MAGIC_1_1, offset, length, command)


def chunks(buffer: Readable) -> Iterator[Chunk]:
    """All chunks, BEGIN and END too, of a buffer that holds whole chunks (one of our segments).

    Raises CorruptError where a rule of the format is broken. The caller has the index and compares the chunks with it.
    """
    at, size = 0, len(buffer)
    while at < size:
        if size - at < HEADER.size:
            raise CorruptError("the stream ends inside a chunk header.")
        magic, offset, length, command = HEADER.unpack_from(buffer, at)
        at += HEADER.size
        if magic not in (MAGIC_1_1, MAGIC_1_0):
            raise CorruptError(f"the stream isn't thin-send-recv 1.0 or 1.1 (magic {magic:#x}).")
        payload = 0 if command == UNMAP else length
        if payload > size - at:
            raise CorruptError("the stream ends inside a chunk.")
        if command in (DATA, UNMAP, BEGIN, END):
            yield Chunk(command, offset, length, at)
        elif not command & OPTIONAL:
            raise CorruptError(f"the stream has an unknown command {command}.")
        at += payload


def read_stream(source: BinaryIO) -> Iterator[tuple[int, int, int, BinaryIO]]:
    """Chunks ``(command, offset, length, source)`` of a stream in 1.1 or 1.0. The caller reads DATA from ``source``.

    A 1.0 stream has neither BEGIN nor END: one that is cut between two chunks looks complete.
    Raises CorruptError for anything else.
    """
    counts, total, version, state = [0, 0], 0, 0, BEGIN
    while True:
        head = _exactly(source, HEADER.size, optional=True)
        if not head:
            break
        total += 1
        magic, offset, length, command = HEADER.unpack(head)
        if magic == MAGIC_OLD:
            raise CorruptError("the stream was made by thin-send-recv older than 1.0.1, which can't be read.")
        if magic not in (MAGIC_1_1, MAGIC_1_0) or version not in (0, magic):
            raise CorruptError(f"the stream isn't thin-send-recv 1.0 or 1.1 (magic {magic:#x}).")
        if not version:
            version, state = magic, BEGIN if magic == MAGIC_1_1 else DATA
        if state == END or (state == BEGIN) != (command == BEGIN):
            raise CorruptError(f"invalid stream: command {command} isn't allowed at this place.")
        if command in (BEGIN, END) and length != (COUNTS.size if command == END else 0):
            raise CorruptError(f"invalid stream: command {command} with {length} bytes.")
        if command == BEGIN:
            state = DATA
        elif command in (DATA, UNMAP):
            counts[command] += 1
            yield command, offset, length, source
        elif command == END and version == MAGIC_1_1:
            if COUNTS.unpack(_exactly(source, COUNTS.size)) != (total, *counts):
                raise CorruptError("invalid stream: its END counts other chunks than were read.")
            state = END
        elif command & OPTIONAL:
            _pass_over(source, length)
        else:
            raise CorruptError(f"the stream has an unknown command {command}.")
    if version == MAGIC_1_1 and state != END:
        raise CorruptError("the stream is cut short: it has no END.")


def _pass_over(source: BinaryIO, length: int) -> None:
    for start in range(0, length, _PIECE):
        _exactly(source, min(_PIECE, length - start))


def _exactly(source: BinaryIO, length: int, optional: bool = False) -> bytes:
    parts, missing = [], length
    while missing:
        part = source.read(missing)
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    if missing and not (optional and missing == length):
        raise CorruptError("the stream ends inside a chunk.")
    return b"".join(parts)
