# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""SIGKILL of runs of LINSTOR modules at random moments: the next run gets there, and nothing is done twice.

``SNAPSHIP_SEED`` repeats a run, ``SNAPSHIP_LINSTOR_KILLS`` says how many kills there are.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.state import claims
from ansible_collections.snapship.dr.tests.faults.linstor_operation import Operations
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import SUCCESS
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, join, protect

KILLS = int(os.environ.get("SNAPSHIP_LINSTOR_KILLS", "24"))
QUICK = {"poll_interval": "0.1s"}


@dataclass
class Work:
    """What a run is to do to the resource ``name``, what must be there before, and what must be true after it."""

    use_case: str
    request: Callable[[str], dict[str, Any]]
    prove: Callable[[Simulation, Simulation, str], None]
    before: list[str] = field(default_factory=list)


def _shipped(name: str, remote: str, times: int) -> Callable[[Simulation, Simulation, str], None]:
    def prove(home: Simulation, _away: Simulation, resource: str) -> None:
        snapshots = home.cluster.definition(resource).snapshots.values()
        assert [each.source(remote) for each in snapshots] == [SUCCESS] * times, name

    return prove


def _restored(home: Simulation, _away: Simulation, resource: str) -> None:
    assert home.read(f"{resource}-copy") == home.read(resource)
    assert len(home.cluster.definition(f"{resource}-copy").snapshots) == 1


def _has(count: int) -> Callable[[Simulation, Simulation, str], None]:
    def prove(home: Simulation, _away: Simulation, resource: str) -> None:
        assert len(home.cluster.definition(resource).snapshots) == count

    return prove


def _scheduled(home: Simulation, _away: Simulation, resource: str) -> None:
    assert f"s-{resource}" in home.cluster.schedules


def _defined(home: Simulation, _away: Simulation, resource: str) -> None:
    assert f"r-{resource}" in home.cluster.remotes


def _to(remote: str, **more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"remote": remote, "resources": [name], "max_age": "1h", **QUICK, **more}


def _schedule(name: str) -> dict[str, Any]:
    return {"name": f"s-{name}", "full_cron": "0 3 * * *", "remote": S3, "resources": [name]}


def _snapshot(state: str) -> Callable[[str], dict[str, Any]]:
    return lambda name: {"resources": [name], "name": "taken", "state": state}


def _remote(name: str) -> dict[str, Any]:
    options = {"endpoint": "http://127.0.0.1:9", "bucket": "backups", "region": "us-east-1"}
    return {"name": f"r-{name}", "type": "s3", "options": {**options, "access_key": "a", "secret_key": "b"}}


WORK = {
    "bucket": Work("backup", _to(S3), _shipped("bucket", S3, 1)),
    "cluster": Work("backup", _to(DR), _shipped("cluster", DR, 1)),
    "increment": Work("backup", _to(S3, max_age="0.01s"), lambda *_all: None, ["bucket"]),
    "restore": Work(
        "restore",
        lambda name: {"remote": S3, "resources": [{"source": name, "target": f"{name}-copy"}], **QUICK},
        _restored,
        ["bucket"],
    ),
    "snapshot": Work("snapshot", _snapshot("present"), _has(1)),
    "removal": Work("snapshot", _snapshot("absent"), _has(0), ["snapshot"]),
    "remote": Work("remote", _remote, _defined),
    "schedule": Work("schedule", _schedule, _scheduled),
    "retention": Work(
        "retention",
        lambda name: {"remote": S3, "resources": [name], "local": {"last": 1}, "max_delete_percent": 100.0},
        _has(1),
        ["bucket", "full"],
    ),
    "full": Work("backup", _to(S3, type="full", max_age="0.01s"), lambda *_all: None),
}
KILLED = [name for name in WORK if name != "full"]


class Victim:
    """Runs, of which some are killed."""

    def __init__(self, home: Simulation, away: Simulation, seed: int) -> None:
        self.home, self.away = home, away
        self.rng = random.Random(seed)
        self.operations = Operations()
        self.lengths: dict[str, float] = {}
        self.killed: collections.Counter[str] = collections.Counter()

    def run(self, kind: str, name: str) -> None:
        """To its end; it must work."""
        started = time.monotonic()
        self._start(kind, name)
        assert self.operations.wait() == 0, kind
        self.lengths[kind] = time.monotonic() - started

    def _start(self, kind: str, name: str) -> int:
        work = WORK[kind]
        controllers = [server.uri for server in self.home.servers]
        return self.operations.start(controllers, work.use_case, work.request(name))

    def kill(self, kind: str, name: str) -> None:
        """Let it run for a random part of the time it takes, then kill it."""
        process = self._start(kind, name)
        if self.operations.wait(self.lengths[kind] * self.rng.uniform(0, 1.02)) is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended in between
            os.kill(process, signal.SIGKILL)
        self.killed[kind] += self.operations.wait() == -signal.SIGKILL


@pytest.fixture
def victim(bucket_directory: Path) -> Iterator[Victim]:
    quick = {"bucket_directory": bucket_directory, "ship_seconds": 0.05, "young_seconds": 0.15, "volume_kib": 1024}
    with (
        Simulation(name="home", **quick) as home,
        Simulation(name="away", nodes=("delta", "echo"), **quick) as away,
    ):
        protect(home)
        join(home, away)
        seed = int(os.environ.get("SNAPSHIP_SEED", "0")) or random.randrange(1 << 31)
        print(f"SNAPSHIP_SEED={seed}")
        made = Victim(home, away, seed)
        yield made
        made.operations.close()


def test_runs_that_are_killed(victim: Victim, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in KILLED:
        _prepare(victim, kind, f"warm-{kind}")
        victim.run(kind, f"warm-{kind}")
    for number in range(20 * KILLS):
        kind = KILLED[number % len(KILLED)]
        name = f"{kind}-{number}"
        _prepare(victim, kind, name)
        victim.kill(kind, name)
        victim.run(kind, name)
        if WORK[kind].use_case not in ("backup",) or kind in ("bucket", "cluster"):
            WORK[kind].prove(victim.home, victim.away, name)
        if victim.killed.total() >= KILLS:
            break
    assert victim.killed.total() >= KILLS
    assert len(victim.killed) >= min(KILLS, len(KILLED)) // 2
    monkeypatch.setattr(claims, "USELESS", -10)  # as if later runs came much later
    victim.home.add_resource("last")
    for remote in (S3, DR):
        assert Task(victim.home, resources=["last"], remote=remote)().failures == []
    notes = victim.home.cluster.stores.get("snapship-dr", {})
    assert [key for key in notes if not key.startswith("remotes/")] == []


def _prepare(victim: Victim, kind: str, name: str) -> None:
    victim.home.add_resource(name)
    for before in WORK[kind].before:
        victim.run(before, name)
