# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads image files from several threads: cached pages from the page cache, the rest without it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from ...common.direct_io import fits, open_direct, read_direct
from ...common.errors import VolumeError
from ..provider import Change
from .extents import data_regions

_NOWAIT = getattr(os, "RWF_NOWAIT", 0)


class FileReader:
    """An open image of ``size`` bytes; nothing is read past them."""

    def __init__(self, descriptor: int, size: int) -> None:
        """The caller closes ``descriptor``."""
        self.descriptor = descriptor
        self.size = size
        self._direct = open_direct(descriptor, os.O_RDONLY)

    def close(self) -> None:
        """Close what this reader opened itself."""
        if self._direct is not None:
            os.close(self._direct)
            self._direct = None

    def data(self) -> Iterator[Change]:
        """Regions that aren't holes, in order."""
        for start, end in data_regions(self.descriptor, self.size):
            yield Change(start, end - start, True)

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``offset`` on. Raises VolumeError if the file is too short."""
        done = self._cached(offset, target)
        if self._direct is not None and fits(offset + done, len(target) - done):
            done += read_direct(self._direct, offset + done, target[done:])
        while done < len(target):
            count = os.preadv(self.descriptor, [target[done:]], offset + done)
            if not count:
                raise VolumeError(
                    f"a snapshot is too short: it ends at offset {offset + done}. Something truncated it."
                )
            done += count

    def _cached(self, offset: int, target: memoryview) -> int:
        """Read what is cached, without reading from disk. Returns the number of bytes."""
        if self._direct is None or not _NOWAIT:
            return 0
        try:
            return os.preadv(self.descriptor, [target], offset, _NOWAIT)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS):
                return 0
            raise

    def read(self, offset: int, length: int) -> bytearray:
        """These bytes, with zeros past the size."""
        data = bytearray(length)
        inside = min(length, max(self.size - offset, 0))
        if inside:
            self.read_into(offset, memoryview(data)[:inside])
        return data
