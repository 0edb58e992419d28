# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shipping to a bucket: the choice of the base, and the objects."""

from __future__ import annotations

import zstandard

from ansible_collections.snapship.dr.tests.linstor_sim import codes, s3_layout, streams, youth
from ansible_collections.snapship.dr.tests.linstor_sim.backup_list import read_metas
from ansible_collections.snapship.dr.tests.linstor_sim.buckets import Unreachable, bucket_of
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, entry
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import backup_id
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import (
    LAST_STARTED,
    Failure,
    Order,
    Shipment,
    go,
    submit,
)
from ansible_collections.snapship.dr.tests.linstor_sim.snapshots import check, node_ids, take, taken
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    SOURCE,
    SUCCESS,
    UPLOADING,
    Definition,
    Remote,
    Snapshot,
)
from ansible_collections.snapship.dr.tests.linstor_sim.status import set_status, status_of


class S3Carrier:
    """Writes a snapshot's volumes and then its meta object."""

    def begin(self, cluster: Cluster, shipment: Shipment) -> Entries:
        go(cluster, shipment)
        return [entry(codes.MODIFIED, f"Started shipping of resource '{shipment.order.definition.name}'")]

    def deliver(self, cluster: Cluster, shipment: Shipment, cut: bool) -> None:
        order, remote = shipment.order, shipment.order.remote
        name = s3_layout.of_snapshot(order.definition, order.snapshot, remote.name)
        base = s3_layout.of_snapshot(order.definition, order.base, remote.name).meta if order.base else None
        meta = s3_layout.meta(cluster, order.definition, order.snapshot, remote.name, shipment.node, base)
        bucket = bucket_of(cluster, remote)
        volumes = list(order.snapshot.volumes.values())
        provider = order.snapshot.nodes[shipment.node].provider
        with cluster.unlocked():
            try:
                for each in volumes[:1] if cut else volumes:
                    stream = streams.encode(provider, each, order.base)
                    bucket.put(name.volume(each.number), zstandard.compress(stream))
                if cut:
                    raise Failure("Unable to execute HTTP request: Connection reset by peer")
            except (Unreachable, ValueError) as error:
                raise Failure(str(error)) from error
        if shipment in cluster.shipments:
            set_status(cluster, order.snapshot, remote.name, UPLOADING)
        with cluster.unlocked():
            try:
                bucket.put(name.meta, meta)
            except Unreachable as error:
                raise Failure(str(error)) from error

    def end(self, cluster: Cluster, shipment: Shipment, success: bool) -> None:
        """Do nothing: a bucket has no other side."""


def create(
    cluster: Cluster,
    remote_name: str,
    resource: str,
    snapshot_name: str = "",
    node: str = "",
    incremental: bool = False,
    schedule: str = "",
) -> Entries:
    """Takes a snapshot, or finds the named one, and ships it to a bucket."""
    entries: Entries = []
    name = snapshot_name or backup_id(cluster.clock.local())
    if not snapshot_name:
        message = f"Generated snapshot name for backup of resource{resource} to remote {remote_name}"
        entries.append(entry(codes.MASK_INFO, message))
    definition, remote = cluster.definition(resource), cluster.s3_remote(remote_name)
    existing = definition.snapshots.get(name)
    if existing is not None:
        youth.check(cluster, existing)
        base = _base_of_existing(cluster, definition, remote, existing) if incremental else None
        cluster.need_passphrase()
        snapshot = existing
    else:
        _definition, nodes = check(cluster, resource, name, [])
        cluster.need_passphrase()
        base = _base(cluster, definition, remote) if incremental else None
        snapshot = take(cluster, definition, name, nodes, {}, cluster.clock.now + cluster.options.take_ms)
    order = Order(definition, snapshot, remote, base, S3Carrier(), node, schedule)
    began = cluster.clock.now
    queued: Entries = []

    def begin() -> Entries:
        _mark_started(cluster, definition, snapshot, remote, schedule, began)
        shipment = submit(cluster, order, queued)
        if existing is None:
            definition.props[f"{order.space}/{LAST_STARTED}"] = name
        return order.carrier.begin(cluster, shipment) if shipment else []

    said = [] if existing is None and youth.begin(cluster, definition, snapshot, begin) else begin()
    message = f"Shipping of resource {resource} to remote {remote_name} in progress."
    entries += [*queued, entry(codes.MASK_INFO, message, references={"Snapshot": name})]
    if existing is None:
        entries = taken([(definition, snapshot)], 0, {}) + entries
    return entries + said


def _mark_started(
    cluster: Cluster, definition: Definition, snapshot: Snapshot, remote: Remote, schedule: str, began: int
) -> None:
    space = f"{SOURCE}/{remote.name}"
    snapshot.props[f"{space}/BackupStartTimestamp"] = str(began)
    snapshot.props[f"{space}/BackupTargetRemote"] = remote.name
    snapshot.props["BackupShipping/BackupNodeIdsToReset"] = node_ids(definition)
    snapshot.definition_props["DrbdOptions/ForceInitialSyncPermanent"] = "True"
    suffix = cluster.props.get("BackupShipping/S3KeySuffix")
    if suffix:
        snapshot.props[f"{space}/S3KeySuffix"] = suffix
    if schedule:
        snapshot.props["Schedule/BackupShippedBySchedule"] = schedule


def _base(cluster: Cluster, definition: Definition, remote: Remote) -> Snapshot | None:
    """``None``, without a message, if the last one's snapshot or backup is gone, or a size has changed."""
    last = definition.props.get(f"{SOURCE}/{remote.name}/{LAST_STARTED}", "")
    found = definition.snapshots.get(last)
    if found is None:
        return None
    shipped = status_of(found, remote.name) == SUCCESS
    if shipped and found.uuid not in {
        each["snapDfnUuid"] for each in read_metas(cluster, remote, definition.name).values()
    }:
        return None
    sizes = {number: volume.size_kib for number, volume in definition.volumes.items()}
    if any(sizes.get(number) != each.size_kib for number, each in found.volumes.items()):
        return None
    return found


def _base_of_existing(cluster: Cluster, definition: Definition, remote: Remote, snapshot: Snapshot) -> Snapshot | None:
    """The snapshot just before it, if that one's backup is in the bucket."""
    earlier = [each for each in definition.snapshots.values() if each.created < snapshot.created]
    if not earlier:
        return None
    found = max(earlier, key=lambda each: each.created)
    metas = read_metas(cluster, remote, definition.name)
    names = {name.snapshot for name in filter(None, map(s3_layout.of_meta, metas))}
    return found if found.name in names else None
