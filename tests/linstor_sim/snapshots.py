# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Taking snapshots: the common part of the calls for one, for several, and for a backup."""

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

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{1,47}")


def check(cluster: Cluster, resource: str, name: str, nodes: list[str]) -> tuple[Definition, list[str]]:
    """The definition and the nodes of a snapshot that can be taken; Refused for one that can't."""
    definition = cluster.definition(resource)
    if not _NAME.fullmatch(name):
        raise Refused(codes.FAIL_INVLD_SNAPSHOT_NAME, f"The given snapshot name '{name}' is invalid.", report=True)
    if name.lower() in [each.lower() for each in definition.snapshots]:
        message = f"A snapshot definition with the name '{name}' already exists in resource definition '{resource}'."
        raise Refused(codes.FAIL_EXISTS_SNAPSHOT_DFN, message, cause="The SnapshotDefinition already exists")
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
    definition.sequence += 1
    props = {
        "BackupShipping/BackupNodeIdsToReset": node_ids(definition),
        "SequenceNumber": str(definition.sequence),
        **props,
    }
    made = Snapshot(name, now, list(definition.layers), volumes, parts, dict(definition.props), props)
    definition.snapshots[name] = made
    return made


def node_ids(definition: Definition) -> str:
    """DRBD's, of the replicas with a disk."""
    return ",".join(map(str, range(len(definition.diskful)))) if "DRBD" in definition.layers else ""


def registered(made: list[tuple[Definition, Snapshot]]) -> Entries:
    """What the reply says of them; of one among several it doesn't name the snapshot."""
    entries: Entries = []
    alone = len(made) == 1
    for definition, snapshot in made:
        about = {"RscDfn": definition.name, "Snapshot": snapshot.name} if alone else {}
        what = f"napshot '{snapshot.name}' of resource '{definition.name}'"
        details, references = f"S{what} UUID is: {snapshot.uuid}", {"UUID": snapshot.uuid, **about}
        message, code = f"New s{what} registered.", codes.CREATED | codes.MASK_SNAPSHOT | codes.MASK_CRT
        entries.append(entry(code, message, details=details, references=references))
    about = {"RscDfn": made[0][0].name, "Snapshot": made[0][1].name} if alone else {}
    return entries + taken(made, codes.MASK_SNAPSHOT | codes.MASK_CRT, about)


def taken(made: list[tuple[Definition, Snapshot]], mask: int, about: dict[str, str]) -> Entries:
    """The entries of the satellites."""
    entries = []
    for node in dict.fromkeys(node for _definition, snapshot in made for node in snapshot.nodes):
        here = [(definition, snapshot) for definition, snapshot in made if node in snapshot.nodes]
        io = f"'[{', '.join(definition.name for definition, _snapshot in here)}]' on '{node}'"
        entries.append(entry(codes.MODIFIED | mask, f"Suspended IO of {io} for snapshot", references=about))
        entries += [each for definition, snapshot in here for each in _volumes(definition, snapshot, node, mask)]
        entries.append(entry(codes.MODIFIED | mask, f"Took snapshot of {io}", references=about))
        entries.append(entry(codes.MODIFIED | mask, f"Resumed IO of {io} after snapshot", references=about))
    return entries


def _volumes(definition: Definition, snapshot: Snapshot, node: str, mask: int) -> Entries:
    kind = {"LVM_THIN": "LVM-Thin"}.get(snapshot.nodes[node].provider, snapshot.nodes[node].provider)
    text = f"({node}) Snapshot [{kind}] with name '{snapshot.name}' of resource '{definition.name}', volume number"
    names = {"Snapshot": snapshot.name, "RscDfn": definition.name}
    code = codes.CREATED | codes.MASK_SNAPSHOT | mask
    return [
        entry(code, f"{text} {number} created.", references={**names, "VlmNr": str(number)})
        for number in snapshot.volumes
    ]
