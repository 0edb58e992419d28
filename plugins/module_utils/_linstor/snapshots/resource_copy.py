# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restore a snapshot to a new resource of the same cluster. The new resource records the snapshot."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import iso_time
from ..api.cluster import Cluster
from ..restores.deploy import define, unfold
from ..state import provenance
from ..state.provenance import Provenance
from ..state.resources import Deployed, read_definition
from ..state.snapshots import Snap
from ..state.storage_pools import read_pools


@dataclasses.dataclass(frozen=True)
class Options:
    """``nodes``: where to deploy it, by default the snapshot's nodes; ``storage_pools``: new names by old ones."""

    to_resource: str = ""
    resource_group: str | None = None
    nodes: Sequence[str] = ()
    storage_pools: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Plan:
    """``there``: the existing resource of the new name. ``act``: a change is needed.

    ``begun``: an earlier run was cut off.
    """

    options: Options
    snap: Snap
    group: str | None
    there: Deployed | None = None
    act: bool = True
    begun: bool = False

    def preview(self) -> Outcome:
        """What would be done."""
        to = self.options.to_resource
        before = {} if self.there is None or self.begun else {to: _told(self.there)}
        item = {
            "name": self.snap.name,
            "volume": self.snap.resource,
            "provider": "linstor",
            "state_id": self.snap.uuid,
            "created": iso_time(self.snap.time) if self.snap.time is not None else None,
            "size": sum(self.snap.sizes.values()),
            "target": to,
        }
        after = {to: f"restored from snapshot {self.snap.name} of {self.snap.resource}"} if self.act else before
        return Outcome(self.act, [item], before=before, after=after)


def plan(cluster: Cluster, resource: str, name: str, snaps: Sequence[Snap], options: Options) -> Plan:
    """Reads only. An existing resource that isn't from this snapshot is never touched."""
    snap = find(resource, name, snaps)
    if options.to_resource.lower() == resource.lower():
        raise UsageError(
            "to_resource: it must not be the resource itself.", "Set state: rolled_back to go back in place."
        )
    there = read_definition(cluster, options.to_resource)
    source = read_definition(cluster, resource)
    group = options.resource_group or (source.group if source else None) or None
    plan = Plan(options, snap, group, there)
    if there is None:
        _check_places(cluster, snap, options)
        return plan
    told = provenance.read(there)
    if told is not None and told.snapshot == snap.uuid:
        plan.act, plan.begun = told.pending, told.pending
    elif there.sizes or there.diskful or there.diskless:
        raise VolumeError(
            f"Resource {there.name!r} already exists, and wasn't restored from snapshot {name!r} of {resource}.",
            "Choose another name, or remove that resource first.",
            "target_exists",
            volume=there.name,
        )
    return plan


def _check_places(cluster: Cluster, snap: Snap, options: Options) -> None:
    """Raise VolumeError if a node doesn't have the snapshot or one of the storage pools."""
    lacking = [node for node in options.nodes if node.lower() not in [each.lower() for each in snap.nodes]]
    if lacking:
        raise VolumeError(
            f"Snapshot {snap.name!r} of {snap.resource} isn't on {', '.join(lacking)}. It is on"
            f" {', '.join(sorted(snap.nodes)) or 'no node'}.",
            "Set nodes to some of these, or leave it out.",
            "no_replica",
            volume=snap.resource,
        )
    pools = read_pools(cluster) if options.storage_pools else []
    for node in options.nodes or snap.nodes:
        there = [pool.name for pool in pools if pool.node.lower() == node.lower()]
        for name in options.storage_pools.values():
            if name.lower() not in [each.lower() for each in there]:
                raise VolumeError(
                    f"storage_pools: node {node} has no storage pool {name!r}. Its pools:"
                    f" {', '.join(sorted(there)) or 'none'}.",
                    code="no_pool",
                    volume=snap.resource,
                )


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Create the resource. If an earlier run was cut off, remove what it left and start over."""
    if not plan.act:
        return plan.preview()
    to = plan.options.to_resource
    if plan.begun:
        cluster.change("resource_dfn_delete", to, what=f"removing {to}, an unfinished restore")
    _make(cluster, plan)
    return plan.preview()


def find(resource: str, name: str, snaps: Sequence[Snap]) -> Snap:
    """The complete snapshot of that name. Raises UnknownError or VolumeError."""
    found = next((snap for snap in snaps if snap.name.lower() == name.lower()), None)
    if found is None:
        there = ", ".join(snap.name for snap in reversed(snaps)) or "none"
        raise UnknownError(
            f"{resource} has no snapshot {name!r}. Its snapshots: {there}.", code="unknown_snapshot", volume=resource
        )
    if not found.taken:
        raise VolumeError(f"Snapshot {name!r} of {resource} isn't complete.", code="broken_snapshot", volume=resource)
    return found


def _make(cluster: Cluster, plan: Plan) -> None:
    """Create the resource. If that fails, remove what this run created."""
    snap, to = plan.snap, plan.options.to_resource
    stamp = Provenance("", snap.name, snap.uuid, created=_created(snap))
    there = read_definition(cluster, to)
    created = there is None
    there = there or define(cluster, to, plan.group)
    try:
        provenance.write(cluster, there, dataclasses.replace(stamp, pending=True))
        there = unfold(cluster, snap, there, plan.options.nodes, plan.options.storage_pools, [])
        provenance.write(cluster, there, stamp)
    except SnapshipError:
        if created:
            with contextlib.suppress(SnapshipError):
                cluster.change("resource_dfn_delete", to, what=f"removing {to}")
        raise


def _created(snap: Snap) -> str:
    return iso_time(snap.time) if snap.time is not None else ""


def _told(there: Deployed) -> Any:
    told = provenance.read(there)
    return f"restored from snapshot {told.backup}" if told else "exists"
