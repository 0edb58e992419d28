# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores from S3: of any point in time, joined, interrupted, refused beforehand; and copies kept current."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    RemoteError,
    UnknownError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.restores import download
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore, retention
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import (
    DR,
    S3,
    Task,
    access,
    failure,
    four_times,
    only,
    point,
    protect,
    writes,
)

HOUR = 3600.0
RESTORES = "POST /v1/remotes/{remote}/backups/restore"


def restoring(simulation: Simulation, source: str = "db", target: str = "copy", **request: Any) -> Task:
    pair = [{"source": source, "target": target}]
    return Task(simulation, restore, **{"remote": S3, "resources": pair, "poll_interval": "0.2s", **request})


def back_up(simulation: Simulation, data: bytes, **changes: Any) -> dict[str, Any]:
    """A new state of db, on S3; an hour goes by."""
    simulation.write("db", 0, data)
    made = only(Task(simulation, resources=["db"], max_age="0s")(**changes))
    simulation.advance(HOUR)
    return made


@pytest.fixture
def stored(cluster: Simulation) -> Simulation:
    """A full and two increments of db."""
    protect(cluster, "db")
    for data in (b"one", b"two", b"three"):
        back_up(cluster, data)
    return cluster


def props(simulation: Simulation, resource: str) -> dict[str, str]:
    prefix = "Aux/snapship.dr/restored/"
    own = simulation.cluster.definition(resource).props
    return {key[len(prefix) :]: value for key, value in own.items() if key.startswith(prefix)}


def test_the_newest_into_a_new_resource(stored: Simulation) -> None:
    item = only(four_times(restoring(stored)))
    assert stored.read("copy") == stored.read("db")
    assert len(item["chain"]) == 3
    assert item["chain"][-1] == item["id"]
    assert item["bytes_logical"] == 4 << 20
    assert item["bytes_fetched"] > 0
    assert item["state"] == "success"
    stamp = props(stored, "copy")
    assert (stamp["source"], stamp["backup"], stamp["state"]) == (S3, item["id"], "done")
    assert stamp["resource"] == stored.cluster.definition("copy").uuid
    # nothing is left of the note that it was begun
    assert "restores/copy" not in stored.cluster.stores.get("snapship-dr", {})


def test_by_id_snapshot_and_time(stored: Simulation) -> None:
    _third, second, first = _ids(stored)
    by_id = only(four_times(restoring(stored, target="by-id", backup=first)))
    assert by_id["chain"] == [first]
    assert stored.read("by-id")[:3] == b"one"
    name = by_id["snapshot"]
    only(four_times(restoring(stored, target="by-name", snapshot=name)))
    then = iso_time(stored.cluster.clock.seconds - 1.5 * HOUR)
    by_time = only(four_times(restoring(stored, target="by-time", at=then)))
    assert by_time["id"] == second
    assert stored.read("by-time")[:3] == b"two"


def _ids(simulation: Simulation) -> list[str]:
    """Of db's backups, the newest first."""
    task = Task(simulation, retention, remote=S3, resources=["db"], keep={"last": -1})
    return [each["id"] for each in task(check=True).items]


def test_in_another_cluster(stored: Simulation, bucket_directory: Path) -> None:
    with Simulation(name="dr", nodes=("xray", "yankee"), bucket_directory=bucket_directory) as there:
        protect(there)
        item = only(four_times(restoring(there, target="db", resource_group="DfltRscGrp")))
        assert there.read("db") == stored.read("db")
        assert item["nodes"] in (["xray"], ["yankee"])


def test_a_copy_is_kept_current(stored: Simulation) -> None:
    task = restoring(stored, overwrite=True)
    four_times(task)
    uuid = stored.cluster.definition("copy").uuid
    back_up(stored, b"four")
    refused = failure(task(overwrite=False))
    assert refused["code"] == "target_exists"
    assert "was restored from" in refused["msg"]
    item = only(four_times(task))
    assert stored.read("copy")[:4] == b"four"
    assert stored.cluster.definition("copy").uuid == uuid
    assert len(item["chain"]) == 4
    # and back to an older one, all of which is there already
    before = stored.counts().get(RESTORES, 0)
    four_times(task, backup=item["chain"][1])
    assert stored.read("copy")[:3] == b"two"
    assert stored.counts().get(RESTORES, 0) == before


