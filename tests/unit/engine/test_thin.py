# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The thin-send-recv stream, against bytes put together from the format's description alone."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import thin

V1_1 = bytes.fromhex("24c4f02aae2e4fa9")
V1_0 = bytes.fromhex("ca7f00d5de7ec7ed")
BEFORE_1_0_1 = bytes.fromhex("e85bc5636cc72a05")


def number(value: int, size: int = 8) -> bytes:
    return value.to_bytes(size, "big")


def chunk(command: int, offset: int = 0, length: int = 0, payload: bytes = b"", magic: bytes = V1_1) -> bytes:
    return magic + number(offset) + number(length) + number(command, 4) + payload


def end(chunks: int, data: int, unmap: int) -> bytes:
    return chunk(3, 0, 24, number(chunks) + number(data) + number(unmap))


BEGIN = chunk(2)
DATA = chunk(0, 4096, 5, b"hello")
UNMAP = chunk(1, 1 << 40, 1 << 30)
GOOD = BEGIN + DATA + UNMAP + end(4, 1, 1)
Read = list[tuple[int, int, int, bytes]]


def read(stream: bytes, by: int | None = None) -> Read:
    """All chunks with their payload; ``by``: the source gives no more bytes than that at once."""
    source: io.RawIOBase | io.BytesIO = io.BytesIO(stream)
    if by is not None:
        whole, step = io.BytesIO(stream), by
        source.read = lambda count=-1: whole.read(min(count, step))  # type: ignore[method-assign, assignment]
    found = []
    for command, offset, length, payload in thin.read_stream(source):  # type: ignore[arg-type]  # good enough a file
        data = b""
        while command == thin.DATA and len(data) < length:
            piece = payload.read(length - len(data))
            if not piece:
                raise CorruptError("the stream ends inside a chunk.")
            data += piece
        found.append((command, offset, length, data))
    return found


EXPECTED = [(0, 4096, 5, b"hello"), (1, 1 << 40, 1 << 30, b"")]


def test_what_is_written_is_byte_for_byte_the_format() -> None:
    buffer = bytearray(56)
    thin.pack_header(buffer, 0, thin.DATA, 4096, 5)
    thin.pack_header(buffer, 28, thin.UNMAP, 1 << 40, 1 << 30)
    assert thin.begin() == BEGIN
    assert len(BEGIN) == 28
    assert bytes(buffer) == DATA[:28] + UNMAP
    assert thin.end(1, 1) == end(4, 1, 1)
    assert thin.end(0, 0) == end(2, 0, 0)


@pytest.mark.parametrize("by", [None, 1, 3, 27, 29])
def test_1_1_is_read_in_pieces_of_any_size(by: int | None) -> None:
    assert read(GOOD, by) == EXPECTED


def test_1_0_is_read_without_begin_and_end() -> None:
    stream = chunk(0, 4096, 5, b"hello", V1_0) + chunk(1, 1 << 40, 1 << 30, magic=V1_0)
    assert read(stream) == EXPECTED
    assert read(b"") == []


def test_optional_chunks_are_skipped_in_both() -> None:
    strange = chunk(1 << 31 | 77, 9, 3, b"abc")
    assert read(BEGIN + strange + DATA + UNMAP + end(5, 1, 1)) == EXPECTED  # thin_recv counts it, too
    assert [each.command for each in thin.chunks(BEGIN + strange + DATA)] == [thin.BEGIN, thin.DATA]
    old = chunk(1 << 31, 0, 3, b"abc", V1_0) + chunk(0, 4096, 5, b"hello", V1_0)
    assert read(old) == EXPECTED[:1]


def test_a_1_1_stream_cut_at_any_byte_is_refused() -> None:
    for cut in range(1, len(GOOD)):
        with pytest.raises(CorruptError):
            read(GOOD[:cut])


def test_a_1_0_stream_cut_inside_a_chunk_is_refused() -> None:
    stream = chunk(0, 0, 5, b"hello", V1_0)
    for cut in range(1, len(stream)):
        with pytest.raises(CorruptError):
            read(stream[:cut])


@pytest.mark.parametrize(
    "stream",
    {
        "no BEGIN": DATA + end(3, 1, 0),
        "BEGIN twice": BEGIN + BEGIN + end(3, 0, 0),
        "BEGIN later": BEGIN + DATA + BEGIN + end(4, 1, 0),
        "BEGIN with a length": chunk(2, 0, 5, b"hello") + end(2, 0, 0),
        "no END": BEGIN + DATA,
        "END with another length": BEGIN + chunk(3, 0, 25, bytes(25)),
        "data after END": GOOD + DATA,
        "END twice": GOOD + end(4, 1, 1),
        "a byte after END": GOOD + b"\0",
        "one chunk too many counted": BEGIN + DATA + UNMAP + end(5, 1, 1),
        "an optional chunk not counted": BEGIN + chunk(1 << 31) + DATA + UNMAP + end(4, 1, 1),
        "data miscounted": BEGIN + DATA + UNMAP + end(4, 2, 0),
        "unmaps miscounted": BEGIN + DATA + UNMAP + end(4, 1, 0),
        "1.0 inside 1.1": BEGIN + chunk(1, 0, 9, magic=V1_0) + end(3, 0, 1),
        "1.1 inside 1.0": chunk(1, 0, 9, magic=V1_0) + UNMAP,
        "END in 1.0": chunk(3, 0, 24, bytes(24), V1_0),
        "unknown command": BEGIN + chunk(4) + end(2, 0, 0),
        "another command": BEGIN + chunk(1 << 30) + end(2, 0, 0),
        "optional chunk cut": BEGIN + chunk(1 << 31, 0, 9, b"abc"),
        "optional chunk of any length": BEGIN + chunk(1 << 31, 0, 1 << 63, b"abc"),
        "before 1.0.1": chunk(0, 0, 5, b"hello", BEFORE_1_0_1),
        "no stream at all": b"#!/bin/sh\nexit 0\n" * 9,
        "zeros": bytes(4096),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_broken_rules_are_refused(stream: tuple[str, bytes]) -> None:
    with pytest.raises(CorruptError):
        read(stream[1])


def test_chunks_of_a_segment() -> None:
    found = list(thin.chunks(memoryview(GOOD)))
    assert [(each.command, each.offset, each.length) for each in found] == [
        (thin.BEGIN, 0, 0),
        (thin.DATA, 4096, 5),
        (thin.UNMAP, 1 << 40, 1 << 30),
        (thin.END, 0, 24),
    ]
    assert GOOD[found[1].at :][:5] == b"hello"


@pytest.mark.parametrize(
    "parse",
    [
        lambda: list(thin.chunks(GOOD[:20])),
        lambda: list(thin.chunks(BEGIN + DATA[:-1])),
        lambda: list(thin.chunks(BEGIN + chunk(0, 0, 1 << 63))),
        lambda: list(thin.chunks(BEGIN + chunk(5))),
        lambda: list(thin.chunks(chunk(0, 0, 5, b"hello", BEFORE_1_0_1))),
        lambda: list(thin.chunks(bytes(28))),
    ],
)
def test_a_broken_segment_is_refused(parse: Callable[[], object]) -> None:
    with pytest.raises(CorruptError):
        parse()
