# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Finds the LV that a user names, and the thin pool and target of a restore."""

from __future__ import annotations

from collections.abc import Iterable

from ...common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ..provider import RestorePlace, TargetState
from .names import LvName, parse
from .report import Lv, VolumeGroup, reports, volume_groups
from .snapshots import ours
from .target import RESTORED, RESTORING, content_witness, swapping
from .thin_pool import FULL, status
from .usage import used_by

_NAMED = 10  # most names in an error


def volume_of(volume: str) -> tuple[Lv, VolumeGroup]:
    """The thin LV of this name. Raises UnknownError (``unknown_volume``) or VolumeError (``wrong_type``)."""
    name = parse(volume)
    listing = reports.of(name.vg)
    found = listing.by_name.get(name.lv)
    if found is None:
        raise _unknown(name, listing)
    return _checked(found, f"volume {volume!r}"), listing


def _checked(lv: Lv, what: str) -> Lv:
    kind = _wrong_kind(lv)
    if kind:
        raise VolumeError(f"{what} is {kind}.", "Provider lvm_thin backs up thin LVs only.", code="wrong_type")
    return lv


def _wrong_kind(lv: Lv) -> str | None:
    """What an LV is if it can't be backed up or replaced."""
    if lv.is_pool:
        return "a thin pool"
    if not lv.is_thin:
        return f"an LV of type {lv.segtype}, not a thin LV"
    if ours(lv) is not None:
        return "a snapshot made by snapship"
    if RESTORING in lv.tags:
        return "an LV that is being restored"
    return None


def _unknown(name: LvName, listing: VolumeGroup) -> SnapshipError:
    if not listing.volumes:
        groups = _some(volume_groups())
        return UnknownError(
            f"volume {str(name)!r}: volume group {name.vg} doesn't exist or has no LVs (existing groups: {groups}).",
            "Check the name: vg/lv.",
            code="unknown_volume",
        )
    there = _some(str(each.name) for each in listing.volumes if each.is_thin and _wrong_kind(each) is None)
    return UnknownError(
        f"volume {str(name)!r}: {name.vg} has no such LV (its thin LVs: {there}).",
        "Check the name.",
        code="unknown_volume",
    )


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "") or "none"


# --- where to restore to


def pool_for(place: RestorePlace, listing: VolumeGroup) -> Lv:
    """The thin pool for a new LV of this target. Raises UsageError that lists the pools."""
    name = parse(place.target)
    pools = {each.name.lv: each for each in listing.volumes if each.is_pool}
    choices = _some(f"{name.vg}/{each}" for each in pools)
    if place.pool is not None:
        vg, slash, pool = place.pool.rpartition("/")
        if slash and vg != name.vg:
            raise UsageError(f"pool {place.pool!r} isn't in volume group {name.vg} of target {place.target}.")
        if pool not in pools:
            raise UsageError(f"thin pool {name.vg}/{pool} doesn't exist (existing: {choices}).")
        return pools[pool]
    there = listing.by_name.get(name.lv)
    if there is not None and there.is_thin:
        return listing.pool_of(there)
    if not listing.volumes:
        raise _unknown(name, listing)
    if not pools:
        raise VolumeError(
            f"target {place.target!r}: {name.vg} has no thin pool.",
            f"Create one (lvcreate -T -L SIZE {name.vg}/pool), or restore to another volume group.",
            code="wrong_type",
        )
    if len(pools) > 1:
        raise UsageError(
            f"target {place.target!r}: {name.vg} has several thin pools ({choices}).", "Set pool to one of them."
        )
    return next(iter(pools.values()))


def target_state(place: RestorePlace) -> TargetState:
    """The target as it is now. An interrupted swap counts as finished, since the next run finishes it."""
    name = parse(place.target)
    listing = reports.recent(name.vg)
    there = listing.by_name.get(name.lv)
    if there is None:
        cut = swapping(listing, name)
        there = cut[0] if cut else None
    if there is not None:
        _checked(there, f"target {place.target!r}")
    pool = pool_for(place, listing)
    if there is None:
        return TargetState(False, {}, None, _free(pool))
    witness = {"identity": there.uuid}
    if RESTORED in there.tags:
        witness = content_witness(there, listing.pool_of(there))
    return TargetState(True, witness, used_by(there), _free(pool))


def _free(pool: Lv) -> int:
    """Bytes that fit into a pool before it counts as full."""
    now = status(pool)
    if now is None:
        return pool.size  # not active: its fill isn't known
    return max(int(now.data * FULL / 100) - now.data_used, 0) * pool.chunk
