# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""zstd: by the ``zstandard`` library, by Python's own module, by the C library, or (to read only) by the program.

What is read is followed first, block by block as RFC 8878 says: nothing is unpacked, and no memory taken, before it is
certain that these are whole frames and how many bytes they claim to hold.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import Any, Callable, NamedTuple

from ..common import processes
from ..common.errors import ConfigError, CorruptError, need
from . import libzstd
from .thin import Readable

LEVEL = 1
_MAGIC = b"\x28\xb5\x2f\xfd"
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_BLOCK = 128 << 10  # bytes of a block at most, packed or not
_WINDOW = 8 << 20  # bytes that a frame may refer back to; level 1 needs 512 KiB
_local = threading.local()

try:
    import zstandard as _library
except ImportError:
    _library = None  # type: ignore[assignment]  # a module where it is installed
try:
    from compression import zstd as _builtin  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
except ImportError:
    _builtin = None


class _Piece(NamedTuple):
    """One frame: where it begins and ends, and the bytes that it holds."""

    start: int
    end: int
    size: int


def backend() -> str | None:
    """The implementation in use: ``zstandard``, ``compression.zstd``, ``libzstd``, ``zstd`` (the program) or none."""
    if _library is not None:
        return "zstandard"
    if _builtin is not None:
        return "compression.zstd"
    if libzstd.load() is not None:
        return "libzstd"
    return "zstd" if shutil.which("zstd") else None


def library() -> Any:
    """The ``zstandard`` library, where it is installed."""
    return _library


def require(write: bool = False) -> None:
    """Raise ConfigError where no implementation is installed, or, to ``write``, no library."""
    kind = backend()
    if kind is None or write and kind == "zstd":
        found = "only the program zstd, which is good for reading" if kind else "none of them"
        raise ConfigError(
            f"zstd compression needs libzstd.so.1 or the Python library zstandard; this host has {found}.",
            "Install libzstd1 (RHEL: libzstd) or python3-zstandard, or write new backups with compression: none.",
            code="library",
        )


def compress(data: Readable) -> bytes:
    """One zstd frame with its content size, level 1. Raises ConfigError where no library is installed."""
    kind = backend()
    if kind == "zstandard":
        return bytes(_mine("compressor", lambda: _library.ZstdCompressor(level=LEVEL)).compress(data))
    if kind == "compression.zstd":
        return bytes(_builtin.compress(data, level=LEVEL))
    require(write=True)
    return need(libzstd.load(), "require has found it").compress(data, LEVEL)


def decompress(data: Readable, size: int) -> Readable:
    """The content of exactly one frame, ``size`` bytes. Raises CorruptError for anything else.

    Needs no memory but for these bytes, whatever the frame claims.
    """
    view = memoryview(data)
    piece = _follow(view, 0, size)
    if piece.end != len(view):
        raise CorruptError("something follows the zstd frame.")
    return _unpack(view, [piece], size)


def decompress_frames(data: Readable, size: int) -> Readable:
    """The content of frames one after the other, together exactly ``size`` bytes. Raises CorruptError otherwise.

    Needs no memory but for these bytes and for one frame, whatever they claim.
    """
    view = memoryview(data)
    pieces: list[_Piece] = []
    at = done = 0
    most = size // 4096 + 16  # far more than anybody writes; the time that odd ones take is bounded so
    while at < len(view) or not pieces:
        piece = _follow(view, at, size - done)
        if not piece.size and size:
            raise CorruptError("a zstd frame is empty.")
        pieces.append(piece)
        at, done = piece.end, done + piece.size
        if len(pieces) > most:
            raise CorruptError(f"these are too many zstd frames for {size} bytes.")
    return _unpack(view, pieces, size)


def _follow(data: memoryview, start: int, room: int) -> _Piece:
    """The frame that begins at ``start``, whole and with at most ``room`` bytes of content. Raises CorruptError."""
    size, at, checksum = _header(data, start, room)
    last = False
    blocks = size // 256 + 16  # far more than anybody writes
    while not last:
        blocks -= 1
        if at + 3 > len(data):
            raise CorruptError("the zstd frame is cut short.")
        header = int.from_bytes(data[at : at + 3], "little")
        last, kind, length = bool(header & 1), header >> 1 & 3, header >> 3
        if kind == 3 or length > _BLOCK or blocks < 0:
            raise CorruptError("the zstd frame is damaged: a block is invalid.")
        at += 3 + (1 if kind == 1 else length)
    at += 4 if checksum else 0
    if at > len(data):
        raise CorruptError("the zstd frame is cut short.")
    return _Piece(start, at, size)


