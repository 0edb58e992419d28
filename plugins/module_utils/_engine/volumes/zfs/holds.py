# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What rests on snapshots in ZFS: a property on the snapshot, and a bookmark that survives it."""

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
from .datasets import Listing, Marked, look
from .names import MOST, bookmark_name, holder_digest
from .records import HOLDS, holds_text

_DEVICE = "/dev/zfs"
_PATIENCE = 60.0  # seconds
# What ZFS says where a pool is too old for bookmarks: the snapshot alone is the base then.
_NO_BOOKMARKS = ("not supported", "must be enabled", "upgraded")


@contextlib.contextmanager
def locked() -> Iterator[None]:
    """Held while a property that several runs change is read and written (a lock on ZFS' own device)."""
    try:
        descriptor = os.open(_DEVICE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ConfigError(f"{_DEVICE} can't be opened: {error.strerror}.", "Load the zfs module.") from error
    try:
        until = time.monotonic() + _PATIENCE
        while not try_lock(descriptor):
            if time.monotonic() >= until:
                raise BusyError(f"{_DEVICE} is locked by another run.", "Wait for it.", code="locked")
            time.sleep(0.02)
        yield
    finally:
        os.close(descriptor)


def hold(snapshot: Snapshot, holder: str, backup: str | None) -> Listing | None:
    """As the provider's: the property and the bookmark follow. One that is gone is left alone.

    Returns what is there then, where that is known without looking again."""
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
    """Bookmarks, newest first, that aren't needed now that a backup rests on this snapshot.

    The one of the backup before it stays: with it the increment that was just shipped can be compared with its source.
    ``unshipped`` states are of runs that were killed, and no backup rests on them.
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
    """Make this holder's bookmark of a snapshot, unless it is there; returns whether it wasn't."""
    mine = [mark for mark in there if mark.holder == holder_digest(holder)]
    if any(mark.guid == snapshot.state_id for mark in mine):
        return False
    taken = {mark.path for mark in there}
    first = f"{snapshot.volume}#{bookmark_name(holder, snapshot.created)}"
    # another snapshot of the same point in time may have the first
    path = next(name for name in [first, *(f"{first}.{count}" for count in range(2, 9999))] if name not in taken)
    make_bookmark(snapshot.path, path)
    return True


def make_bookmark(snapshot: str, bookmark: str) -> None:
    """Make a bookmark, unless the pool or the length of its name prevents it: the snapshot alone is the base then."""
    if len(bookmark) > MOST:
        return
    try:
        zfs("bookmark", snapshot, bookmark)
    except ProgramError as error:
        if not any(text in error.said for text in _NO_BOOKMARKS):
            raise


def drop_bookmark(mark: Marked) -> None:
    """Destroy a bookmark, which may be gone."""
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
    """Bookmarks for all that hold a snapshot which was just made."""
    for holder in snapshot.holds:
        make_bookmark(snapshot.path, f"{snapshot.volume}#{bookmark_name(holder, snapshot.created)}")
