# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Changes to logical volumes, which are selected by UUID and tag rather than by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from ...common import processes
from ...common.errors import VolumeError
from ...common.processes import ProgramError
from .names import LvName
from .report import Lv, one_line, reports


def change(what: str, command: list[str]) -> str:
    """Run an LVM command that changes something. If it fails, the error begins with ``what``."""
    try:
        return _run(what, command)
    finally:
        reports.drop()


def _run(what: str, command: list[str]) -> str:
    try:
        return processes.run(command)
    except ProgramError as error:
        code = _code(error.said)
        raise VolumeError(f"{what}: {one_line(error.said)}", _HINTS.get(code, ""), code=code) from error


_HINTS = {"pool_full": "Extend the pool, or remove snapshots.", "in_use": "Close whatever has it open."}


def _code(said: str) -> str:
    if "already exists" in said:
        return "exists"
    if " in use" in said or "is used by" in said:
        return "in_use"
    if "free space" in said or "threshold" in said or "insufficient" in said.lower():
        return "pool_full"
    return "program"


def _which(volume: Lv) -> list[str]:
    """Options that select this volume by UUID, whatever its name is by now."""
    return ["-S", f'lv_uuid="{volume.uuid}"', "--", volume.name.vg]


def retag(volume: Lv, add: Iterable[str] = (), drop: Iterable[str] = ()) -> Lv:
    """Change tags in one step. Returns the volume with its new tags."""
    add, drop = list(add), list(drop)
    words = [word for tag in drop for word in ("--deltag", tag)] + [word for tag in add for word in ("--addtag", tag)]
    if not words:
        return volume
    try:
        said = _run(f"can't tag {volume.name}", ["lvchange", *words, *_which(volume)])
    except BaseException:
        reports.drop()
        raise
    left = [tag for tag in volume.tags if tag not in drop]
    changed = volume._replace(tags=[*left, *(tag for tag in add if tag not in left)])
    if " changed" in said:
        reports.retagged(changed)
    else:
        reports.drop()  # it is gone, or was replaced
    return changed


def activate(volume: Lv) -> None:
    """Activate the volume: its device appears."""
    change(f"can't activate {volume.name}", ["lvchange", "-ay", "-K", *_which(volume)])


def refresh(volume: Lv) -> None:
    """Reload the volume's device and resume it."""
    change(f"can't resume {volume.name}, which is suspended", ["lvchange", "--refresh", *_which(volume)])


def deactivate(volume: Lv) -> None:
    """Deactivate the volume, unless something has it open."""
    with contextlib.suppress(VolumeError):
        change(f"can't deactivate {volume.name}", ["lvchange", "-an", *_which(volume)])


def remove(volume: Lv, tag: str) -> bool:
    """Remove a volume if it still exists and has this tag. Returns whether it did.

    Raises VolumeError, code ``in_use`` if something has it open."""
    try:
        done = _remove(volume.name, f'lv_uuid="{volume.uuid}"', tag)
    except BaseException:
        reports.drop()
        raise
    if done:
        reports.removed(volume)
    else:
        reports.drop()  # it was gone, or was replaced
    return done


def remove_named(name: LvName, tag: str) -> bool:
    """As remove(), for a volume that is selected by name."""
    try:
        return _remove(name, f'lv_name="{name.lv}"', tag)
    finally:
        reports.drop()


def _remove(name: LvName, which: str, tag: str) -> bool:
    command = ["lvremove", "-y", "-S", f'{which} && lv_tags={{"{tag}"}}', "--", name.vg]
    return "successfully removed" in _run(f"can't remove {name}", command)


def rename(vg: str, old: str, new: str) -> None:
    """Rename a volume. Raises VolumeError."""
    change(f"can't rename {vg}/{old} to {new}", ["lvrename", "--", vg, old, new])
