# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots: created one by one or several at one point in time, listed, changed, deleted, restored, rolled back to."""

from __future__ import annotations

from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, snapshots
from ansible_collections.snapship.dr.tests.linstor_sim.api.controller import changed
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry, within
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import is_busy
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Resource, Snapshot

_CRT, _MOD, _DEL = (codes.MASK_SNAPSHOT | each for each in (codes.MASK_CRT, codes.MASK_MOD, codes.MASK_DEL))


def _about(resource: str, name: str) -> tuple[str, dict[str, str]]:
    return f"Resource: {resource}, Snapshot: {name}", {"RscDfn": resource, "Snapshot": name}


@route("GET", "/v1/view/snapshots")
def view(cluster: Cluster, call: Call) -> Any:
    on = [name.lower() for name in call.many("nodes")]
    wanted = [name.lower() for name in call.many("resources")]
    listed = [
        shown(definition, each)
        for definition in cluster.definitions.values()
        if not wanted or definition.name.lower() in wanted
        for each in definition.snapshots.values()
        if not on or any(node.lower() in on for node in each.nodes)
    ]
    start, limit = int(call.one("offset") or 0), int(call.one("limit") or 0)
    return listed[start : start + limit] if limit else listed


@route("GET", "/v1/resource-definitions/{resource}/snapshots")
def of_resource(cluster: Cluster, call: Call) -> Any:
    definition = _definition(cluster, call)
    return [shown(definition, each) for each in definition.snapshots.values()]


@route("GET", "/v1/resource-definitions/{resource}/snapshots/{snapshot}")
def one(cluster: Cluster, call: Call) -> Any:
    definition, name = _definition(cluster, call), call.names["snapshot"]
    for each in definition.snapshots.values():
        if each.name.lower() == name.lower():
            return shown(definition, each)
    raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT, f"Snapshot '{name}' not found.")


def _definition(cluster: Cluster, call: Call) -> Definition:
    found = cluster.find_definition(call.names["resource"])
    if found is None:
        message = f"Resource definition '{call.names['resource']}' not found."
        raise Refused(codes.FAIL_NOT_FOUND_RSC_DFN, message)
    return found


@route("POST", "/v1/resource-definitions/{resource}/snapshots", 201)
def create(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.field("name", "")
    with within(_CRT, *_about(resource, name)):
        definition, nodes = snapshots.check(cluster, resource, name, call.field("nodes", []))
        props = call.field("snapshot_definition_props", {})
        made = snapshots.take(cluster, definition, name, nodes, props, cluster.clock.now)
    return snapshots.taken(definition, made)


@route("POST", "/v1/actions/snapshot/multi", 201)
def create_several(cluster: Cluster, call: Call) -> Entries:
    """All or none of them."""
    asked = call.field("snapshots", [])
    described = ", ".join(_about(each.get("resource_name", ""), each.get("name", ""))[0] for each in asked)
    checked = []
    with within(_CRT, f"MultiSnapshot [{described}]"):
        for each in asked:
            name = each.get("name", "")
            definition, nodes = snapshots.check(cluster, each.get("resource_name", ""), name, each.get("nodes") or [])
            checked.append((definition, name, nodes, each.get("snapshot_definition_props") or {}))
    entries: Entries = []
    now = cluster.clock.now
    for definition, name, nodes, props in checked:
        entries += snapshots.taken(definition, snapshots.take(cluster, definition, name, nodes, props, now))
    return entries


@route("PUT", "/v1/resource-definitions/{resource}/snapshots/{snapshot}")
def modify(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.names["snapshot"]
    definition = cluster.find_definition(resource)
    if definition is None or name not in definition.snapshots:
        message, references = f"Snapshot definition '{resource}/{name}' not found.", _about(resource, name)[1]
        with within(_MOD, "", references):
            raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT_DFN, message)
    return changed(definition.snapshots[name].props, call, codes.MASK_SNAPSHOT, f"Snapshot '{name}'")


@route("DELETE", "/v1/resource-definitions/{resource}/snapshots/{snapshot}")
def delete(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.names["snapshot"]
    details, references = _about(resource, name)
    definition = cluster.find_definition(resource)
    found = (
        next((each for each in definition.snapshots.values() if each.name.lower() == name.lower()), None)
        if definition
        else None
    )
    if definition is None or found is None:
        message = f"Snapshot definition {name} of resource {resource} not found."
        return [entry(codes.WARN_NOT_FOUND | _DEL, message, details=details, references=references)]
    description = f"Snapshot definition {found.name} of resource {definition.name}"
    with within(_DEL, details, references):
        busy = is_busy(cluster, found)
        if busy:
            advice = "Please wait until the shipping is finished or use backup abort --create"
            raise Refused(codes.FAIL_IN_USE, f"{description} is {busy}. {advice}")
        if found.target() in ("Prepare Shipping", "Shipping") or found.restoring:
            advice = "Please wait until the restore is finished"
            raise Refused(codes.FAIL_IN_USE, f"{description} is currently being restored from a backup. {advice}")
    nodes = call.many("nodes") or list(found.nodes)
    for node in nodes:
        found.nodes.pop(node, None)
    if not found.nodes:
        del definition.snapshots[found.name]
    return _deleted(definition, found, nodes, references)


def _deleted(definition: Definition, snapshot: Snapshot, nodes: list[str], references: dict[str, str]) -> Entries:
    text = "Marked snapshot for deletion '{0}' of resource '{1}' on node '{2}'"
    entries = [
        entry(codes.DELETED | _DEL, text.format(snapshot.name, definition.name, node), references=references)
        for node in nodes
    ]
    text = "Deleted snapshot '{0}' of '{1}' on '{2}'"
    return entries + [
        entry(codes.DELETED | _DEL, text.format(snapshot.name, definition.name, node), references=references)
        for node in nodes
    ]


@route("POST", "/v1/resource-definitions/{resource}/snapshot-restore-volume-definition/{snapshot}")
def restore_volume_definitions(cluster: Cluster, call: Call) -> Entries:
    target = call.field("to_resource", "")
    with within(_CRT, f"Volume definitions of resource: {target}"):
        found = cluster.snapshot(call.names["resource"], call.names["snapshot"])
        definition = cluster.definition(target)
        if definition.volumes:
            message = f"A volume definition with the number 0 already exists in resource definition '{target}'."
            raise Refused(codes.FAIL_EXISTS_VLM_DFN, message)
        for each in found.volumes.values():
            definition.volumes[each.number] = cluster.new_volume(target, each.number, each.size_kib)
    message = f"Restored volume definitions from snapshot '{found.name}' into resource definition '{target}'."
    return [entry(codes.CREATED | codes.MASK_VLM_DFN | codes.MASK_CRT, message)]


@route("POST", "/v1/resource-definitions/{resource}/snapshot-restore-resource/{snapshot}", 201)
def restore_resource(cluster: Cluster, call: Call) -> Entries:
    target, mask = call.field("to_resource", ""), codes.MASK_RSC | codes.MASK_CRT
    with within(mask, f"Resource: {target}", {"RscDfn": target}):
        found = cluster.snapshot(call.names["resource"], call.names["snapshot"])
        definition = cluster.definition(target)
        if definition.resources:
            raise Refused(
                codes.FAIL_EXISTS_RSC,
                f"Resource '{target}' on node '{next(iter(definition.resources))}' already exists.",
            )
        if not definition.volumes:
            raise Refused(codes.FAIL_NOT_FOUND_VLM_DFN, f"Resource definition '{target}' has no volume definitions.")
        wanted = call.field("nodes", []) or list(found.nodes)
        missing = [node for node in wanted if node not in found.nodes]
        if missing:
            message = (
                f"Snapshot '{found.name}' of resource '{call.names['resource']}' on node '{missing[0]}' not found."
            )
            raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT, message)
        rename = call.field("stor_pool_rename", {})
        for node in wanted:
            pool = found.nodes[node].pool
            deploy(cluster, definition, node, rename.get(pool, rename.get("*", pool)))
        for number, each in found.volumes.items():
            definition.volumes[number].content = each.content.copy()
    message = f"Restored resource '{call.names['resource']}' from snapshot '{found.name}' as '{target}'."
    return [entry(codes.CREATED | mask, message, references={"RscDfn": target})]


def deploy(cluster: Cluster, definition: Definition, node: str, pool: str) -> Resource:
    """A replica of a definition on a node; Refused where the pool isn't."""
    if (node, pool) not in cluster.pools:
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL, f"Storage pool '{pool}' on node '{node}' not found.")
    made = Resource(node, pool, cluster.clock.now)
    definition.resources[node] = made
    return made