def _header(data: memoryview, start: int, room: int) -> tuple[int, int, bool]:
    """The content size that a frame states, where its first block begins, and whether a checksum follows the last."""
    if data[start : start + 4] != _MAGIC:
        skipped = int.from_bytes(data[start : start + 4], "little") in _SKIPPABLE
        raise CorruptError("a zstd frame is one to be skipped." if skipped else "it isn't a zstd frame.")
    head = bytes(data[start + 4 : start + 4 + 14])
    if not head:
        raise CorruptError("the zstd frame is cut short.")
    flags = head[0]
    single, checksum = flags >> 5 & 1, bool(flags >> 2 & 1)
    if flags & 0b1000 or flags & 0b11:
        raise CorruptError("the zstd frame needs a dictionary, or is of a newer kind.")
    width = (single, 2, 4, 8)[flags >> 6]
    at = 1 + (not single)
    if not width:
        raise CorruptError("the zstd frame doesn't state how much it holds.")
    if len(head) < at + width:
        raise CorruptError("the zstd frame is cut short.")
    size = int.from_bytes(head[at : at + width], "little") + (256 if width == 2 else 0)
    if size > room:
        raise CorruptError(f"the zstd frame claims {size} bytes, {room} are expected.")
    base = 1 << 10 + (head[1] >> 3)
    if not single and base + (base >> 3) * (head[1] & 7) > _WINDOW:
        raise CorruptError("the zstd frame asks for too much memory.")
    return size, start + 4 + at + width, checksum


def _unpack(data: memoryview, pieces: list[_Piece], size: int) -> Readable:
    """What these frames hold, which fill ``data``, ``size`` bytes in all."""
    claimed = sum(piece.size for piece in pieces)
    if claimed != size:
        raise CorruptError(f"the zstd frames claim {claimed} bytes, {size} are expected.")
    try:
        plain = _by_backend(data, pieces, size)
    except Exception as error:
        if isinstance(error, (ConfigError, CorruptError, MemoryError)):
            raise
        raise CorruptError(f"the zstd frame can't be decompressed ({error}).") from error
    if len(plain) != size:
        raise CorruptError(f"the zstd frame holds {len(plain)} bytes, {size} are expected.")
    return plain


def _by_backend(data: memoryview, pieces: list[_Piece], size: int) -> Readable:
    kind = backend()
    if kind == "libzstd":
        return need(libzstd.load(), "it is the backend").decompress(data, size)
    if kind not in ("zstandard", "compression.zstd"):
        return _by_program(data, size + 1)
    unpack = _by_library if kind == "zstandard" else _by_builtin
    if len(pieces) == 1:
        return unpack(data, size)
    plain = bytearray(size)
    at = 0
    for piece in pieces:
        content = unpack(data[piece.start : piece.end], piece.size)
        if len(content) != piece.size:
            raise CorruptError(f"a zstd frame holds {len(content)} bytes, not the {piece.size} that it states.")
        plain[at : at + piece.size] = content
        at += piece.size
    return plain


def _mine(name: str, make: Callable[[], Any]) -> Any:
    """This thread's own compressor or decompressor: threads can't share one."""
    if not hasattr(_local, name):
        setattr(_local, name, make())
    return getattr(_local, name)


def _by_library(data: memoryview, size: int) -> bytes:
    decompressor = _mine("decompressor", _library.ZstdDecompressor)
    return bytes(decompressor.decompress(data, max_output_size=max(size, 1)))


def _by_builtin(data: memoryview, size: int) -> bytes:
    decompressor = _builtin.ZstdDecompressor()
    plain = bytes(decompressor.decompress(data, max_length=size + 1))
    if not decompressor.eof or decompressor.unused_data:
        raise CorruptError("the zstd frame doesn't end where it must.")
    return plain


def _by_program(data: Readable, limit: int) -> bytes:
    """At most ``limit`` bytes of what frames hold."""
    require()
    pipe = processes.PIPE
    with processes.start(["zstd", "-q", "-d", "-c"], stdin=pipe, stderr=pipe, buffered=True) as run:
        feeder = threading.Thread(target=_feed, args=(run.stdin, data), name="zstd")
        feeder.start()
        plain = need(run.stdout, "it is a pipe").read(limit)
        if len(plain) == limit:
            run.kill()
        complaint = need(run.stderr, "it is a pipe").read()
        feeder.join()
    if run.returncode != 0 and len(plain) < limit:
        raise CorruptError(f"zstd failed: {complaint.decode(errors='replace').strip()[-200:]}")
    return plain


def _feed(pipe: Any, data: Readable) -> None:
    with contextlib.suppress(BrokenPipeError):  # zstd itself reports what was wrong
        pipe.write(data)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()
