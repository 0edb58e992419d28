# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""LINSTOR 1.34.0-rc.1: its version's text, its tokens, and the export of its database."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster, same_version
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup, remote, restore
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.tls_front import TlsFront
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import (
    DR,
    S3,
    Task,
    access,
    failure,
    four_times,
    join,
    only,
    protect,
)

RC = "1.34.0-rc.1"
TO: dict[str, Any] = {"remote": DR, "resources": ["db"], "target": ShipmentTarget(resource="{resource}-dr")}


def same(one: Simulation, other: Simulation) -> RemoteError | None:
    with Cluster(access(one)) as here, Cluster(access(other)) as there:
        return same_version(here, there)  # type: ignore[return-value]  # it is this one


@pytest.fixture
def candidate(bucket_directory: Path) -> Iterator[Simulation]:
    with Simulation(name="home", version=RC, bucket_directory=bucket_directory) as made:
        yield made


def test_the_version_is_told_as_it_is(candidate: Simulation) -> None:
    with Cluster(access(candidate)) as cluster:
        told = remote.about(cluster)["cluster"]
        assert (told["version"], told["rest_version"]) == (RC, "1.28.0")
        assert (cluster.version, cluster.rest_version) == ((1, 34, 0), (1, 28, 0))


@pytest.mark.parametrize("other", [RC, "1.34.0"])
def test_a_candidate_ships_to_the_release(candidate: Simulation, bucket_directory: Path, other: str) -> None:
    # LINSTOR compares only the three numbers
    with Simulation(name="away", version=other, bucket_directory=bucket_directory) as away:
        assert same(candidate, away) is None
        protect(candidate, "db")
        join(candidate, away)
        made = only(Task(candidate, **TO, target_cluster=Access(controllers=(away.uri,)))())
        assert made["target_snapshot"]
        assert away.read("db-dr") == candidate.read("db")


def test_another_version_is_named_with_its_candidate(candidate: Simulation) -> None:
    with Simulation(name="away", version="1.33.3") as away:
        told = same(candidate, away)
        assert told is not None
        assert told.code == "version"
        for text in (f"runs LINSTOR {RC}", "runs 1.33.3"):
            assert text in told.msg
        candidate.add_resource("db")
        join(candidate, away)
        assert failure(Task(candidate, **TO)())["code"] == "version"


def test_a_backup_and_a_restore(candidate: Simulation) -> None:
    protect(candidate, "db")
    made = only(Task(candidate, resources=["db"]).four_times())
    pairs = [{"source": "db", "target": "copy"}]
    assert four_times(Task(candidate, restore, remote=S3, resources=pairs)).items[0]["id"] == made["id"]
    assert candidate.read("copy") == candidate.read("db")


@pytest.fixture
def guarded(candidate: Simulation, tmp_path: Path) -> Iterator[tuple[Simulation, Access]]:
    """Asks for a token, which it has made itself; behind TLS."""
    protect(candidate, "db")
    with connected(candidate) as client:
        replies = client.controller_init_auth_token("init-client", no_https=True)
        assert client.all_api_responses_no_error(replies)
        token = replies[0].object_refs["token"]
    with TlsFront(tmp_path / "tls", urlsplit(candidate.url).port or 0) as front:
        address = front.endpoint.replace("https", "linstor+ssl")
        yield candidate, Access(controllers=(address,), auth_token=token, ca_path=str(front.ca_path))


def test_a_backup_with_a_token(guarded: tuple[Simulation, Access]) -> None:
    simulation, signed_in = guarded
    request = backup.Request(remote=S3, resources=["db"], max_age="1h", poll_interval="0.2s")
    for changed in (True, False):
        with Cluster(signed_in) as cluster:
            outcome = backup.apply(cluster, backup.plan(cluster, request))
            assert (outcome.changed, outcome.failures) == (changed, [])
    assert cluster.requests == 4
    (token,) = simulation.cluster.tokens
    assert token.secret not in repr(outcome) + repr(signed_in)


@pytest.mark.parametrize("how", ["wrong", "missing", "disabled", "revoked", "in the clear"])
def test_without_a_valid_token(guarded: tuple[Simulation, Access], how: str) -> None:
    simulation, signed_in = guarded
    other = simulation.cluster.add_token("another")
    token: str | None = other.secret
    if how in ("disabled", "revoked"):
        other.active, other.deleted = how != "disabled", 1 if how == "revoked" else None
    elif how in ("wrong", "missing"):
        token = "wrong" if how == "wrong" else None
    tried = dataclasses.replace(signed_in, auth_token=token)
    if how == "in the clear":
        tried = dataclasses.replace(tried, controllers=(simulation.uri,))
    with pytest.raises(RemoteError) as told, Cluster(tried, pauses=()) as cluster:
        cluster.read("remote_list")
    assert told.value.code == "unauthorized"
    assert "auth_token" in told.value.hint
    assert other.secret not in str(told.value)


def test_the_database_is_exported_from_this_version_on(candidate: Simulation, cluster: Simulation) -> None:
    with connected(candidate) as client:
        assert client.all_api_responses_no_error(client.controller_exportdb("before"))
    assert candidate.cluster.exports == ["before"]
    with Cluster(access(cluster)) as older, pytest.raises(RemoteError) as told:
        older.change("controller_exportdb", "before", what="exporting the database")
    assert told.value.code == "unsupported"
