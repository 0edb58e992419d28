# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filesystems that other tests rest on: they must be what their names say."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.support.filesystems import SMALL_TMPFS_BYTES

FICLONE = 0x40049409


def clone(directory: Path) -> bytes:
    source, target = directory / "source", directory / "target"
    source.write_bytes(b"data" * 4096)
    with source.open("rb") as reader, target.open("wb") as writer:
        fcntl.ioctl(writer, FICLONE, reader.fileno())
    return target.read_bytes()


def test_reflinks_work(reflink_filesystem: Path) -> None:
    assert clone(reflink_filesystem) == b"data" * 4096


def test_ext4_has_no_reflinks(ext4: Path) -> None:
    with pytest.raises(OSError, match="not supported"):
        clone(ext4)


def test_the_small_filesystem_is_soon_full(small_tmpfs: Path) -> None:
    with pytest.raises(OSError) as caught, (small_tmpfs / "big").open("wb") as file:
        file.write(bytes(SMALL_TMPFS_BYTES + 1))
    assert caught.value.errno == errno.ENOSPC
