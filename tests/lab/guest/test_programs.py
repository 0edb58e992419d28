# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many programs a backup or restore of one volume starts: that, not the data, is what a small one costs."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm import report
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs import provider
from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Kind, Thin, Zvol
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool
from ansible_collections.snapship.dr.tests.unit.engine.place import Place

# full, incremental, nothing to do, restore of the three, of what is there already
MOST = {"thin": (11, 12, 1, 12, 4), "filesystem": (12, 14, 2, 21, 11), "zvol": (12, 14, 2, 21, 11)}


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The commands that were started."""
    commands: list[str] = []

    class Counted(subprocess.Popen[Any]):
        def __init__(self, command: Any, *arguments: Any, **options: Any) -> None:
            commands.append(" ".join(map(str, command)))
            super().__init__(command, *arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", Counted)
    # However slow the machine is: what was listed a moment ago was.
    monkeypatch.setattr(report, "_MOMENT", 60.0)
    monkeypatch.setattr(provider, "_MOMENT", 60.0)
    yield commands


@pytest.fixture(params=sorted(MOST))
def source(request: pytest.FixtureRequest) -> Kind:
    if request.param == "thin":
        pool: ThinPool = request.getfixturevalue("thin_pool")
        return Thin(pool, 32)
    zpool: Zpool = request.getfixturevalue("zpool")
    return Filesystem(zpool) if request.param == "filesystem" else Zvol(zpool, 32)


def test_what_is_started(source: Kind, request: pytest.FixtureRequest, started: list[str], tmp_path: Path) -> None:
    rng, place = random.Random(4), Place(tmp_path)
    kind = request.node.callspec.params["source"]
    counts: list[int] = []
    told: list[str] = []

    def count() -> None:
        counts.append(len(started))
        told.extend(["", *started])
        started.clear()

    for _state in range(3):
        source.write(0, rng.randbytes(3 * MIB))
        started.clear()
        place.one(source.volume)
        count()
    del counts[1]  # the second knows less than those after it
    assert not place.ship(source.volume, max_age="1h").changed
    count()
    target = source.target("there")
    for changed in (True, False):
        started.clear()
        outcome = place.fetch(source.volume, target)
        assert not outcome.failures and outcome.changed == changed
        count()
    assert all(found <= most for found, most in zip(counts, MOST[kind])), (counts, "\n".join(told))
