# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which backups depend on a snapshot: a property on the snapshot, and a bookmark that outlives it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator

from ...common.errors import BusyError, ConfigError
from ...common.files import try_lock
from ...common.processes import ProgramError
from ..provider import Snapshot
from .commands import is_absent, zfs
from .datasets import DatasetListing, Marked, look
from .names import MOST, bookmark_name, holder_digest
from .records import HOLDS, holds_text

_DEVICE = "/dev/zfs"
_PATIENCE = 60.0  # seconds
# ZFS's errors if a pool is too old for bookmarks: then only the snapshot can be the base.
_NO_BOOKMARKS = ("not supported", "must be enabled", "upgraded")


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """A lock (on ZFS's own device) for reading and writing a property that several runs change."""
    try:
        descriptor = os.open(_DEVICE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(
            f"can't open {_DEVICE}: {error.strerror}.", "Load the kernel module: modprobe zfs."
        ) from error
    try:
        until = time.monotonic() + _PATIENCE
        while not try_lock(descriptor):
            if time.monotonic() >= until:
                raise BusyError(f"another run has locked {_DEVICE}.", "Wait until it has finished.", code="locked")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def hold(snapshot: Snapshot, holder: str, backup: str | None) -> DatasetListing | None:
    """As Provider.hold(): sets the property and makes the bookmark. Nothing happens if the snapshot is gone.

    Returns the volume's listing afterwards, if it is known without listing again."""
    marked = False
    with locked():
        found = look([snapshot.volume])
        there = {each.state_id: each for each in found.snapshots(snapshot.volume)}.get(snapshot.state_id)
        if backup is not None and there is not None:
            marked = _bookmark(there, holder, found.bookmarks(snapshot.volume))
        if there is not None:
            holds = {**there.holds, holder: backup} if backup is not None else dict(there.holds)
            if backup is None:
                holds.pop(holder, None)
            if holds != there.holds:
                found.note(there, _note(there, holds))
            snapshot.holds = holds
        if backup not in (None, "pending"):
            mine = [mark for mark in found.bookmarks(snapshot.volume) if mark.holder == holder_digest(holder)]
            unshipped = {
                each.state_id for each in found.snapshots(snapshot.volume) if each.holds.get(holder) == "pending"
            }
            for mark in _spent(mine, snapshot, unshipped):
                drop_bookmark(mark)
                found.drop(mark.path)
        return None if marked else found


def _spent(marks: list[Marked], snapshot: Snapshot, unshipped: set[str]) -> list[Marked]:
    """Bookmarks (of ``marks``, newest first) that aren't needed once a backup depends on this snapshot.

    The bookmark of the backup before it stays: the increment that was just shipped can be compared with its source by
    it. ``unshipped`` states belong to runs that were killed: no backup depends on them.
    """
    older = [mark for mark in marks if mark.guid != snapshot.state_id and mark.created <= snapshot.created]
    shipped = [mark for mark in older if mark.guid not in unshipped]
    return [mark for mark in older if mark not in shipped[:1]]


def _note(snapshot: Snapshot, holds: dict[str, str]) -> str:
    if not holds:
        zfs("inherit", HOLDS, snapshot.path)
        return "-"
    text = holds_text([snapshot.lineage], holds)
    zfs("set", f"{HOLDS}={text}", snapshot.path)
    return text


def _bookmark(snapshot: Snapshot, holder: str, there: list[Marked]) -> bool:
    """Make this holder's bookmark of a snapshot, unless it exists. Returns whether it was made."""
    mine = [mark for mark in there if mark.holder == holder_digest(holder)]
    if any(mark.guid == snapshot.state_id for mark in mine):
        return False
    taken = {mark.path for mark in there}
    first = f"{snapshot.volume}#{bookmark_name(holder, snapshot.created)}"
    # another snapshot of the same point in time may have the first name
    path = next(name for name in [first, *(f"{first}.{count}" for count in range(2, 9999))] if name not in taken)
    make_bookmark(snapshot.path, path)
    return True


def make_bookmark(snapshot: str, bookmark: str) -> None:
    """Make a bookmark, if the pool has bookmarks and the name isn't too long. Otherwise only the snapshot is a base."""
    if len(bookmark) > MOST:
        return
    try:
        zfs("bookmark", snapshot, bookmark)
    except ProgramError as error:
        if not any(text in error.said for text in _NO_BOOKMARKS):
            raise


def drop_bookmark(mark: Marked) -> None:
    """Destroy a bookmark, if it still exists."""
    try:
        zfs("destroy", mark.path)
    except ProgramError as error:
        if not is_absent(error) and "does not exist" not in error.said:
            raise


def forget(volume: str, holder: str) -> None:
    """Destroy all bookmarks of this holder."""
    for mark in look([volume]).bookmarks(volume):
        if mark.holder == holder_digest(holder):
            drop_bookmark(mark)


def first_bookmarks(snapshot: Snapshot) -> None:
    """Make the bookmarks of all holders of a new snapshot."""
    for holder in snapshot.holds:
        make_bookmark(snapshot.path, f"{snapshot.volume}#{bookmark_name(holder, snapshot.created)}")
