# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shipping to another cluster, or to this one: the side that sends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import zstandard

from ansible_collections.snapship.dr.tests.linstor_sim import codes, streams, youth
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.peers import PeerUnreachable, call
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry, unsigned
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import backup_id
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import (
    FULL,
    Failure,
    Order,
    Shipment,
    go,
    haunt,
    submit,
)
from ansible_collections.snapship.dr.tests.linstor_sim.snapshots import check, node_ids, take, taken
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    FAILED,
    Definition,
    Remote,
    Snapshot,
    new_uuid,
)
from ansible_collections.snapship.dr.tests.linstor_sim.status import status_of

_INTERNAL = "/v1/internal/backups"


@dataclass(frozen=True)
class Wanted:
    """The options of a ship call, named as in the API."""

    src_rsc_name: str
    dst_rsc_name: str
    src_node_name: str = ""
    src_snap_name: str = ""
    dst_node_name: str = ""
    dst_net_if_name: str = ""
    dst_stor_pool: str = ""
    stor_pool_rename: dict[str, str] = field(default_factory=dict)
    dst_rsc_grp: str = ""
    download_only: bool = False
    force_restore: bool = False
    force_mv_rsc_grp: bool = False
    allow_incremental: bool = True


class PeerCarrier:
    """Sends a snapshot's volumes to the other cluster. ``answer``: its first reply."""

    def __init__(self, wanted: Wanted, answer: dict[str, Any]) -> None:
        self._wanted = wanted
        self._answer = answer
        self._target = ""

    def begin(self, cluster: Cluster, shipment: Shipment) -> Entries:
        """A target that refuses leaves the shipment in Prepare Shipping, as LINSTOR does."""
        order, remote = shipment.order, shipment.order.remote
        space = order.space
        order.snapshot.props.pop(f"{space}/{FULL}", None)
        try:
            request = self._request(cluster, shipment)
            with cluster.unlocked():
                status, reply = call(str(remote.fields["url"]), f"{_INTERNAL}/requestShip", request)
        except PeerUnreachable as error:
            _drop(cluster, shipment)
            raise Refused(codes.FAIL_UNKNOWN_ERROR, str(error), report=True) from error
        said = _prefixed(remote, reply)
        if status != 200 or not reply.get("canReceive"):
            _drop(cluster, shipment)
            if status != 200 and said:
                # LINSTOR adds nothing else then.
                raise Refused(unsigned(said[0]["ret_code"]), said[0]["message"], cause=said[0].get("cause"))
            return said
        self._target = str(reply["snapshot"])
        order.snapshot.props[f"{space}/BackupTargetRemote"] = stand_in(order.definition.name, order.snapshot.name)
        order.snapshot.props[f"{space}/{FULL}"] = order.snapshot.name
        if not reply["answers"]:
            return said  # it stays in Prepare Shipping
        go(cluster, shipment)
        applied = [f"({each.name}) Node changes applied." for each in cluster.nodes.values() if each.online]
        started = f"Started shipping of resource '{order.definition.name}'"
        return [*(entry(codes.MODIFIED, text) for text in (started, *applied)), *said]

    def _request(self, cluster: Cluster, shipment: Shipment) -> dict[str, Any]:
        order, wanted = shipment.order, self._wanted
        part = order.snapshot.nodes[shipment.node]
        return {
            "srcVersion": _version(cluster),
            "srcClusterId": cluster.id,
            "srcBackupName": order.snapshot.name,
            "srcRscName": order.definition.name,
            "srcSnapDfnUuid": order.snapshot.uuid,
            "startTimestamp": int(order.snapshot.source(order.remote.name, "BackupStartTimestamp") or 0),
            "snapDfnProps": order.snapshot.props,
            "rscDfnProps": {
                **order.snapshot.definition_props,
                "Cluster/LocalID": cluster.id,
                "NodeName": shipment.node,
            },
            "layers": order.snapshot.layers,
            "provider": part.provider,
            "pool": part.pool,
            "sizes": {str(each.number): each.size_kib for each in order.snapshot.volumes.values()},
            "allocated": {str(each.number): each.content.allocated >> 10 for each in order.snapshot.volumes.values()},
            "dstRscName": wanted.dst_rsc_name,
            "dstNodeName": wanted.dst_node_name,
            "dstNodeNetIfName": wanted.dst_net_if_name,
            "dstStorPool": wanted.dst_stor_pool,
            "storPoolRenameMap": wanted.stor_pool_rename,
            "dstRscGrp": wanted.dst_rsc_grp,
            "forceRscGrp": wanted.force_mv_rsc_grp,
            "downloadOnly": wanted.download_only,
            "forceRestore": wanted.force_restore,
            "resetData": self._answer["resetData"],
            "dstBaseSnapName": self._answer.get("dstBaseSnapName"),
            "dstActualNodeName": self._answer.get("dstActualNodeName"),
            "incremental": order.base is not None,
        }

    def deliver(self, cluster: Cluster, shipment: Shipment, cut: bool) -> None:
        order = shipment.order
        provider = order.snapshot.nodes[shipment.node].provider
        volumes = order.snapshot.volumes.values()
        try:
            made = {each.number: streams.encode(provider, each, order.base) for each in volumes}
        except ValueError as error:
            raise Failure(str(error)) from error
        url = str(order.remote.fields["url"])
        with cluster.unlocked():
            for number, stream in made.items():
                if cut:
                    raise Failure("socat: E write: Broken pipe")
                path = f"/sim/receive/{quote(self._wanted.dst_rsc_name)}/{quote(self._target)}/{number}"
                try:
                    status, reply = call(url, path, zstandard.compress(stream))
                except PeerUnreachable as error:
                    raise Failure(f"socat: E connect: {error}") from error
                if status != 200:
                    raise Failure(f"socat: E write: Broken pipe ({reply})")

    def end(self, cluster: Cluster, shipment: Shipment, success: bool) -> None:
        if not self._target:
            return
        url = str(shipment.order.remote.fields["url"])
        late = max(0, cluster.clock.now - (shipment.ends or cluster.clock.now))
        told = {"dstRscName": self._wanted.dst_rsc_name, "snapshot": self._target, "success": success, "late": late}
        with cluster.unlocked():
            try:
                call(url, "/sim/received", told)
            except PeerUnreachable:
                return  # it notices later, when no data comes


