# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which LV a user means, and where a restore is to go."""

from __future__ import annotations

from collections.abc import Iterable

from ...common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ..provider import Place, TargetState
from .names import LvName, parse
from .report import Listing, Lv, reports, volume_groups
from .snapshots import ours
from .target import RESTORED, RESTORING, content_witness, swapping
from .thin_pool import FULL, status
from .usage import used_by

_NAMED = 10  # names in an error, at most


def volume_of(volume: str) -> tuple[Lv, Listing]:
    """The thin LV of this name. Raises UnknownError (``unknown_volume``), VolumeError (``wrong_type``)."""
    name = parse(volume)
    listing = reports.of(name.vg)
    found = listing.by_name.get(name.lv)
    if found is None:
        raise _unknown(name, listing)
    return _checked(found, f"volume {volume!r}"), listing


def _checked(lv: Lv, what: str) -> Lv:
    kind = _wrong_kind(lv)
    if kind:
        raise VolumeError(f"{what} is {kind}.", "Provider lvm_thin takes thin LVs.", code="wrong_type")
    return lv


def _wrong_kind(lv: Lv) -> str | None:
    """What an LV is that can't be backed up or replaced."""
    if lv.is_pool:
        return "a thin pool"
    if not lv.is_thin:
        return f"no thin LV but one of type {lv.segtype}"
    if ours(lv) is not None:
        return "a snapshot made by snapship"
    if RESTORING in lv.tags:
        return "an LV that is being restored"
    return None


def _unknown(name: LvName, listing: Listing) -> SnapshipError:
    if not listing.volumes:
        groups = _some(volume_groups())
        return UnknownError(
            f"volume {str(name)!r}: there is no volume group {name.vg} with LVs in it (there: {groups}).",
            "Check the name; thin LVs are named vg/lv.",
            code="unknown_volume",
        )
    there = _some(str(each.name) for each in listing.volumes if each.is_thin and _wrong_kind(each) is None)
    return UnknownError(
        f"volume {str(name)!r}: {name.vg} has no such LV (thin LVs there: {there}).",
        "Check the name.",
        code="unknown_volume",
    )


def _some(names: Iterable[str]) -> str:
    found = sorted(names)
    return ", ".join(found[:_NAMED]) + (f" and {len(found) - _NAMED} more" if len(found) > _NAMED else "") or "none"


# --- where to restore


def pool_for(place: Place, listing: Listing) -> Lv:
    """The thin pool that a new LV for this target is made in. Raises UsageError that names the pools."""
    name = parse(place.target)
    pools = {each.name.lv: each for each in listing.volumes if each.is_pool}
    choices = _some(f"{name.vg}/{each}" for each in pools)
    if place.pool is not None:
        vg, slash, pool = place.pool.rpartition("/")
        if slash and vg != name.vg:
            raise UsageError(f"pool {place.pool!r} isn't in {name.vg}, the volume group of {place.target}.")
        if pool not in pools:
            raise UsageError(f"there is no thin pool {name.vg}/{pool} (thin pools there: {choices}).")
        return pools[pool]
    there = listing.by_name.get(name.lv)
    if there is not None and there.is_thin:
        return listing.pool_of(there)
    if not listing.volumes:
        raise _unknown(name, listing)
    if not pools:
        raise VolumeError(
            f"target {place.target!r}: {name.vg} has no thin pool.",
            f"Make one (lvcreate -T -L SIZE {name.vg}/pool), or restore elsewhere.",
            code="wrong_type",
        )
    if len(pools) > 1:
        raise UsageError(f"target {place.target!r}: {name.vg} has several thin pools ({choices}).", "Say which: pool.")
    return next(iter(pools.values()))


def target_state(place: Place) -> TargetState:
    """What is at a target; a swap that was cut counts as finished, as the next run will leave it."""
    name = parse(place.target)
    listing = reports.recent(name.vg)
    there = listing.by_name.get(name.lv)
    if there is None:
        cut = swapping(listing, name)
        there = cut[0] if cut else None
    if there is not None:
        _checked(there, f"target {place.target!r} is there and")
    pool = pool_for(place, listing)
    if there is None:
        return TargetState(False, {}, None, _free(pool))
    witness = {"identity": there.uuid}
    if RESTORED in there.tags:
        witness = content_witness(there, listing.pool_of(there))
    return TargetState(True, witness, used_by(there), _free(pool))


def _free(pool: Lv) -> int:
    """Bytes that can be put into a pool before it counts as full."""
    now = status(pool)
    if now is None:
        return pool.size  # not active, so nobody can say yet
    return max(int(now.data * FULL / 100) - now.data_used, 0) * pool.chunk
