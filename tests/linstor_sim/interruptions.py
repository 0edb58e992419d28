# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Controllers and satellites that stop, and what becomes of the shipments under way. Called with the lock held."""

from __future__ import annotations

import contextlib

from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import Failure, Shipment, abort_one
from ansible_collections.snapship.dr.tests.linstor_sim.state import ABORTED, SHIPPING
from ansible_collections.snapship.dr.tests.linstor_sim.status import set_status, status_of

#: what may become of a shipment under way: it is aborted; it keeps its state with nobody to carry it; it is called
#: aborted although all of it has arrived
ABORT, DIE, ARRIVE = "abort", "die", "arrive"


def restart_controller(cluster: Cluster, how: str = ABORT) -> None:
    """What was queued is forgotten. What was refused keeps its state for ever.

    The satellites end their shipments when the connection to the controller breaks.
    """
    for shipment in list(cluster.shipments):
        cluster.shipments.remove(shipment)
        if how == DIE and _is_shipping(shipment):
            cluster.dead.append(shipment)
            continue
        if how == ARRIVE:
            cluster.shipments.append(shipment)  # so that it is carried to its end
            with contextlib.suppress(Failure):
                shipment.order.carrier.deliver(cluster, shipment, False)
            cluster.shipments.remove(shipment)
        set_status(cluster, shipment.order.snapshot, shipment.order.remote.name, ABORTED)
    if how == DIE:
        cluster.receptions = [each for each in cluster.receptions if each.of_peer]
    cluster.queue.clear()
    cluster.young.clear()
    cluster.haunted.clear()
    cluster.unlocked_by_passphrase = False
    cluster.begun[CONTROLLER] = cluster.clock.now
    for remote in cluster.remotes.values():
        remote.going = False  # it must be deleted again


def set_online(cluster: Cluster, node: str, online: bool, how: str = ABORT) -> None:
    """A satellite dies, or comes back with no memory of its shipments."""
    found = cluster.node(node)
    if online and not found.online:
        cluster.begun[found.name] = cluster.clock.now
    found.online = online
    if online:
        return
    for each in [each for each in cluster.shipments if each.node == found.name]:
        if how == DIE:
            cluster.shipments.remove(each)
            cluster.dead.append(each)
        else:
            abort_one(cluster, each)


def _is_shipping(shipment: Shipment) -> bool:
    return status_of(shipment.order.snapshot, shipment.order.remote.name) == SHIPPING
