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
import functools
import json
import os
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

from ...common.bounded import RECORD_LIMIT, Unreadable, read_object
from ...common.direct_io import bounce, fits, open_direct, write_direct
from ...common.errors import BusyError, SnapshipError, VolumeError, need
from ...common.files import damaged, try_lock, wait_for
from ...common.keys import encode, is_component
from ...common.units import is_time
from ..mounts import filesystem_type
from ..provider import Snapshot
from ..record import good_group
from .extents import FICLONE, data_regions
from .folder import NEW, Folder, beside
from .way import way_to

PROVIDER = "file"
_GETVERSION = 0x80087601
_COPY = 4 << 20
_SERVER_COPIES = ("nfs", "nfs4", "cifs", "smb3")  # copy_file_range copies on the server there
_IMAGE, _RECORD, _LOCK = ".img", ".json", "lock"
_TAKING = ".taking-"  # an image that is being copied, with 16 hexadecimal digits
_UNFINISHED = re.compile(f"({re.escape(_TAKING)}|{re.escape(NEW)})[0-9a-f]{{16}}")
_PATIENCE = 60.0  # seconds to wait for another run's lock


def recognised(descriptor: int) -> dict[str, Any]:
    """What proves that a file is unchanged: device, inode, generation, change time (ns), size."""
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

    def __init__(self, volume: str) -> None:
        """``volume``: the image's absolute path, which may be a link."""
        self.volume = volume
        self._held: Folder | None = None  # while we have its lock

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turns errors of writing here into errors about the volume (VolumeError)."""
        try:
            yield
        except OSError as error:
            raise _explained(error, self.volume) from error

    @contextlib.contextmanager
    def _folder(self, create: bool = False) -> Iterator[Folder | None]:
        """The folder; ``None`` where there is none. Raises VolumeError where it isn't ours alone."""
        if self._held is not None:
            yield self._held
            return
        with contextlib.ExitStack() as stack:
            try:
                way = stack.enter_context(way_to(self.volume))
                way.check(way.look())
                folder = stack.enter_context(beside(way.folder, way.above, encode(way.name), create))
            except (FileNotFoundError, NotADirectoryError):
                if create:
                    raise
                folder = None
            yield folder

    def _locked(self) -> Folder:
        return need(self._held, "the caller holds the lock")

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Held while snapshots are made, removed or held (writes). The lock ends with the process."""
        until = time.monotonic() + _PATIENCE
        while True:
            with self._folder(create=True) as made:
                folder = need(made, "it was made")
                try:
                    descriptor = folder.open(_LOCK, os.O_RDWR | os.O_CREAT)
                except FileNotFoundError:
                    if time.monotonic() < until:
                        continue  # another run has just removed the folder
                    raise
                try:
                    what = f"the snapshot folder of {self.volume}"
                    wait_for(functools.partial(try_lock, descriptor), until, what)
                    if os.fstat(descriptor).st_nlink:
                        self._held = folder
                        yield
                        return
                finally:
                    self._held = None
                    os.close(descriptor)
            # else its holder removed it with its folder: it locks nothing any more

    def path(self, name: str) -> str:
        """Where the image of a snapshot lies. The caller holds the lock."""
        return os.path.join(self._locked().path, encode(name) + _IMAGE)

    def load(self) -> list[Snapshot]:
        """All snapshots that have a record, newest first, each with its flaw if its witness doesn't match."""
        try:
            return sorted(self._load(), key=lambda snapshot: snapshot.created, reverse=True)
        except OSError as error:
            raise VolumeError(
                f"can't read the snapshots of {self.volume}: {error.strerror}.",
                "Run this as a user who may read the image's folder.",
                code="unreadable",
            ) from error

    def _load(self) -> list[Snapshot]:
        found = []
        with self._folder() as folder:
            for entry in () if folder is None else folder.names():
                record = _stored(folder, entry) if folder and entry.endswith(_RECORD) else None
                if folder is not None and record is not None:
                    image = encode(record["name"]) + _IMAGE
                    path = os.path.join(folder.path, image)
                    flaw = _flaw(folder, image, record["witness"])
                    kept = {name: record[name] for name in _KEPT}
                    found.append(Snapshot(volume=self.volume, provider=PROVIDER, path=path, flaw=flaw, **kept))
        return found

    def open_image(self, name: str) -> int:
        """A descriptor of a snapshot's image. Raises OSError, and VolumeError where it isn't ours."""
        with self._folder() as folder:
            if folder is None:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            return folder.open(encode(name) + _IMAGE)

    def save(self, snapshot: Snapshot) -> None:
        """Write the record, which commits the snapshot. The caller holds the lock."""
        folder, entry = self._locked(), encode(snapshot.name) + _RECORD
        record = {name: getattr(snapshot, name) for name in _KEPT}
        stored = _stored(folder, entry)
        record["witness"] = stored["witness"] if stored else _witness(folder, encode(snapshot.name) + _IMAGE)
        folder.write(entry, json.dumps(record, indent=1, sort_keys=True).encode() + b"\n")

    def remove(self, name: str) -> None:
        """Remove the record first: a half-removed snapshot doesn't exist. The caller holds the lock.

        Raises BusyError while the image is read.
        """
        folder, image = self._locked(), encode(name) + _IMAGE
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):
                descriptor = folder.open(image)
                stack.callback(os.close, descriptor)
                if not try_lock(descriptor):
                    raise BusyError(
                        f"snapshot {name!r} of {self.volume} is being shipped.",
                        "Try again when that has finished.",
                        code="in_use",
                    )
            for each in (encode(name) + _RECORD, image):
                with contextlib.suppress(FileNotFoundError):
                    folder.remove(each)
        folder.sync()

    def sweep(self) -> None:
        """Remove what runs of ours that died left here, and nothing else. The caller holds the lock."""
        folder = self._locked()
        entries = set(folder.names())
        for entry in entries:
            name = entry[: -len(_IMAGE)]
            orphan = entry.endswith(_IMAGE) and is_component(name) and name + _RECORD not in entries
            if orphan or _UNFINISHED.fullmatch(entry):
                with contextlib.suppress(FileNotFoundError):
                    if folder.is_ours(entry):
                        folder.remove(entry)

    def drop_folder(self) -> None:
        """Remove the folder if only its lock is left. The caller holds the lock."""
        folder = self._locked()
        if set(folder.names()) <= {_LOCK}:
            with contextlib.suppress(OSError):
                folder.remove(_LOCK)
                folder.drop()

    def copy_image(self, source: int, size: int, name: str) -> str:
        """Copy an open file into the image of a snapshot. Returns how: ``reflink``, else ``copy`` (sparse).

        The caller holds the lock."""
        folder, temporary = self._locked(), _TAKING + secrets.token_hex(8)
        try:
            target = folder.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL)
            try:
                method = clone_or_copy(source, target, size)
                os.fsync(target)
                os.fchmod(target, 0o400)
                folder.rename(temporary, encode(name) + _IMAGE)
            finally:
                os.close(target)
        except BaseException as error:
            with contextlib.suppress(OSError):
                folder.remove(temporary)
            if isinstance(error, OSError):
                raise _explained(error, self.volume) from error
            raise
        folder.sync()
        return method


def _stored(folder: Folder, entry: str) -> dict[str, Any] | None:
    """The record in this file of the folder. Raises ConfigError where it is damaged."""
    data = folder.read(entry)
    if data is None:
        return None
    try:
        fields = read_object(data, RECORD_LIMIT, local=True)
    except Unreadable as error:
        raise damaged(os.path.join(folder.path, entry), str(error)) from None
    if not _sound(fields, entry):
        raise damaged(os.path.join(folder.path, entry), "it isn't the record of a snapshot")
    return fields


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


def _witness(folder: Folder, image: str) -> dict[str, Any]:
    descriptor = folder.open(image)
    try:
        return recognised(descriptor)
    finally:
        os.close(descriptor)


def _flaw(folder: Folder, image: str, recorded: dict[str, Any]) -> str | None:
    try:
        found = _witness(folder, image)
    except OSError as error:
        return f"can't read its image ({error.strerror})"
    except VolumeError as error:
        return error.msg
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
