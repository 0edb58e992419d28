# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Streams of thin-send-recv 1.1, as its description has them: written and read here with no help of the engine's codec,
so that one can check the other."""

from __future__ import annotations

import struct

from ansible_collections.snapship.dr.tests.linstor_sim.contents import CHUNK, Content

MAGIC = 0x24C4F02AAE2E4FA9
_HEADER = ">QQQI"
_DATA, _UNMAP, _BEGIN, _END = range(4)


def full(content: Content) -> bytes:
    """Every allocated chunk."""
    return _stream(content, list(content.indices()), [])


def difference(base: Content, content: Content) -> bytes:
    """The changes from ``base`` to ``content``."""
    return _stream(content, *content.changed_since(base))


def apply(stream: bytes, content: Content) -> None:
    """ValueError when the stream isn't whole."""
    at, counts, ended = 0, [0, 0, 0, 0], False
    while at < len(stream):
        magic, offset, length, command = struct.unpack_from(_HEADER, stream, at)
        at += 28
        if magic != MAGIC or ended or (command == _BEGIN) != (at == 28) or command > _END:
            raise ValueError(f"no thin-send-recv 1.1 stream at byte {at}.")
        counts[command] += 1
        if command == _DATA:
            content.write(offset, stream[at : at + length])
        elif command == _UNMAP:
            content.unmap(offset, length)
        elif command == _END:
            total, data, unmap = struct.unpack_from(">QQQ", stream, at)
            ended = (total, data, unmap) == (sum(counts), counts[_DATA], counts[_UNMAP])
        at += 0 if command == _UNMAP else length
    if not ended or at != len(stream):
        raise ValueError("the thin-send-recv stream is cut short.")


def _stream(content: Content, written: list[int], gone: list[int]) -> bytes:
    """In the order of the volume, as a walk through the pool's mappings gives them."""
    parts, counts = [_header(0, 0, _BEGIN)], [0, 0]
    kinds = dict.fromkeys(written, _DATA) | dict.fromkeys(gone, _UNMAP)
    for index in sorted(index for index in kinds if index * CHUNK < content.size):
        length = min(CHUNK, content.size - index * CHUNK)
        parts.append(_header(index * CHUNK, length, kinds[index]))
        counts[kinds[index]] += 1
        if kinds[index] == _DATA:
            parts.append(content.chunk(index)[:length])
    ended = struct.pack(">QQQ", sum(counts) + 2, *counts)
    return b"".join([*parts, _header(0, len(ended), _END), ended])


def _header(offset: int, length: int, command: int) -> bytes:
    return struct.pack(_HEADER, MAGIC, offset, length, command)
