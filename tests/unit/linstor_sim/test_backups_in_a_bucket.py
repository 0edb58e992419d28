# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The double, seen through python-linstor: backups in a bucket."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import zstandard

from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import thin
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation


@pytest.fixture(autouse=True)
def remote(cluster: Simulation, lin: Any) -> None:
    cluster.freeze()
    cluster.unlock()
    cluster.add_resource("db")
    assert lin.all_api_responses_no_error(lin.remote_create_s3("s3a", "http://s3", "us-east-1", "backups", "AK", "SK"))


def backup(cluster: Simulation, lin: Any, incremental: bool = True) -> str:
    """Makes one and returns its snapshot's name when it is over."""
    replies = lin.backup_create("s3a", "db", incremental=incremental)
    assert lin.all_api_responses_no_error(replies)
    (name,) = {reply.object_refs["Snapshot"] for reply in replies if "Snapshot" in reply.object_refs}
    cluster.advance(1)
    return str(name)


def state(cluster: Simulation, name: str) -> str | None:
    return cluster.snapshot("db", name).source("s3a")


def apply(directory: Path, key: str, volume: bytearray) -> None:
    """Reads an object with the engine's own codec."""
    stream = io.BytesIO(zstandard.decompress((directory / "backups" / key).read_bytes()))
    for command, offset, length, source in thin.read_stream(stream):
        volume[offset : offset + length] = source.read(length) if command == thin.DATA else bytes(length)


def test_a_full_and_an_increment_are_what_was_on_the_volume(
    cluster: Simulation, lin: Any, bucket_directory: Path
) -> None:
    first = backup(cluster, lin)
    before = cluster.read("db")
    cluster.write("db", 100_000, b"changed" * 1000)
    second = backup(cluster, lin)
    listed = lin.backup_list("s3a")[0]._rest_data["linstor"]
    assert listed[f"db_{second}"]["based_on_id"] == f"db_{first}.meta"
    assert "based_on_id" not in listed[f"db_{first}"]
    volume = bytearray(4 << 20)
    apply(bucket_directory, f"db_00000_{first}", volume)
    assert volume == before
    apply(bucket_directory, f"db_00000_{second}", volume)
    assert volume == cluster.read("db") != before


def test_its_state_goes_from_shipping_to_success(cluster: Simulation, lin: Any) -> None:
    replies = lin.backup_create("s3a", "db", snap_name="mine")
    assert lin.all_api_responses_no_error(replies)
    assert state(cluster, "mine") == "Shipping"
    cluster.advance(1)
    assert state(cluster, "mine") == "Success"
