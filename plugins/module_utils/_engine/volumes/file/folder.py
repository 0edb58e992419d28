# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The folder ``.snapship`` beside an image, which may lie in a folder that other users can write to.

It must be a folder of the user who runs this, and nobody else may write to it; so must be what lies in it. Each is
opened without following a link, looked at through its descriptor, and used through that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Callable, Iterator

from ...common.bounded import RECORD_LIMIT, Unreadable, read_open
from ...common.errors import VolumeError, need
from ...common.files import damaged
from .way import UNSAFE, whose

NAME = ".snapship"
NEW = ".new-"  # a record that is being written, with 16 hexadecimal digits
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LINK = "it is a symbolic link, not a plain file"
_ATTEMPTS = 100


class Folder:
    """An open folder that is ours. Its methods take names of files in it, never paths, and raise OSError."""

    def __init__(self, descriptor: int, path: str, above: tuple[tuple[int, str], ...]) -> None:
        """``path``: for messages. ``above``: the descriptors of the folders above it, each with the name in it."""
        self.descriptor = descriptor
        self.path = path
        self._above = above

    def names(self) -> list[str]:
        """What is in it."""
        return os.listdir(self.descriptor)

    def open(self, name: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """A descriptor of a file in it. Raises VolumeError for what isn't a plain file of ours."""
        try:
            descriptor = os.open(name, flags | _FILE, mode, dir_fd=self.descriptor)
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise _refused(os.path.join(self.path, name), "is a symbolic link") from None
            raise
        flaw = flaw_of(os.fstat(descriptor), stat.S_ISREG)
        if flaw is not None:
            os.close(descriptor)
            raise _refused(os.path.join(self.path, name), flaw)
        return descriptor

    def read(self, name: str) -> bytes | None:
        """The content of a small file; ``None`` where there is none. Raises ConfigError where it can't be read."""
        path = os.path.join(self.path, name)
        try:
            descriptor = os.open(name, _FILE, dir_fd=self.descriptor)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise damaged(path, _LINK if error.errno == errno.ELOOP else str(error.strerror)) from None
        try:
            data = read_open(descriptor, RECORD_LIMIT)
            flaw = flaw_of(os.fstat(descriptor), stat.S_ISREG)
        except Unreadable as error:
            raise damaged(path, str(error)) from None
        finally:
            os.close(descriptor)
        if flaw is not None:
            raise damaged(path, f"it {flaw}")
        return data

    def write(self, name: str, content: bytes) -> None:
        """Replace a file, mode 0600; durable on return, never half there."""
        temporary = NEW + secrets.token_hex(8)
        descriptor = self.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            with os.fdopen(descriptor, "wb") as target:
                target.write(content)
                target.flush()
                os.fsync(target.fileno())
            self.rename(temporary, name)
        except BaseException:
            with contextlib.suppress(OSError):
                self.remove(temporary)
            raise
        self.sync()

    def rename(self, name: str, new: str) -> None:
        os.rename(name, new, src_dir_fd=self.descriptor, dst_dir_fd=self.descriptor)

    def remove(self, name: str) -> None:
        os.unlink(name, dir_fd=self.descriptor)

    def is_ours(self, name: str) -> bool:
        """Whether this is a plain file as we make them."""
        found = os.stat(name, dir_fd=self.descriptor, follow_symlinks=False)
        return flaw_of(found, stat.S_ISREG) is None

    def drop(self) -> None:
        """Remove it, and ``.snapship`` if nothing else is in there."""
        with contextlib.suppress(OSError):
            for parent, name in self._above:
                os.rmdir(name, dir_fd=parent)

    def sync(self) -> None:
        """Make its entries durable."""
        try:
            os.fsync(self.descriptor)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network filesystems have no such thing
                raise


def flaw_of(found: os.stat_result, kind: Callable[[int], bool]) -> str | None:
    """What keeps us from using a file or folder, as the end of a sentence that begins with its name."""
    if not kind(found.st_mode):
        return "is a symbolic link" if stat.S_ISLNK(found.st_mode) else "is something else than it should be"
    if found.st_uid != os.geteuid():
        return f"belongs to {whose(found.st_uid)}, not to {whose(os.geteuid())}, who runs this"
    if found.st_mode & 0o022:
        return f"can be written by others (mode {stat.S_IMODE(found.st_mode):04o})"
    return None


def _refused(path: str, flaw: str) -> VolumeError:
    shared = "(mode" in flaw
    hint = "Take the right from them (chmod go-w)." if shared else "Find out who put it there, and move it away."
    return VolumeError(f"{path} isn't used: it {flaw}.", hint, code=UNSAFE)


@contextlib.contextmanager
def beside(parent: int, above: str, image: str, create: bool = False) -> Iterator[Folder | None]:
    """The folder of an image below ``.snapship``; ``None`` where there is none and ``create`` isn't set.

    ``parent``: descriptor of the image's folder; ``above``: its path; ``image``: the component of the image's name.
    Raises VolumeError, code ``unsafe_path``, where it isn't ours alone.
    """
    name = _name(parent)
    path = os.path.join(above, name)
    with contextlib.ExitStack() as stack:
        outer = _opened(parent, name, path, create)
        if outer is not None:
            stack.callback(os.close, outer)
            inner = _opened(outer, image, os.path.join(path, image), create)
            if inner is not None:
                stack.callback(os.close, inner)
                yield Folder(inner, os.path.join(path, image), ((outer, image), (parent, name)))
                return
        yield None


def _name(parent: int) -> str:
    """What our folder is called: ``.snapship``, or where another user's has this name, with our number behind it."""
    there, numbered = _look(parent, NAME), f"{NAME}-{os.geteuid()}"
    if there is None:
        own = _look(parent, numbered)
        return numbered if own is not None and own.st_uid == os.geteuid() else NAME
    return numbered if stat.S_ISDIR(there.st_mode) and there.st_uid != os.geteuid() else NAME


def _look(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _opened(parent: int, name: str, path: str, create: bool) -> int | None:
    made = False
    for _attempt in range(_ATTEMPTS):  # another run may remove it while it is empty
        found = _look(parent, name)
        if found is None:
            if not create:
                return None
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
                made = True
            continue
        flaw = flaw_of(found, stat.S_ISDIR)
        try:
            descriptor = os.open(name, _FOLDER, dir_fd=parent) if flaw is None else -1
        except (FileNotFoundError, NotADirectoryError):
            continue
        if descriptor >= 0:
            flaw = flaw_of(os.fstat(descriptor), stat.S_ISDIR)
            if flaw is None:
                return descriptor
            os.close(descriptor)
        if made:  # such as by root on a network filesystem that makes root nobody
            with contextlib.suppress(OSError):
                os.rmdir(name, dir_fd=parent)
        raise _refused(path, need(flaw, "a sound folder was returned"))
    raise FileNotFoundError(errno.ENOENT, "the folder disappears each time it is made", path)
