# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shipments under way: how they start, wait in the queue, go on with time, and end.

Everything here but ``progress`` is called with the cluster's lock held.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Protocol

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.faults import ShipmentFault
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    ABORTED,
    ABORTING,
    FAILED,
    PREPARE,
    SHIPPING,
    SOURCE,
    SUCCESS,
    Definition,
    Remote,
    Snapshot,
)
from ansible_collections.snapship.dr.tests.linstor_sim.status import set_status, status_of

LAST, LAST_STARTED, FULL = "BackupLastSnapshot", "BackupLastStartedOrQueued", "LastFullBackupTimestamp"


class Failure(Exception):
    """A shipment can't be carried out; the text goes into the error report."""


class Carrier(Protocol):
    """Carries a shipment's data to its destination. Called with the lock held; releases it while it waits."""

    def begin(self, cluster: Cluster, shipment: Shipment) -> Entries:
        """Prepare the shipment, with the other side if any, and call ``go``. Returns the entries of the reply."""

    def deliver(self, cluster: Cluster, shipment: Shipment, cut: bool) -> None:
        """``cut``: the network goes midway. Raises Failure."""

    def end(self, cluster: Cluster, shipment: Shipment, success: bool) -> None:
        """Tells the other side, if there is one."""


@dataclass
class Order:
    """A shipment to be made."""

    definition: Definition
    snapshot: Snapshot
    remote: Remote
    base: Snapshot | None
    carrier: Carrier
    preferred: str = ""
    schedule: str = ""

    @property
    def space(self) -> str:
        return f"{SOURCE}/{self.remote.name}"


@dataclass
class Shipment:
    """``ends``: when its time is over, in milliseconds; None before it has begun, and for one that hangs."""

    order: Order
    node: str
    started: int
    ends: int | None
    fault: ShipmentFault | None = None
    delivering: bool = False


@dataclass
class Queued:
    """A shipment that waits, for a slot on one of ``nodes`` or (none) for its base to be shipped."""

    order: Order
    nodes: list[str]
    since: int


def submit(cluster: Cluster, order: Order, entries: Entries) -> Shipment | None:
    """Assigns a shipment to a node; or queues it, while its base is under way or no node has a free slot."""
    waits = order.base is not None and _base_status(order) != SUCCESS
    nodes = usable_nodes(cluster, order)
    chosen = None if waits else _choose(cluster, nodes, order.preferred)
    if chosen is None:
        message = "Maximum amount of shippings met on all nodes, adding to queue instead"
        entries.append(entry(codes.MASK_WARN, message))
        cluster.queue.append(Queued(order, nodes, cluster.clock.now))
        return None
    return start(cluster, order, chosen)


def _base_status(order: Order) -> str | None:
    return status_of(order.base, order.remote.name) if order.base else None


def usable_nodes(cluster: Cluster, order: Order) -> list[str]:
    """Where the snapshot can be shipped from: beside an increment's base, for ZFS and LUKS only there."""
    here = [name for name in order.snapshot.nodes if cluster.nodes[name].online]
    if order.base is None:
        return here
    shipper = order.base.source(order.remote.name, "SrcNode")
    pinned = "LUKS" in order.snapshot.layers or any(
        each.provider.startswith("ZFS") for each in order.snapshot.nodes.values()
    )
    return [name for name in here if (name == shipper if pinned else name in order.base.nodes)]


def _choose(cluster: Cluster, nodes: list[str], preferred: str) -> str | None:
    free = {name: _slots(cluster, name) for name in nodes}
    free = {name: slots for name, slots in free.items() if slots > 0}
    if preferred in free:
        return preferred
    return max(free, key=lambda name: free[name]) if free else None


def _slots(cluster: Cluster, node: str) -> float:
    key = "BackupShipping/MaxConcurrentBackupsPerNode"
    limit = int(cluster.nodes[node].props.get(key) or cluster.props.get(key) or -1)
    busy = sum(1 for each in cluster.shipments if each.node == node)
    return (float("inf") if limit < 0 else limit) - busy