def test_a_target_that_is_something_else(stored: Simulation) -> None:
    stored.add_resource("other")
    data = stored.read("other")
    for changes in ({}, {"overwrite": True}):
        for check in (True, False):
            outcome = restoring(stored, target="other", **changes)(check=check)
            assert failure(outcome)["code"] == "target_exists"
            assert not outcome.changed
    assert stored.read("other") == data
    assert stored.cluster.definition("other").snapshots == {}
    four_times(restoring(stored, target="other", overwrite=True, discard_changes=True))
    assert stored.read("other") == stored.read("db")


def test_in_use(stored: Simulation) -> None:
    task = restoring(stored, overwrite=True, discard_changes=True)
    four_times(task)
    back_up(stored, b"four")
    with stored.cluster.lock:
        next(iter(stored.cluster.definition("copy").resources.values())).in_use = True
    assert failure(task())["code"] == "target_busy"
    assert stored.read("copy")[:5] == b"three"


def test_only_downloaded(stored: Simulation) -> None:
    item = only(four_times(restoring(stored, download_only=True)))
    definition = stored.cluster.definition("copy")
    assert (len(definition.snapshots), definition.resources) == (3, {})
    assert item["state"] == "success"
    # what was downloaded isn't downloaded again
    before = stored.counts()[RESTORES]
    only(four_times(restoring(stored)))
    assert stored.counts()[RESTORES] == before
    assert stored.read("copy") == stored.read("db")


def test_not_waited_for(stored: Simulation) -> None:
    stored.shipment_fault("slow", resource="copy", seconds=3600)
    outcome = restoring(stored, wait=False)()
    assert only(outcome)["state"] == "shipping"
    assert outcome.changed
    assert props(stored, "copy") == {}
    stored.advance(3601)
    four_times(restoring(stored))
    assert stored.read("copy") == stored.read("db")


def test_joined_after_a_timeout(stored: Simulation) -> None:
    stored.shipment_fault("hang", resource="copy")
    outcome = restoring(stored, wait_timeout="1s")()
    error = failure(outcome)
    assert (error["code"], outcome.changed) == ("timeout", True)
    before = stored.counts()[RESTORES]
    assert failure(restoring(stored, wait_timeout="1s")())["code"] == "timeout"
    assert stored.counts()[RESTORES] == before


def test_a_lost_reply_is_no_second_download(stored: Simulation) -> None:
    stored.request_fault("drop", method="POST", path=".*/backups/restore")
    only(restoring(stored)())
    assert stored.counts()[RESTORES] == 1
    assert not restoring(stored)().changed
    assert stored.read("copy") == stored.read("db")


