# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A resource made from a snapshot: a new one, or in the place of what a definition has deployed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from .._engine.errors import BusyError, RemoteError, SnapshipError, VolumeError, need
from . import provenance
from .connection import Cluster
from .deployed import Deployed, look_at
from .item import Item
from .provenance import Provenance
from .snapshots import Snap


def place(
    cluster: Cluster,
    item: Item,
    stamp: Provenance,
    node: str | None,
    pools: Mapping[str, str],
    group: str | None,
) -> Deployed:
    """Make the resource from ``item.held``; returns it as it is then.

    Before something is deleted, it is recorded that a restore has begun, so that one that is cut off is taken up.
    """
    held = need(item.held, "it is here")
    if node is not None and node.lower() not in {each.lower() for each in held.nodes}:
        raise VolumeError(
            f"snapshot {held.name} of {held.resource} isn't on node {node} (it is on {', '.join(held.nodes)}).",
            "Choose one of these; replicas on other nodes can be made afterwards.",
            code="unknown_node",
        )
    fresh = look_at(cluster, item.target)
    _still_as_planned(item, fresh)
    made = fresh is None
    try:
        there = fresh or _define(cluster, item, group)
        if there.diskful or there.diskless:
            provenance.write(cluster, there, dataclasses.replace(stamp, pending=True))
            _remove(cluster, item, there)
        _volumes(cluster, item, there, held)
        cluster.change(
            "snapshot_resource_restore",
            [node] if node is not None else [],
            held.resource,
            held.name,
            there.name,
            storpool_rename_map=dict(pools) or None,
            what=f"restoring snapshot {held.name} of {held.resource} into {there.name}",
        )
    except SnapshipError:
        if made:
            _undo(cluster, item.target)
        raise
    item.actions.append(f"restored snapshot {held.name} of {held.resource} into {there.name}")
    found = look_at(cluster, item.target)
    if found is None or not found.diskful:
        raise RemoteError(
            f"LINSTOR has made no resource {item.target} from snapshot {held.name}.", code="restore_failed"
        )
    _missing_replicas(item, fresh, found)
    return found


def _still_as_planned(item: Item, fresh: Deployed | None) -> None:
    """Time has passed since it was planned, a download's perhaps."""
    if fresh is None:
        return
    if fresh.restoring:
        raise BusyError(f"LINSTOR is restoring {fresh.name} from a backup.", "Run the task again when it is done.")
    if fresh.in_use:
        raise VolumeError(
            f"resource {fresh.name} is in use on {', '.join(fresh.in_use)} by now; it was left alone.",
            "Stop what uses it, and run the task again.",
            code="target_busy",
        )
    if fresh.diskful and not item.replaces:
        raise VolumeError(
            f"resource {fresh.name} has been made meanwhile; it was left alone.",
            "Run the task again.",
            code="target_exists",
        )


def _define(cluster: Cluster, item: Item, group: str | None) -> Deployed:
    cluster.change(
        "resource_dfn_create", item.target, resource_group=group, what=f"making resource definition {item.target}"
    )
    item.actions.append(f"made resource definition {item.target}")
    return need(look_at(cluster, item.target), "it was made")


def _remove(cluster: Cluster, item: Item, there: Deployed) -> None:
    """Delete its resources, the diskless ones first; the definition stays, with its snapshots and properties."""
    for node in (*there.diskless, *there.diskful):
        cluster.change("resource_delete", node, there.name, what=f"deleting resource {there.name} on {node}")
        item.actions.append(f"deleted resource {there.name} on {node}")


def _volumes(cluster: Cluster, item: Item, there: Deployed, held: Snap) -> None:
    """Volume definitions as the snapshot's."""
    if dict(there.sizes) == dict(held.sizes):
        return
    for number in sorted(there.sizes, reverse=True):
        cluster.change(
            "volume_dfn_delete", there.name, number, what=f"deleting volume definition {number} of {there.name}"
        )
        item.actions.append(f"deleted volume definition {number} of {there.name}")
    cluster.change(
        "snapshot_volume_definition_restore",
        held.resource,
        held.name,
        there.name,
        what=f"restoring the volume definitions of {there.name} from snapshot {held.name}",
    )
    item.actions.append(f"restored the volume definitions of {there.name}")


def _undo(cluster: Cluster, name: str) -> None:
    """Remove a definition that was made here, and has nothing in it."""
    try:
        there = look_at(cluster, name)
        if there is not None and not there.diskful and not there.diskless:
            cluster.change("resource_dfn_delete", name, what=f"removing resource definition {name} again")
    except SnapshipError:
        return  # the error that led here is what matters


def _missing_replicas(item: Item, before: Deployed | None, after: Deployed) -> None:
    lost = sorted(set(before.diskful) - set(after.diskful)) if before is not None else []
    if lost:
        item.warnings.append(
            f"it had replicas on {', '.join(lost)} too, and now only on {', '.join(after.diskful)}. LINSTOR makes them "
            "again where the property Snapshot/BalanceAfterRestore is set; otherwise: linstor resource create."
        )
