# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Swaps a restored dataset with its target.

Two renames aren't atomic, so the plan is noted on the restored dataset first: recover() can finish an interrupted
swap. Nothing is mounted here.

The new filesystem takes over the mount point that was set on the old one, and the old one gets canmount=noauto.
Otherwise the next boot would mount the old data where applications expect the new.
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Any

from ...common.errors import SnapshipError, VolumeError
from ...common.processes import ProgramError
from .commands import rows, zfs
from .names import MOST, beside, parent_of, pool_of, snapshot_path, storable
from .placement import STAMP, FoundDataset, find, find_guid, find_pool, find_stamped, stamp, used_by

_PLACED = ("mountpoint", "canmount")  # what a filesystem takes over from the old one


def swap(here: FoundDataset, target: str, old: str | None, keep_as: str | None, placed: dict[str, str]) -> str | None:
    """Swap a restored dataset with the target. ``old``: GUID of the target when the restore began; ``placed``:
    properties to set after the swap.

    Returns the name under which the old target is kept; ``None`` if there was none or it was destroyed.
    """
    there = find([target]).get(target)
    note: dict[str, Any] = {"type": here.type, "set": placed}
    if there is not None:
        _check_still(there, old)
        drop = keep_as is None and droppable(target)
        keep = _doomed(target) if drop else _free_name(target, keep_as or _unnamed(target))
        note.update({"old": there.guid, "keep": keep, "drop": drop, "set": {**_taken_over(there), **placed}})
    elif old is not None:
        note.update(_moved(target, old, placed))
    zfs("set", stamp(target, note), here.name)
    if there is not None:
        rename(target, str(note["keep"]), there.type)
    try:
        rename(here.name, target, here.type)
    except SnapshipError:
        if there is not None:
            rename(str(note["keep"]), target, there.type)
        raise
    return finish(target, note)


def _moved(target: str, old: str, placed: dict[str, str]) -> dict[str, Any]:
    """The plan for an old target that was renamed together with its parent, which the same run has restored."""
    kept = find_guid(pool_of(target), old)
    there = find([kept]).get(kept) if kept else None
    if there is None:
        return {}
    return {"old": old, "keep": there.name, "drop": False, "set": {**_taken_over(there), **placed}}


def received(target: str) -> FoundDataset:
    """The dataset that was received for a target, whatever its name is now: the same run may have restored, and so
    renamed, its parent."""
    for each in find_stamped(target):
        if each.name != target:
            return each
    raise VolumeError(f"the dataset restored for {target!r} disappeared. The target was not changed.")


def _check_still(there: FoundDataset, old: str | None) -> None:
    if there.guid != old:
        raise VolumeError(
            f"target {there.name!r} was created or replaced during the restore. The restore did not change it.",
            code="target_exists",
        )
    user = used_by(there.name)
    if user:
        raise VolumeError(
            f"target {there.name!r} is in use ({user}). The target was not changed.",
            "Stop whatever uses it.",
            code="target_busy",
        )


def _taken_over(there: FoundDataset) -> dict[str, str]:
    return {name: there.own[name] for name in _PLACED if name in there.own} if there.type == "filesystem" else {}


def rename(name: str, new: str, kind: str) -> None:
    """Rename a dataset. A filesystem stays mounted or unmounted."""
    zfs("rename", *(["-u"] if kind == "filesystem" else []), name, new)


def finish(target: str, note: dict[str, Any]) -> str | None:
    """Everything that follows the second rename. It can be repeated."""
    settings = dict(note["set"])
    shown = settings.pop("canmount", "on")
    if settings:
        zfs("set", *(f"{name}={value}" for name, value in settings.items()), target)
    kept = _settle_old(target, note)
    if note["type"] == "filesystem":
        # last and by itself: set together with a mount point, it would mount the filesystem
        zfs("set", f"canmount={shown}", target)
    elif "volmode" not in settings:
        zfs("inherit", "volmode", target)
    zfs("inherit", STAMP, target)
    return kept


def _settle_old(target: str, note: dict[str, Any]) -> str | None:
    keep, old = note.get("keep"), note.get("old")
    there = find([keep]).get(keep) if keep else None
    if there is None or there.guid != old:
        return None
    if there.own.get("mountpoint", "").startswith("/") and there.values["canmount"] == "on":
        zfs("set", "canmount=noauto", there.name)
    if note.get("drop") and droppable(there.name):
        try:
            destroy(there.name)
            return None
        except ProgramError:
            pass  # somebody uses it: keep it
    if note.get("drop"):
        name = _free_name(target, _unnamed(target))
        rename(there.name, name, there.type)
        return name
    return there.name


def droppable(name: str) -> bool:
    """Whether a dataset is as a restore leaves it: no datasets below it, and no snapshot but the restored one."""
    listed = list(rows(["list", "-r", "-t", "filesystem,volume,snapshot"], ("type",), [name]))
    kinds = [row["type"] for row in listed]
    return kinds.count("snapshot") <= 1 and len(kinds) - kinds.count("snapshot") == 1


def destroy(name: str) -> None:
    """Destroy a dataset that we created and its snapshots, each by name: nothing else goes with it."""
    listed = rows(["list", "-t", "snapshot", "-d", "1"], ("name",), [name])
    destroy_snapshots(name, [row["name"].partition("@")[2] for row in listed])
    zfs("destroy", name)


def destroy_snapshots(volume: str, names: list[str]) -> None:
    """Destroy these snapshots of a dataset, in one call."""
    for name in names:
        snapshot_path(volume, name)  # no characters that select several
    if names:
        zfs("destroy", f"{volume}@{','.join(names)}")


def _unnamed(target: str) -> str:
    return f"{target.rpartition('/')[2]}.replaced"


def _doomed(target: str) -> str:
    return beside(target, parent_of(target)).replace("snapship-restore-", "snapship-dropped-")


def _free_name(target: str, bare: str) -> str:
    """A free name in the target's parent."""
    parent = parent_of(target)
    taken = {row["name"] for row in rows(["list", "-d", "1", "-t", "filesystem,volume"], ("name",), [parent])}
    for number in itertools.count(1):
        end = "" if number == 1 else f"-{number}"
        name = f"{parent}/{storable(bare)}"[: MOST - len(end)] + end
        if name not in taken:
            break
    return name


def recover(target: str) -> dict[str, FoundDataset] | None:
    """Finish or undo an interrupted swap. Returns all datasets of the pool if there was none."""
    pool, done = find_pool(target), False
    for half in find_stamped(target, pool):
        note, done = half.swap, True
        if half.name == target:
            finish(target, note or {"type": half.type, "set": {}})
        elif note is not None:
            _recover(half, target, note)
    return None if done else pool


def _recover(half: FoundDataset, target: str, note: dict[str, Any]) -> None:
    keep = note.get("keep")
    kept = find([keep]).get(keep) if keep and not find([target]) else None
    if kept is not None and kept.guid == note["old"]:
        rename(half.name, target, half.type)
        finish(target, note)
    else:
        with contextlib.suppress(ProgramError):
            zfs("set", stamp(target), half.name)
