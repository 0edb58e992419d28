# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Receiving from another cluster or from a bucket, and restoring what was received."""

from __future__ import annotations

from dataclasses import dataclass, field

from ansible_collections.snapship.dr.tests.linstor_sim import capacity, codes, streams
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import DEFAULT_GROUP, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.contents import Content
from ansible_collections.snapship.dr.tests.linstor_sim.faults import ShipmentFault
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import BackupName
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    FAILED,
    SHIPPING,
    STATUS,
    SUCCESS,
    TARGET,
    UPLOADING,
    Definition,
    Pool,
    Props,
    Resource,
    Snapshot,
    SnapshotNode,
    SnapshotVolume,
)

SOURCE_UUID = "Backup/Target/SourceSnapDfnUUID"
RESTORE_TARGET = "RESTORE_TARGET"
_RESTORE, _FORCE = "Restore", "Force Restore"
_PATIENCE_MS = 300_000  # BackupShipping/RecvTimeoutInMs


@dataclass(frozen=True)
class Terms:
    """How something is to be received. ``props`` and ``definition_props`` come from the source's snapshot."""

    resource: str
    layers: list[str]
    provider: str
    source_pool: str
    sizes_kib: dict[int, int]
    node: str = ""
    pool: str = ""
    rename: dict[str, str] = field(default_factory=dict)
    group: str = ""
    move_group: bool = False
    download_only: bool = False
    force_restore: bool = False
    props: Props = field(default_factory=dict)
    definition_props: Props = field(default_factory=dict)


@dataclass
class Reception:
    """``ends``: when one that reads a bucket is done, or when one from a cluster has waited long enough."""

    definition: Definition
    snapshot: Snapshot
    remote: str
    base: Snapshot | None
    ends: int
    of_peer: bool
    next: Reception | None = None
    backup: BackupName | None = None
    fault: ShipmentFault | None = None


@dataclass
class Restoring:
    """A snapshot that is here and is being made a resource until ``due``."""

    definition: Definition
    snapshot: Snapshot
    due: int


def definition_for(cluster: Cluster, terms: Terms, said: Entries) -> Definition:
    """The definition to receive into; it is created if needed. Refused while a shipment is being received into it."""
    found = cluster.find_definition(terms.resource)
    group = cluster.group(terms.group).name if terms.group else ""
    if found is None:
        found = Definition(terms.resource, group or DEFAULT_GROUP, list(terms.layers))
        cluster.definitions[terms.resource] = found
    elif any(each.definition is found for each in cluster.receptions):
        message = f"A backup is currently being restored to resource definition {terms.resource}."
        raise Refused(codes.FAIL_IN_USE | codes.MASK_BACKUP, message, report=True)
    if group and group != found.group:
        if not found.resources or terms.move_group:
            found.group = group
        else:
            message = (
                f"Target resource definition '{found.name}' has resources deployed. --target-resource-group is ignored "
                "in order to prevent unexpected future autoplacements. Use --force-move-resource-group to override "
                "this warning."
            )
            said.append(entry(codes.WARN_RSC_ALREADY_DEPLOYED, message))
    return found


def place(cluster: Cluster, terms: Terms, base: Snapshot | None) -> Pool:
    """The place: beside the base; otherwise the requested node and pool, or any pool of the same kind."""
    if base is not None:
        part = next(iter(base.nodes.values()))
        return cluster.pools[part.node, part.pool]
    wanted = terms.rename.get(terms.source_pool) or terms.pool or terms.rename.get("*", "")
    usable = [
        each
        for each in cluster.pools.values()
        if each.provider == terms.provider
        and cluster.nodes[each.node].online
        and (not terms.node or each.node.lower() == terms.node.lower())
        and (not wanted or each.name.lower() == wanted.lower())
    ]
    if not usable:
        message = "Could not find suitable storage pool to receive backup"
        raise Refused(codes.FAIL_INVLD_VLM_SIZE, message, report=True)
    return usable[0]


def prepare(
    cluster: Cluster,
    definition: Definition,
    name: str,
    terms: Terms,
    pool: Pool,
    started: int,
    remote: str,
    said: Entries,
) -> Snapshot:
    """The snapshot that will be received, not yet there."""
    volumes = {number: SnapshotVolume(number, size, Content(size << 10)) for number, size in terms.sizes_kib.items()}
    part = SnapshotNode(pool.node, pool.name, pool.provider, cluster.clock.now)
    # A copy of the source's properties. LINSTOR sets each shipping state in it to the same odd one forever.
    props = {key: UPLOADING if key.endswith(f"/{STATUS}") else value for key, value in terms.props.items()}
    parts = {pool.node: part}
    made = Snapshot(
        name, cluster.clock.now, list(terms.layers), volumes, parts, dict(terms.definition_props), props, flags=[]
    )
    space = TARGET
    set_received_status(cluster, made, SHIPPING)
    made.props[f"{space}/BackupStartTimestamp"] = str(started)
    made.props[f"{space}/BackupSrcRemote"] = remote
    made.props[f"{space}/DstNode"] = pool.node
    diskful = len(definition.diskful)
    if diskful == 1 and terms.force_restore:
        made.props[f"{space}/OnSuccess"] = _FORCE
    elif diskful and not terms.download_only:
        message = (
            "The target resource-definition is already deployed on nodes. After downloading the Backup Linstor will "
            "NOT restore the data to prevent unintentional data-loss."
        )
        said.append(entry(codes.WARN_BACKUP_DL_ONLY, message))
    elif not diskful and not terms.download_only:
        made.props[f"{space}/OnSuccess"] = _RESTORE
    if RESTORE_TARGET not in definition.flags and not (terms.download_only and not terms.force_restore):
        definition.flags.append(RESTORE_TARGET)
    if not definition.resources:
        definition.props = dict(terms.definition_props)
        for number, size in terms.sizes_kib.items():
            definition.volumes[number] = cluster.new_volume(definition.name, number, size)
    definition.snapshots[name] = made
    return made