def test_killed_before_it_was_recorded(stored: Simulation) -> None:
    stored.request_fault("refuse", method="PUT", path=".*/resource-definitions/copy")
    assert restoring(stored)().failures
    assert stored.read("copy") == stored.read("db")
    # the next run knows that it was this one's doing
    assert only(restoring(stored)())["actions"] == ["recorded in copy what it was restored from"]
    assert not restoring(stored)().changed


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What disappears is looked for only for a moment."""
    monkeypatch.setattr(download, "_LOOK_FOR", 1.0)


@pytest.mark.usefixtures("impatient")
def test_a_download_that_fails_says_so_and_can_be_tried_again(stored: Simulation) -> None:
    stored.shipment_fault("fail", resource="copy", message="the pipe broke")
    outcome = restoring(stored)()
    error = failure(outcome)
    assert error["code"] == "restore_failed"
    assert stored.cluster.definition("copy").resources == {}
    only(restoring(stored)())
    assert stored.read("copy") == stored.read("db")


@pytest.mark.usefixtures("impatient")
def test_a_copy_survives_a_download_that_fails(stored: Simulation) -> None:
    task = restoring(stored, overwrite=True)
    four_times(task)
    back_up(stored, b"four")
    stored.shipment_fault("fail", resource="copy")
    assert failure(task())["code"] == "restore_failed"
    assert stored.read("copy")[:5] == b"three"
    assert props(stored, "copy")["state"] == "done"
    only(four_times(task))
    assert stored.read("copy")[:4] == b"four"


def test_what_is_damaged_is_refused_and_a_good_one_named(stored: Simulation, bucket_directory: Path) -> None:
    newest, second, first = _ids(stored)
    for path in bucket_directory.rglob(f"db_00000_{second[3:]}*"):
        if path.suffix != ".meta":
            path.unlink()
    for check in (True, False):
        error = failure(restoring(stored)(check=check))
        assert error["code"] == "corrupt"
        assert newest in error["msg"]
        assert first in error["hint"]
    assert stored.cluster.find_definition("copy") is None
    only(four_times(restoring(stored, backup=first)))


def test_refused_before_anything_is_done(stored: Simulation) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"node": "alpha", "storage_pool_map": {"thinpool": "nowhere"}}, "no_pool"),
        ({"storage_pool_map": {"thinpool": "nowhere"}}, "no_pool"),
        ({"storage_pool_map": {"thinpool": "zpool"}}, "provider"),
        ({"storage_pool_map": {"thinpool": "tiny"}}, "no_space"),
        ({"storage_pool_map": {"nothing": "thinpool"}}, "usage"),
        ({"node": "zulu"}, "unknown_node"),
        ({"backup": "db_back_20010101_000000"}, "unknown_backup"),
        ({"at": "2001-01-01T00:00:00Z"}, "unknown_backup"),
        ({"resources": [{"source": "nothing", "target": "copy"}]}, "unknown_backup"),
    ]
    for pool, provider, size in (("zpool", "ZFS", 1 << 20), ("tiny", "LVM_THIN", 8)):
        stored.cluster.pools["alpha", pool] = Pool(pool, "alpha", provider, size)
    before = writes(stored)
    for changes, code in cases:
        for check in (True, False):
            assert failure(restoring(stored, **changes)(check=check))["code"] == code, changes
    assert writes(stored) == before
    assert stored.cluster.find_definition("copy") is None


def test_remotes_that_are_no_s3(stored: Simulation) -> None:
    point(stored, stored, DR)
    with pytest.raises(UsageError, match="keeps no list"):
        restoring(stored, remote=DR)()
    with pytest.raises(UnknownError, match="no remote 'nowhere'"):
        restoring(stored, remote="nowhere")()


def test_the_passphrase_is_missing(stored: Simulation) -> None:
    stored.restart()
    for check in (True, False):
        with pytest.raises(RemoteError) as caught:
            restoring(stored)(check=check)
        assert caught.value.code == "locked"


def test_a_strangers_snapshot_of_the_same_name(stored: Simulation) -> None:
    name = only(restoring(stored, download_only=True)())["snapshot"]
    stored.snapshot("copy", name).props["BackupShipping/Target/BackupStartTimestamp"] = "1000"
    error = failure(restoring(stored)())
    assert error["code"] == "snapshot_exists"
    assert name in error["msg"]


def test_several_at_once_and_nothing_to_do_again(stored: Simulation) -> None:
    pairs = [{"source": "db", "target": f"copy{number}"} for number in range(5)]
    pairs.append({"source": "nothing", "target": "copy9"})
    task = restoring(stored, resources=pairs)
    outcome = task()
    assert failure(outcome)["volume"] == "nothing"
    assert [each["target"] for each in outcome.items] == [f"copy{number}" for number in range(5)]
    assert not task().changed
    assert task.requests == 4  # definitions, resources, the remote's list; and the version


def test_secrets_are_told_to_nobody(stored: Simulation) -> None:
    secret = "the source's passphrase"
    said = json.dumps([{"ret_code": (0xC000000000000000 | 998) - (1 << 64), "message": f"wrong: {secret}"}])
    stored.request_fault("reply", method="POST", path=".*/backups/restore", status=500, body=said)
    outcome = restoring(stored, passphrase=secret)()
    assert "wrong" in failure(outcome)["msg"]
    assert secret not in json.dumps([outcome.failures, outcome.items, outcome.before, outcome.after, outcome.warnings])


def test_a_target_with_a_snapshot_of_the_same_name(stored: Simulation) -> None:
    # As where several resources are backed up within one second.
    stored.add_resource("other")
    name = only(restoring(stored, target="copy")(check=True))["snapshot"]
    with Cluster(access(stored)) as linstor:
        linstor.change("snapshot_create", [], "other", name, what="taking a snapshot")
    told = failure(restoring(stored, target="other")(check=True))
    assert told["code"] == "target_exists"
    told = failure(restoring(stored, target="other", overwrite=True, discard_changes=True)(check=True))
    assert told["code"] == "snapshot_exists"


def test_no_such_source(stored: Simulation) -> None:
    told = failure(restoring(stored, source="typo")(check=True))
    assert told["code"] == "unknown_backup"
    assert "Resources with backups there: db." in told["msg"]
