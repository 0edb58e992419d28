# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""Folders below a root (its descriptor), opened without following a link, and their files in the order of keys."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_PASSED_OVER = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.EPERM)


class Found(NamedTuple):
    """A regular file: its path relative to the root, bytes, and seconds since the epoch."""

    path: str
    size: int
    modified: float


@contextmanager
def folder(root: int, parts: tuple[str, ...], create: bool = False) -> Iterator[int]:
    """A descriptor of ``parts...`` below the root's; with ``create`` missing folders are created (0700).

    Raises FileNotFoundError, and NotADirectoryError where a component is a link or a file.
    """
    descriptor = os.open(".", _FOLDER, dir_fd=root)
    try:
        for part in parts:
            below = _step(descriptor, part, create)
            os.close(descriptor)
            descriptor = below
        yield descriptor
    finally:
        os.close(descriptor)


def _step(descriptor: int, part: str, create: bool) -> int:
    for _attempt in range(100):  # another run may remove it while it is empty
        try:
            return os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        except FileNotFoundError:
            if not create:
                raise
        with suppress(FileExistsError):
            os.mkdir(part, 0o700, dir_fd=descriptor)
    raise FileNotFoundError(errno.ENOENT, "the folder disappears each time it is created", part)


def walk(descriptor: int, above: str, starts: str, skip: frozenset[str] = frozenset()) -> Iterator[Found]:
    """Regular files below, sorted by their whole path, byte by byte.

    At the first level only names that begin with ``starts`` count, and none in ``skip``. Skipped are links, files that
    disappear meanwhile, folders that can't be read, and names that aren't UTF-8.
    """
    for name, entry, is_folder in _sorted_entries(descriptor, starts, skip):
        try:
            if not is_folder:
                status = entry.stat(follow_symlinks=False)
                yield Found(above + name, status.st_size, status.st_mtime)
                continue
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=descriptor)
        except OSError as error:
            if error.errno in _PASSED_OVER:
                continue
            raise
        try:
            yield from walk(below, f"{above}{name}/", "")
        finally:
            os.close(below)


def subfolders(descriptor: int, skip: frozenset[str] = frozenset()) -> list[str]:
    """Names of the folders in this one, sorted."""
    return [name for name, _entry, is_folder in _sorted_entries(descriptor, "", skip) if is_folder]


def _sorted_entries(descriptor: int, starts: str, skip: frozenset[str]) -> list[tuple[str, os.DirEntry[str], bool]]:
    found = []
    with os.scandir(descriptor) as entries:
        for entry in entries:
            name = entry.name
            if not name.startswith(starts) or name in skip or not name.isprintable() and not _is_text(name):
                continue
            if entry.is_dir(follow_symlinks=False):
                found.append((name, entry, True))
            elif entry.is_file(follow_symlinks=False):
                found.append((name, entry, False))
    # A folder counts with its slash, so that "a-b" comes before "a/b". Code points sort as their UTF-8 bytes do.
    found.sort(key=lambda item: f"{item[0]}/" if item[2] else item[0])
    return found


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def remove_if_empty(root: int, parts: tuple[str, ...]) -> None:
    """Remove this folder and then those above it, up to the root, as long as they are empty."""
    while parts:
        try:
            with folder(root, parts[:-1]) as above:
                os.rmdir(parts[-1], dir_fd=above)
        except FileNotFoundError:
            pass  # another run removed it; the folder above may still be ours to remove
        except OSError:
            return  # not empty, or not ours to remove: it can stay
        parts = parts[:-1]


def make_durable(root: int, parts: tuple[str, ...]) -> None:
    """fsync one folder, so that the names in it survive a power loss. A removed folder is fine."""
    try:
        with folder(root, parts) as descriptor:
            os.fsync(descriptor)
    except FileNotFoundError:
        pass
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOTDIR):  # filesystems without fsync of folders
            raise
