# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores a thin LV: receives it beside its target, then swaps the two by two renames.

Two renames aren't atomic. The plan of the swap is noted on the new LV before the first one, so that the next run can
undo a swap that was killed before any rename, or finish it.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ...common.errors import BusyError, SnapshipError, VolumeError
from ..block_target import BlockTarget
from . import commands, tags, thin_metadata
from .names import LvName, beside, kept_name
from .reader import is_device
from .report import Lv, VolumeGroup, reports
from .thin_pool import FULL, metadata_snapshot, status
from .usage import resume_left, used_by

RESTORING = tags.named("restoring", "1")  # on an LV that is being received
RESTORED = tags.named("restored", "1")  # on an LV that was received completely
_SWAP = "swap"
_LOOK_EVERY = 128 << 20  # bytes written between two checks of the pool's fill
_STOP = (FULL + 100.0) / 2  # percent at which receiving stops; the rest is for the pool's users


class LvmTarget(BlockTarget):
    """The LV that is received beside the target."""

    def __init__(self, name: LvName, pool: Lv, size: int) -> None:
        """``size`` in bytes; LVM rounds it up to whole extents. Raises VolumeError."""
        self._target = name
        self._lv = _create(name, pool, size)
        self._pool = pool
        self._written = 0
        self._looked = 0
        try:
            super().__init__(self._lv.name.device, str(name), pool.chunk, pool.zeroing)
            if not is_device(self.descriptor, self._lv):
                raise VolumeError(f"{self._lv.name}: its device belongs to another LV.", "See dmsetup ls.")
        except BaseException:
            self.abort()
            raise

    def write(self, offset: int, data: memoryview) -> None:
        super().write(offset, data)
        self._written += len(data)  # not exact with several threads, which is good enough
        if self._written - self._looked >= _LOOK_EVERY:
            self._looked = self._written
            self._look()

    def _look(self) -> None:
        now = status(self._pool)
        if now is not None and max(now.data_percent, now.metadata_percent) >= _STOP:
            raise VolumeError(
                f"no space to restore {self._target}: thin pool {self._pool.name} is {now.data_percent:.1f} % full "
                f"(metadata {now.metadata_percent:.1f} %). The target was not changed.",
                "Extend the pool, or restore to another pool.",
                code="pool_full",
            )

    def witness(self) -> dict[str, Any]:
        """Makes later writes detectable: a snapshot, removed at once, advances the pool's clock."""
        self.release()
        name = LvName(self._target.vg, beside(self._target, "mark"))
        command = ["lvcreate", "-y", "-s", "-ky", "-pr", "--addtag", RESTORING, "-n", name.lv, "--", str(self._lv.name)]
        try:
            commands.change(f"can't mark {self._target}", command)
        except VolumeError as error:
            if error.code != "exists" or not commands.remove_named(name, RESTORING):
                raise
            commands.change(f"can't mark {self._target}", command)
        commands.remove_named(name, RESTORING)
        return content_witness(self._lv, self._pool)

    def commit(self, keep_as: str | None) -> str | None:
        with reports.keeping():
            return self._commit(keep_as)

    def _commit(self, keep_as: str | None) -> str | None:
        self.release()
        listing = reports.fresh(self._target.vg)
        if self._lv.uuid not in listing.by_uuid:
            raise VolumeError(
                f"the LV restored for {self._target} was removed by another run. The target was not changed.",
                "Run it again.",
            )
        old = listing.by_name.get(self._target.lv)
        kept = None
        if old is not None:
            busy = used_by(old)
            if busy:
                raise BusyError(
                    f"target {self._target} is in use ({busy}).", "Stop whatever uses it.", code="target_busy"
                )
            wanted = keep_as if keep_as is not None else beside(self._target, "dropped")
            kept = kept_name(self._target.vg, wanted, listing.names)
        plan = {"target": self._target.lv, "old": old.uuid if old else None, "kept": kept, "drop": keep_as is None}
        commands.retag(self._lv, add=[RESTORED, *tags.packed(_SWAP, plan)], drop=[RESTORING])
        finish_swap(self._target)
        return str(LvName(self._target.vg, kept)) if kept and keep_as is not None else None

    def abort(self) -> None:
        if hasattr(self, "_descriptor"):
            self.close()
        with contextlib.suppress(SnapshipError):
            found = reports.fresh(self._target.vg).by_uuid.get(self._lv.uuid)
            if found is not None and RESTORING in found.tags:
                commands.remove(found, RESTORING)
            elif found is not None:
                recover(self._target)


