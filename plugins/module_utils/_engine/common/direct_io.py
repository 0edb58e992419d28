# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Large reads and writes past the page cache (O_DIRECT), where the filesystem can.

Data that is written once and made durable right away gains nothing from the cache: through it, writing was measured to
be up to seven times slower, and it pushes everything else out of memory. Where O_DIRECT isn't possible, or offset and
length aren't aligned, the cache is used.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import threading

ALIGN = 4096  # bytes; offsets, lengths and addresses for O_DIRECT are multiples of the logical block size
WORTH = 64 << 10  # bytes below which the cache is used
_BOUNCE = 4 << 20
_local = threading.local()


def bounce() -> mmap.mmap:
    """This thread's aligned buffer of 4 MiB."""
    if not hasattr(_local, "bounce"):
        _local.bounce = mmap.mmap(-1, _BOUNCE)
    found: mmap.mmap = _local.bounce
    return found


def open_direct(descriptor: int, access: int) -> int | None:
    """A second descriptor of an open file (O_RDONLY or O_RDWR), past the cache; ``None`` where that can't be."""
    try:
        return os.open(f"/proc/self/fd/{descriptor}", access | os.O_DIRECT | os.O_CLOEXEC)
    except OSError:
        return None


def fits(offset: int, length: int) -> bool:
    """Whether a region can go past the cache and is worth it."""
    return length >= WORTH and offset % ALIGN == 0 and length % ALIGN == 0


def write_direct(descriptor: int, offset: int, data: memoryview) -> None:
    """Write a region that :func:`fits`, through this thread's aligned buffer."""
    buffer = bounce()
    view = memoryview(buffer)
    at = 0
    while at < len(data):
        length = min(_BOUNCE, len(data) - at)
        view[:length] = data[at : at + length]
        done = 0
        while done < length:
            done += os.pwrite(descriptor, view[done:length], offset + at + done)
        at += length


def read_direct(descriptor: int, offset: int, target: memoryview) -> int:
    """Read a region that :func:`fits`; returns bytes read, fewer only at the end of the file."""
    at = 0
    while at < len(target):
        length = min(_BOUNCE, len(target) - at)
        done = _read_some(descriptor, offset + at, target[at : at + length])
        at += done
        if done < length and (done == 0 or done % ALIGN):
            break
    return at


def _read_some(descriptor: int, offset: int, target: memoryview) -> int:
    """Straight into ``target`` where its address is right for that, else through this thread's aligned buffer."""
    try:
        return os.preadv(descriptor, [target], offset)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    view = memoryview(bounce())
    done = os.preadv(descriptor, [view[: len(target)]], offset)
    target[:done] = view[:done]
    return done


def write_whole(descriptor: int, data: memoryview, step: int = _BOUNCE) -> None:
    """Give a new, empty file this content, past the cache as far as that can be. ``descriptor`` is at its beginning."""
    at = 0
    if len(data) >= 1 << 20 and _switch(descriptor, True):
        try:
            whole = len(data) - len(data) % ALIGN
            write_direct(descriptor, 0, data[:whole])
            at = whole
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
        finally:
            _switch(descriptor, False)
    while at < len(data):
        at += os.pwrite(descriptor, data[at : at + step], at)


def _switch(descriptor: int, direct: bool) -> bool:
    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | os.O_DIRECT if direct else flags & ~os.O_DIRECT)
    except OSError:
        return False
    return True
