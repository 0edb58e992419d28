# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking snapshots: what the calls for one, for several, and for a backup have in common."""

from __future__ import annotations

import re

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    Definition,
    Props,
    Snapshot,
    SnapshotNode,
    SnapshotVolume,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{1,47}")


def check(cluster: Cluster, resource: str, name: str, nodes: list[str]) -> tuple[Definition, list[str]]:
    """The definition and the nodes of a snapshot that can be taken; Refused for one that can't."""
    definition = cluster.definition(resource)
    if not _NAME.fullmatch(name):
        raise Refused(codes.FAIL_INVLD_SNAPSHOT_NAME, f"The specified snapshot name '{name}' is invalid.", report=True)
    if name.lower() in [each.lower() for each in definition.snapshots]:
        message = f"A snapshot definition with the name '{name}' already exists in resource definition '{resource}'."
        raise Refused(codes.FAIL_EXISTS_SNAPSHOT_DFN, message)
    for each in nodes:
        on = cluster.node(each).name
        if on not in definition.resources:
            raise Refused(codes.FAIL_NOT_FOUND_RSC, f"Resource '{resource}' on node '{each}' not found.")
    wanted = [each.lower() for each in nodes]
    usable = [
        each.node
        for each in definition.diskful
        if cluster.nodes[each.node].online and (not wanted or each.node.lower() in wanted)
    ]
    if not usable:
        raise Refused(
            codes.FAIL_NOT_CONNECTED,
            "No diskful connected satellite for snapshot or no resources.",
            report=True,
            details="Snapshots need at least one diskful online satellite.",
        )
    for node in usable:
        pool = cluster.pools[node, definition.resources[node].pool]
        if not pool.takes_snapshots:
            raise Refused(
                codes.FAIL_SNAPSHOTS_NOT_SUPPORTED,
                f"Storage driver '{pool.provider}' does not support snapshots.",
                details=f"Used for storage pool '{pool.name}' on '{node}'.",
            )
    return definition, usable


def take(cluster: Cluster, definition: Definition, name: str, nodes: list[str], props: Props, now: int) -> Snapshot:
    """Snapshots taken in one call have one time."""
    parts = {}
    for node in nodes:
        resource = definition.resources[node]
        parts[node] = SnapshotNode(node, resource.pool, cluster.pools[node, resource.pool].provider, now)
    volumes = {
        each.number: SnapshotVolume(each.number, each.size_kib, each.content.copy())
        for each in definition.volumes.values()
    }
    made = Snapshot(name, now, list(definition.layers), volumes, parts, dict(definition.props), dict(props))
    definition.snapshots[name] = made
    return made


def taken(definition: Definition, snapshot: Snapshot) -> Entries:
    """What the reply says of it."""
    mask = codes.MASK_SNAPSHOT | codes.MASK_CRT
    references = {"RscDfn": definition.name, "Snapshot": snapshot.name}
    entries = [
        entry(
            codes.CREATED | mask,
            f"New snapshot '{snapshot.name}' of resource '{definition.name}' registered.",
            details=f"Snapshot '{snapshot.name}' of resource '{definition.name}' UUID is: {snapshot.uuid}",
            references={"UUID": snapshot.uuid, **references},
        )
    ]
    for text in (
        "Suspended IO of '{0}' on '{1}' for snapshot",
        "Took snapshot of '{0}' on '{1}'",
        "Resumed IO of '{0}' on '{1}' after snapshot",
    ):
        entries += [
            entry(codes.CREATED | mask, text.format(definition.name, node), references=references)
            for node in snapshot.nodes
        ]
    return entries
