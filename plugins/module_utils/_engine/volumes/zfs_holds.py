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

from ..errors import BusyError, ConfigError
from ..files import try_lock
from .programs import ProgramError
from .volume import Snapshot
from .zfs_list import is_absent, zfs
from .zfs_listing import Marked, look
from .zfs_names import MOST, bookmark_name, holder_digest
from .zfs_records import HOLDS, holds_text

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


def hold(snapshot: Snapshot, holder: str, backup: str | None) -> None:
    """As the provider's: the property and the bookmark follow. One that is gone is left alone."""
    with locked():
        found = look([snapshot.volume])
        there = {each.state_id: each for each in found.snapshots(snapshot.volume)}.get(snapshot.state_id)
        if backup is not None and there is not None:
            _bookmark(there, holder, found.bookmarks(snapshot.volume))
        if there is not None:
            holds = {**there.holds, holder: backup} if backup is not None else dict(there.holds)
            if backup is None:
                holds.pop(holder, None)
            if holds != there.holds:
                _note(there, holds)
            snapshot.holds = holds
        if backup not in (None, "pending"):
            mine = [mark for mark in found.bookmarks(snapshot.volume) if mark.holder == holder_digest(holder)]
            for mark in _spent(mine, snapshot):
                drop_bookmark(mark)


def _spent(marks: list[Marked], snapshot: Snapshot) -> list[Marked]:
    """Bookmarks, newest first, that aren't needed now that a backup rests on this snapshot.

    The one before it stays: with it the increment that was just shipped can be compared with its source.
    """
    older = [mark for mark in marks if mark.guid != snapshot.state_id and mark.created <= snapshot.created]
    return older[1:]


def _note(snapshot: Snapshot, holds: dict[str, str]) -> None:
    if holds:
        zfs("set", f"{HOLDS}={holds_text([snapshot.lineage], holds)}", snapshot.path)
    else:
        zfs("inherit", HOLDS, snapshot.path)


def _bookmark(snapshot: Snapshot, holder: str, there: list[Marked]) -> None:
    """Make this holder's bookmark of a snapshot, where it isn't there yet."""
    mine = [mark for mark in there if mark.holder == holder_digest(holder)]
    if any(mark.guid == snapshot.state_id for mark in mine):
        return
    taken = {mark.path for mark in there}
    first = f"{snapshot.volume}#{bookmark_name(holder, snapshot.created)}"
    # another snapshot of the same point in time may have the first
    path = next(name for name in [first, *(f"{first}.{count}" for count in range(2, 9999))] if name not in taken)
    make_bookmark(snapshot.path, path)


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
