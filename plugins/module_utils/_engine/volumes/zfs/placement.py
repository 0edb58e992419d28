# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Finds the target of a restore, and the datasets around it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ...common.errors import UsageError, VolumeError
from .. import record
from ..provider import TargetState
from . import device
from .commands import number, rows, zpool
from .names import parent_of, pool_of

STAMP = "snapship:restore"  # on a received dataset: its target, and the plan of the swap
_ASKED = ("type", "guid", "available", "written", "receive_resume_token", "canmount", "mountpoint", STAMP)
_COLUMNS = ("name", "property", "source", "value")


class FoundDataset(NamedTuple):
    """A dataset at or around a target."""

    name: str
    values: dict[str, str]
    own: dict[str, str]  # values that were set here, not inherited

    @property
    def guid(self) -> str:
        return self.values["guid"]

    @property
    def type(self) -> str:
        return self.values["type"]

    @property
    def partial(self) -> bool:
        """Whether a receive was interrupted there."""
        return self.values["receive_resume_token"] not in ("-", "")

    @property
    def _stamp(self) -> dict[str, Any]:
        return record.unpack(self.own.get(STAMP, "")) or {}

    @property
    def meant_for(self) -> str | None:
        """The target that it was received for; ``None`` if we didn't create it."""
        target = self._stamp.get("target")
        return target if isinstance(target, str) else None

    @property
    def swap(self) -> dict[str, Any] | None:
        """The plan that was noted before its swap."""
        swap = self._stamp.get("swap")
        return swap if isinstance(swap, dict) else None


def stamp(target: str, note: dict[str, Any] | None = None) -> str:
    """The stamp of a dataset that is received for a target, with the plan of its swap, as ``zfs set`` takes it."""
    return f"{STAMP}={record.pack({'target': target, 'swap': note})}"


def find(names: Iterable[str]) -> dict[str, FoundDataset]:
    """Those of these datasets that exist."""
    return _found(rows(["get", "-t", "filesystem,volume", ",".join(_ASKED)], _COLUMNS, names))


def find_pool(target: str) -> dict[str, FoundDataset]:
    """All datasets in the target's pool."""
    return _found(rows(["get", "-r", "-t", "filesystem,volume", ",".join(_ASKED)], _COLUMNS, [pool_of(target)]))


def find_stamped(target: str, pool: dict[str, FoundDataset] | None = None) -> list[FoundDataset]:
    """All datasets in the target's pool that were received for it, whatever their names are now; the target itself,
    too. ``pool``: the result of find_pool(), if it is at hand."""
    found = find_pool(target) if pool is None else pool
    return [each for each in found.values() if each.meant_for == target]


def find_guid(pool: str, guid: str) -> str | None:
    """The present name of a dataset."""
    listed = rows(["list", "-r", "-t", "filesystem,volume"], ("guid", "name"), [pool])
    return next((row["name"] for row in listed if row["guid"] == guid), None)


def _found(got: Iterable[dict[str, str]]) -> dict[str, FoundDataset]:
    found: dict[str, FoundDataset] = {}
    for row in got:
        each = found.setdefault(row["name"], FoundDataset(row["name"], {}, {}))
        each.values[row["property"]] = row["value"]
        if row["source"] == "local":
            each.own[row["property"]] = row["value"]
    return found


def ancestors(target: str) -> list[str]:
    """The parent datasets, nearest first."""
    found = []
    while parent_of(target):
        target = parent_of(target)
        found.append(target)
    return found


def nearest(target: str, found: dict[str, FoundDataset]) -> FoundDataset:
    """The nearest parent of the target that exists. Raises UsageError or VolumeError if none can be used."""
    above = ancestors(target)
    if not above:
        raise UsageError(
            f"target {target!r} is a pool; a pool can't be replaced.",
            f"Name a dataset in it, such as {target}/restored.",
        )
    parent = next((found[name] for name in above if name in found), None)
    if parent is None:
        raise VolumeError(
            f"target {target!r}: pool {pool_of(target)!r} isn't imported on this host.",
            "Import it (zpool import), or restore to another pool.",
        )
    if parent.type != "filesystem":
        raise VolumeError(
            f"target {target!r}: {parent.name} is a zvol and can't have datasets below it.", code="wrong_type"
        )
    return parent


def newest_snapshot(dataset: str) -> str:
    """GUID of the newest snapshot; empty without one."""
    listed = rows(["list", "-t", "snapshot", "-d", "1"], ("guid", "createtxg", "name"), [dataset])
    newest = max(listed, key=lambda row: number(row["createtxg"]), default=None)
    return newest["guid"] if newest else ""


def witness(found: FoundDataset, newest: str | None = None) -> dict[str, Any]:
    """What proves that nobody has written to a restored dataset. ``newest``: GUID of its newest snapshot, if known."""
    return {
        "identity": found.guid,
        "snapshot": newest_snapshot(found.name) if newest is None else newest,
        "written": number(found.values["written"]),
    }


def state(target: str, pool: dict[str, FoundDataset] | None = None) -> TargetState:
    """The target as it is now; an interrupted swap counts as done. ``pool``: as in find_stamped()."""
    around = find([target, *ancestors(target)]) if pool is None else pool
    free = number(nearest(target, around).values["available"])
    if target in around:
        zpool("sync", pool_of(target))  # so that the latest writes count
        there = find([target]).get(target, around[target])
        return TargetState(True, witness(there), used_by(target), free)
    for half in find_stamped(target, pool):
        note = half.swap
        if note and note.get("old") and find_guid(pool_of(target), str(note["old"])) == note.get("keep"):
            return TargetState(True, witness(half), None, free)
    return TargetState(False, {}, None, free)


def used_by(target: str) -> str | None:
    """What uses a dataset or one below it, so that it can't be renamed; ``None`` if nothing is known to."""
    listed = rows(["list", "-r", "-t", "filesystem,volume"], ("name", "type", "mounted", "mountpoint"), [target])
    for row in listed:
        what = "" if row["name"] == target else f"{row['name']}: "
        if row["mounted"] == "yes":
            return f"{what}mounted on {row['mountpoint']}"
        user = device.used_by(row["name"]) if row["type"] == "volume" else None
        if user:
            return what + user
    return None