def start(cluster: Cluster, order: Order, node: str) -> Shipment:
    """From here on the snapshot has a shipping status; its carrier is to begin."""
    props, space = order.snapshot.props, order.space
    fault = cluster.faults.of_shipment(order.definition.name, order.remote.name)
    if fault and fault.how == "full":
        order.base, fault = None, None
    props[f"{space}/SrcNode"] = node
    props.pop(f"{space}/{LAST}", None)
    props[f"{space}/{FULL}"] = order.snapshot.name
    if order.base is not None:
        props[f"{space}/{LAST}"] = order.base.name
        props[f"{space}/{FULL}"] = order.base.props.get(f"{space}/{FULL}", order.base.name)
    made = Shipment(order, node, cluster.clock.now, None, fault)
    cluster.shipments.append(made)
    set_status(cluster, order.snapshot, order.remote.name, PREPARE)
    return made


def go(cluster: Cluster, shipment: Shipment) -> None:
    """The data begins to flow, unless the shipment was aborted meanwhile."""
    fault = shipment.fault
    if shipment not in cluster.shipments or (fault and fault.how == "stuck"):
        return
    if not (fault and fault.how == "hang"):
        seconds = fault.seconds if fault and fault.seconds else cluster.options.ship_seconds
        shipment.ends = cluster.clock.now + int(seconds * 1000)
    set_status(cluster, shipment.order.snapshot, shipment.order.remote.name, SHIPPING)


def progress(cluster: Cluster, wait: bool = False) -> None:
    """Does what has become due. Another thread that is at it already is only waited for with ``wait``."""
    if not cluster.progressing.acquire(blocking=wait):
        return
    try:
        with cluster.lock:
            while _finish_one(cluster) or _start_one(cluster):
                pass
            for step in cluster.steps:
                step(cluster)
    finally:
        cluster.progressing.release()


def _finish_one(cluster: Cluster) -> bool:
    now = cluster.clock.now
    due = [each for each in cluster.shipments if each.ends is not None and each.ends <= now and not each.delivering]
    if not due:
        return False
    shipment = due[0]
    shipment.delivering = True
    fault = shipment.fault.how if shipment.fault else ""
    try:
        if fault in ("fail", "lose"):
            raise Failure(shipment.fault.message if shipment.fault else "")
        shipment.order.carrier.deliver(cluster, shipment, fault == "cut")
        _ended(cluster, shipment, SUCCESS)
    except Failure as failure:
        if shipment in cluster.shipments:
            cluster.report(shipment.node, f"{failure}")
            _ended(cluster, shipment, FAILED)
    return True


def _ended(cluster: Cluster, shipment: Shipment, status: str) -> None:
    if shipment not in cluster.shipments:
        return  # aborted meanwhile
    cluster.shipments.remove(shipment)
    order = shipment.order
    if _stumbles(cluster, order.remote.name):
        haunt(cluster, shipment)
        return
    cluster.ended_one = True
    set_status(cluster, order.snapshot, order.remote.name, status)
    if status == SUCCESS:
        order.definition.props[f"{order.space}/{LAST}"] = order.snapshot.name
    for follow in cluster.followers:
        follow(cluster, shipment, status)
    if not (shipment.fault and shipment.fault.how == "lose"):
        order.carrier.end(cluster, shipment, status == SUCCESS)


def _start_one(cluster: Cluster) -> bool:
    """LINSTOR checks the queue only when a shipment ends, not when a slot becomes free otherwise."""
    ended_one, cluster.ended_one = cluster.ended_one, False
    if not ended_one:
        return False
    for queued in list(cluster.queue):
        order = queued.order
        if order.base is not None and _base_status(order) != SUCCESS:
            if any(each.order.snapshot is order.base for each in cluster.shipments):
                continue
            # The last shipped snapshot replaces a missing base.
            last = order.definition.props.get(f"{order.space}/{LAST}", "")
            order.base = order.definition.snapshots.get(last)
        elif order.base is not None and order.base.name not in order.definition.snapshots:
            order.base = None
        chosen = _choose(cluster, usable_nodes(cluster, order), order.preferred)
        if chosen is not None:
            cluster.queue.remove(queued)
            shipment = start(cluster, order, chosen)
            with contextlib.suppress(Refused):
                order.carrier.begin(cluster, shipment)
            cluster.ended_one = ended_one
            return True
    return False


