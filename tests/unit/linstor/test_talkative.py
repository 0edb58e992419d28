# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A controller that mixes messages into its answers: they must not be taken for data."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import (
    backup,
    backup_info,
    protection_info,
    restore,
    retention,
    schedule,
    snapshot,
)
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, access, join, protect

WORDS = (
    {"ret_code": 1 << 63 | 7, "message": "mind the gap"},
    {"ret_code": -(1 << 63) | 7, "message": "mind the gap"},
    {"ret_code": 5, "message": "all is well"},
)


@pytest.fixture
def home(two_clusters: tuple[Simulation, Simulation]) -> Simulation:
    """Has been backed up once."""
    home, away = two_clusters
    protect(home, "db", "web")
    join(home, away)
    Task(home, resources=["db"])()
    home.advance(7200)
    for cluster in two_clusters:
        cluster.forgive()
        cluster.request_fault("add", method="GET", times=10**6, entries=WORDS)
    return home


@pytest.mark.parametrize(
    ("use_case", "request_"),
    [
        (backup, {"resources": ["db", "web"]}),
        (retention, {"remote": S3, "resources": ["db"], "keep": {"last": 1}, "local": {"last": 1}}),
        (schedule, {"name": "nightly", "full_cron": "0 1 * * *", "remote": S3, "resources": ["db"]}),
        (snapshot, {"resources": ["db", "web"], "name": "release", "consistent": True}),
        (restore, {"remote": S3, "resources": [{"source": "db", "target": "db-copy"}], "wait_timeout": "20s"}),
    ],
    ids=lambda value: getattr(value, "__name__", "").rpartition(".")[2],
)
def test_what_is_said_besides_is_no_data(home: Simulation, use_case: Any, request_: dict[str, Any]) -> None:
    task = Task(home, use_case=use_case, **request_)
    assert task(check=True).failures == []
    assert task().failures == []


def test_reports(home: Simulation) -> None:
    with Cluster(access(home)) as cluster:
        listing = backup_info.listing(cluster, backup_info.Request(remote=S3, details=True, queue=True))
        assert [item["volume"] for item in listing.backups] == ["db"]
        request = protection_info.Request(resources=["db"], promises=[protection_info.Promise(S3)], rpo="1h")
        assert [item["volume"] for item in protection_info.report(cluster, request).protection] == ["db"]


def test_to_another_cluster(home: Simulation, two_clusters: tuple[Simulation, Simulation]) -> None:
    task = Task(home, resources=["db", "web"], remote=DR, target_cluster=access(two_clusters[1]))
    assert task().failures == []
    assert not task().changed
