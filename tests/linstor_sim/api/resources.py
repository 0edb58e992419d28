# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resource groups, definitions and deployed resources, as far as backups need them."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.api.controller import changed
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Group, Pool, Resource, Volume


@route("GET", "/v1/resource-groups")
def groups(cluster: Cluster, call: Call) -> Any:
    wanted = call.many("resource_groups")
    return [_group(each) for each in cluster.groups.values() if not wanted or each.name in wanted]


@route("GET", "/v1/resource-groups/{group}")
def group(cluster: Cluster, call: Call) -> Any:
    return _group(cluster.group(call.names["group"]))


@route("POST", "/v1/resource-groups", 201)
def create_group(cluster: Cluster, call: Call) -> Entries:
    name = call.field("name")
    if name in cluster.groups:
        code = codes.FAIL_EXISTS_RSC_GRP | codes.MASK_RSC_GRP | codes.MASK_CRT
        raise Refused(code, f"A Resource group: {name} already exists.", cause="The ResourceGroup already exists")
    selected = dict(call.field("select_filter", {}))
    cluster.groups[name] = Group(name, call.field("description", ""), dict(call.field("props", {})), selected)
    return [entry(codes.CREATED | codes.MASK_RSC_GRP | codes.MASK_CRT, f"New resource group '{name}' created.")]


@route("PUT", "/v1/resource-groups/{group}")
def modify_group(cluster: Cluster, call: Call) -> Entries:
    found = cluster.group(call.names["group"])
    return changed(found.props, call, codes.MASK_RSC_GRP, f"resource group '{found.name}'")


@route("DELETE", "/v1/resource-groups/{group}")
def delete_group(cluster: Cluster, call: Call) -> Entries:
    found = cluster.group(call.names["group"])
    if any(each.group == found.name for each in cluster.definitions.values()):
        code = codes.FAIL_IN_USE | codes.MASK_RSC_GRP | codes.MASK_DEL
        raise Refused(
            code, f"Cannot delete resource group '{found.name}' because it has existing resource definitions."
        )
    del cluster.groups[found.name]
    return [entry(codes.DELETED | codes.MASK_RSC_GRP | codes.MASK_DEL, f"Resource group '{found.name}' deleted.")]


def _group(found: Group) -> dict[str, Any]:
    return {
        "name": found.name,
        "description": found.description,
        "props": found.props,
        "select_filter": found.select_filter,
        "uuid": found.uuid,
    }


@route("GET", "/v1/resource-definitions")
def definitions(cluster: Cluster, call: Call) -> Any:
    wanted = [name.lower() for name in call.many("resource_definitions")]
    with_volumes = call.flag("with_volume_definitions")
    chosen = (each for each in cluster.definitions.values() if not wanted or each.name.lower() in wanted)
    return [_definition(each, with_volumes) for each in chosen]


@route("GET", "/v1/resource-definitions/{resource}")
def definition(cluster: Cluster, call: Call) -> Any:
    return _definition(cluster.definition(call.names["resource"]))


@route("POST", "/v1/resource-definitions", 201)
def create_definition(cluster: Cluster, call: Call) -> Entries:
    body = call.field("resource_definition", {})
    name, in_group = body.get("name", ""), body.get("resource_group_name") or "DfltRscGrp"
    code = codes.MASK_RSC_DFN | codes.MASK_CRT
    if name.lower() in [each.lower() for each in cluster.definitions]:
        message = f"A resource definition with the name '{name}' already exists"
        raise Refused(codes.FAIL_EXISTS_RSC_DFN | code, message, cause="The ResourceDefinition already exists")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{1,47}", name):
        raise Refused(
            codes.FAIL_INVLD_RSC_NAME | code, f"The specified resource name '{name}' is invalid.", report=True
        )
    layers = [each["type"].upper() for each in body.get("layer_data") or []] or ["DRBD", "STORAGE"]
    made = Definition(name, cluster.group(in_group).name, layers, dict(body.get("props") or {}))
    cluster.definitions[name] = made
    return [entry(codes.CREATED | code, f"New resource definition '{name}' created.", references={"RscDfn": name})]


