# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module returns the same ``created`` for one backup."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import (
    backup_delete,
    backup_info,
    protection_info,
    restore,
    retention,
    snapshot,
)
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, access, join, only, protect

KEEP = {"last": 9}


def told(simulation: Simulation, remote: str) -> dict[str, set[Any]]:
    """``created`` of all backups of db, by the module that returned it: what reads in the cluster that ships."""
    with Cluster(access(simulation)) as cluster:
        info = backup_info.listing(cluster, backup_info.Request(remote=remote)).backups
        covered = protection_info.report(
            cluster, protection_info.Request(promises=[protection_info.Promise(remote, "1d")])
        )
        found = {
            "backup_info": {each["created"] for each in info},
            "protection_info": {each["created"] for each in covered.protection},
            "snapshot_info": {each["created"] for each in snapshot.describe(cluster, ["db"], None)},
        }
        fields: dict[str, Any] = {"keep": KEEP} if remote == S3 else {}
        pruned = retention.plan(
            cluster, retention.Request(remote=remote, resources=["db"], local=KEEP, **fields)
        ).preview()
        found["retention"] = {each["created"] for each in pruned.items}
        if remote == S3:
            going = backup_delete.plan(cluster, backup_delete.Request(remote=S3, id=info[0]["id"])).preview()
            found["backup_delete"] = {each["created"] for each in going.items}
            pairs = [{"source": "db", "target": "db-copy"}]
            back = restore.plan(cluster, restore.Request(remote=S3, resources=pairs)).preview()
            found["restore"] = {each["created"] for each in back.items}
    return found


@pytest.mark.parametrize("name", [None, "release", "backup-20260101-000000-0a1b2c"])
@pytest.mark.parametrize("remote", [S3, DR])
def test_created_is_the_same_in_every_module(
    two_clusters: tuple[Simulation, Simulation], remote: str, name: str | None
) -> None:
    home, away = two_clusters
    protect(home, "db")
    join(home, away)
    taken = iso_time(home.cluster.clock.now / 1000)
    if name is not None:
        with Cluster(access(home)) as cluster:
            request = snapshot.Request(resources=["db"], name=name)
            assert snapshot.apply(cluster, snapshot.plan(cluster, request)).changed
        taken = iso_time(home.snapshot("db", name).created / 1000)
        home.advance(3600)
        away.advance(3600)
    target = {"target": ShipmentTarget(resource="{resource}-dr")} if remote == DR else {}
    made = only(Task(home, resources=["db"], remote=remote, snapshot=name, **target)())
    assert made["created"] >= taken if name is None else made["created"] == taken
    found = told(home, remote)
    assert found == dict.fromkeys(found, {made["created"]})
    if remote == DR:
        received = received_at(away)
        began = iso_time(int(home.snapshot("db", made["snapshot"]).source(DR, "BackupStartTimestamp") or 0) / 1000)
        assert received == dict.fromkeys(received, {began})
        assert name is not None or began == made["created"]


def received_at(simulation: Simulation) -> dict[str, set[Any]]:
    """The same in the cluster that has received it."""
    with Cluster(access(simulation)) as cluster:
        pruned = retention.plan(
            cluster, retention.Request(received_from="any", resources=["db-dr"], keep=KEEP)
        ).preview()
        back = restore.plan(
            cluster, restore.Request(received_from="any", resources=[{"source": "db-dr", "target": "db-copy"}])
        ).preview()
        return {
            "backup_info": {each["created"] for each in backup_info.listing(cluster, backup_info.Request()).backups},
            "snapshot_info": {each["created"] for each in snapshot.describe(cluster, ["db-dr"], None)},
            "retention": {each["created"] for each in pruned.items},
            "restore": {each["created"] for each in back.items},
        }
