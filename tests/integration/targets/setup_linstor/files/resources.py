# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""resources.py make|remove CONTROLLERS NAME...: resources to test with, on any cluster that can have snapshots.

``remove`` takes their snapshots along, and their backups in the buckets that the tests have made known: others test
with resources of the same names. ``make`` deploys them on one node, without DRBD.
"""

from __future__ import annotations

import sys
from typing import Any

import linstor

KINDS = ("LVM_THIN", "ZFS", "ZFS_THIN")
KIB = 16 << 10
REMOTES = "snapship-test-"


def check(replies: list[Any]) -> None:
    if not linstor.Linstor.all_api_responses_no_error(replies):
        raise SystemExit("\n".join(str(reply) for reply in replies))


def make(client: Any, name: str) -> None:
    pools = [pool.data_v1 for pool in client.storage_pool_list()[0].storage_pools]
    fit = next((pool for pool in pools if pool.get("provider_kind") in KINDS), None)
    if fit is None:
        raise SystemExit(f"No storage pool of {', '.join(KINDS)} on this cluster.")
    check(client.resource_dfn_create(name, layer_list=["STORAGE"]))
    check(client.volume_dfn_create(name, KIB))
    place = linstor.linstorapi.ResourceData(fit["node_name"], name, storage_pool=fit["storage_pool_name"])
    check(client.resource_create([place]))


def remove_backups(client: Any, name: str) -> None:
    for remote in client.remote_list()[0].s3_remotes:
        if not remote.remote_name.startswith(REMOTES):
            continue
        for backup in client.backup_list(remote.remote_name)[0].linstor:
            if backup.origin_rsc_name.lower() == name.lower():
                check(client.backup_delete(remote.remote_name, bak_id=backup.id, cascade=True, keep_snaps=True))


def remove(client: Any, name: str) -> None:
    remove_backups(client, name)
    for snapshot in client.snapshot_dfn_list()[0].snapshots:
        if snapshot.rsc_name.lower() == name.lower():
            check(client.snapshot_delete(snapshot.rsc_name, snapshot.name))
    if name.lower() in [each.name.lower() for each in client.resource_dfn_list()[0].resource_definitions]:
        check(client.resource_dfn_delete(name))


def main() -> None:
    act = {"make": make, "remove": remove}[sys.argv[1]]
    with linstor.MultiLinstor(linstor.MultiLinstor.controller_uri_list(sys.argv[2])) as client:
        for name in sys.argv[3:]:
            act(client, name)


if __name__ == "__main__":
    main()
