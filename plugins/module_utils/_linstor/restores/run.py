# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Carry out restores: start and watch the downloads together, then create and record each resource."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import RemoteError, SnapshipError, need
from ..._engine.common.units import iso_time, parse_duration
from ..api.clock import Pace
from ..api.cluster import Cluster
from ..api.notes import Notes, keep
from ..state import provenance
from ..state.provenance import Provenance
from ..state.resources import Deployed, read_definition
from ..state.storage_pools import PoolWatch
from .download import start, watch
from .item import Item, RestoreRequest, errors_of
from .place import place
from .trust import trust

#: seconds that LINSTOR may take to create the resource after the download
_DEPLOYS_IN = 120.0


def carry_out(cluster: Cluster, request: RestoreRequest, items: list[Item]) -> None:
    """Finish each item: it is ``done``, has an ``error``, or is still ``arriving`` if ``wait`` is false."""
    for item in items:
        with errors_of(item, request):
            if item.needs_download:
                start(cluster, request, item)
    arriving = [item for item in items if item.error is None and item.arriving]
    pace = Pace(parse_duration(request.poll_interval, "poll_interval"))
    pools = PoolWatch(cluster, pace)
    if arriving and request.wait:
        watch(cluster, request, arriving, pace, pools)
    for item in items:
        if item.error is None and item.held is not None and not item.arriving:
            with errors_of(item, request):
                _finish(request, item, pools, item in arriving)


def _finish(request: RestoreRequest, item: Item, pools: PoolWatch, downloaded: bool) -> None:
    """Create the resource from the complete snapshot, unless LINSTOR does, and record its backup.

    Storage pools that are, or were, full are an error, before the resource is created as well as afterwards.
    """
    cluster = pools.cluster
    held, point = need(item.held, "it is here"), need(item.point, "it was chosen")
    if downloaded and (item.place or request.download_only):
        trust(request, item, pools, downloaded)
    if request.download_only:
        item.done = True
        return
    stamp = Provenance(
        source=point.origin,
        backup=point.id,
        snapshot=held.uuid,
        created=iso_time(point.created) if point.created else "",
    )
    if item.place:
        # A download has already chosen node and pools.
        pool_map = request.storage_pool_map if request.remote is None else {}
        node = request.node if request.remote is None else None
        try:
            item.there = place(cluster, item, stamp, node, pool_map, request.resource_group)
        except SnapshipError as error:
            if error.code not in ("busy", "target_exists"):
                raise
            if _is_restored_now(cluster, item):
                item.done = True
                return
            if not _is_noted(cluster, request, item):
                raise
            item.place = False
            item.there = _deployed_by_linstor(cluster, item)
    else:
        item.there = _deployed_by_linstor(cluster, item)
    resource = item.there
    try:
        trust(request, item, pools, downloaded and not item.place)
    except RemoteError:
        if item.place:
            provenance.write(cluster, resource, dataclasses.replace(stamp, pending=True))
        raise
    provenance.write(cluster, resource, dataclasses.replace(stamp, volumes=resource.volumes))
    item.actions.append(f"recorded in {resource.name} what it was restored from")
    if item.begun or not item.place:
        keep(cluster, {}, [item.note_key])
    item.done = True


def _is_restored_now(cluster: Cluster, item: Item) -> bool:
    """Whether another run has restored the same backup since the plan was made."""
    item.there = read_definition(cluster, item.target)
    item.was = provenance.read(item.there) if item.there is not None else None
    return item.there is not None and bool(item.there.diskful) and item.is_restored()


def _is_noted(cluster: Cluster, request: RestoreRequest, item: Item) -> bool:
    """Whether another run has asked LINSTOR to restore this very backup since the plan was made."""
    backup = need(item.point, "it was chosen").id
    return request.remote is not None and Notes.read(cluster).kept.get(item.note_key) == backup


def _deployed_by_linstor(cluster: Cluster, item: Item) -> Deployed:
    pace = Pace(2.0)
    until = pace.clock() + _DEPLOYS_IN
    while True:
        found = read_definition(cluster, item.target)
        if found is not None and found.diskful and not found.restoring:
            return found
        if pace.clock() >= until:
            raise RemoteError(
                f"{item.target} was downloaded, but LINSTOR created no resource from it.",
                "Run the task again: it creates the resource from the downloaded snapshot.",
                "restore_failed",
            )
        pace.pause(until)
