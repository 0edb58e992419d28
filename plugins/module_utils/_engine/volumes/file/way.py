# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The way to an image file, through folders that may belong to other users than the one who runs this.

It is gone step by step, each from the descriptor of the folder before, so that nobody can change it behind our back.
Links of root and of the user who runs this are followed. A link of another user is followed only to what is that user's
own: else whoever may write to a folder could have any file of the host shipped or replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from ...common.errors import VolumeError

UNSAFE = "unsafe_path"  # the code of such errors
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_LINKS = 40  # as many as the kernel follows
_LONGEST = 4095  # bytes of a path that other programs can open, too
_PROTECTED = "/proc/sys/fs/protected_hardlinks"


class Link(NamedTuple):
    """A link of another user that was followed."""

    path: str
    owner: int


class Way(NamedTuple):
    """Where a path leads to."""

    folder: int  # descriptor (O_PATH) of the folder that the file is in
    above: str  # the folder's path, without links
    name: str  # of the file, which may not be there
    links: tuple[Link, ...] = ()

    @property
    def path(self) -> str:
        """The path of the file, without links."""
        return os.path.join(self.above, self.name)

    def look(self) -> os.stat_result | None:
        """The file, or the link that it was replaced by; ``None`` where there is none."""
        try:
            return os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def open(self, flags: int = os.O_RDONLY) -> int:
        """A descriptor of the file. Never waits for a pipe. Raises OSError, and VolumeError as check()."""
        descriptor = os.open(
            self.name, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_NOCTTY, dir_fd=self.folder
        )
        try:
            self.check(os.fstat(descriptor))
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def check(self, found: os.stat_result | None) -> None:
        """Raises VolumeError where another user may have led us to a file (``None``: to be made) that isn't theirs."""
        above = os.fstat(self.folder)
        for link in self.links:
            for path, owner in ((self.above, above.st_uid), (self.path, found.st_uid if found else link.owner)):
                if owner != link.owner:
                    raise VolumeError(
                        f"{self.path} isn't used: the symbolic link {link.path}, which belongs to {whose(link.owner)}, "
                        f"leads to it, but {path} belongs to {whose(owner)}.",
                        "Name the file itself if that is the right one.",
                        code=UNSAFE,
                    )
        if found is not None and _planted(above, found):
            raise VolumeError(
                f"{self.path} isn't used: it has {found.st_nlink} names (hard links), and other users, who may write "
                f"to {self.above}, can have made this one.",
                f"Set {_PROTECTED} to 1, or move the image to a folder that only root can write to.",
                code=UNSAFE,
            )


def _trusted() -> tuple[int, int]:
    return 0, os.geteuid()


def whose(user: int) -> str:
    """A user in words, without asking a directory service."""
    return "root" if user == 0 else f"user {user}"


def kind_of(mode: int) -> str:
    """What isn't a plain file, in words."""
    kinds = ((stat.S_ISDIR, "a folder"), (stat.S_ISBLK, "a block device"), (stat.S_ISLNK, "a symbolic link"))
    return next((text for test, text in kinds if test(mode)), "a special file")


def _planted(above: os.stat_result, found: os.stat_result) -> bool:
    """Whether somebody else can have put a hard link to a foreign file here."""
    if found.st_nlink < 2 or not stat.S_ISREG(found.st_mode) or _hard_links_protected():
        return False
    if above.st_mode & 0o022:
        return True
    return above.st_uid not in (*_trusted(), found.st_uid)


def _hard_links_protected() -> bool:
    """Whether the kernel lets users make hard links only to files that they may write to."""
    try:
        with open(_PROTECTED, encoding="ascii") as source:
            return source.read().strip() != "0"
    except OSError:
        return False


@contextlib.contextmanager
def way_to(path: str) -> Iterator[Way]:
    """The way to an absolute path; its descriptor lives as long as the context.

    Raises OSError where a folder isn't there or can't be entered. The last component may be anything, or not be there.
    """
    if len(os.fsencode(path)) > _LONGEST:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)
    folder, above, left = os.open("/", _STEP | os.O_DIRECTORY), "/", _parts(path)
    links: list[Link] = []
    followed = 0
    try:
        while left:
            name = left.pop(0)
            below = _folder_below(folder, name) if left or name == ".." else None
            if below is not None:
                os.close(folder)
                folder, above = below, os.path.normpath(os.path.join(above, name))
                continue
            target = _link(folder, above, name, links)
            if target is None and left:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
            if target is None:
                yield Way(folder, above, name, tuple(links))
                return
            followed += 1
            if followed > _LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            if target.startswith("/"):
                os.close(folder)
                folder, above = os.open("/", _STEP | os.O_DIRECTORY), "/"
            left = _parts(target) + left
        yield Way(folder, above, ".", tuple(links))
    finally:
        os.close(folder)


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _folder_below(folder: int, name: str) -> int | None:
    """A descriptor of a folder in a folder, mounted if need be; ``None`` for a link or a file."""
    try:
        return os.open(name, _STEP | os.O_DIRECTORY, dir_fd=folder)
    except NotADirectoryError:
        return None


def _link(folder: int, above: str, name: str, links: list[Link]) -> str | None:
    """Where a link leads to; ``None`` for what isn't one, or isn't there. Notes the link if it is another user's."""
    try:
        descriptor = os.open(name, _STEP, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISLNK(found.st_mode):
            return None
        if found.st_uid not in _trusted():
            links.append(Link(os.path.join(above, name), found.st_uid))
        return os.readlink("", dir_fd=descriptor)
    finally:
        os.close(descriptor)
