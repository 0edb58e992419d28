# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""pytest fixtures of real filesystems: XFS, btrfs and ext4 on loop devices, and a tmpfs that is soon full.

They need root and the mkfs programs; needs.py says what happens where these are missing.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.support.needs import SEARCH, need_program, need_root, unavailable

IMAGE_BYTES = 24 << 30  # sparse: only what a test writes takes room
SMALL_TMPFS_BYTES = 16 << 20
SMALL_EXT4_BYTES = 64 << 20
MKFS = {
    "xfs": ["mkfs.xfs", "-q", "-m", "reflink=1"],
    "btrfs": ["mkfs.btrfs", "-q"],
    "ext4": ["mkfs.ext4", "-q", "-E", "lazy_itable_init=1,lazy_journal_init=1", "-m", "0"],
}
PACKAGES = {"mkfs.xfs": "xfsprogs", "mkfs.btrfs": "btrfs-progs", "mkfs.ext4": "e2fsprogs", "mount": "mount"}


@contextmanager
def mounted(kind: str, directory: Path, size: int = IMAGE_BYTES) -> Iterator[Path]:
    """A new filesystem of ``kind`` and so many bytes, mounted below ``directory``, gone afterwards."""
    image, point = directory / f"{kind}.img", directory / kind
    point.mkdir()
    with image.open("wb") as file:
        file.truncate(size)
    _run([*MKFS[kind], str(image)])
    _run(["mount", "-t", kind, "-o", "loop", str(image), str(point)])
    try:
        yield point
    finally:
        _unmount(point)
        image.unlink()


def _need(kind: str) -> None:
    program = MKFS[kind][0] if kind in MKFS else "mount"
    need_program(program, PACKAGES[program])
    need_root(f"mounting {kind}")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env={**os.environ, "PATH": SEARCH}, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.returncode}")


def _unmount(point: Path) -> None:
    try:
        _run(["umount", str(point)])
    except RuntimeError:
        _run(["umount", "--lazy", str(point)])  # something still runs in there: let it go when that ends
        raise


class Filesystems:
    """The session's filesystems, each made when first asked for."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory = directory
        self._stack = stack
        self._points: dict[str, Path] = {}

    def fresh(self, kind: str) -> Path:
        """A new empty directory on the filesystem of ``kind`` (xfs, btrfs or ext4), removed with the filesystem."""
        if kind not in self._points:
            _need(kind)
            try:
                self._points[kind] = self._stack.enter_context(mounted(kind, self._directory))
            except RuntimeError as error:  # root, but in a container that may not mount
                unavailable(str(error))
        path = self._points[kind] / secrets.token_hex(6)
        path.mkdir()
        return path


@pytest.fixture(scope="session")
def filesystems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filesystems]:
    with ExitStack() as stack:
        yield Filesystems(tmp_path_factory.mktemp("filesystems"), stack)


@pytest.fixture
def xfs(filesystems: Filesystems) -> Path:
    return filesystems.fresh("xfs")


@pytest.fixture
def btrfs(filesystems: Filesystems) -> Path:
    return filesystems.fresh("btrfs")


@pytest.fixture
def ext4(filesystems: Filesystems) -> Path:
    """A filesystem that can't reflink."""
    return filesystems.fresh("ext4")


@pytest.fixture
def small_ext4(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of SMALL_EXT4_BYTES that can't reflink."""
    _need("ext4")
    with ExitStack() as stack:
        try:
            point = stack.enter_context(mounted("ext4", tmp_path, SMALL_EXT4_BYTES))
        except RuntimeError as error:
            unavailable(str(error))
        yield point


@pytest.fixture(params=["xfs", "btrfs"])
def reflink_filesystem(request: pytest.FixtureRequest, filesystems: Filesystems) -> Path:
    """The test runs on each filesystem that can reflink."""
    return filesystems.fresh(request.param)


@pytest.fixture
def small_tmpfs(tmp_path: Path) -> Iterator[Path]:
    """SMALL_TMPFS_BYTES and no more: a disk that is soon full."""
    _need("tmpfs")
    point = tmp_path / "small"
    point.mkdir()
    try:
        _run(["mount", "-t", "tmpfs", "-o", f"size={SMALL_TMPFS_BYTES}", "tmpfs", str(point)])
    except RuntimeError as error:
        unavailable(str(error))
    yield point
    _unmount(point)