@route("POST", "/v1/resource-definitions/{resource}/snapshot-rollback/{snapshot}")
def roll_back(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.names["snapshot"]
    with within(_MOD, *_about(resource, name)):
        definition, found = cluster.definition(resource), cluster.snapshot(resource, name)
        if any(each.in_use for each in definition.resources.values()):
            node = next(each.node for each in definition.resources.values() if each.in_use)
            raise Refused(
                codes.FAIL_IN_USE, f"Cannot rollback to snapshot '{name}' because resource is in use on node '{node}'."
            )
        for number, each in found.volumes.items():
            volume = definition.volumes[number]
            volume.content, volume.size_kib = each.content.copy(), each.size_kib
        strategy = call.field("zfs_rollback_strategy", "dynamic")
        if strategy == "rollback" and any(part.provider.startswith("ZFS") for part in found.nodes.values()):
            later = [each.name for each in definition.snapshots.values() if each.created > found.created]
            for each in later:
                del definition.snapshots[each]
    message = f"Rolled back resource '{definition.name}' to snapshot '{found.name}'."
    return [entry(codes.MODIFIED | _MOD, message, references=_about(resource, name)[1])]


def shown(definition: Definition, snapshot: Snapshot) -> dict[str, Any]:
    """A snapshot definition as the lists have it."""
    return {
        "name": snapshot.name,
        "resource_name": definition.name,
        "nodes": list(snapshot.nodes),
        "props": {**snapshot.definition_props, **snapshot.props},
        "snapshot_definition_props": snapshot.props,
        "resource_definition_props": snapshot.definition_props,
        "flags": snapshot.flags,
        "volume_definitions": [
            {"volume_number": each.number, "size_kib": each.size_kib} for each in snapshot.volumes.values()
        ],
        "uuid": snapshot.uuid,
        "snapshots": [
            {
                "snapshot_name": snapshot.name,
                "node_name": each.node,
                "create_timestamp": each.created,
                "flags": each.flags,
                "uuid": each.uuid,
                "snapshot_volumes": [
                    {"uuid": each.uuid, "vlm_nr": volume, "state": "Ok"} for volume in snapshot.volumes
                ],
            }
            for each in snapshot.nodes.values()
        ],
    }
