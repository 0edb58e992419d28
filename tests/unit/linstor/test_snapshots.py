# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The states of snapshots and shipments: in properties since LINSTOR 1.33, in flags before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.snapshots import Snap, list_snapshots
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, Request, ScriptedHttp
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import access, join

VERSION = {"version": "1.33.3", "git_hash": "x", "build_time": "y", "rest_api_version": "1.27.0"}
SOURCE, TARGET, OLD = "BackupShipping/Source/", "BackupShipping/Target/", "BackupShipping/"


def listed(*entries: dict[str, Any], resources: list[str] | None = None) -> dict[str, list[Snap]]:
    """What is made of a controller's answer."""

    def answer(request: Request) -> Reply:
        body = VERSION if request.path.endswith("/version") else list(entries)
        return Reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    with ScriptedHttp(answer) as server, Cluster(Access(controllers=(server.endpoint,))) as cluster:
        return list_snapshots(cluster, resources)


def one(**entry: Any) -> Snap:
    """A snapshot of one node, with these properties and flags of its definition."""
    (snap,) = listed({"name": "s1", "resource_name": "db", "flags": ["SUCCESSFUL"], **entry})["db"]
    return snap


def by_props(props: dict[str, str]) -> Snap:
    return one(snapshot_definition_props=props)


def test_what_it_is_made_of() -> None:
    nodes = [
        {"node_name": "alpha", "create_timestamp": 1700000001500, "flags": [], "snapshot_props": {"a": "1"}},
        {"node_name": "bravo", "create_timestamp": 1700000001250},
    ]
    volumes = [{"volume_number": 0, "size_kib": 4096}, {"volume_number": 1, "size_kib": 8}]
    snap = one(uuid="u", nodes=["alpha", "bravo"], snapshots=nodes, volume_definitions=volumes)
    assert (snap.uuid, snap.nodes, snap.created) == ("u", ("alpha", "bravo"), 1700000001.25)
    assert snap.sizes == {0: 4 << 20, 1: 8 << 10}
    assert snap.node_props["alpha"] == {"a": "1"}
    assert (snap.taken, snap.failed) == (True, False)
    assert (snap.shipment("offsite"), snap.received, snap.shipped_to()) == (None, None, [])


@pytest.mark.parametrize("flag", ["FAILED_DEPLOYMENT", "FAILED_DISCONNECT", "DELETE"])
def test_those_that_are_not_there(flag: str) -> None:
    snap = one(flags=["SUCCESSFUL", flag])
    assert (snap.taken, snap.failed) == (False, True)
    assert not one(flags=[]).taken


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("Prepare Shipping", "preparing"),
        ("Shipping", "shipping"),
        ("Uploading Metadata", "shipping"),
        ("Success", "success"),
        ("Failed", "failed"),
        ("Prepare Abort", "aborting"),
        ("Aborting", "aborting"),
        ("Aborted", "aborted"),
        ("Something New", "unknown"),
    ],
)
def test_states_by_properties(status: str, state: str) -> None:
    snap = by_props(
        {
            f"{SOURCE}offsite/ShippingStatus": status,
            f"{SOURCE}offsite/SrcNode": "alpha",
            f"{SOURCE}offsite/BackupStartTimestamp": "1700000001500",
        }
    )
    shipment = snap.shipment("OFFSITE")
    assert shipment is not None
    assert (shipment.state, shipment.node, shipment.started) == (state, "alpha", 1700000001.5)
    assert shipment.under_way is (state in ("preparing", "shipping", "aborting"))
    assert (snap.shipment("off"), snap.shipment("other"), snap.received) == (None, None, None)
    assert snap.shipped_to() == ["offsite"]
    assert snap.taken  # that says nothing of a shipment


def test_several_remotes() -> None:
    snap = by_props({f"{SOURCE}a1/ShippingStatus": "Success", f"{SOURCE}b1/ShippingStatus": "Failed"})
    assert [shipment.state for name in snap.shipped_to() if (shipment := snap.shipment(name))] == ["success", "failed"]


def test_received_by_properties() -> None:
    snap = by_props(
        {f"{TARGET}ShippingStatus": "Success", f"{TARGET}BackupSrcRemote": "home", f"{TARGET}DstNode": "delta"}
    )
    received = snap.received
    assert received is not None
    assert (received.state, received.remote, received.node) == ("success", "home", "delta")
    assert snap.shipped_to() == []


@pytest.mark.parametrize(
    ("flags", "state"),
    [
        (["SHIPPING"], "shipping"),
        (["SHIPPED"], "success"),
        (["SHIPPING", "SHIPPING_ABORT"], "aborting"),
        (["SHIPPING_ABORT"], "aborted"),
    ],
)
def test_states_by_flags(flags: list[str], state: str) -> None:
    def old(node_flag: str, key: str) -> Snap:
        node = {"node_name": "alpha", "flags": [node_flag], "snapshot_props": {f"{OLD}{key}": "offsite"}}
        return one(flags=["SUCCESSFUL", "BACKUP", *flags], snapshots=[node])

    sent = old("BACKUP_SOURCE", "BackupTargetRemote")
    shipment = sent.shipment("offsite")
    assert shipment is not None
    assert (shipment.state, shipment.remote, shipment.node) == (state, "offsite", "alpha")
    assert (sent.shipment("other"), sent.received) == (None, None)
    received = old("BACKUP_TARGET", "BackupSrcRemote")
    assert received.received is not None
    assert (received.received.state, received.received.remote) == (state, "offsite")
    assert received.shipment("offsite") is None


def test_order_and_choice() -> None:
    def entry(resource: str, name: str, time: int | None) -> dict[str, Any]:
        node = {"node_name": "alpha", **({"create_timestamp": time} if time else {})}
        return {"name": name, "resource_name": resource, "snapshots": [node]}

    entries = [
        entry("db", "newer", 2000),
        entry("db", "older", 1000),
        entry("wal", "w1", 1000),
        entry("db", "no", None),
    ]
    assert [snap.name for snap in listed(*entries)["db"]] == ["older", "newer", "no"]
    found = listed(*entries, resources=["DB", "none"])
    assert {name: len(snaps) for name, snaps in found.items()} == {"DB": 3, "none": 0}


@pytest.mark.parametrize("version", ["1.33.3", "1.32.0"])
def test_a_shipment_between_simulated_clusters(version: str) -> None:
    with (
        Simulation(name="home", version=version) as home,
        Simulation(name="away", nodes=("delta", "echo"), version=version) as away,
    ):
        join(home, away)
        home.add_resource("db")
        with Cluster(access(home)) as here, Cluster(access(away)) as there:
            replies = here.change("backup_ship", "dr-site", "db", "db", what="shipping")
            name = replies.ref("Snapshot")
            home.advance(5)
            away.advance(5)
            (sent,) = list_snapshots(here, ["db"])["db"]
            (received,) = list_snapshots(there, ["db"])["db"]
        shipment = sent.shipment("dr-site")
        assert sent.name == name
        assert shipment is not None
        assert shipment.state == "success"
        assert sent.received is None
        assert received.received is not None
        assert received.received.state == "success"
