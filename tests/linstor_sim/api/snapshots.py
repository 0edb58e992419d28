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
    return _outcome(cluster, [(definition, made)])


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
    now = cluster.clock.now
    made = [
        (definition, snapshots.take(cluster, definition, name, nodes, props, now))
        for definition, name, nodes, props in checked
    ]
    return _outcome(cluster, made) if made else []


def _outcome(cluster: Cluster, made: list[tuple[Definition, Snapshot]]) -> Entries:
    """If one snapshot of the call can't be taken, none is: all are left behind, marked as failed."""
    faults = (cluster.faults.of_snapshot(definition.name) for definition, _snapshot in made)
    fault = next(filter(None, faults), None)
    if fault is None:
        return snapshots.registered(made)
    for _definition, snapshot in made:
        snapshot.flags = ["FAILED_DEPLOYMENT"]
    node = next(iter(made[0][1].nodes))
    report = cluster.report(node, fault.message)
    message = f"({node}) {fault.message}"
    failed = entry(codes.FAIL_UNKNOWN_ERROR | _CRT, message, error_report_ids=[report])
    return [*snapshots.registered(made)[: len(made)], failed]


@route("PUT", "/v1/resource-definitions/{resource}/snapshots/{snapshot}")
def modify(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.names["snapshot"]
    definition = cluster.find_definition(resource)
    if definition is None or name not in definition.snapshots:
        message, references = f"Snapshot definition '{resource}/{name}' not found.", _about(resource, name)[1]
        with within(_MOD, "", references):
            raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT_DFN, message)
    changed(definition.snapshots[name].props, call, codes.MASK_SNAPSHOT, f"Snapshot '{name}'")
    message = f"Successfully set property key(s): {','.join(call.field('override_props', {}))}"
    return [entry(codes.CREATED | _CRT, message, references=_about(resource, name)[1])]


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
    what = f"napshot '{snapshot.name}' of resource '{definition.name}'"
    on = f"on nodes {', '.join(repr(node) for node in nodes)}"
    said = [(codes.DELETED, f"Marked snapshot for deletion s{what} {on}")]
    said += [
        (codes.MODIFIED, f"Deleted snapshot '{snapshot.name}' of '{definition.name}' on '{node}'") for node in nodes
    ]
    said.append((codes.DELETED, f"S{what} {on} deleted."))
    entries = [entry(code | _DEL, message, references=references) for code, message in said]
    if not snapshot.nodes:
        about = {"UUID": snapshot.uuid, **references}
        entries.append(entry(codes.DELETED | _DEL, f"S{what} deleted.", references=about))
    return entries


@route("POST", "/v1/resource-definitions/{resource}/snapshot-restore-volume-definition/{snapshot}")
def restore_volume_definitions(cluster: Cluster, call: Call) -> Entries:
    target = call.field("to_resource", "")
    with within(_CRT, f"Volume definitions of resource: {target}"):
        found = _usable(cluster, call)
        definition = cluster.definition(target)
        for each in found.volumes.values():
            if each.number in definition.volumes:
                number = f"number {each.number} already exists in resource definition '{target}'."
                cause = "The VolumeDefinition already exists"
                raise Refused(codes.FAIL_EXISTS_VLM_DFN, f"A volume definition with the {number}", cause=cause)
            definition.volumes[each.number] = cluster.new_volume(target, each.number, each.size_kib)
    source = f"resource '{call.names['resource']}', snapshot '{found.name}'"
    message = f"Volume definitions of resource definition '{target}' restored from {source}."
    return [entry(codes.DELETED | _CRT, message)]


