# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Nodes, their network interfaces and storage pools."""

from __future__ import annotations

from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import capacity, codes
from ansible_collections.snapship.dr.tests.linstor_sim.api.controller import changed
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.state import Node, Pool

_PROVIDERS = ["DISKLESS", "LVM", "LVM_THIN", "ZFS", "ZFS_THIN", "FILE", "FILE_THIN"]


@route("GET", "/v1/nodes")
def nodes(cluster: Cluster, call: Call) -> Any:
    wanted = [name.lower() for name in call.many("nodes")]
    return [_node(each) for each in cluster.nodes.values() if not wanted or each.name.lower() in wanted]


@route("GET", "/v1/nodes/{node}")
def node(cluster: Cluster, call: Call) -> Any:
    """The node of this name. LINSTOR words this error differently from others."""
    found = next((each for each in cluster.nodes.values() if each.name.lower() == call.names["node"].lower()), None)
    if found is None:
        raise Refused(codes.FAIL_NOT_FOUND_NODE, f"Node '{call.names['node']}' not found.")
    return _node(found)


@route("POST", "/v1/nodes", 201)
def create_node(cluster: Cluster, call: Call) -> Entries:
    name = call.field("name")
    if name in cluster.nodes:
        message = f"Registration of node '{name}' failed."
        cause = f"A node with the specified name '{name}' already exists."
        raise Refused(codes.FAIL_EXISTS_NODE | codes.MASK_NODE | codes.MASK_CRT, message, cause=cause)
    made = Node(name, props=dict(call.field("props", {})))
    for each in call.field("net_interfaces", []):
        made.interfaces[each["name"]] = each["address"]
    cluster.nodes[name] = made
    cluster.begun[name] = cluster.clock.now
    return [entry(codes.CREATED | codes.MASK_NODE | codes.MASK_CRT, f"New node '{name}' registered.")]


@route("PUT", "/v1/nodes/{node}")
def modify_node(cluster: Cluster, call: Call) -> Entries:
    found = cluster.node(call.names["node"])
    return changed(found.props, call, codes.MASK_NODE, f"node '{found.name}'")


@route("GET", "/v1/nodes/{node}/net-interfaces")
def interfaces(cluster: Cluster, call: Call) -> Any:
    return _interfaces(cluster.node(call.names["node"]))


@route("POST", "/v1/nodes/{node}/net-interfaces", 201)
def create_interface(cluster: Cluster, call: Call) -> Entries:
    found = cluster.node(call.names["node"])
    found.interfaces[call.field("name")] = call.field("address")
    return [entry(codes.CREATED | codes.MASK_NET_IF | codes.MASK_CRT, "New network interface created.")]


def _node(found: Node) -> dict[str, Any]:
    return {
        "name": found.name,
        "type": "SATELLITE",
        "flags": found.flags,
        "props": {"CurStltConnName": "default", "NodeUname": found.name, **found.props},
        "net_interfaces": _interfaces(found),
        "connection_status": "ONLINE" if found.online else "OFFLINE",
        "uuid": found.uuid,
        "storage_providers": _PROVIDERS,
        "resource_layers": ["DRBD", "LUKS", "STORAGE"],
    }


def _interfaces(found: Node) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "address": address,
            "satellite_port": 3366,
            "satellite_encryption_type": "PLAIN",
            "is_active": name == "default",
            "uuid": found.uuid,
        }
        for name, address in found.interfaces.items()
    ]


@route("GET", "/v1/view/storage-pools")
def view_pools(cluster: Cluster, call: Call) -> Any:
    on, names = call.many("nodes"), call.many("storage_pools")
    return [
        pool_shown(cluster, each)
        for each in [*map(_diskless, cluster.nodes), *cluster.pools.values()]
        if (not on or each.node in on) and (not names or each.name in names)
    ]


def _diskless(node: str) -> Pool:
    """The interface that every node has."""
    return Pool("DfltDisklessStorPool", node, "DISKLESS", (1 << 63) - 1)


@route("GET", "/v1/nodes/{node}/storage-pools")
def pools(cluster: Cluster, call: Call) -> Any:
    on = cluster.node(call.names["node"]).name
    return [pool_shown(cluster, each) for each in [_diskless(on), *cluster.pools.values()] if each.node == on]


@route("GET", "/v1/nodes/{node}/storage-pools/{pool}")
def pool(cluster: Cluster, call: Call) -> Any:
    found = cluster.pools.get((cluster.node(call.names["node"]).name, call.names["pool"]))
    if found is None:
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL, f"Storage pool '{call.names['pool']}' not found.")
    return pool_shown(cluster, found)


@route("POST", "/v1/nodes/{node}/storage-pools", 201)
def create_pool(cluster: Cluster, call: Call) -> Entries:
    on, name = cluster.node(call.names["node"]).name, call.field("storage_pool_name")
    if (on, name) in cluster.pools:
        raise Refused(codes.FAIL_EXISTS_STOR_POOL, f"Storage pool '{name}' on node '{on}' already exists.")
    cluster.pools[on, name] = Pool(name, on, call.field("provider_kind"), props=dict(call.field("props", {})))
    return [entry(codes.CREATED | codes.MASK_STOR_POOL | codes.MASK_CRT, f"New storage pool '{name}' registered.")]


def pool_shown(cluster: Cluster, found: Pool) -> dict[str, Any]:
    return {
        "storage_pool_name": found.name,
        "node_name": found.node,
        "provider_kind": found.provider,
        "props": found.props,
        "static_traits": _traits(found),
        "free_capacity": capacity.free_kib(cluster, found),
        "total_capacity": found.total_kib,
        "free_space_mgr_name": f"{found.node};{found.name}",
        "uuid": found.uuid,
        "reports": [],
        "supports_snapshots": found.takes_snapshots,
        "external_locking": False,
    }


def _traits(found: Pool) -> dict[str, str]:
    if found.provider == "DISKLESS":
        return {"SupportsSnapshots": "false"}
    thin = "Thin" if "THIN" in found.provider else "Fat"
    return {"Provisioning": thin, "SupportsSnapshots": str(found.takes_snapshots).lower()}
