# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Where a restore in ZFS is to go: what is at the target and beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...common.errors import UsageError, VolumeError
from .. import record
from ..provider import TargetState
from . import device
from .commands import number, rows, zpool
from .names import parent_of, pool_of

STAMP = "snapship:restore"  # on what is received: for which target, and what both are about to become
_ASKED = ("type", "guid", "available", "written", "receive_resume_token", "canmount", "mountpoint", STAMP)
_COLUMNS = ("name", "property", "source", "value")


class Found(NamedTuple):
    """A dataset at or around a target."""

    name: str
    values: dict[str, str]
    own: dict[str, str]  # those of them that were set on it, not inherited

    @property
    def guid(self) -> str:
        return self.values["guid"]

    @property
    def type(self) -> str:
        return self.values["type"]

    @property
    def partial(self) -> bool:
        """Whether a receive was cut off there."""
        return self.values["receive_resume_token"] not in ("-", "")

    @property
    def _stamp(self) -> dict[str, Any]:
        return record.unpack(self.own.get(STAMP, "")) or {}

    @property
    def meant_for(self) -> str | None:
        """The target it was received for, if we made it."""
        return self._stamp.get("target")

    @property
    def swap(self) -> dict[str, Any] | None:
        """What was noted before its swap."""
        return self._stamp.get("swap")


def stamp(target: str, note: dict[str, Any] | None = None) -> str:
    """The property, as ``zfs set`` takes it, of what is received for a target, with a note of its swap."""
    return f"{STAMP}={record.pack({'target': target, 'swap': note})}"


def find(names: Iterable[str]) -> dict[str, Found]:
    """Those of these datasets that are there."""
    return _found(rows(["get", "-t", "filesystem,volume", ",".join(_ASKED)], _COLUMNS, names))


def find_pool(target: str) -> dict[str, Found]:
    """All datasets in the target's pool."""
    return _found(rows(["get", "-r", "-t", "filesystem,volume", ",".join(_ASKED)], _COLUMNS, [pool_of(target)]))


def find_stamped(target: str, pool: dict[str, Found] | None = None) -> list[Found]:
    """All in the target's pool that was received for it, wherever it is by now; the target itself, too. ``pool``: what
    find_pool() just found."""
    found = find_pool(target) if pool is None else pool
    return [each for each in found.values() if each.meant_for == target]


def find_guid(pool: str, guid: str) -> str | None:
    """The name that a dataset has now."""
    listed = rows(["list", "-r", "-t", "filesystem,volume"], ("guid", "name"), [pool])
    return next((row["name"] for row in listed if row["guid"] == guid), None)


def _found(got: Iterable[dict[str, str]]) -> dict[str, Found]:
    found: dict[str, Found] = {}
    for row in got:
        each = found.setdefault(row["name"], Found(row["name"], {}, {}))
        each.values[row["property"]] = row["value"]
        if row["source"] == "local":
            each.own[row["property"]] = row["value"]
    return found


def ancestors(target: str) -> list[str]:
    """The datasets above one, nearest first."""
    found = []
    while parent_of(target):
        target = parent_of(target)
        found.append(target)
    return found


def nearest(target: str, found: dict[str, Found]) -> Found:
    """The nearest of the target's ancestors that is there. Raises UsageError or VolumeError where none can be used."""
    above = ancestors(target)
    if not above:
        raise UsageError(
            f"target {target!r} is a pool, which can't be replaced.", f"Name a dataset in it, {target}/restored."
        )
    parent = next((found[name] for name in above if name in found), None)
    if parent is None:
        raise VolumeError(
            f"target {target!r}: no pool {pool_of(target)!r} is imported here.",
            "Import it (zpool import), or restore elsewhere.",
        )
    if parent.type != "filesystem":
        raise VolumeError(
            f"target {target!r}: {parent.name} is a zvol, and nothing can be below it.", code="wrong_type"
        )
    return parent


def newest_snapshot(dataset: str) -> str:
    """GUID of the newest snapshot; empty where there is none."""
    listed = rows(["list", "-t", "snapshot", "-d", "1"], ("guid", "createtxg", "name"), [dataset])
    newest = max(listed, key=lambda row: number(row["createtxg"]), default=None)
    return newest["guid"] if newest else ""


def witness(found: Found, newest: str | None = None) -> dict[str, Any]:
    """How a restored dataset is known to be unwritten since. ``newest``: GUID of its newest snapshot, if known."""
    return {
        "identity": found.guid,
        "snapshot": newest_snapshot(found.name) if newest is None else newest,
        "written": number(found.values["written"]),
    }


def state(target: str, pool: dict[str, Found] | None = None) -> TargetState:
    """What is at the target; half a swap looks as what recover() makes of it. ``pool``: what find_pool() just found."""
    around = find([target, *ancestors(target)]) if pool is None else pool
    free = number(nearest(target, around).values["available"])
    if target in around:
        zpool("sync", pool_of(target))  # what was written a moment ago counts, too
        there = find([target]).get(target, around[target])
        return TargetState(True, witness(there), used_by(target), free)
    for half in find_stamped(target, pool):
        note = half.swap
        if note and note.get("old") and find_guid(pool_of(target), str(note["old"])) == note.get("keep"):
            return TargetState(True, witness(half), None, free)
    return TargetState(False, {}, None, free)


def used_by(target: str) -> str | None:
    """Who uses a dataset or one below it, so that it can't be renamed unnoticed; ``None`` if nobody is known to."""
    listed = rows(["list", "-r", "-t", "filesystem,volume"], ("name", "type", "mounted", "mountpoint"), [target])
    for row in listed:
        what = "" if row["name"] == target else f"{row['name']}: "
        if row["mounted"] == "yes":
            return f"{what}mounted on {row['mountpoint']}"
        user = device.used_by(row["name"]) if row["type"] == "volume" else None
        if user:
            return what + user
    return None