@route("POST", "/v1/resource-definitions/{resource}/snapshot-restore-resource/{snapshot}")
def restore_resource(cluster: Cluster, call: Call) -> Entries:
    target, mask = call.field("to_resource", ""), codes.MASK_RSC | codes.MASK_CRT
    references, entries = {"RscDfn": target}, []
    with within(mask, f"Resource: {target}", references):
        found = _usable(cluster, call)
        definition = cluster.definition(target)
        if definition.resources:
            message = "Cannot restore to resource definition which already has resources"
            raise Refused(codes.FAIL_EXISTS_RSC, message, report=True)
        if not definition.volumes:
            advice = "Restore the volume definitions to the target resource definition."
            message = "No volumes to restore."
            entries.append(entry(codes.WARN_NOT_FOUND | mask, message, correction=advice, references=references))
        wanted = call.field("nodes", []) or list(found.nodes)
        for node in wanted:
            if node not in found.nodes:
                source = f"Snapshot '{found.name}' of resource '{call.names['resource']}'"
                raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT, f"{source} on node '{node}' not found.", report=True)
        rename = call.field("stor_pool_rename", {})
        for node in wanted:
            pool = found.nodes[node].pool
            deploy(cluster, definition, node, rename.get(pool, rename.get("*", pool)))
        for number, volume in definition.volumes.items():
            if number in found.volumes:
                volume.content = found.volumes[number].content.copy()
    source = f"resource '{call.names['resource']}', snapshot '{found.name}'"
    message = f"Resource '{target}' restored from {source}."
    return [*entries, entry(codes.CREATED | mask, message, references=references)]


def _usable(cluster: Cluster, call: Call) -> Snapshot:
    found = cluster.snapshot(call.names["resource"], call.names["snapshot"])
    if "SUCCESSFUL" not in found.flags:
        raise Refused(codes.FAIL_UNKNOWN_ERROR, "Unable to use failed snapshot", report=True)
    return found


def deploy(cluster: Cluster, definition: Definition, node: str, pool: str) -> Resource:
    """A replica of a definition on a node; Refused without the storage pool."""
    if (node, pool) not in cluster.pools:
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL, f"Storage pool '{pool}' on node '{node}' not found.")
    made = Resource(node, pool, cluster.clock.now)
    definition.resources[node] = made
    return made


@route("POST", "/v1/resource-definitions/{resource}/snapshot-rollback/{snapshot}")
def roll_back(cluster: Cluster, call: Call) -> Entries:
    resource, name = call.names["resource"], call.names["snapshot"]
    with within(_MOD, *_about(resource, name)):
        definition, found = cluster.definition(resource), _usable(cluster, call)
        if any(each.in_use for each in definition.resources.values()):
            node = next(each.node for each in definition.resources.values() if each.in_use)
            raise Refused(
                codes.FAIL_IN_USE, f"Cannot rollback to snapshot '{name}' because resource is in use on node '{node}'."
            )
        _need_newest(definition, found, call.field("zfs_rollback_strategy", "dynamic"))
        for number, each in found.volumes.items():
            volume = definition.volumes[number]
            volume.content, volume.size_kib = each.content.copy(), each.size_kib
    message = f"Rolled back resource '{definition.name}' to snapshot '{found.name}'."
    return [entry(codes.MODIFIED | _MOD, message, references=_about(resource, name)[1])]


def _need_newest(definition: Definition, snapshot: Snapshot, strategy: str) -> None:
    """ZFS's own rollback goes to the newest only; the other strategies make a clone."""
    of_zfs = any(part.provider.startswith("ZFS") for part in snapshot.nodes.values())
    if (
        strategy == "rollback"
        and of_zfs
        and any(each.created > snapshot.created for each in definition.snapshots.values())
    ):
        message = f"'{snapshot.name}' is not the most recent snapshot. Cannot 'zfs rollback ...' to the given snapshot!"
        raise Refused(codes.FAIL_DEPENDEND_BACKUP, message)


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
                "snapshot_props": each.props,
                "resource_props": {"StorPoolName": each.pool},
                "snapshot_volumes": [{"uuid": each.uuid, "vlm_nr": volume} for volume in snapshot.volumes],
            }
            for each in snapshot.nodes.values()
        ],
    }