def abort(cluster: Cluster, definition: Definition, remote: str, snapshot: str | None) -> int:
    """Abort shipments under way or queued; returns their number. As in LINSTOR, an aborted one loses its snapshot."""
    cluster.queue = [
        each
        for each in cluster.queue
        if not (
            each.order.definition is definition
            and each.order.remote.name == remote
            and snapshot in (None, each.order.snapshot.name)
        )
    ]
    meant = [
        each
        for each in [*cluster.shipments, *cluster.dead]
        if each.order.definition is definition
        and each.order.remote.name == remote
        and snapshot in (None, each.order.snapshot.name)
    ]
    for each in meant:
        if each in cluster.dead:
            # The satellite has nothing to end, and answers nothing.
            set_status(cluster, each.order.snapshot, remote, ABORTING)
        else:
            abort_one(cluster, each)
    return len(meant)


def abort_one(cluster: Cluster, shipment: Shipment) -> None:
    """Abort a shipment under way. It loses its snapshot unless that was still being prepared."""
    order = shipment.order
    prepared = status_of(order.snapshot, order.remote.name) == PREPARE
    cluster.shipments.remove(shipment)
    if _stumbles(cluster, order.remote.name):
        set_status(cluster, order.snapshot, order.remote.name, ABORTING)
        haunt(cluster, shipment)
        return
    cluster.ended_one = True
    set_status(cluster, order.snapshot, order.remote.name, ABORTED)
    if not prepared:
        order.definition.snapshots.pop(order.snapshot.name, None)
    order.carrier.end(cluster, shipment, False)


def haunt(cluster: Cluster, shipment: Shipment) -> None:
    """The controller counts a refused shipment as under way until it is restarted."""
    order = shipment.order
    cluster.haunted.setdefault(order.remote.name, []).append((order.definition, order.snapshot))


def _stumbles(cluster: Cluster, remote: str) -> bool:
    """LINSTOR can't end a shipment if another remote's only pending shipment has lost its snapshot."""
    for name, kept in cluster.haunted.items():
        running = [each for each in cluster.shipments if each.order.remote.name == name]
        gone = [each for each in kept if each[0].snapshots.get(each[1].name) is not each[1]]
        if name != remote and len(kept) + len(running) == 1 and gone:
            cluster.report(CONTROLLER, "Access to deleted SnapshotDefinition")
            return True
    return False


def uses(cluster: Cluster, remote: str) -> bool:
    """Whether a shipment to it is, or seems to be, under way."""
    orders = [each.order for each in cluster.shipments] + [each.order for each in cluster.queue]
    return remote in cluster.haunted or any(each.remote.name == remote for each in orders)


def forget_remotes(cluster: Cluster) -> None:
    """Delete remotes that were waiting for their last shipment."""
    for each in [each for each in cluster.remotes.values() if each.going and not uses(cluster, each.name)]:
        del cluster.remotes[each.name]


def is_busy(cluster: Cluster, snapshot: Snapshot) -> str:
    """Why a snapshot can't be deleted now, or an empty text."""
    remains = any(
        each.order.snapshot is snapshot and status_of(snapshot, each.order.remote.name) == SHIPPING
        for each in cluster.dead
    )
    if remains or any(each.order.snapshot is snapshot for each in cluster.shipments):
        return "currently being shipped as a backup"
    if any(each.snapshot is snapshot for each in cluster.young):
        return "currently being shipped as a backup"
    if any(each.order.snapshot is snapshot for each in cluster.queue):
        return "currently being queued for backup shipping"
    return ""
