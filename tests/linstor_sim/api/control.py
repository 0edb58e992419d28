# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Control of the double over HTTP, for tests: set up, break, inspect, let time pass. LINSTOR has no such routes."""

from __future__ import annotations

import base64
from dataclasses import asdict
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import interruptions, shipments
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Reply
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route


@route("GET", "/sim/requests")
def requests(cluster: Cluster, _call: Call) -> Any:
    """The log, in order."""
    return Reply(200, cluster.journal.as_json())


@route("GET", "/sim/counts")
def counts(cluster: Cluster, _call: Call) -> Any:
    """The number of requests of each route."""
    return Reply(200, cluster.journal.counts())


@route("DELETE", "/sim/requests")
def forget_requests(cluster: Cluster, _call: Call) -> Any:
    cluster.journal.clear()
    return Reply(200, {})


@route("GET", "/sim/violations")
def violations(cluster: Cluster, _call: Call) -> Any:
    """Requests and replies that break the API's document."""
    return Reply(200, cluster.journal.violations)


@route("POST", "/sim/faults/{kind}")
def add_fault(cluster: Cluster, call: Call) -> Any:
    """``kind``: request, shipment or snapshot; the body has the fields of faults.RequestFault and so on."""
    try:
        cluster.faults.add(call.names["kind"], call.body)
    except (TypeError, ValueError) as error:
        return Reply(400, {"error": str(error)})
    return Reply(200, {})


@route("GET", "/sim/faults")
def faults(cluster: Cluster, _call: Call) -> Any:
    """The faults that haven't happened yet."""
    mine = cluster.faults
    told = {"request": [asdict(each) for each in mine.requests], "shipment": [asdict(each) for each in mine.shipments]}
    return Reply(200, {**told, "snapshot": [asdict(each) for each in mine.snapshots]})


@route("DELETE", "/sim/faults")
def clear_faults(cluster: Cluster, _call: Call) -> Any:
    cluster.faults.clear()
    return Reply(200, {})


@route("POST", "/sim/advance")
def advance(cluster: Cluster, call: Call) -> Any:
    """``{"seconds": 60}``: everything that becomes due has happened when the reply comes."""
    cluster.clock.advance(float(call.field("seconds", 0)))
    with cluster.unlocked():
        shipments.progress(cluster, wait=True)
    return Reply(200, {"now": cluster.clock.now})


@route("POST", "/sim/restart")
def restart(cluster: Cluster, call: Call) -> Any:
    """``{"how": "die"}``, by default ``abort``: restart the controller. The passphrase is locked. See interruptions."""
    interruptions.restart_controller(cluster, call.field("how", interruptions.ABORT))
    return Reply(200, {})


@route("POST", "/sim/resources")
def add_resource(cluster: Cluster, call: Call) -> Any:
    """``{"name": "db", "sizes_kib": [4096], "nodes": ["alpha"], "pool": "thinpool"}``, all but the name optional."""
    given = dict(call.body)
    for name in ("sizes_kib", "nodes", "layers"):
        if name in given:
            given[name] = tuple(given[name])
    cluster.add_resource(**given)
    return Reply(200, {})


@route("PUT", "/sim/nodes/{node}")
def set_node(cluster: Cluster, call: Call) -> Any:
    """``{"online": false, "how": "die"}``; see interruptions."""
    how = call.field("how", interruptions.ABORT)
    interruptions.set_online(cluster, call.names["node"], bool(call.field("online", True)), how)
    return Reply(200, {})


@route("PUT", "/sim/pools/{node}/{pool}")
def set_pool(cluster: Cluster, call: Call) -> Any:
    """``{"total_kib": 4096}``: the size of a storage pool."""
    cluster.pools[cluster.node(call.names["node"]).name, call.names["pool"]].total_kib = int(call.field("total_kib"))
    return Reply(200, {})


@route("PUT", "/sim/resources/{resource}/in-use")
def set_in_use(cluster: Cluster, call: Call) -> Any:
    """``{"node": "alpha", "in_use": true}``."""
    found = cluster.definition(call.names["resource"]).resources[call.field("node")]
    found.in_use = bool(call.field("in_use", True))
    return Reply(200, {})


@route("GET", "/sim/volumes/{resource}/{number}")
def read_volume(cluster: Cluster, call: Call) -> Any:
    """The bytes on a volume."""
    content = cluster.definition(call.names["resource"]).volumes[int(call.names["number"])].content.read()
    return Reply(200, raw=content, headers={"Content-Type": "application/octet-stream"})


@route("POST", "/sim/volumes/{resource}/{number}")
def write_volume(cluster: Cluster, call: Call) -> Any:
    """``{"offset": 0, "text": "..."}``, or ``base64`` instead of ``text``."""
    volume = cluster.definition(call.names["resource"]).volumes[int(call.names["number"])]
    data = base64.b64decode(call.field("base64", "")) or call.field("text", "").encode()
    volume.content.write(int(call.field("offset", 0)), data)
    return Reply(200, {})
