# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Create a resource from a snapshot: a new one, or in place of a deployed one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..._engine.common.errors import BusyError, SnapshipError, VolumeError, need
from ..api.cluster import Cluster
from ..state import provenance
from ..state.provenance import Provenance
from ..state.resources import Deployed, read_definition
from .deploy import define, unfold
from .item import Item


def place(
    cluster: Cluster,
    item: Item,
    stamp: Provenance,
    node: str | None,
    pools: Mapping[str, str],
    group: str | None,
) -> Deployed:
    """Create the resource from ``item.held``, and return it.

    Before it deletes anything, it records that a restore has begun. So the next run continues an interrupted one.
    """
    held = need(item.held, "it is here")
    if node is not None and node.lower() not in {each.lower() for each in held.nodes}:
        raise VolumeError(
            f"snapshot {held.name} of {held.resource} isn't on node {node}. Its nodes: {', '.join(held.nodes)}.",
            "Choose one of these nodes. You can create replicas on other nodes afterwards.",
            code="unknown_node",
        )
    fresh = read_definition(cluster, item.target)
    _still_as_planned(item, fresh)
    try:
        there = fresh or define(cluster, item.target, group)
        if fresh is None:
            item.actions.append(f"created resource definition {item.target}")
        if there.diskful or there.diskless:
            provenance.write(cluster, there, dataclasses.replace(stamp, pending=True))
            _remove(cluster, item, there)
        found = unfold(cluster, held, there, [node] if node is not None else [], pools, item.actions)
    except SnapshipError:
        if fresh is None:
            _undo(cluster, item.target)
        raise
    _missing_replicas(item, fresh, found)
    return found


def _still_as_planned(item: Item, fresh: Deployed | None) -> None:
    """Check again before the change: a download may have taken long."""
    if fresh is None:
        return
    if fresh.restoring:
        raise BusyError(
            f"LINSTOR is restoring {fresh.name} from a backup.", "Run the task again when LINSTOR has finished."
        )
    if fresh.in_use:
        raise VolumeError(
            f"resource {fresh.name} is now in use on {', '.join(fresh.in_use)}; it wasn't changed.",
            "Stop what uses it, then run the task again.",
            code="target_busy",
        )
    if fresh.diskful and not item.replaces:
        raise VolumeError(
            f"somebody else created resource {fresh.name} meanwhile; it wasn't changed.",
            "Run the task again.",
            code="target_exists",
        )


def _remove(cluster: Cluster, item: Item, there: Deployed) -> None:
    """Delete its resources, the diskless ones first. The definition stays, with its snapshots and properties."""
    for node in (*there.diskless, *there.diskful):
        cluster.change("resource_delete", node, there.name, what=f"deleting resource {there.name} on {node}")
        item.actions.append(f"deleted resource {there.name} on {node}")


def _undo(cluster: Cluster, name: str) -> None:
    """Remove an empty definition that this run created."""
    try:
        there = read_definition(cluster, name)
        if there is not None and not there.diskful and not there.diskless:
            cluster.change("resource_dfn_delete", name, what=f"removing resource definition {name} again")
    except SnapshipError:
        return  # the first error is enough


def _missing_replicas(item: Item, before: Deployed | None, after: Deployed) -> None:
    lost = sorted(set(before.diskful) - set(after.diskful)) if before is not None else []
    if lost:
        item.warnings.append(
            f"the resource no longer has replicas on {', '.join(lost)}, only on {', '.join(after.diskful)}. "
            "LINSTOR creates them again if the property Snapshot/BalanceAfterRestore is set. Otherwise, run: linstor "
            "resource create"
        )
