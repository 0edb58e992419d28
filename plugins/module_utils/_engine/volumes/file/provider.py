# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Provider ``file``: image files. Snapshots are reflinks if the filesystem has them, else sparse copies.

A snapshot that is shipped at once may need no copy: see :mod:`.lease`.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import Any

from ...common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ...common.files import try_lock
from ..mounts import filesystem_type, mounted_on
from ..provider import (
    Change,
    Pressure,
    Reader,
    ReceiveRequest,
    RestorePlace,
    Snapshot,
    TakeRequest,
    Target,
    TargetState,
    VolumeInfo,
)
from .changes import by_blocks, by_content, merged
from .extents import ADDRESSES_KNOWN
from .lease import IN_PLACE, Lease, LeasedReader, lease
from .reader import FileReader
from .snapshots import PROVIDER, SnapshotStore, filesystem_id, generation
from .target import FileTarget, look_at
from .way import kind_of, way_to


class FileProvider:
    """Image files, named by their absolute path."""

    name = PROVIDER
    naming = "an image file by its absolute path"
    sends = "thin-send-recv"
    receives: tuple[str, ...] = ("thin-send-recv",)
    nests = False

    def __init__(self) -> None:
        self._leases: dict[str, Lease] = {}  # images to be read in place, by state id

    def claims(self, volume: str) -> bool:
        return volume.startswith("/") and (not volume.startswith("/dev/") or volume.startswith("/dev/shm/"))

    def normalise(self, volume: str) -> str:
        if not volume.startswith("/"):
            raise UsageError(f"volume {volume!r}: name an image file by its absolute path.", f"Did you mean /{volume}?")
        if "\0" in volume:
            raise UsageError(f"volume {volume!r}: the name contains a NUL byte.")
        try:
            os.fsencode(volume)
        except UnicodeEncodeError:
            raise UsageError(f"volume {volume!r}: the name isn't valid Unicode.") from None
        return os.path.normpath("/" + volume.lstrip("/"))

    def looking_at(self, volumes: list[str]) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def children(self, volume: str) -> list[str]:
        raise UsageError(f"recursive: volume {volume!r} is an image file; it has no volumes below it.")

    def info(self, volume: str) -> VolumeInfo:
        with self._image(volume) as (descriptor, found):
            lineage = f"{filesystem_id(descriptor):x}-{found.st_ino:x}-{generation(descriptor):x}"
            size = found.st_size
        lineage = hashlib.sha256(lineage.encode()).hexdigest()[:32]
        return VolumeInfo(volume, size, lineage)

    def properties(self, volume: str) -> dict[str, Any]:
        with self._image(volume) as (_descriptor, found):
            return {"mode": stat.S_IMODE(found.st_mode), "uid": found.st_uid, "gid": found.st_gid}

    @contextlib.contextmanager
    def _image(self, volume: str) -> Iterator[tuple[int, os.stat_result]]:
        try:
            with way_to(volume) as way:
                descriptor = way.open()
        except OSError as error:
            raise _not_there(volume, error) from error
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise VolumeError(
                    f"volume {volume!r} is {kind_of(found.st_mode)}, not an image file.",
                    "Provider file backs up regular files only.",
                    code="wrong_type",
                )
            yield descriptor, found
        finally:
            os.close(descriptor)

    def _store(self, volume: str) -> SnapshotStore:
        return SnapshotStore(volume)

    def snapshots(self, volume: str) -> list[Snapshot]:
        return self._store(volume).load()

    def bases(self, volume: str) -> list[Snapshot]:
        return self.snapshots(volume)

    def freezable(self, volume: str) -> list[str]:
        """Mount points of filesystems on loop devices (or their partitions) that use this image."""
        numbers = set()
        with self._image(volume) as (descriptor, _found):
            real = os.path.realpath(f"/proc/self/fd/{descriptor}")
        for backing in glob.glob("/sys/block/loop*/loop/backing_file"):
            with contextlib.suppress(OSError):
                with open(backing, encoding="utf-8", errors="surrogateescape") as source:
                    if source.read().rstrip("\n") != real:
                        continue
                block = os.path.dirname(os.path.dirname(backing))
                for device in [os.path.join(block, "dev"), *glob.glob(os.path.join(block, "loop*", "dev"))]:
                    with open(device, encoding="ascii") as source:
                        numbers.add(source.read().strip())
        return mounted_on(numbers)

    def activity(self, volume: str) -> object:
        with self._image(volume) as (_descriptor, found):
            return found.st_mtime_ns, found.st_size

    def atomic(self, volumes: list[str]) -> bool:
        return len(volumes) == 1

    def pressure(self, volume: str) -> list[Pressure]:
        return []  # anything may fill a filesystem, not only snapshots

    def pinned(self, volume: str) -> list[Snapshot]:
        return []

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        made: list[Snapshot] = []
        warnings: list[str] = []
        quiesced = request.consistency.get("method") not in (None, "none")
        try:
            for volume in request.volumes:
                before = self.activity(volume)
                leased = self._lease(volume, request)
                if leased is not None:
                    made.append(leased)
                    warnings.append(_no_room(volume))
                    continue
                made.append(self._take_one(volume, request))
                if made[-1].method == "copy" and not quiesced and self.activity(volume) != before:
                    warnings.append(_torn(volume))
        except BaseException:
            for snapshot in made:
                with contextlib.suppress(OSError, SnapshipError):
                    self.remove(snapshot)
            raise
        return made, warnings

    def _lease(self, volume: str, request: TakeRequest) -> Snapshot | None:
        """The image itself, where a copy has no room and nobody can write to it."""
        if not request.in_place or self._has_room(volume):
            return None
        granted = lease(volume)
        if granted is None:
            return None
        try:
            made = self._snapshot(request, self.info(volume), IN_PLACE, granted.size, os.path.realpath(volume))
        except BaseException:
            granted.close()
            raise
        self._leases[made.state_id] = granted
        return made

    def _has_room(self, volume: str) -> bool:
        """Whether a copy would fit beside the image."""
        with self._image(volume) as (descriptor, found):
            space = os.fstatvfs(descriptor)
        free = space.f_bavail if os.geteuid() else space.f_bfree
        return found.st_blocks * 512 < free * space.f_frsize

    def _take_one(self, volume: str, request: TakeRequest) -> Snapshot:
        info = self.info(volume)
        store = self._store(volume)
        with store.explained(), store.lock(), self._image(volume) as (descriptor, _found):
            store.sweep()
            if any(snapshot.name == request.name for snapshot in store.load()):
                raise VolumeError(f"{volume} already has a snapshot {request.name!r}.", code="exists")
            size = os.fstat(descriptor).st_size
            method = store.copy_image(descriptor, size, request.name)
            snapshot = self._snapshot(request, info, method, size, store.path(request.name))
            store.save(snapshot)
        return snapshot

    def _snapshot(self, request: TakeRequest, info: VolumeInfo, method: str, size: int, path: str) -> Snapshot:
        return Snapshot(
            name=request.name,
            volume=info.name,
            provider=self.name,
            state_id=secrets.token_hex(16),
            created=request.created,
            size=size,
            lineage=info.lineage,
            group=request.group,
            method=method,
            path=path,
            made_by=request.made_by,
            consistency=request.consistency,
            holds=dict(request.holds),
        )

    def remove(self, snapshot: Snapshot) -> None:
        if snapshot.method == IN_PLACE:
            self._let_go(snapshot)
            return
        store = self._store(snapshot.volume)
        with store.explained(), store.lock():
            store.remove(snapshot.name)
            store.sweep()
            store.drop_folder()

    def _let_go(self, snapshot: Snapshot) -> None:
        granted = self._leases.pop(snapshot.state_id, None)
        if granted is not None:
            granted.close()

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        if snapshot.method == IN_PLACE:
            return  # it can't be kept
        store = self._store(snapshot.volume)
        with store.explained(), store.lock():
            for current in store.load():
                if current.state_id == snapshot.state_id:
                    if backup is None:
                        current.holds.pop(holder, None)
                    else:
                        current.holds[holder] = backup
                    store.save(current)
                    snapshot.holds = current.holds

    def forget(self, volume: str, holder: str) -> None:
        pass  # snapshots are all that keeps a base

    @contextlib.contextmanager
    def open(self, snapshot: Snapshot) -> Iterator[Reader]:
        with self._open(snapshot) as reader:
            yield reader

    @contextlib.contextmanager
    def _open(self, snapshot: Snapshot) -> Iterator[FileReader]:
        if snapshot.method == IN_PLACE:
            with self._in_place(snapshot) as reader:
                yield reader
            return
        try:
            descriptor = self._store(snapshot.volume).open_image(snapshot.name)
        except OSError as error:
            raise VolumeError(
                f"can't read snapshot {snapshot.name!r} of {snapshot.volume}: {error.strerror}.",
                code="snapshot_gone" if isinstance(error, FileNotFoundError) else None,
            ) from error
        try:
            try_lock(descriptor, shared=True)
            with contextlib.closing(FileReader(descriptor, snapshot.size)) as reader:
                yield reader
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _in_place(self, snapshot: Snapshot) -> Iterator[FileReader]:
        granted = self._leases.get(snapshot.state_id)
        if granted is None:
            raise VolumeError(f"{snapshot.volume} isn't kept from writers any more.", code="snapshot_gone")
        try:
            granted.check()
            with contextlib.closing(LeasedReader(granted)) as reader:
                yield reader
            granted.check()  # a hole made meanwhile wouldn't be read at all
        finally:
            self._let_go(snapshot)

    @contextlib.contextmanager
    def changes(self, base: Snapshot, snapshot: Snapshot) -> Iterator[tuple[Reader, Iterator[Change]]]:
        with self._open(base) as old, self._open(snapshot) as new:
            if base.method == snapshot.method == "reflink" and _filesystem(new.descriptor) in ADDRESSES_KNOWN:
                yield new, merged(by_blocks(new, old))
            else:
                yield new, merged(by_content(new, old))

    def unchanged(self, base: Snapshot) -> bool:
        with self._open(base) as old, self._image(base.volume) as (new, found):
            if found.st_size != old.size:
                return False
            known = base.method == "reflink" and _filesystem(new) in ADDRESSES_KNOWN
            look = by_blocks if known else by_content
            with contextlib.closing(FileReader(new, found.st_size)) as now:
                return next(look(now, old), None) is None

    def target_state(self, place: RestorePlace) -> TargetState:
        return look_at(place.target)

    def recover(self, place: RestorePlace) -> None:
        pass  # one rename swaps a file, so nothing can be left half done

    def receive(self, request: ReceiveRequest) -> Target:
        return FileTarget(request.place.target, request.size, request.properties)


def _filesystem(descriptor: int) -> str:
    return filesystem_type(f"/proc/self/fd/{descriptor}")


def _torn(volume: str) -> str:
    return (
        f"{volume} was written to while its snapshot was copied: the copy may be torn (inconsistent). "
        "Set quiesce, or pre_command and post_command."
    )


def _no_room(volume: str) -> str:
    return (
        f"no room for a snapshot of {volume}: it was read in place, as nobody had it open for writing. The next backup "
        "will be a full."
    )


def _not_there(volume: str, error: OSError) -> SnapshipError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return UnknownError(
            f"volume {volume!r}: no such image file.",
            "Check the path. Each volume is one file.",
            code="unknown_volume",
        )
    return VolumeError(f"can't read volume {volume!r}: {error.strerror}.", code="unreadable")
