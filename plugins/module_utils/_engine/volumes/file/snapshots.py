# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Snapshots of image files, in ``.snapship/<image>/`` beside the image: an image file and a record (JSON) each.

Writing the record commits the snapshot. An image file without a record was left by a run that died.
"""

from __future__ import annotations

import array
import contextlib
import errno
import fcntl
import os
import secrets
from collections.abc import Iterator
from typing import Any

from ...common.direct_io import bounce, fits, open_direct, write_direct
from ...common.errors import BusyError, ConfigError, SnapshipError, VolumeError
from ...common.files import damaged, locked, read_record, sync_folder, try_lock, write_json
from ...common.keys import encode
from ...common.units import is_time
from ..mounts import filesystem_type
from ..provider import Snapshot
from ..record import good_group
from .extents import FICLONE, data_regions

PROVIDER = "file"
_GETVERSION = 0x80087601
_COPY = 4 << 20
_SERVER_COPIES = ("nfs", "nfs4", "cifs", "smb3")  # copy_file_range copies on the server there
_IMAGE, _RECORD = ".img", ".json"


def witness(path: str) -> dict[str, Any]:
    """What proves that a file is unchanged: device, inode, generation, change time (ns), size."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return recognised(descriptor)
    finally:
        os.close(descriptor)


def recognised(descriptor: int) -> dict[str, Any]:
    """As witness(), of an open file."""
    found = os.fstat(descriptor)
    return {
        "device": filesystem_id(descriptor),
        "inode": found.st_ino,
        "generation": generation(descriptor),
        "ctime": found.st_ctime_ns,
        "size": found.st_size,
    }


def filesystem_id(descriptor: int) -> int:
    """The filesystem's own id, which stays the same over a reboot (device numbers don't); else the device number."""
    return os.fstatvfs(descriptor).f_fsid or os.fstat(descriptor).st_dev


def generation(descriptor: int) -> int:
    """The inode's generation, which differs when an inode number is used again; 0 if the filesystem has none."""
    value = array.array("q", [0])
    try:
        fcntl.ioctl(descriptor, _GETVERSION, value, True)
    except OSError:
        return 0
    return value[0] & 0xFFFFFFFF


class SnapshotStore:
    """The snapshots of one image."""

    def __init__(self, volume: str, image_path: str) -> None:
        """``volume`` is the name, ``image_path`` the file that it is, or links to."""
        self.volume = volume
        folder, image = os.path.split(image_path)
        self.folder = os.path.join(folder, ".snapship", encode(image))

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of writing here into errors about the volume (VolumeError)."""
        try:
            yield
        except ConfigError as error:
            if isinstance(error.__cause__, OSError):
                raise _explained(error.__cause__, self.volume) from error
            raise
        except OSError as error:
            raise _explained(error, self.volume) from error

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Held while snapshots are made, removed or held (writes)."""
        return locked(os.path.join(self.folder, "lock"), 60.0, f"the snapshot folder of {self.volume}")

    def path(self, name: str) -> str:
        """Where the image of a snapshot lies."""
        return os.path.join(self.folder, encode(name) + _IMAGE)

    def _record(self, name: str) -> str:
        return os.path.join(self.folder, encode(name) + _RECORD)

    def load(self) -> list[Snapshot]:
        """All snapshots that have a record, newest first, each with its flaw if its witness doesn't match."""
        try:
            entries = os.listdir(self.folder)
        except (FileNotFoundError, NotADirectoryError):
            return []
        found = []
        for entry in entries:
            record = self._stored(entry) if entry.endswith(_RECORD) else None
            if record is not None:
                path = self.path(record["name"])
                flaw = _flaw(path, record["witness"])
                kept = {name: record[name] for name in _KEPT}
                found.append(Snapshot(volume=self.volume, provider=PROVIDER, path=path, flaw=flaw, **kept))
        return sorted(found, key=lambda snapshot: snapshot.created, reverse=True)

    def _stored(self, entry: str) -> dict[str, Any] | None:
        """The record in this file of the folder. Raises ConfigError where it is damaged: users can write there."""
        path = os.path.join(self.folder, entry)
        fields = read_record(path)
        if fields is not None and not _sound(fields, entry):
            raise damaged(path, "it isn't the record of a snapshot")
        return fields

    def save(self, snapshot: Snapshot) -> None:
        """Write the record, which commits the snapshot."""
        record = {name: getattr(snapshot, name) for name in _KEPT}
        stored = self._stored(os.path.basename(self._record(snapshot.name)))
        record["witness"] = stored["witness"] if stored else witness(snapshot.path)
        write_json(self._record(snapshot.name), record)

    def remove(self, name: str) -> None:
        """Remove the record first: a half-removed snapshot doesn't exist. Raises BusyError while the image is read."""
        path = self.path(name)
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                stack.callback(os.close, descriptor)
                if not try_lock(descriptor):
                    raise BusyError(
                        f"snapshot {name!r} of {self.volume} is being shipped.",
                        "Try again when that has finished.",
                        code="in_use",
                    )
            for each in (self._record(name), path):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(each)
        sync_folder(self.folder)

    def sweep(self) -> None:
        """Remove what runs that died left here. The caller holds the lock."""
        entries = set(os.listdir(self.folder))
        for entry in entries:
            orphan = entry.endswith(_IMAGE) and entry[: -len(_IMAGE)] + _RECORD not in entries
            if orphan or entry.startswith((".taking-", ".new-")):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(os.path.join(self.folder, entry))

    def drop_folder(self) -> None:
        """Remove the folder if only its lock is left."""
        if set(os.listdir(self.folder)) <= {"lock"}:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(self.folder, "lock"))
                os.rmdir(self.folder)
                os.rmdir(os.path.dirname(self.folder))

    def copy_image(self, source: int, size: int, name: str) -> str:
        """Copy an open file into the image of a snapshot. Returns how: ``reflink``, else ``copy`` (sparse)."""
        temporary = os.path.join(self.folder, ".taking-" + secrets.token_hex(8))
        target = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            method = clone_or_copy(source, target, size)
            os.fsync(target)
            os.fchmod(target, 0o400)
            os.rename(temporary, self.path(name))
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            if isinstance(error, OSError):
                raise _explained(error, self.volume) from error
            raise
        finally:
            os.close(target)
        sync_folder(self.folder)
        return method


