# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""zstd, by the best that is there: the ``zstandard`` library, Python's own module, or the ``zstd`` program."""

from __future__ import annotations

import contextlib
import shutil
import threading
from typing import Any, Callable

from ..common import processes
from ..common.errors import ConfigError, CorruptError, need
from .thin import Readable

LEVEL = 1
_local = threading.local()

try:
    import zstandard as _library
except ImportError:
    _library = None  # type: ignore[assignment]  # a module where it is installed
try:
    from compression import zstd as _builtin  # type: ignore[import-not-found,unused-ignore]  # Python 3.14
except ImportError:
    _builtin = None


def backend() -> str | None:
    """Which implementation is used: ``zstandard``, ``compression.zstd``, ``zstd`` (the program) or none."""
    if _library is not None:
        return "zstandard"
    if _builtin is not None:
        return "compression.zstd"
    return "zstd" if shutil.which("zstd") else None


def library() -> Any:
    """The ``zstandard`` library, where it is installed."""
    return _library


def require() -> None:
    """Raise ConfigError where zstd can't be had at all."""
    if backend() is None:
        raise ConfigError(
            "zstd compression needs the Python library zstandard or the program zstd; neither is on this host.",
            "Install python3-zstandard or zstd, or write new backups with compression: none.",
            code="library",
        )


def compress(data: Readable) -> bytes:
    """One zstd frame with its content size, level 1."""
    kind = backend()
    if kind == "zstandard":
        return bytes(_mine("compressor", lambda: _library.ZstdCompressor(level=LEVEL)).compress(data))
    if kind == "compression.zstd":
        return bytes(_builtin.compress(data, level=LEVEL))
    return _program(["-q", f"-{LEVEL}", f"--stream-size={len(data)}", "-c"], data)


def decompress(data: Readable, size: int) -> Readable:
    """The content of one frame, which must have exactly ``size`` bytes. Raises CorruptError otherwise.

    Never more than ``size`` bytes and a little are made of it, whatever the frame says.
    """
    kind = backend()
    try:
        if kind == "zstandard":
            plain = _by_library(data, size)
        elif kind == "compression.zstd":
            plain = _builtin.ZstdDecompressor().decompress(data, max_length=size + 1)
        else:
            plain = _by_program(data, size + 1)
    except Exception as error:
        if isinstance(error, (ConfigError, CorruptError, MemoryError)):
            raise
        raise CorruptError(f"its zstd frame can't be decompressed ({error}).") from error
    if len(plain) != size:
        raise CorruptError(f"its zstd frame has {len(plain)} bytes, not {size}.")
    return bytes(plain)


def _mine(name: str, make: Callable[[], Any]) -> Any:
    """This thread's own (de)compressor: they aren't to be shared between threads."""
    if not hasattr(_local, name):
        setattr(_local, name, make())
    return getattr(_local, name)


def _by_library(data: Readable, size: int) -> bytes:
    claimed = _library.frame_content_size(data)  # the library makes room for as much, whatever it is told
    if claimed not in (-1, size):
        raise CorruptError(f"its zstd frame has {claimed} bytes, not {size}.")
    decompressor = _mine("decompressor", _library.ZstdDecompressor)
    return bytes(decompressor.decompress(data, max_output_size=max(size, 1)))


def _program(arguments: list[str], data: Readable) -> bytes:
    require()
    run = processes.complete(["zstd", *arguments], data)
    if run.status != 0:
        raise CorruptError(_said(run.said))
    return run.output


def _by_program(data: Readable, limit: int) -> bytes:
    """At most ``limit`` bytes of what is in a frame."""
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
        raise CorruptError(_said(complaint))
    return plain


def _feed(pipe: Any, data: Readable) -> None:
    with contextlib.suppress(BrokenPipeError):  # what zstd didn't like it says itself
        pipe.write(data)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _said(complaint: bytes) -> str:
    return f"zstd failed: {complaint.decode(errors='replace').strip()[-200:]}"
