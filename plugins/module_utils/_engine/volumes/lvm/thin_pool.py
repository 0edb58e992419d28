# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A thin pool in device-mapper: how full it is, and its metadata snapshot.

A pool can have one metadata snapshot. Ours are made one at a time (a lock) and are always released. A note on disk is
written before one is made: if the process is killed or the power fails, the next run finds the note and releases the
metadata snapshot. Status line: Documentation/admin-guide/device-mapper/thin-provisioning.rst.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Iterator
from typing import NamedTuple

from ...common.errors import BusyError, VolumeError
from ...common.files import locked, read_json, sync_folder, write_json
from . import commands, device_mapper
from .names import mapped_name
from .report import Lv, pool_device

LOCKS = "/run/snapship/thin-pools"
NOTES = "/var/lib/snapship/metadata-snapshots"
OURS_TIMEOUT = 1800.0  # seconds to wait for another run, which may be reading the metadata of a huge pool
OTHERS_TIMEOUT = 60.0  # seconds to wait until another program releases its metadata snapshot
FULL = 95.0  # percent of data or metadata from which we add nothing to a pool


class PoolStatus(NamedTuple):
    """How full a pool is, in blocks."""

    metadata_used: int
    metadata: int
    data_used: int  # chunks
    data: int
    held: int | None  # root block of the metadata snapshot; None without one

    @property
    def data_percent(self) -> float:
        return 100.0 * self.data_used / self.data if self.data else 0.0

    @property
    def metadata_percent(self) -> float:
        """Percent of the metadata that the kernel lets a pool use."""
        return 100.0 * self.metadata_used / usable(self.metadata) if self.metadata else 0.0


def usable(blocks: int) -> int:
    """How many of these metadata blocks a pool can use. The kernel reserves a tenth, at most 16 MiB, and stops a pool
    that needs more (__set_metadata_reserve in dm-thin-metadata.c)."""
    return blocks - min(4096, blocks // 10)


def status(pool: Lv) -> PoolStatus | None:
    """The fill of a pool; ``None`` if the pool isn't active. Raises VolumeError if the pool has failed."""
    name = pool_device(pool)
    if not os.path.exists(f"/dev/mapper/{name}"):
        return None
    try:
        kind, text = device_mapper.status(name)
    except OSError as error:
        if error.errno == errno.ENXIO:
            return None
        raise VolumeError(
            f"can't read the status of thin pool {pool.name}: {error.strerror}.", code="program"
        ) from error
    words = text.split()
    if len(words) < 4 or kind != "thin-pool" or "/" not in words[1]:
        raise VolumeError(
            f"thin pool {pool.name} has failed ({' '.join([kind, *words]).strip() or 'no status'}).",
            "Repair it first: lvconvert --repair.",
            code="pool_failed",
        )
    metadata_used, metadata = (int(count) for count in words[1].split("/"))
    data_used, data = (int(count) for count in words[2].split("/"))
    return PoolStatus(metadata_used, metadata, data_used, data, None if words[3] == "-" else int(words[3]))


def check_room(pool: Lv) -> None:
    """Raises VolumeError (``pool_full``) if a pool is too full to add anything."""
    now = status(pool)
    if now is None:
        return  # not active: its fill isn't known
    fill = (("data", now.data_percent, "-L"), ("usable metadata", now.metadata_percent, "--poolmetadatasize"))
    for what, percent, option in fill:
        if percent >= FULL:
            raise VolumeError(
                f"the {what} of thin pool {pool.name} is {percent:.1f} % full. Nothing was changed.",
                f"Extend it (lvextend {option} +SIZE {pool.name})"
                " or remove snapshots: a full pool stops every volume in it.",
                code="pool_full",
            )


@contextlib.contextmanager
def metadata_snapshot(pool: Lv) -> Iterator[str]:
    """A snapshot of a pool's metadata, for as long as the context lasts; yields the device to read it from.

    Raises BusyError if another program's metadata snapshot stays, VolumeError if none can be made.
    """
    with _lock(pool, OURS_TIMEOUT), _active(pool):
        _release_ours(pool)
        _reserve(pool)
        try:
            yield f"/dev/mapper/{mapped_name(pool.name.vg, pool.metadata)}"
        finally:
            _release(pool)


def release_leaked(pool: Lv) -> None:
    """Release the metadata snapshot that a killed run left, if there is one and no run is using it."""
    if os.path.exists(_note(pool)):
        with contextlib.suppress(BusyError), _lock(pool, 0):
            _release_ours(pool)


@contextlib.contextmanager
def _lock(pool: Lv, timeout: float) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(os.path.join(LOCKS, pool.uuid), timeout, f"thin pool {pool.name}"))
        except BusyError as error:
            raise BusyError(
                f"another run has locked the metadata of thin pool {pool.name} for more than {timeout:.0f} s.",
                "Run it again when that run has finished.",
                code="busy",
            ) from error
        yield


@contextlib.contextmanager
def _active(pool: Lv) -> Iterator[None]:
    """Activate the pool, and deactivate it afterwards if it was inactive."""
    was = os.path.exists(f"/dev/mapper/{pool_device(pool)}")
    if not was:
        commands.activate(pool)
    try:
        yield
    finally:
        if not was:
            commands.deactivate(pool)


def _note(pool: Lv) -> str:
    return os.path.join(NOTES, pool.uuid)


def _release_ours(pool: Lv) -> None:
    """Release what a run that died left."""
    path = _note(pool)
    noted = read_json(path) if os.path.exists(path) else None
    if noted is None:
        return
    now = status(pool)
    if now is None:
        return  # only an active pool can release it
    root = noted.get("root") if isinstance(noted, dict) else None
    if now.held is not None and root in (None, now.held):
        _message(pool, "release_metadata_snap")
    _drop(path)


def _drop(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
        sync_folder(os.path.dirname(path))


def _reserve(pool: Lv) -> None:
    until = time.monotonic() + OTHERS_TIMEOUT
    while not _try_reserve(pool):
        if time.monotonic() >= until:
            raise BusyError(
                f"another program holds the metadata snapshot of thin pool {pool.name}; a pool can have only one.",
                "Wait until that program has finished. If none is running, release it: "
                f"dmsetup message {pool_device(pool)} 0 release_metadata_snap",
                code="busy",
            )
        time.sleep(0.5)


def _try_reserve(pool: Lv) -> bool:
    now = status(pool)
    if now is None or now.held is not None:
        return False
    path = _note(pool)
    write_json(path, {"pool": str(pool.name)})
    try:
        _message(pool, "reserve_metadata_snap")
    except VolumeError as error:
        _drop(path)
        if error.code == "in_use":
            return False
        raise
    try:
        held = status(pool)
        write_json(path, {"pool": str(pool.name), "root": held.held if held else None})
    except BaseException:
        _release(pool)
        raise
    return True


def _release(pool: Lv) -> None:
    try:
        _message(pool, "release_metadata_snap")
    except VolumeError:
        now = status(pool)
        if now is None or now.held is not None:
            raise  # the note stays: the next run tries again
    _drop(_note(pool))


def _message(pool: Lv, message: str) -> None:
    try:
        device_mapper.message(pool_device(pool), message)
    except OSError as error:
        raise VolumeError(
            f"thin pool {pool.name} refused {message}: {error.strerror}.",
            f"See dmsetup status {pool_device(pool)}.",
            code="in_use" if error.errno == errno.EBUSY else "program",
        ) from error
