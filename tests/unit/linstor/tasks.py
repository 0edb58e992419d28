# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a use case of the LINSTOR control plane against simulated clusters, as a module would."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import clock
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Remote

S3, DR, SELF = "offsite", "dr-site", "myself"


def access(simulation: Simulation) -> Access:
    """How to reach a simulated cluster."""
    return Access(controllers=tuple(server.uri for server in simulation.servers), timeout=120)


class Task:
    """A task: one resource list and remote, run as often as wanted. ``requests``: how many the last run made."""

    def __init__(self, simulation: Simulation, use_case: Any = backup, **request: Any) -> None:
        self.simulation = simulation
        self.use_case = use_case
        self.request = request
        self.requests = 0

    def __call__(self, check: bool = False, **changes: Any) -> Outcome:
        fields = {**self.request, **changes}
        if self.use_case is backup:
            fields = {"remote": S3, "max_age": "1h", "poll_interval": "0.2s", **fields}
            if fields.get("snapshot"):
                fields["max_age"] = None
        with (
            pytest.MonkeyPatch.context() as patch,
            Cluster(access(self.simulation), pauses=(0.05, 0.1, 0.2)) as cluster,
        ):
            patch.setattr(clock, "now", lambda: self.simulation.cluster.clock.seconds)
            plan = self.use_case.plan(cluster, self.use_case.Request(**fields))
            outcome: Outcome = plan.preview() if check else self.use_case.apply(cluster, plan)
            self.requests = cluster.requests
        return outcome

    def four_times(self, **changes: Any) -> Outcome:
        """Check, run, run again, check: only the first two report a change. Returns the outcome of the run."""
        before = self.simulation.cluster.journal.counts()
        assert self(check=True, **changes).changed
        now = self.simulation.cluster.journal.counts()
        assert {key for key in now if now[key] != before.get(key, 0) and not key.startswith("GET")} == set()
        outcome = self(**changes)
        assert outcome.failures == []
        assert outcome.changed
        again = self(**changes)
        assert (again.changed, again.failures) == (False, [])
        checked = self(check=True, **changes)
        assert (checked.changed, checked.failures) == (False, [])
        same = ("id", "snapshot", "state_id", "type", "base", "created")
        for one, other in ((again, outcome), (checked, again)):
            assert [[item[key] for key in same] for item in one.items] == [
                [item[key] for key in same] for item in other.items
            ]
        return outcome


def writes(simulation: Simulation) -> dict[str, int]:
    """The changing requests. The question for a restore's sizes is a POST, but changes nothing."""
    return {key: n for key, n in simulation.counts().items() if not key.startswith("GET") and "backups/info" not in key}


def four_times(task: Task, **changes: Any) -> Outcome:
    """A restore: check, run, run again, check: only the first two would change something, and only the run does."""
    before = writes(task.simulation)
    planned = task(check=True, **changes)
    assert writes(task.simulation) == before
    outcome = task(**changes)
    assert (planned.changed, planned.failures) == (True, [])
    assert (outcome.changed, outcome.failures) == (True, [])
    assert (planned.before, planned.after) == (outcome.before, outcome.after)
    before = writes(task.simulation)
    for check in (False, True):
        again = task(check=check, **changes)
        assert (again.changed, again.failures) == (False, [])
        assert [each["id"] for each in again.items] == [each["id"] for each in outcome.items]
        assert again.before == again.after
    assert writes(task.simulation) == before
    return outcome


def protect(simulation: Simulation, *resources: str, bucket: str = "backups") -> None:
    """Resources, a passphrase, and the S3 remote ``offsite``."""
    for name in resources:
        simulation.add_resource(name)
    simulation.unlock()
    fields: dict[str, object] = {"endpoint": "http://127.0.0.1:9", "bucket": bucket, "region": "us-east-1"}
    simulation.cluster.remotes[S3] = Remote(S3, "s3", fields, {"access_key": "a", "secret_key": "b"})


def join(home: Simulation, away: Simulation) -> None:
    """Each knows the other by a LINSTOR remote."""
    point(home, away, DR)
    point(away, home, "home")


def point(at: Simulation, to: Simulation, name: str) -> None:
    """A LINSTOR remote at ``at`` for the cluster ``to``."""
    at.cluster.remotes[name] = Remote(name, "linstor", {"url": to.url}, {}, to.cluster.id)


def only(outcome: Outcome) -> dict[str, Any]:
    """The one item of an outcome without failures."""
    assert outcome.failures == []
    assert len(outcome.items) == 1
    return outcome.items[0]


def failure(outcome: Outcome) -> dict[str, Any]:
    """The one failure."""
    assert len(outcome.failures) == 1, outcome
    return outcome.failures[0]
