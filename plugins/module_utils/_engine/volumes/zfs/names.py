# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Names in ZFS: which ones it can hold, and those that are ours."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from ...common.errors import UsageError, VolumeError
from ..record import micros

MOST = 255  # bytes of a whole name, snapshot or bookmark included
_COMPONENT = re.compile(r"[A-Za-z0-9_.: -]+")
_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_.: -]*")
_DEVICES = "/dev/zvol/"
_BOOKMARK = re.compile(r"snapship\.(?P<holder>[0-9a-f]{16})\.(?P<created>[0-9a-f]{1,16})(\.[0-9]{1,4})?")
_BESIDE = re.compile(r"snapship-restore-[0-9a-f]{24}")
_ALLOWED = "letters, digits, spaces and - _ . :"


def normalise(volume: str) -> str:
    """``pool/dataset`` as ZFS knows it. Raises UsageError for what can't be the name of a filesystem or zvol."""
    name = volume
    if name.startswith(_DEVICES):
        name = name[len(_DEVICES) :].replace("+", " ")  # as udev writes a space there
    for mark, what in (("@", "snapshot"), ("#", "bookmark")):
        if mark in name:
            raise UsageError(f"volume {volume!r} names a {what}.", f"Name its dataset: {name.partition(mark)[0]!r}.")
    if name.startswith("/"):
        raise UsageError(f"volume {volume!r}: a dataset is named like tank/db.", "Give its name, not its mount point.")
    components = name.split("/")
    if not _POOL.fullmatch(components[0]) or not all(map(is_component, components)):
        raise UsageError(f"volume {volume!r} can't be the name of a dataset.", f"ZFS takes {_ALLOWED}, like tank/db.")
    if len(name) > MOST:
        raise UsageError(f"volume {volume!r}: names in ZFS have at most {MOST} bytes.")
    return name


def is_component(text: str) -> bool:
    """Whether ZFS takes this between two slashes."""
    return text not in (".", "..") and _COMPONENT.fullmatch(text) is not None


def pool_of(volume: str) -> str:
    """The pool a dataset is in."""
    return volume.partition("/")[0]


def parent_of(volume: str) -> str:
    """The dataset above; empty for a pool."""
    return volume.rpartition("/")[0]


def snapshot_path(volume: str, name: str) -> str:
    """``dataset@name``. Raises UsageError for a name that ZFS can't hold."""
    if not _COMPONENT.fullmatch(name):
        raise UsageError(f"snapshot name {name!r} can't be used in ZFS.", f"It takes {_ALLOWED}.")
    path = f"{volume}@{name}"
    if len(path) > MOST:
        raise UsageError(f"snapshot name {path!r} is too long: ZFS takes {MOST} bytes, dataset included.")
    return path


class Bookmark(NamedTuple):
    """What the name of one of our bookmarks says."""

    holder: str  # its digest, see holder_digest()
    created: float  # of the snapshot, seconds since the epoch


def holder_digest(holder: str) -> str:
    """How a holder is called in names of bookmarks."""
    return hashlib.sha256(holder.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def bookmark_name(holder: str, created: float) -> str:
    """The part behind ``#`` of the bookmark that keeps a base for a holder."""
    return f"snapship.{holder_digest(holder)}.{micros(created):x}"


def parse_bookmark(name: str) -> Bookmark | None:
    """What the part behind ``#`` says; ``None`` for bookmarks of others."""
    match = _BOOKMARK.fullmatch(name)
    return Bookmark(match["holder"], int(match["created"], 16) / 1e6) if match else None


def beside(target: str, parent: str) -> str:
    """Where a target is received. Raises VolumeError where that name gets too long."""
    name = f"{parent}/snapship-restore-{hashlib.sha256(target.encode()).hexdigest()[:24]}"
    if len(name) + 40 > MOST:  # its snapshots need some, too
        raise VolumeError(f"target {target!r}: the names of the datasets above it are too long to restore there.")
    return name


def is_beside(volume: str) -> bool:
    """Whether a dataset is where some target is received."""
    return _BESIDE.fullmatch(volume.rpartition("/")[2]) is not None


def storable(name: str) -> str:
    """A component that ZFS can hold from any text: what it can't hold becomes ``_``."""
    return re.sub(r"[^A-Za-z0-9_.: -]", "_", name).lstrip("-") or "_"