def stand_in(resource: str, snapshot: str) -> str:
    """The name of the stand-in for the other cluster's satellite. It stays in properties forever."""
    return f".stlt;{resource}_{snapshot}_{new_uuid()}"


def ship(cluster: Cluster, remote_name: str, wanted: Wanted, schedule: str = "") -> Entries:
    """Takes a snapshot, or finds the named one, and ships it to the remote's cluster."""
    remote = cluster.linstor_remote(remote_name)
    definition = cluster.definition(wanted.src_rsc_name)
    existing = definition.snapshots.get(wanted.src_snap_name) if wanted.src_snap_name else None
    question = {
        "srcVersion": _version(cluster),
        "srcClusterId": cluster.id,
        "dstRscName": wanted.dst_rsc_name,
        "srcSnapDfnUuids": _candidates(definition, remote, existing),
        "dstNodeName": wanted.dst_node_name,
    }
    try:
        with cluster.unlocked():
            _status, answer = call(str(remote.fields["url"]), f"{_INTERNAL}/requestPrevSnap", question)
    except PeerUnreachable as error:
        cluster.queue = [each for each in cluster.queue if each.order.remote.name != remote.name]
        raise Refused(codes.FAIL_UNKNOWN_ERROR, str(error), report=True) from error
    if not answer.get("canReceive"):
        return list(answer.get("responses") or [])
    return _send(cluster, definition, existing, remote, wanted, answer, schedule)


