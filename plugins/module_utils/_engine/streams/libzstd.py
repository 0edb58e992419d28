# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The C library libzstd, which Debian, Ubuntu and RHEL always have, without any package for Python."""

from __future__ import annotations

import functools
import threading
from typing import Any

from ..common.errors import CorruptError
from .thin import Readable

try:
    import ctypes
except ImportError:  # a Python that was built without it
    ctypes = None  # type: ignore[assignment]  # a module where it was built

_NAME = "libzstd.so.1"
_KEPT = 2 << 20  # a thread keeps a buffer for frames up to this many bytes as stored


class Libzstd:
    """Functions of libzstd. Each thread has its own contexts, which are freed when it ends.

    While one works, other threads run.
    """

    def __init__(self, library: Any) -> None:
        size, pointer, number = ctypes.c_size_t, ctypes.c_void_p, ctypes.c_int
        self.bound = _function(library, "ZSTD_compressBound", size, size)
        self._is_error = _function(library, "ZSTD_isError", ctypes.c_uint, size)
        self._error_name = _function(library, "ZSTD_getErrorName", ctypes.c_char_p, size)
        self._compress = _function(library, "ZSTD_compressCCtx", size, pointer, pointer, size, pointer, size, number)
        self._decompress = _function(library, "ZSTD_decompressDCtx", size, pointer, pointer, size, pointer, size)
        self._compressor = _pair(library, "CCtx")
        self._decompressor = _pair(library, "DCtx")
        self._mine = threading.local()

    def compress(self, data: Readable, level: int) -> bytes:
        """One frame that states its content size."""
        source, length = _source(data)
        bound = self.bound(length)
        target = self._buffer(bound)
        context = self._context("compressor", *self._compressor)
        written = self._compress(context, target, bound, source, length, level)
        self._check(written)
        return ctypes.string_at(target, written)

    def decompress(self, data: Readable, size: int) -> bytearray:
        """The content of the frames in ``data``, which is no more than ``size`` bytes. Raises CorruptError."""
        source, length = _source(data)
        plain = bytearray(size)
        target = (ctypes.c_char * size).from_buffer(plain)
        context = self._context("decompressor", *self._decompressor)
        written = self._decompress(context, target, size, source, length)
        del target  # it keeps the bytearray from changing its length
        self._check(written)
        del plain[written:]
        return plain

    def _check(self, result: int) -> None:
        if self._is_error(result):
            name = self._error_name(result) or b"unknown error"
            raise CorruptError(f"zstd failed: {name.decode(errors='replace')}.")

    def _context(self, name: str, make: Any, free: Any) -> int:
        if not hasattr(self._mine, name):
            setattr(self._mine, name, _Context(make, free))
        return getattr(self._mine, name).pointer  # type: ignore[no-any-return]  # set above

    def _buffer(self, size: int) -> Any:
        if size > _KEPT:
            return ctypes.create_string_buffer(size)
        if not hasattr(self._mine, "buffer"):
            self._mine.buffer = ctypes.create_string_buffer(_KEPT)
        return self._mine.buffer


class _Context:
    """A context of libzstd; freed with the thread whose it is."""

    def __init__(self, make: Any, free: Any) -> None:
        self._free = free
        self.pointer = make()
        if not self.pointer:
            raise MemoryError("libzstd can't make a context.")

    def __del__(self) -> None:
        self._free(self.pointer)  # nothing, where there is no context


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    found = getattr(library, name)
    found.restype, found.argtypes = result, list(arguments)
    return found


def _pair(library: Any, kind: str) -> tuple[Any, Any]:
    """What makes and what frees a context."""
    make = _function(library, f"ZSTD_create{kind}", ctypes.c_void_p)
    return make, _function(library, f"ZSTD_free{kind}", ctypes.c_size_t, ctypes.c_void_p)


def _source(data: Readable) -> tuple[Any, int]:
    """What ctypes takes for a pointer to these bytes, and how many there are. Copies only what is read-only."""
    view = memoryview(data).cast("B")
    if isinstance(data, bytes):
        return data, len(data)
    if view.readonly:
        return bytes(view), len(view)
    return (ctypes.c_char * len(view)).from_buffer(view), len(view)


@functools.cache
def load() -> Libzstd | None:
    """The library, where it is installed."""
    if ctypes is None:
        return None
    try:
        return Libzstd(ctypes.CDLL(_NAME))
    except (OSError, AttributeError):
        return None
