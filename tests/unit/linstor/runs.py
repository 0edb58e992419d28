# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs a use case that changes a cluster's settings: in check mode, for real, and again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api import clock
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Access, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation


def access(simulation: Simulation) -> Access:
    """How to reach a simulated cluster."""
    return Access(controllers=tuple(server.uri for server in simulation.servers), timeout=120)


class Runs:
    """Runs a use case against a simulated cluster. ``requests``: how many the last run made.

    ``secrets`` are looked for in all that is returned.
    """

    def __init__(self, use_case: Any, simulation: Simulation, secrets: Iterable[str] = ()) -> None:
        self.use_case = use_case
        self.simulation = simulation
        self.secrets = list(secrets)
        self.requests = 0

    def __call__(self, check: bool = False, **fields: Any) -> Outcome:
        with (
            pytest.MonkeyPatch.context() as patch,
            Cluster(access(self.simulation), pauses=(0.05, 0.1)) as cluster,
        ):
            patch.setattr(clock, "now", lambda: self.simulation.cluster.clock.seconds)
            plan = self.use_case.plan(cluster, self.use_case.Request(**fields))
            outcome: Outcome = plan.preview() if check else self.use_case.apply(cluster, plan)
            self.requests = cluster.requests
            told = json.dumps([outcome.items, outcome.before, outcome.after, outcome.warnings, outcome.failures])
            for secret in self.secrets:
                assert secret not in told + repr(plan) + repr(plan.request)
        return outcome

    def settle(self, reads: Iterable[str] = ("GET",), **fields: Any) -> Outcome:
        """Check, run, run again, check: only the run changes anything, and both checks tell the truth."""
        checked = self._without_changes(tuple(reads), check=True, **fields)
        assert checked.changed
        assert checked.before != checked.after
        done = self(**fields)
        assert done.failures == []
        assert done.changed
        assert (done.before, list(done.after)) == (checked.before, list(checked.after))
        for check in (False, True):
            again = self._without_changes(tuple(reads), check=check, **fields)
            assert (again.changed, again.failures) == (False, [])
            assert again.before == again.after
            assert _without_actions(again) == _without_actions(done)
        return done

    def _without_changes(self, reads: tuple[str, ...], **fields: Any) -> Outcome:
        self.simulation.cluster.journal.clear()
        outcome = self(**fields)
        methods = {each.method for each in self.simulation.cluster.journal.requests}
        assert methods <= set(reads), methods
        return outcome


def _without_actions(outcome: Outcome) -> list[dict[str, Any]]:
    return [{key: value for key, value in item.items() if key not in ("actions", "reverse")} for item in outcome.items]


def only(outcome: Outcome) -> dict[str, Any]:
    """The one item of an outcome without failures."""
    assert outcome.failures == []
    assert len(outcome.items) == 1
    item: dict[str, Any] = outcome.items[0]
    return item