def _send(
    cluster: Cluster,
    definition: Definition,
    existing: Snapshot | None,
    remote: Remote,
    wanted: Wanted,
    answer: dict[str, Any],
    schedule: str,
) -> Entries:
    said: Entries = []
    name = wanted.src_snap_name or backup_id(cluster.clock.local())
    base = _base(cluster, definition, remote, answer.get("prevSnapUuid"), said) if wanted.allow_incremental else None
    snapshot = existing
    if snapshot is not None:
        youth.check(cluster, snapshot)
    else:
        _definition, nodes = check(cluster, definition.name, name, [])
        snapshot = take(cluster, definition, name, nodes, {}, cluster.clock.now + cluster.options.take_ms)
    if "LUKS" in snapshot.layers:
        cluster.need_passphrase()
    order = Order(definition, snapshot, remote, base, PeerCarrier(wanted, answer), wanted.src_node_name, schedule)

    began = cluster.clock.now

    def begin() -> Entries:
        _mark_started(order, began)
        shipment = submit(cluster, order, said)
        return order.carrier.begin(cluster, shipment) if shipment else []

    if existing is None and youth.begin(cluster, definition, snapshot, begin):
        return taken([(definition, snapshot)], 0, {}) + [_in_progress(order)]
    _mark_started(order, began)
    shipment = submit(cluster, order, said)
    said.append(_in_progress(order))
    if existing is None:
        said = taken([(definition, snapshot)], 0, {}) + said
    return said + (order.carrier.begin(cluster, shipment) if shipment else [])


def _mark_started(order: Order, began: int) -> None:
    snapshot = order.snapshot
    snapshot.props[f"{order.space}/BackupStartTimestamp"] = str(began)
    snapshot.props[f"{order.space}/BackupTargetRemote"] = order.remote.name
    snapshot.props["BackupShipping/BackupNodeIdsToReset"] = node_ids(order.definition)
    snapshot.definition_props["DrbdOptions/ForceInitialSyncPermanent"] = "True"
    if order.schedule:
        snapshot.props["Schedule/BackupShippedBySchedule"] = order.schedule


def _in_progress(order: Order) -> dict[str, Any]:
    message = f"Shipping of resource {order.definition.name} to remote {order.remote.name} in progress."
    return entry(codes.MASK_INFO, message, references={"Snapshot": order.snapshot.name})


def _candidates(definition: Definition, remote: Remote, existing: Snapshot | None) -> list[str]:
    return [
        each.uuid
        for each in definition.snapshots.values()
        if each.nodes
        and status_of(each, remote.name) != FAILED
        and (existing is None or each.created < existing.created)
    ]


def _base(
    cluster: Cluster, definition: Definition, remote: Remote, wanted: str | None, said: Entries
) -> Snapshot | None:
    """The snapshot that the target named, if the node that shipped it can ship what comes next."""
    if not wanted:
        return None
    found = next((each for each in definition.snapshots.values() if each.uuid == wanted), None)
    shipper = cluster.nodes.get(found.source(remote.name, "SrcNode") or "") if found else None
    if found is not None and shipper is not None and shipper.online:
        return found
    if found is None:
        said.append(entry(codes.MASK_INFO, "No common snapshot found"))
    elif shipper is None:
        said.append(entry(codes.MASK_INFO, "Unable to discern which node shipped the last incremental backup"))
    else:
        message = f"Node {shipper.name} is needed for an incremental backup, but is offline or otherwise unavailable"
        said.append(entry(codes.MASK_WARN, f"{message} (deleting, evicted, etc)"))
    message = f"Could not create an incremental backup for resource {definition.name}, creating full backup instead"
    said.append(entry(codes.MASK_WARN, message))
    return None


def _drop(cluster: Cluster, shipment: Shipment) -> None:
    """Forget it. The snapshot stays in Prepare Shipping forever, and an abort doesn't find it."""
    if shipment in cluster.shipments:
        cluster.shipments.remove(shipment)
        haunt(cluster, shipment)


def _version(cluster: Cluster) -> list[int]:
    return cluster.options.numbers


def _prefixed(remote: Remote, reply: Any) -> Entries:
    said = reply.get("responses") if isinstance(reply, dict) else None
    return [{**each, "message": f"Remote '{remote.name}': {each['message']}"} for each in said or []]
