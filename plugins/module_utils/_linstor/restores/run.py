# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores carried out: downloads started and watched together, then each put in its place and recorded."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import RemoteError, need
from ..._engine.common.units import iso_time
from ..api.clock import Pace
from ..api.cluster import Cluster
from ..api.notes import keep
from ..state import provenance
from ..state.provenance import Provenance
from ..state.resources import Deployed, read_definition
from .download import start, watch
from .item import Item, Wish, errors_of
from .place import place

#: seconds that LINSTOR may take to make the resource once the download is complete
_DEPLOYS_IN = 120.0


def carry_out(cluster: Cluster, wish: Wish, items: list[Item]) -> None:
    """Bring each item to its end: ``done``, an ``error``, or on its way where nobody waits."""
    for item in items:
        with errors_of(item, wish):
            if item.needs_download:
                start(cluster, wish, item)
    arriving = [item for item in items if item.error is None and item.arriving]
    if arriving and wish.wait:
        watch(cluster, wish, arriving)
    for item in items:
        if item.error is None and item.held is not None and not item.arriving:
            with errors_of(item, wish):
                _finish(cluster, wish, item)


def _finish(cluster: Cluster, wish: Wish, item: Item) -> None:
    """The data is here. Put it in its place, unless LINSTOR does, and record where it is from."""
    held, point = need(item.held, "it is here"), need(item.point, "it was chosen")
    if wish.download_only:
        item.done = True
        return
    stamp = Provenance(
        source=point.origin,
        backup=point.id,
        snapshot=held.uuid,
        created=iso_time(point.created) if point.created else "",
    )
    if item.place:
        # A download has chosen node and pools already.
        pools = wish.storage_pool_map if wish.remote is None else {}
        node = wish.node if wish.remote is None else None
        item.there = place(cluster, item, stamp, node, pools, wish.resource_group)
    else:
        item.there = _deployed_by_linstor(cluster, item)
    made = item.there
    provenance.write(cluster, made, dataclasses.replace(stamp, volumes=made.volumes))
    item.actions.append(f"recorded in {made.name} what it was restored from")
    if item.begun or not item.place:
        keep(cluster, {}, [item.note_key])
    item.done = True


def _deployed_by_linstor(cluster: Cluster, item: Item) -> Deployed:
    pace = Pace(2.0)
    until = pace.clock() + _DEPLOYS_IN
    while True:
        found = read_definition(cluster, item.target)
        if found is not None and found.diskful and not found.restoring:
            return found
        if pace.clock() >= until:
            raise RemoteError(
                f"{item.target} was downloaded, but LINSTOR has made no resource of it.",
                "Run the task again: it makes the resource from what was downloaded.",
                "restore_failed",
            )
        pace.pause(until)
