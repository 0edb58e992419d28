# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The key-value store. Keys are stored without a leading slash, as in LINSTOR."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{1,47}")
_LONGEST_KEY, _LONGEST_VALUE = 255, 4096


@route("GET", "/v1/key-value-store")
def all_stores(cluster: Cluster, _call: Call) -> Any:
    return [{"name": name, "props": props} for name, props in cluster.stores.items()]


@route("GET", "/v1/key-value-store/{instance}")
def one_store(cluster: Cluster, call: Call) -> Any:
    name = _known(cluster, call.names["instance"])
    if name not in cluster.stores:
        raise Refused(codes.FAIL_NOT_FOUND_KVS, f"Could not find key value store instance '{name}'.")
    return [{"name": name, "props": cluster.stores[name]}]


@route("PUT", "/v1/key-value-store/{instance}")
def modify_store(cluster: Cluster, call: Call) -> Entries:
    name = _known(cluster, call.names["instance"])
    if not _NAME.fullmatch(name):
        raise Refused(codes.FAIL_INVLD_KVS_NAME, f"The given keyValueStore name '{name}' is invalid.")
    override = {_key(key): value for key, value in call.field("override_props", {}).items()}
    if any(value is None for value in override.values()):
        raise Refused(codes.FAIL_INVLD_PROP, "Invalid value.")
    override.pop("", None)
    if any(len(str(value)) > _LONGEST_VALUE for value in override.values()):
        raise Refused(codes.FAIL_UNKNOWN_ERROR, "Exception thrown.", report=True)
    props = cluster.stores.setdefault(name, {})
    props.update({key: str(value) for key, value in override.items()})
    for key in call.field("delete_props", []):
        props.pop(_key(key), None)
    for space in call.field("delete_namespaces", []):
        inner = space.strip("/")
        for key in [each for each in props if not inner or each.startswith(inner + "/")]:
            del props[key]
    if not props:
        del cluster.stores[name]
    return [entry(codes.MODIFIED | codes.MASK_CTRL_CONF | codes.MASK_MOD, "Successfully updated properties")]


@route("DELETE", "/v1/key-value-store/{instance}")
def delete_store(cluster: Cluster, call: Call) -> Entries:
    name = _known(cluster, call.names["instance"])
    if cluster.stores.pop(name, None) is None:
        message, cause = f"Deletion of kvs '{name}' had no effect.", f"Kvs '{name}' does not exist."
        return [entry(codes.WARN_NOT_FOUND, message, cause=cause)]
    return [entry(codes.DELETED, f"Kvs '{name}' deleted.")]


def _known(cluster: Cluster, name: str) -> str:
    """The name in its first spelling."""
    return next((each for each in cluster.stores if each.lower() == name.lower()), name)


def _key(name: str) -> str:
    made = re.sub("/+", "/", name).strip("/")
    if len(made) > _LONGEST_KEY:
        raise Refused(codes.FAIL_INVLD_PROP, "Invalid key.")
    return made