_KEPT = ("name", "state_id", "created", "size", "lineage", "group", "method", "made_by", "consistency", "holds")


def _sound(fields: dict[str, Any], entry: str) -> bool:
    """Whether these are the fields of a snapshot's record, under the name of its file."""
    texts = [fields.get(name) for name in ("name", "state_id", "lineage", "method", "made_by")]
    if not all(isinstance(text, str) and text for text in texts) or encode(fields["name"]) + _RECORD != entry:
        return False
    mappings = [fields.get(name) for name in ("consistency", "holds", "witness")]
    if not all(isinstance(mapping, dict) for mapping in mappings) or not {*_KEPT} <= set(fields):
        return False
    holds = all(isinstance(backup, str) for backup in fields["holds"].values())
    size, group = fields["size"], fields["group"]
    sized = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 63
    return holds and sized and is_time(fields["created"]) and (group is None or good_group(group) is not None)


def clone_or_copy(source: int, target: int, size: int) -> str:
    """Copy a file into an empty one: by ``reflink`` if the filesystem can, else by ``copy``, which keeps holes."""
    try:
        fcntl.ioctl(target, FICLONE, source)
        os.ftruncate(target, size)
        return "reflink"
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            raise
    os.ftruncate(target, size)
    direct = None if filesystem_type(f"/proc/self/fd/{target}") in _SERVER_COPIES else open_direct(target, os.O_RDWR)
    try:
        for start, end in data_regions(source, size):
            for at, length in _pieces(start, end):
                if direct is not None and fits(at, length):
                    _copy_direct(source, direct, at, length)
                else:
                    _copy(source, target, at, length)
    finally:
        if direct is not None:
            os.close(direct)
    return "copy"


def _copy_direct(source: int, target: int, at: int, length: int) -> None:
    buffer = memoryview(bounce())[:length]
    done = os.preadv(source, [buffer], at)
    if done == length:
        write_direct(target, at, buffer)
    else:
        _copy(source, target, at, length)


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    while start < end:
        yield start, min(_COPY, end - start)
        start += _COPY


def _copy(source: int, target: int, at: int, length: int) -> None:
    while length:
        try:
            done = os.copy_file_range(source, target, length, at, at)
        except OSError as error:
            if error.errno not in (errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
                raise
            done = os.pwrite(target, os.pread(source, min(length, 1 << 20), at), at)
        if not done:
            raise VolumeError("the image was truncated while it was copied.", "Quiesce it, or move it to XFS or btrfs.")
        at, length = at + done, length - done


def _flaw(path: str, recorded: dict[str, Any]) -> str | None:
    try:
        found = witness(path)
    except OSError as error:
        return f"can't read its image ({error.strerror})"
    changed = [name for name, value in recorded.items() if found.get(name) != value]
    return f"its image was modified ({', '.join(sorted(changed))} changed)" if changed else None


def _explained(error: OSError, volume: str) -> SnapshipError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VolumeError(
            f"no space for a snapshot of {volume}: the filesystem is full.",
            "Free some space. On XFS or btrfs a snapshot takes only the space of later changes.",
            code="no_space",
        )
    return VolumeError(
        f"can't write snapshots of {volume} in the folder .snapship beside it: {error.strerror}.",
        "Give this user write access to the image's folder.",
    )
