# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""pytest fixtures: simulated clusters, each fresh for its test, and python-linstor connected to them.

Their clocks go with the machine's and can be moved on (``advance``); shipments last ``ship_seconds`` = 0.2. What a test
wants otherwise it makes itself with ``Simulation``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

BUCKET = "backups"


@pytest.fixture
def bucket_directory(tmp_path: Path) -> Path:
    """A stand-in for an S3 service: each directory is a bucket; ``backups`` exists."""
    directory = tmp_path / "buckets"
    (directory / BUCKET).mkdir(parents=True)
    return directory


@pytest.fixture
def cluster(bucket_directory: Path) -> Iterator[Simulation]:
    """Three nodes with the thin pool ``thinpool``, no resources, no passphrase; S3 remotes write to a directory."""
    with Simulation(name="home", bucket_directory=bucket_directory) as made:
        yield made


@pytest.fixture
def two_clusters(bucket_directory: Path) -> Iterator[tuple[Simulation, Simulation]]:
    """Two clusters, home and away, without remotes for each other: see ``join``."""
    with (
        Simulation(name="home", bucket_directory=bucket_directory) as home,
        Simulation(name="away", nodes=("delta", "echo"), bucket_directory=bucket_directory) as away,
    ):
        yield home, away


@pytest.fixture
def lin(cluster: Simulation) -> Iterator[Any]:
    """python-linstor, connected to ``cluster``."""
    with connected(cluster) as made:
        yield made


def connected(simulation: Simulation) -> Any:
    """python-linstor's connection to a cluster's first controller; a context manager."""
    import linstor

    return linstor.MultiLinstor([simulation.uri])