def _create(name: LvName, pool: Lv, size: int) -> Lv:
    beside_name = beside(name, "restore")
    remove_left(name)
    size = max(-(-size // 512) * 512, 512)
    commands.change(
        f"can't restore {name}: can't create an LV beside it",
        [
            *("lvcreate", "-y", "-Wn", "-kn", "-V", f"{size}b", "--addtag", RESTORING),
            *("-T", "-n", beside_name, "--", str(pool.name)),
        ],
    )
    made = reports.fresh(name.vg).by_name.get(beside_name)
    if made is None or RESTORING not in made.tags:
        raise VolumeError(f"can't restore {name}: the LV created beside it disappeared.", "Run it again.")
    return made


def remove_left(name: LvName) -> None:
    """Remove what a run that died left beside a target, unless it is complete and waits for its swap."""
    for what in ("restore", "mark"):
        left = reports.recent(name.vg).by_name.get(beside(name, what))
        if left is None:
            continue
        if RESTORING not in left.tags:
            raise VolumeError(f"{left.name} is in the way: snapship didn't create it.", "Rename it.", code="exists")
        try:
            commands.remove(left, RESTORING)
        except VolumeError as error:
            if error.code == "in_use":
                raise BusyError(
                    f"another run is restoring {name}.", "Wait until it has finished.", code="locked"
                ) from error
            raise


def content_witness(lv: Lv, pool: Lv) -> dict[str, Any]:
    """What proves that nobody has written to a restored LV. Only reads."""
    with metadata_snapshot(pool) as metadata:
        found = thin_metadata.dump(metadata, lv.thin_id)
    if found is None:
        return {"identity": lv.uuid}
    return {"identity": lv.uuid, "mapped": found.mapped, "newest": found.newest}


# --- the swap


def swapping(listing: VolumeGroup, name: LvName) -> tuple[Lv, dict[str, Any]] | None:
    """The LV that is about to become this target, and the plan of its swap."""
    for lv in listing.volumes:
        plan = tags.unpacked(lv.tags, _SWAP)
        if plan is not None and plan.get("target") == name.lv:
            return lv, plan
    return None


def finish_swap(name: LvName) -> None:
    """Carry out the noted plan, without the steps that are done already."""
    listing = reports.recent(name.vg)
    found = swapping(listing, name)
    if found is None:
        return
    new, plan = found
    there = listing.by_name.get(name.lv)
    if there is not None and there.uuid == plan["old"]:
        commands.rename(name.vg, name.lv, plan["kept"])
        there = None
    if there is None:
        try:
            commands.rename(name.vg, new.name.lv, name.lv)
        except VolumeError:
            _put_back(name, plan)
            raise
    elif there.uuid != new.uuid:
        raise VolumeError(f"somebody created {name} again while a restore was about to replace it.", "Run it again.")
    if plan["drop"] and plan["old"]:
        _drop(listing, plan["old"])
    commands.retag(new, drop=tags.belonging(new.tags, _SWAP))


def _put_back(name: LvName, plan: dict[str, Any]) -> None:
    """Give the old LV its name back."""
    old = reports.fresh(name.vg).by_uuid.get(plan["old"] or "")
    if old is not None and old.name.lv == plan["kept"]:
        commands.rename(name.vg, old.name.lv, name.lv)


def _drop(listing: VolumeGroup, uuid: str) -> None:
    """Remove the old target, if an earlier restore had created it."""
    old = listing.by_uuid.get(uuid)
    if old is not None and RESTORED in old.tags:
        commands.remove(old, RESTORED)


def recover(name: LvName) -> None:
    """After a kill during a swap: finish the swap if the old LV was renamed already, else undo it."""
    listing = reports.fresh(name.vg)
    mine = (listing.by_name.get(lv) for lv in (name.lv, beside(name, "restore")))
    resume_left(*(each for lv in mine if lv is not None and lv.is_thin for each in (lv, listing.pool_of(lv))))
    found = swapping(listing, name)
    if found is None:
        return
    new, _plan = found
    there = listing.by_name.get(name.lv)
    if there is None or there.uuid == new.uuid:
        finish_swap(name)
        return
    commands.retag(new, add=[RESTORING], drop=[RESTORED, *tags.belonging(new.tags, _SWAP)])
    with contextlib.suppress(VolumeError):
        commands.remove(new, RESTORING)
