# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether what was downloaded or restored can be trusted: whether its storage pools had space all the time."""

from __future__ import annotations

from ..._engine.common.errors import RemoteError, SnapshipError, need
from ..state.arrivals import is_unchecked, record
from ..state.storage_pools import PoolWatch
from .item import Item, RestoreRequest

DAMAGE = "A thin pool that is full loses what is written to it, and LINSTOR reports success."


def trust(request: RestoreRequest, item: Item, pools: PoolWatch, arrived: bool) -> None:
    """Look at the storage pools once more. One request, and one to record the result of a download.

    ``arrived``: whether the download itself is judged, too. Raises RemoteError (pool_full) for a full pool, unless a
    doubtful copy will do.
    """
    held, point = need(item.held, "it is here"), need(item.point, "it was chosen")
    pools.look()
    pool = pools.full(item.target, held.nodes, pools=item.pools)
    if arrived and (pool is not None or pools.blind is None):
        _record(item, pools, f"{pool} was full while the copy arrived" if pool else None)
    if pools.blind is not None and pool is None:
        item.warnings.append(f"it wasn't checked whether its storage pool was full: {pools.blind.msg}")
    if pool is None:
        return
    made = "no resource was" if item.place or request.download_only else f"{item.target} was"
    what = (
        f"backup {point.id} was downloaded into {item.target}, but {pool} was full meanwhile; {made} made of it"
        if arrived
        else f"{item.target} was restored, but {pool} was full meanwhile"
    )
    if request.allow_doubtful:
        item.warnings.append(f"{what}. {DAMAGE}")
        return
    raise RemoteError(
        f"{what}. {DAMAGE} Parts of its data may be missing.",
        "Don't use it. Free space in the storage pool, or enlarge it, then run the task again"
        + (": it downloads the backup again." if arrived else " with overwrite: true."),
        "pool_full",
    )


def _record(item: Item, pools: PoolWatch, doubt: str | None) -> None:
    """Record it in the snapshot; a doubt also in all other downloads that nobody has checked: its bases."""
    held, origin = need(item.held, "it is here"), need(item.point, "it was chosen").origin.lower()
    for snap in item.snaps:
        arrival = snap.received
        base = doubt is not None and arrival is not None and arrival.remote.lower() == origin and is_unchecked(snap)
        if snap.name != held.name and not base:
            continue
        try:
            record(pools.cluster, snap, doubt)
        except SnapshipError as error:
            item.warnings.append(f"{error.msg} So later runs can't know it.")
