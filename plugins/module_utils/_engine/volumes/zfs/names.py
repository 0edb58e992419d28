# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Names in ZFS: which ones it allows, and the ones that we make."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from ...common.errors import UsageError, VolumeError
from ..record import micros

MOST = 255  # longest full name in bytes, with snapshot or bookmark
_COMPONENT = re.compile(r"[A-Za-z0-9_.: -]+")
_POOL = re.compile(r"[A-Za-z][A-Za-z0-9_.: -]*")
_DEVICES = "/dev/zvol/"
_BOOKMARK = re.compile(r"snapship\.(?P<holder>[0-9a-f]{16})\.(?P<created>[0-9a-f]{1,16})(\.[0-9]{1,4})?")
_BESIDE = re.compile(r"snapship-restore-[0-9a-f]{24}")
_ALLOWED = "letters, digits, spaces and - _ . :"


def normalise(volume: str) -> str:
    """``pool/dataset`` as ZFS calls it. Raises UsageError if no filesystem or zvol can have this name."""
    name = volume
    if name.startswith(_DEVICES):
        name = name[len(_DEVICES) :].replace("+", " ")  # udev writes a space as +
    for mark, what in (("@", "snapshot"), ("#", "bookmark")):
        if mark in name:
            raise UsageError(
                f"volume {volume!r} is the name of a {what}.", f"Name its dataset: {name.partition(mark)[0]!r}."
            )
    if name.startswith("/"):
        raise UsageError(f"volume {volume!r}: name a dataset as pool/dataset.", "Use its name, not its mount point.")
    components = name.split("/")
    if not _POOL.fullmatch(components[0]) or not all(map(is_component, components)):
        raise UsageError(f"volume {volume!r}: ZFS doesn't allow this name.", f"ZFS allows {_ALLOWED}, as in tank/db.")
    if len(name) > MOST:
        raise UsageError(f"volume {volume!r}: the name is too long: ZFS allows {MOST} bytes.")
    return name


def is_component(text: str) -> bool:
    """Whether ZFS allows this as one component of a name."""
    return text not in (".", "..") and _COMPONENT.fullmatch(text) is not None


def pool_of(volume: str) -> str:
    """The pool a dataset is in."""
    return volume.partition("/")[0]


def parent_of(volume: str) -> str:
    """The parent dataset; empty for a pool."""
    return volume.rpartition("/")[0]


def snapshot_path(volume: str, name: str) -> str:
    """``dataset@name``. Raises UsageError if ZFS doesn't allow the name."""
    if not _COMPONENT.fullmatch(name):
        raise UsageError(f"snapshot name {name!r}: ZFS doesn't allow this name.", f"ZFS allows {_ALLOWED}.")
    path = f"{volume}@{name}"
    if len(path) > MOST:
        raise UsageError(f"snapshot name {path!r} is too long: ZFS allows {MOST} bytes, with the dataset's name.")
    return path


class Bookmark(NamedTuple):
    """What the name of one of our bookmarks contains."""

    holder: str  # digest of its name, see holder_digest()
    created: float  # of the snapshot, seconds since the epoch


def holder_digest(holder: str) -> str:
    """The holder's digest for names of bookmarks."""
    return hashlib.sha256(holder.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def bookmark_name(holder: str, created: float) -> str:
    """The name, after ``#``, of the bookmark that keeps a base for a holder."""
    return f"snapship.{holder_digest(holder)}.{micros(created):x}"


def parse_bookmark(name: str) -> Bookmark | None:
    """Parse the name after ``#``; ``None`` for bookmarks of others."""
    match = _BOOKMARK.fullmatch(name)
    return Bookmark(match["holder"], int(match["created"], 16) / 1e6) if match else None


def beside(target: str, parent: str) -> str:
    """The dataset that a target is received into. Raises VolumeError if its name would be too long."""
    name = f"{parent}/snapship-restore-{hashlib.sha256(target.encode()).hexdigest()[:24]}"
    if len(name) + 40 > MOST:  # its snapshots need some
        raise VolumeError(f"target {target!r}: the name of its parent dataset is too long to restore there.")
    return name


def is_beside(volume: str) -> bool:
    """Whether a target is received into this dataset."""
    return _BESIDE.fullmatch(volume.rpartition("/")[2]) is not None


def storable(name: str) -> str:
    """A component that ZFS allows, from any text: other characters become ``_``."""
    return re.sub(r"[^A-Za-z0-9_.: -]", "_", name).lstrip("-") or "_"
