# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tokens with which clients sign in, and the export of the database: new in LINSTOR 1.34."""

from __future__ import annotations

import datetime
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, Reply, entry
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route
from ansible_collections.snapship.dr.tests.linstor_sim.state import Token

SINCE = (1, 28)
_CRT, _MOD, _DEL = (codes.MASK_CTRL_CONF | each for each in (codes.MASK_CRT, codes.MASK_MOD, codes.MASK_DEL))


@route("POST", "/v1/controller/auth/initialize-token-auth", 201, SINCE)
def initialize(cluster: Cluster, call: Call) -> Entries:
    """From now on a token is asked for. Only this answer and that of ``create`` tell it."""
    if cluster.tokens:
        return [entry(codes.MASK_WARN | _CRT, "Token authentication is already enabled")]
    made = cluster.add_token(call.field("description", "init-client"))
    return [entry(codes.CREATED | _CRT, f"Init token {made.secret}", references={"token": made.secret})]


@route("GET", "/v1/controller/auth/token", 200, SINCE)
def every(cluster: Cluster, _call: Call) -> Any:
    shown = [_shown(each) for each in cluster.tokens if each.deleted is None]
    return Reply(200, {"count": len(shown), "list": shown})


@route("POST", "/v1/controller/auth/token", 201, SINCE)
def create(cluster: Cluster, call: Call) -> Entries:
    made = cluster.add_token(call.field("description", ""), ip_filter=call.field("ip_filter", ""))
    return [entry(codes.CREATED | _CRT, f"Token {made.secret}", references={"token": made.secret})]


@route("PUT", "/v1/controller/auth/token/{token}", 200, SINCE)
def modify(cluster: Cluster, call: Call) -> Entries:
    found = _find(cluster, call)
    found.description = call.field("description", found.description)
    found.ip_filter = call.field("ip_filter", found.ip_filter)
    found.active = call.field("is_active", found.active)
    return [entry(codes.MODIFIED | _MOD, f"Token {found.id} modified.")]


@route("DELETE", "/v1/controller/auth/token/{token}", 200, SINCE)
def revoke(cluster: Cluster, call: Call) -> Entries:
    found = _find(cluster, call)
    found.deleted = cluster.clock.now
    return [entry(codes.DELETED | _DEL, f"Token {found.id} revoked.")]


@route("POST", "/v1/controller/database/export", 201, SINCE)
def export(cluster: Cluster, call: Call) -> Entries:
    """To a file of the controller."""
    name = call.field("backup_name", "")
    cluster.exports.append(name)
    return [entry(codes.CREATED | _CRT, f"Database exported to {name}.json")]


def _find(cluster: Cluster, call: Call) -> Token:
    for each in cluster.tokens:
        if str(each.id) == call.names["token"] and each.deleted is None:
            return each
    raise Refused(codes.FAIL_NOT_FOUND_KVS, f"Token {call.names['token']} not found.")


def _shown(token: Token) -> dict[str, Any]:
    created = datetime.datetime.fromtimestamp(token.created / 1000, datetime.timezone.utc)
    return {
        "id": token.id,
        "created_at": created.isoformat(),
        "is_active": token.active,
        "description": token.description,
        "ip_filter": token.ip_filter,
        "is_user_token": True,
    }
