# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""zstd: by the ``zstandard`` library, by Python's own module, or by the ``zstd`` program, whichever is installed."""

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
    """The implementation in use: ``zstandard``, ``compression.zstd``, ``zstd`` (the program) or none."""
    if _library is not None:
        return "zstandard"
    if _builtin is not None:
        return "compression.zstd"
    return "zstd" if shutil.which("zstd") else None


def library() -> Any:
    """The ``zstandard`` library, where it is installed."""
    return _library


def require() -> None:
    """Raise ConfigError where no implementation is installed."""
    if backend() is None:
        raise ConfigError(
            "zstd compression needs the Python library zstandard or the program zstd; this host has neither.",
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
    """The content of one frame of exactly ``size`` bytes. Raises CorruptError for anything else.

    At most ``size`` bytes and a little are unpacked, whatever the frame claims.
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
        raise CorruptError(f"the zstd frame can't be decompressed ({error}).") from error
    if len(plain) != size:
        raise CorruptError(f"the zstd frame holds {len(plain)} bytes, {size} are expected.")
    return bytes(plain)


def _mine(name: str, make: Callable[[], Any]) -> Any:
    """This thread's own compressor or decompressor: threads can't share one."""
    if not hasattr(_local, name):
        setattr(_local, name, make())
    return getattr(_local, name)


def _by_library(data: Readable, size: int) -> bytes:
    claimed = _library.frame_content_size(data)  # the library allocates that much, whatever limit it gets
    if claimed not in (-1, size):
        raise CorruptError(f"the zstd frame claims {claimed} bytes, {size} are expected.")
    decompressor = _mine("decompressor", _library.ZstdDecompressor)
    return bytes(decompressor.decompress(data, max_output_size=max(size, 1)))


def _program(arguments: list[str], data: Readable) -> bytes:
    require()
    run = processes.complete(["zstd", *arguments], data)
    if run.status != 0:
        raise CorruptError(_said(run.said))
    return run.output


def _by_program(data: Readable, limit: int) -> bytes:
    """At most ``limit`` bytes of a frame's content."""
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
    with contextlib.suppress(BrokenPipeError):  # zstd itself reports what was wrong
        pipe.write(data)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def _said(complaint: bytes) -> str:
    return f"zstd failed: {complaint.decode(errors='replace').strip()[-200:]}"
