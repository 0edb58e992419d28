# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cluster is gone, its bucket isn't: what the double shipped is restored with nothing of it running."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.engine.place import Place


def ship(simulation: Simulation, lin: Any) -> str:
    """A backup of ``db``, and the id under which LINSTOR lists it."""
    before = set(lin.backup_list("s3a")[0]._rest_data.get("linstor", {}))
    assert lin.all_api_responses_no_error(lin.backup_create("s3a", "db", incremental=True))
    simulation.advance(2)
    (new,) = set(lin.backup_list("s3a")[0]._rest_data["linstor"]) - before
    return str(new)


def test_a_cluster_that_is_gone(bucket_directory: Path, tmp_path: Path) -> None:
    states, ids = [], []
    with Simulation(name="home", bucket_directory=bucket_directory) as home, connected(home) as lin:
        home.unlock()
        home.add_resource("db")
        assert lin.all_api_responses_no_error(
            lin.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK")
        )
        for turn in range(3):
            home.write("db", turn * 300_000, b"turn %d" % turn * 10_000)
            if turn == 2:
                home.cluster.definition("db").volumes[0].content.unmap(1 << 16, 3 << 16)
            ids.append(ship(home, lin))
            states.append(bytes(home.read("db")))
        cluster_id = home.cluster.id
    place = Place(tmp_path, layout="linstor", path=str(bucket_directory / "backups"))
    items = place.list(origin=None)
    assert [item["id"] for item in items] == ids[::-1]
    assert [item["type"] for item in items] == ["incremental", "incremental", "full"]
    assert all(item["complete"] and item["origin"] == cluster_id for item in items)
    assert not place.verify("db", mode="data", origin=None).failures
    target = tmp_path / "db.img"
    for backup, state in zip(ids, states):
        outcome = place.fetch("db", str(target), origin=None, backup=backup, overwrite=True)
        assert not outcome.failures, outcome.failures
        assert target.read_bytes() == state
