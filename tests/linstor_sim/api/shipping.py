# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shipping to LINSTOR remotes, aborting shipments, and the queue."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, l2l, receiving, shipments
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import Queued


@route("POST", "/v1/remotes/{remote}/backups/ship", 201)
def ship(cluster: Cluster, call: Call) -> Entries:
    given = {each.name: call.field(each.name) for each in fields(l2l.Wanted) if call.field(each.name) is not None}
    return l2l.ship(cluster, call.names["remote"], l2l.Wanted(**given))


@route("POST", "/v1/remotes/{remote}/backups/abort")
def abort(cluster: Cluster, call: Call) -> Entries:
    definition = cluster.definition(call.field("rsc_name", ""))
    remote, snapshot = cluster.remote(call.names["remote"]), call.field("snapshot")
    create, restore = bool(call.field("create", False)), bool(call.field("restore", False))
    if not create and not restore:
        create = restore = True
    count = shipments.abort(cluster, definition, remote.name, snapshot) if create else 0
    if restore:
        for each in [
            each for each in cluster.receptions if each.definition is definition and each.remote == remote.name
        ]:
            receiving.finish(cluster, each, False)
            count += 1
    if not count:
        return []
    what = "backup-shipments" if not restore else "backup-restores" if not create else "backup-shipments and restores"
    message = f"Successfully aborted all in-progress {what} of resource {definition.name}"
    return [entry(codes.MASK_SUCCESS, message)]


@route("GET", "/v1/view/backup/queue")
def queue(cluster: Cluster, call: Call) -> Any:
    chosen = [
        each
        for each in cluster.queue
        if _among(call.many("resources"), each.order.definition.name)
        and _among(call.many("snapshots"), each.order.snapshot.name)
        and _among(call.many("remotes"), each.order.remote.name)
    ]
    nodes = [name for name in cluster.nodes if _among(call.many("nodes"), name)]
    by_node = [(name, [each for each in chosen if name in each.nodes]) for name in nodes]
    if not call.flag("snap_to_node"):
        queues = [{"node_name": name, "queue": list(map(_shown, waiting))} for name, waiting in by_node if waiting]
        return {"node_queues": queues}
    return {
        "snap_queues": [
            {**_shown(each), "queue": [{"node_name": name} for name in each.nodes if name in nodes]} for each in chosen
        ]
    }


def _among(wanted: list[str], name: str) -> bool:
    return not wanted or name.lower() in [each.lower() for each in wanted]


def _shown(queued: Queued) -> dict[str, Any]:
    order = queued.order
    return {
        "resource_name": order.definition.name,
        "snapshot_name": order.snapshot.name,
        "remote_name": order.remote.name,
        "incremental": order.base is not None,
        "based_on": order.base.name if order.base else None,
        "start_timestamp": queued.since,
        "pref_node": order.preferred,
    }
