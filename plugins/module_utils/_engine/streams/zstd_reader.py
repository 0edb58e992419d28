# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""zstd streams of any length, unfolded on the way: by the program ``zstd``, or where there is none by ``zstandard``."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import shutil
import tempfile
import threading
from collections.abc import Generator
from typing import IO, Any

from ..common import processes
from ..common.errors import ConfigError, CorruptError
from .compression import library

_PIPE = 1 << 20
_SET_PIPE_SIZE = 1031  # F_SETPIPE_SZ; fcntl knows it from Python 3.10 on
_SKIPPABLE, _FRAME = 0x184D2A50, 0xFD2FB528


def unfold(pieces: Generator[bytes, None, None]) -> io.RawIOBase:
    """The content of the zstd frames in these pieces, as a file to read and to close.

    A read raises CorruptError where the frames aren't complete, at the latest the read that would report the end. An
    error of the iterator is raised by a read, too.
    """
    if shutil.which("zstd"):
        return _ByProgram(pieces)
    if library() is not None:
        return _ByLibrary(pieces)
    raise ConfigError(
        "this backup is compressed with zstd; this host has neither the program zstd nor the Python library zstandard.",
        "Install zstd or python3-zstandard.",
        code="library",
    )


class _ByProgram(io.RawIOBase):
    """``zstd -d`` between two pipes; a thread feeds it."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._said: IO[bytes] = tempfile.TemporaryFile(prefix="snapship-zstd-")  # noqa: SIM115  # close() closes it
        self._run = processes.start(["zstd", "-q", "-d", "-c"], stdin=processes.PIPE, stderr=self._said)
        for pipe in (self._run.stdin, self._run.stdout):
            with contextlib.suppress(OSError):  # a limit on pipes: it is only slower then
                fcntl.fcntl(_number(pipe), _SET_PIPE_SIZE, _PIPE)
        self._pieces = pieces
        self._failed: list[BaseException] = []
        self._stopped = False
        self._feeder = threading.Thread(target=self._feed, name="zstd", daemon=True)
        self._feeder.start()

    def _feed(self) -> None:
        pipe = _number(self._run.stdin)
        try:
            for piece in self._pieces:
                rest = memoryview(piece)
                while rest and not self._stopped:
                    rest = rest[os.write(pipe, rest) :]
                if self._stopped:
                    return
        except BrokenPipeError:
            pass  # zstd itself reports what was wrong
        except BaseException as error:  # noqa: BLE001  # raised again by the thread that reads
            self._failed.append(error)
        finally:
            with contextlib.suppress(OSError):
                if self._run.stdin is not None:
                    self._run.stdin.close()

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        count = os.readv(_number(self._run.stdout), [target])
        if not count and len(target):
            self._end()
        return count

    def _end(self) -> None:
        status = self._run.wait()
        self._feeder.join()
        if self._failed:
            raise self._failed[0]
        if status:
            self._said.seek(0)
            said = self._said.read(2000).decode(errors="replace").strip()
            raise CorruptError(f"the zstd stream is damaged or cut short: {said.splitlines()[-1] if said else status}.")

    def close(self) -> None:
        """End it, whatever it does."""
        if self.closed:  # a property, which pylint takes for a method; pylint: disable=using-constant-test
            return
        self._stopped = True
        if self._run.poll() is None:
            self._run.kill()
        self._run.wait()
        self._feeder.join()
        if self._run.stdout is not None:
            self._run.stdout.close()
        self._said.close()
        super().close()


def _number(pipe: IO[bytes] | None) -> int:
    return pipe.fileno() if pipe is not None else -1


class _ByLibrary(io.RawIOBase):
    """The library says nothing of input that ends too early, so frames are followed here, too."""

    def __init__(self, pieces: Generator[bytes, None, None]) -> None:
        self._frames = Frames()
        self._source = _Source(pieces, self._frames)
        decompressor = library().ZstdDecompressor()
        self._reader = decompressor.stream_reader(self._source, read_size=_PIPE, read_across_frames=True)

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        try:
            count = int(self._reader.readinto(target))
        except Exception as error:
            if self._source.failed is not None:
                raise self._source.failed from None
            raise CorruptError(f"the zstd stream is damaged or cut short: {error}.") from error
        if not count and len(target) and not self._frames.whole:
            raise CorruptError("the zstd stream is cut short: the last frame isn't complete.")
        return count


class _Source:
    """The pieces as a file for the library."""

    def __init__(self, pieces: Generator[bytes, None, None], frames: Frames) -> None:
        self._pieces = pieces
        self._frames = frames
        self._rest = b""
        self.failed: BaseException | None = None

    def read(self, size: int) -> bytes:
        try:
            if not self._rest:
                self._rest = next(self._pieces, b"")
                self._frames.follow(self._rest)
        except BaseException as error:
            self.failed = error
            raise
        piece, self._rest = self._rest[:size], self._rest[size:]
        return piece


class Frames:
    """Follows the structure of zstd frames (RFC 8878) to tell whether the last one is whole."""

    def __init__(self) -> None:
        self._skip = 0  # bytes that say nothing about the structure
        self._head = b""  # the beginning of what does
        self._needed = 4
        self._next = self._magic
        self._frame = False  # whether this is inside of a frame
        self._checksum = False

    @property
    def whole(self) -> bool:
        """Whether what was seen ends where a frame does."""
        return not self._frame and not self._skip and not self._head

    def follow(self, data: bytes) -> None:
        """The next bytes. Raises CorruptError for what can't be there."""
        at = 0
        while at < len(data):
            if self._skip:
                step = min(self._skip, len(data) - at)
                self._skip -= step
                at += step
                continue
            step = min(self._needed - len(self._head), len(data) - at)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == self._needed:
                self._next(int.from_bytes(self._head, "little"))

    def _expect(self, count: int, then: Any) -> None:
        self._head, self._needed, self._next = b"", count, then

    def _magic(self, value: int) -> None:
        if value == _FRAME:
            self._frame = True
            self._expect(1, self._descriptor)
        elif value & 0xFFFFFFF0 == _SKIPPABLE:
            self._frame = True
            self._expect(4, self._skippable)
        else:
            raise CorruptError(f"not a zstd frame (magic {value:#x}).")

    def _skippable(self, length: int) -> None:
        self._skip = length
        self._finish()

    def _descriptor(self, flags: int) -> None:
        single = flags >> 5 & 1
        self._checksum = bool(flags >> 2 & 1)
        size = (single, 2, 4, 8)[flags >> 6]
        self._skip = (not single) + (0, 1, 2, 4)[flags & 3] + size
        self._expect(3, self._block)

    def _block(self, header: int) -> None:
        last, kind, size = header & 1, header >> 1 & 3, header >> 3
        self._skip = 1 if kind == 1 else size
        if not last:
            self._expect(3, self._block)
            return
        self._skip += 4 if self._checksum else 0
        self._finish()

    def _finish(self) -> None:
        self._frame = False
        self._expect(4, self._magic)
