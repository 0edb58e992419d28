# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places for tests that break things, on both kinds of remote."""

from __future__ import annotations

import functools
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.tests.faults.places import Place, directory_options, s3_options


@pytest.fixture
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of 256 KiB, so that a small image has several."""
    monkeypatch.setattr(send_blocks, "SEGMENT_DATA", 256 << 10)
    monkeypatch.setattr(send_blocks, "_BUFFER", 3 << 20)  # a piece may have 1 MiB whatever the segment's size


@pytest.fixture
def memory_path() -> Iterator[Path]:
    """A directory in memory where there is one: for tests of an order of events, which need no disk."""
    shm = Path("/dev/shm")
    usable = shm.is_dir() and shutil.disk_usage(shm).free > 1 << 30
    with tempfile.TemporaryDirectory(prefix="snapship-faults-", dir=shm if usable else None) as path:
        yield Path(path)


@pytest.fixture(params=["directory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A place with a remote of either kind, not encrypted, without grace."""
    if request.param == "directory":
        return Place(tmp_path, directory_options(tmp_path))
    return Place(tmp_path, s3_options(request.getfixturevalue("bucket")))


@pytest.fixture(scope="session", autouse=True)
def one_loader() -> Iterator[None]:
    """botocore reads its models for each session anew, which takes longer than most requests of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.lru_cache(botocore.session.create_loader))
        yield