@route("PUT", "/v1/resource-definitions/{resource}")
def modify_definition(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    if call.field("resource_group"):
        found.group = cluster.group(call.field("resource_group")).name
    return changed(found.props, call, codes.MASK_RSC_DFN, f"resource definition '{found.name}'")


@route("DELETE", "/v1/resource-definitions/{resource}")
def delete_definition(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    code = codes.MASK_RSC_DFN | codes.MASK_DEL
    if found.snapshots:
        names = ", ".join(sorted(found.snapshots))
        raise Refused(
            codes.FAIL_EXISTS_SNAPSHOT_DFN | code,
            f"Cannot delete resource definition '{found.name}' because it has snapshots.",
            details=f"Snapshots: {names}",
            correction="Delete all snapshots before deleting the resource definition.",
        )
    del cluster.definitions[found.name]
    return [entry(codes.DELETED | code, f"Resource definition '{found.name}' deleted.")]


@route("GET", "/v1/resource-definitions/{resource}/volume-definitions")
def volumes(cluster: Cluster, call: Call) -> Any:
    return [_volume_definition(each) for each in cluster.definition(call.names["resource"]).volumes.values()]


@route("POST", "/v1/resource-definitions/{resource}/volume-definitions")
def create_volume(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    body = call.field("volume_definition", {})
    number = body.get("volume_number")
    number = len(found.volumes) if number is None else number
    found.volumes[number] = cluster.new_volume(found.name, number, body["size_kib"])
    message = f"New volume definition with number '{number}' of resource definition '{found.name}' created."
    return [entry(codes.CREATED | codes.MASK_VLM_DFN | codes.MASK_CRT, message, references={"VlmNr": str(number)})]


@route("PUT", "/v1/resource-definitions/{resource}/volume-definitions/{number}")
def modify_volume(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"]).volumes[int(call.names["number"])]
    if call.field("size_kib"):
        found.size_kib = call.field("size_kib")
        found.content.resize(found.size_kib << 10)
    return changed(found.props, call, codes.MASK_VLM_DFN, f"volume definition {found.number}")


def _definition(found: Definition, with_volumes: bool = False) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": found.name,
        "props": found.props,
        "flags": found.flags,
        "layer_data": [{"type": layer} for layer in found.layers],
        "uuid": found.uuid,
        "resource_group_name": found.group,
    }
    if with_volumes:
        shown["volume_definitions"] = [_volume_definition(each) for each in found.volumes.values()]
    return shown


def _volume_definition(found: Volume) -> dict[str, Any]:
    return {
        "volume_number": found.number,
        "size_kib": found.size_kib,
        "props": found.props,
        "flags": found.flags,
        "uuid": found.uuid,
    }


@route("GET", "/v1/view/resources")
def view_resources(cluster: Cluster, call: Call) -> Any:
    on = [name.lower() for name in call.many("nodes")]
    wanted = [name.lower() for name in call.many("resources")]
    return [
        _resource(cluster, definition, each)
        for definition in cluster.definitions.values()
        if not wanted or definition.name.lower() in wanted
        for each in definition.resources.values()
        if not on or each.node.lower() in on
    ]


@route("GET", "/v1/resource-definitions/{resource}/resources")
def resources_of(cluster: Cluster, call: Call) -> Any:
    found = cluster.definition(call.names["resource"])
    return [_resource(cluster, found, each) for each in found.resources.values()]


@route("POST", "/v1/resource-definitions/{resource}/resources", 201)
def create_resources(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    entries: Entries = []
    for each in call.body or []:
        body = each["resource"]
        entries += _deployed(cluster, found, body["node_name"], body.get("props") or {})
    return entries


@route("POST", "/v1/resource-definitions/{resource}/resources/{node}", 201)
def create_resource(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    return _deployed(cluster, found, call.names["node"], call.field("resource", {}).get("props") or {})


def _deployed(cluster: Cluster, found: Definition, node: str, props: dict[str, str]) -> Entries:
    on = cluster.node(node).name
    pool = props.get("StorPoolName") or next((name for each, name in cluster.pools if each == on), "")
    if (on, pool) not in cluster.pools:
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL, f"Storage pool '{pool}' on node '{on}' not found.")
    if on in found.resources:
        message = f"A resource '{found.name}' on node '{on}' already exists."
        raise Refused(codes.FAIL_EXISTS_RSC | codes.MASK_RSC | codes.MASK_CRT, message)
    found.resources[on] = Resource(on, pool, cluster.clock.now, props=dict(props))
    mask, about = codes.MASK_RSC | codes.MASK_CRT, {"RscDfn": found.name}
    said = [entry(codes.CREATED | mask, f"New resource '{found.name}' on node '{on}' registered.", references=about)]
    if props:
        message = f"Successfully set property key(s): {','.join(props)}"
        said.insert(0, entry(codes.CREATED | mask, message, references=about))
    said.append(entry(codes.MODIFIED | mask, f"Created resource '{found.name}' on '{on}'", references=about))
    cluster.generate_remote()
    return said


@route("DELETE", "/v1/resource-definitions/{resource}/resources/{node}")
def delete_resource(cluster: Cluster, call: Call) -> Entries:
    found = cluster.definition(call.names["resource"])
    if found.resources.pop(cluster.node(call.names["node"]).name, None) is None:
        raise Refused(codes.FAIL_NOT_FOUND_RSC, f"Resource '{found.name}' on node '{call.names['node']}' not found.")
    return [entry(codes.DELETED | codes.MASK_RSC | codes.MASK_DEL, f"Resource '{found.name}' deleted.")]


def _resource(cluster: Cluster, definition: Definition, found: Resource) -> dict[str, Any]:
    pool = cluster.pools.get((found.node, found.pool)) or Pool(found.pool, found.node, "DISKLESS")
    return {
        "name": definition.name,
        "node_name": found.node,
        "props": {"StorPoolName": found.pool, **found.props},
        "flags": found.flags,
        "layer_object": _layers(definition.layers),
        "state": {"in_use": found.in_use},
        "uuid": found.uuid,
        "create_timestamp": found.created,
        "volumes": [
            {
                "volume_number": each.number,
                "storage_pool_name": found.pool,
                "provider_kind": pool.provider,
                "device_path": f"/dev/drbd{1000 + each.number}",
                "allocated_size_kib": each.content.allocated >> 10,
                "usable_size_kib": each.size_kib,
                "props": {},
                "flags": [],
                "state": {"disk_state": "UpToDate" if found.diskful else "Diskless"},
                "layer_data_list": [],
                "uuid": each.uuid,
            }
            for each in definition.volumes.values()
        ],
    }


def _layers(layers: list[str]) -> dict[str, Any]:
    children = [_layers(layers[1:])] if len(layers) > 1 else []
    return {"type": layers[0], "children": children, "resource_name_suffix": ""}
