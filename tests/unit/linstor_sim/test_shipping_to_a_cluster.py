# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: shipping from one cluster to another, and within one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import linstor
import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

CODE = 0x7FFF
UUID = "Backup/Target/SourceSnapDfnUUID"


@pytest.fixture
def home(two_clusters: tuple[Simulation, Simulation]) -> Simulation:
    for each in two_clusters:
        each.freeze()
    two_clusters[0].add_resource("db")
    return two_clusters[0]


@pytest.fixture
def away(two_clusters: tuple[Simulation, Simulation]) -> Simulation:
    return two_clusters[1]


@pytest.fixture
def client(home: Simulation) -> Iterator[Any]:
    with connected(home) as made:
        yield made


def shipped(client: Any, replies: list[Any]) -> str:
    """The name of the snapshot that is being shipped."""
    assert client.all_api_responses_no_error(replies), [str(each) for each in replies]
    (name,) = {reply.object_refs["Snapshot"] for reply in replies if "Snapshot" in reply.object_refs}
    return str(name)


def codes(replies: list[Any]) -> set[int]:
    return {reply.ret_code & CODE for reply in replies if reply.is_error()}


def test_a_full_and_an_increment_arrive(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    first = shipped(client, client.backup_ship("away", "db", "db-copy", download_only=True))
    home.advance(1)
    (received,) = away.cluster.definition("db-copy").snapshots.values()
    assert received.name.startswith(f"{first}_")
    assert received.props[UUID] == home.snapshot("db", first).uuid
    assert (received.target(), home.snapshot("db", first).source("away")) == ("Success", "Success")
    assert received.source("away") == "Uploading Metadata"  # the source's own, which stays there for ever
    home.write("db", 70_000, b"changed")
    home.advance(1)
    second = shipped(client, client.backup_ship("away", "db", "db-copy", download_only=True))
    home.advance(1)
    assert home.snapshot("db", second).source("away", "BackupLastSnapshot") == first
    received = away.cluster.definition("db-copy").snapshots[f"{second}_{away.cluster.short_id(home.cluster.id)}"]
    assert received.target("BackupLastSnapshot") == f"{first}_{away.cluster.short_id(home.cluster.id)}"
    assert received.volumes[0].content.read() == home.read("db")
    assert not away.cluster.definition("db-copy").resources


def test_what_arrives_is_restored_once(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    shipped(client, client.backup_ship("away", "db", "db", dst_node="echo", dst_stor_pool="thinpool"))
    home.advance(1)
    assert list(away.cluster.definition("db").resources) == ["echo"]
    assert away.read("db") == home.read("db")
    before = away.read("db")
    home.write("db", 0, b"newer")
    home.advance(1)
    replies = client.backup_ship("away", "db", "db")
    assert 1019 in {reply.ret_code & CODE for reply in replies if reply.is_warning()}
    home.advance(1)
    assert away.read("db") == before
    home.advance(1)
    shipped(client, client.backup_ship("away", "db", "db", force_restore=True))
    home.advance(1)
    assert away.read("db") == home.read("db") != before


def test_who_is_not_known_or_not_alike_is_refused(home: Simulation, away: Simulation, client: Any) -> None:
    assert client.all_api_responses_no_error(client.remote_create_linstor("away", away.url))
    assert codes(client.backup_ship("away", "db", "db")) == {976}
    assert not home.cluster.definition("db").snapshots
    with Simulation(version="1.33.2") as older:
        home.peer_with(older, "older")
        assert codes(client.backup_ship("older", "db", "db")) == {978}
    assert codes(client.backup_ship("older", "db", "db")) == {998}


def test_a_remote_can_be_the_cluster_itself(home: Simulation, client: Any) -> None:
    replies = client.remote_create_linstor("self", home.url, cluster_id=home.cluster.id)
    assert client.all_api_responses_no_error(replies)
    name = shipped(client, client.backup_ship("self", "db", "db-dr", dst_node="charlie"))
    home.advance(1)
    assert list(home.cluster.definition("db-dr").snapshots) == [name]
    assert list(home.cluster.definition("db-dr").resources) == ["charlie"]
    assert home.read("db-dr") == home.read("db")


@pytest.mark.parametrize("how", ["fail", "cut"])
def test_one_that_fails_leaves_nothing_there_and_a_report_here(
    home: Simulation, away: Simulation, client: Any, how: str
) -> None:
    home.peer_with(away)
    home.shipment_fault(how, message="the disk is on fire")
    name = shipped(client, client.backup_ship("away", "db", "db"))
    home.advance(1)
    assert home.snapshot("db", name).source("away") == "Failed"
    assert not away.cluster.definition("db").snapshots
    (report,) = client.error_report_list(with_content=True)
    assert ("the disk is on fire" if how == "fail" else "Broken pipe") in report.text
    home.advance(1)
    again = shipped(client, client.backup_ship("away", "db", "db"))
    home.advance(1)
    assert home.snapshot("db", again).source("away", "BackupLastSnapshot") is None
    assert away.read("db") == home.read("db")


def test_an_abort_takes_the_snapshot_with_it(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    home.shipment_fault("hang")
    name = shipped(client, client.backup_ship("away", "db", "db"))
    home.advance(100)
    assert home.snapshot("db", name).source("away") == "Shipping"
    assert codes(client.snapshot_delete("db", name)) == {997}
    assert client.all_api_responses_no_error(client.backup_abort("away", "db", create=True))
    assert not home.cluster.definition("db").snapshots
    assert not away.cluster.definition("db").snapshots


def test_more_than_a_node_may_ship_waits_in_the_queue(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    for number in range(3):
        home.add_resource(f"vm{number}", nodes=("alpha",))
    key = "BackupShipping/MaxConcurrentBackupsPerNode"
    assert client.all_api_responses_no_error(client.controller_set_prop(key, "1"))
    names = [shipped(client, client.backup_ship("away", f"vm{number}", f"vm{number}")) for number in range(3)]
    (queues,) = client.backup_queue_list()
    ((node, waiting),) = [(each.node_name, each.queue) for each in queues.node_queues]
    assert (node, [each.resource_name for each in waiting]) == ("alpha", ["vm1", "vm2"])
    assert home.snapshot("vm1", names[1]).source("away") is None
    for _round in range(3):
        home.advance(1)
    assert [home.snapshot(f"vm{n}", names[n]).source("away") for n in range(3)] == ["Success"] * 3
    assert sorted(away.cluster.definitions) == ["vm0", "vm1", "vm2"]


def test_success_is_told_before_there_is_a_resource(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    shipped(client, client.backup_ship("away", "db", "db"))
    assert away.cluster.definition("db").flags == ["RESTORE_TARGET"]
    home.advance(home.cluster.options.ship_seconds)
    (received,) = away.cluster.definition("db").snapshots.values()
    assert received.target() == "Success"
    assert not away.cluster.definition("db").resources
    away.advance(away.cluster.options.restore_seconds)
    assert away.cluster.definition("db").resources
    assert not away.cluster.definition("db").flags


def test_the_same_snapshot_is_shipped_but_once(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    assert client.all_api_responses_no_error(client.snapshot_create([], "db", "x1"))
    assert shipped(client, client.backup_ship("away", "db", "db", src_snap="x1")) == "x1"
    home.advance(1)
    assert codes(client.backup_ship("away", "db", "db", src_snap="x1")) == {998}
    assert home.snapshot("db", "x1").source("away") == "Prepare Shipping"
    assert client.backup_abort("away", "db", create=True) == []
    assert home.snapshot("db", "x1").source("away") == "Prepare Shipping"
    assert client.all_api_responses_no_error(client.snapshot_delete("db", "x1"))


def test_what_can_not_be_placed_is_refused_and_leaves_a_ghost(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    assert codes(client.backup_ship("away", "db", "db", dst_stor_pool="nowhere")) == {998}
    (ghost,) = home.cluster.definition("db").snapshots.values()
    assert ghost.source("away") == "Prepare Shipping"
    assert not away.cluster.definitions


def test_without_its_id_a_cluster_waits_for_itself_for_ever(home: Simulation, client: Any) -> None:
    assert client.all_api_responses_no_error(client.remote_create_linstor("self", home.url))
    name = shipped(client, client.backup_ship("self", "db", "db-dr"))
    home.advance(60)
    assert home.snapshot("db", name).source("self") == "Prepare Shipping"
    assert home.cluster.definition("db-dr").snapshots[name].target() == "Shipping"


def test_a_cluster_answers_itself_through_the_first_of_its_remotes(home: Simulation, client: Any) -> None:
    assert client.all_api_responses_no_error(client.resource_dfn_create("new"))
    place = linstor.linstorapi.ResourceData("alpha", "new", storage_pool="thinpool")
    assert client.all_api_responses_no_error(client.resource_create([place]))
    (made,) = client.remote_list()[0].linstor_remotes
    assert (made.remote_name, made.url) == ("local-remote-generated-by-linstor", "http://localhost:3370")
    for name in ("self", "here"):
        assert client.all_api_responses_no_error(
            client.remote_create_linstor(name, home.url, cluster_id=home.cluster.id)
        )
    found = shipped(client, client.backup_ship("self", "db", "db-far"))
    home.advance(60)
    assert home.snapshot("db", found).source("self") == "Success"
    assert client.all_api_responses_no_error(client.remote_delete("here"))
    lost = shipped(client, client.backup_ship("self", "db", "db-dr"))
    home.advance(60)
    assert home.snapshot("db", lost).source("self") == "Prepare Shipping"
    assert client.all_api_responses_no_error(client.remote_modify_linstor(made.remote_name, url=home.url))
    works = shipped(client, client.backup_ship("self", "db", "db-new"))
    home.advance(60)
    assert home.snapshot("db", works).source("self") == "Success"


def test_a_remote_in_use_goes_when_its_last_shipment_ends(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    shipped(client, client.backup_ship("away", "db", "db"))
    (reply,) = client.remote_delete("away")
    assert "Waiting for ongoing shipments" in reply.message
    assert [each.remote_name for each in client.remote_list()[0].linstor_remotes] == ["away"]
    home.advance(1)
    assert not client.remote_list()[0].linstor_remotes


def test_a_refused_shipment_haunts_its_remote_until_a_restart(home: Simulation, away: Simulation, client: Any) -> None:
    home.peer_with(away)
    assert codes(client.backup_ship("away", "db", "db", dst_stor_pool="nowhere")) == {998}
    assert "Waiting for ongoing shipments" in client.remote_delete("away")[0].message
    home.advance(60)
    assert client.remote_list()[0].linstor_remotes
    home.restart()
    with connected(home) as again:
        assert "deleted" in again.remote_delete("away")[-1].message
        assert not again.remote_list()[0].linstor_remotes
