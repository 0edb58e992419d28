# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups in a bucket: create, list."""

from __future__ import annotations

from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import backup_list, s3_shipping
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route


@route("GET", "/v1/remotes/{remote}/backups")
def list_backups(cluster: Cluster, call: Call) -> Any:
    remote = cluster.s3_remote(call.names["remote"])
    return backup_list.listed(cluster, remote, call.one("rsc_name"), call.one("snap_name"))


@route("POST", "/v1/remotes/{remote}/backups", 201)
def create(cluster: Cluster, call: Call) -> Entries:
    return s3_shipping.create(
        cluster,
        call.names["remote"],
        call.field("rsc_name", ""),
        call.field("snap_name", ""),
        call.field("node_name", ""),
        bool(call.field("incremental", False)),
    )
