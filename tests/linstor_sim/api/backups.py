# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups in a bucket: create, list, delete, restore, info."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import backup_list, backup_restore, codes, s3_shipping
from ansible_collections.snapship.dr.tests.linstor_sim.backup_delete import Selection, delete
from ansible_collections.snapship.dr.tests.linstor_sim.backup_restore import Wanted
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, Reply, lean
from ansible_collections.snapship.dr.tests.linstor_sim.routing import Call, route


@route("GET", "/v1/remotes/{remote}/backups")
def list_backups(cluster: Cluster, call: Call) -> Any:
    remote = cluster.s3_remote(call.names["remote"])
    found = backup_list.listed(cluster, remote, call.one("rsc_name"), call.one("snap_name"))
    # LINSTOR returns an empty object, but leaves out an empty list.
    return Reply(200, {**lean(found), "other": lean(found["other"])})


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


@route("DELETE", "/v1/remotes/{remote}/backups")
def delete_backups(cluster: Cluster, call: Call) -> Entries:
    wanted = Selection(
        call.one("id"),
        call.one("id_prefix"),
        call.one("s3key"),
        call.one("timestamp"),
        call.one("resource_name"),
        call.one("node_name"),
        call.flag("all"),
        call.flag("all_local_cluster"),
        call.flag("cascading"),
    )
    wanted.check()
    remote = cluster.s3_remote(call.names["remote"])
    return delete(cluster, remote, wanted, call.flag("dryrun"), call.flag("keep_snaps"))


@route("POST", "/v1/remotes/{remote}/backups/restore", 201)
def restore(cluster: Cluster, call: Call) -> Entries:
    wanted = _wanted(call)
    backup_restore.selection(wanted.last_backup, wanted.src_rsc_name)
    if wanted.download_only and wanted.force_restore:
        raise Refused(codes.FAIL_INVLD_REQUEST, "Too many parameters given. Cannot download only and force a restore.")
    return backup_restore.restore(cluster, call.names["remote"], wanted)


@route("POST", "/v1/remotes/{remote}/backups/info")
def info(cluster: Cluster, call: Call) -> Any:
    wanted = _wanted(call)
    backup_restore.selection(wanted.last_backup, wanted.src_rsc_name)
    if wanted.stor_pool_map and not wanted.node_name:
        message = "Too few parameters given. When using --storpool-rename, then --target-node is also needed."
        raise Refused(codes.FAIL_INVLD_REQUEST, message)
    return backup_restore.info(cluster, call.names["remote"], wanted)


def _wanted(call: Call) -> Wanted:
    given = {each.name: call.field(each.name) for each in fields(Wanted) if call.field(each.name) is not None}
    return Wanted(**{"node_name": "", "target_rsc_name": "", **given})