def set_received_status(cluster: Cluster, snapshot: Snapshot, status: str) -> None:
    """As a property, or as flags in the way of versions before 1.33."""
    if cluster.options.states_in_props:
        snapshot.props[f"{TARGET}/{STATUS}"] = status
        return
    kept = [each for each in snapshot.flags if each != "BACKUP" and not each.startswith("SHIP")]
    snapshot.flags = [*kept, "BACKUP", *{SHIPPING: ["SHIPPING"], SUCCESS: ["SHIPPED"]}.get(status, [])]
    for part in snapshot.nodes.values():
        part.flags = ["BACKUP_TARGET"]


def receive(cluster: Cluster, reception: Reception, number: int, stream: bytes) -> None:
    """A volume's stream, on a copy of the base. ValueError when it can't be read, or when a ZFS pool is full.

    A thin pool of LVM that is full loses what is written to it, and nobody says so.
    """
    volume = reception.snapshot.volumes[number]
    base = reception.base.volumes[number].content if reception.base else Content(volume.size_kib << 10)
    content = base.copy()
    content.resize(volume.size_kib << 10)
    streams.decode(stream, content)
    part = next(iter(reception.snapshot.nodes.values()))
    capacity.take_in(cluster, cluster.pools[part.node, part.pool], content, base)
    volume.content = content


def finish(cluster: Cluster, reception: Reception, success: bool) -> None:
    """A snapshot that couldn't be received is deleted; one that could is restored if that was asked for."""
    cluster.receptions.remove(reception)
    definition, snapshot = reception.definition, reception.snapshot
    snapshot.props.pop(f"{TARGET}/BackupToRestore", None)
    if not success:
        set_received_status(cluster, snapshot, FAILED)
        following: Reception | None = reception
        while following is not None:
            definition.snapshots.pop(following.snapshot.name, None)
            following = following.next
        return
    set_received_status(cluster, snapshot, SUCCESS)
    if "SUCCESSFUL" not in snapshot.flags:
        snapshot.flags = ["SUCCESSFUL", *snapshot.flags]
    if reception.next is not None:
        cluster.receptions.append(reception.next)
        return
    wanted = snapshot.props.pop(f"{TARGET}/OnSuccess", None)
    if wanted == _RESTORE or (wanted == _FORCE and _may_force(cluster, definition)):
        for resource in definition.diskful:
            del definition.resources[resource.node]
        due = reception.ends + int(cluster.options.restore_seconds * 1000)
        cluster.restorings.append(Restoring(definition, snapshot, due))
    elif RESTORE_TARGET in definition.flags:
        definition.flags.remove(RESTORE_TARGET)


def _may_force(cluster: Cluster, definition: Definition) -> bool:
    """If it isn't allowed, LINSTOR keeps the download and only writes an error report."""
    key = "BackupShipping/AllowForceRestore"
    holders = (definition.props, cluster.groups[definition.group].props, cluster.props)
    allowed = next((each[key] for each in holders if key in each), "True").lower() == "true"
    used = any(each.in_use for each in definition.resources.values())
    if not definition.diskful or (allowed and not used and len(definition.diskful) == 1):
        return True
    cluster.report("Controller", "Force restore option was used, but conditions are not met")
    return False


def _restore(cluster: Cluster, definition: Definition, snapshot: Snapshot) -> None:
    if RESTORE_TARGET in definition.flags:
        definition.flags.remove(RESTORE_TARGET)
    for part in snapshot.nodes.values():
        flags = ["RESTORE_FROM_SNAPSHOT"]
        definition.resources[part.node] = Resource(part.node, part.pool, cluster.clock.now, flags)
    definition.layers = list(snapshot.layers)
    definition.volumes = {}
    for number, each in snapshot.volumes.items():
        made = cluster.new_volume(definition.name, number, each.size_kib)
        made.content = each.content.copy()
        definition.volumes[number] = made


def restore_step(cluster: Cluster) -> None:
    """Create the resources from received snapshots, a while after the shipment is reported as successful."""
    for each in [each for each in cluster.restorings if each.due <= cluster.clock.now]:
        cluster.restorings.remove(each)
        _restore(cluster, each.definition, each.snapshot)


def step(cluster: Cluster) -> None:
    """Give up shipments that have waited too long for the other cluster."""
    for each in list(cluster.receptions):
        if each.of_peer and each.ends <= cluster.clock.now:
            node = next(iter(each.snapshot.nodes))
            cluster.report(node, "Did not receive any data in time: socat: accept: Connection timed out")
            finish(cluster, each, False)


def deadline(cluster: Cluster) -> int:
    """Until when it waits for a cluster's data."""
    patience = int(cluster.props.get("BackupShipping/RecvTimeoutInMs", _PATIENCE_MS))
    return cluster.clock.now + (patience if patience >= 0 else 1 << 50)
