# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Roll resources back to a snapshot. They lose what was written since then."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ..._engine.common.errors import SnapshipError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster
from ..state.snapshots import Snap
from .resource_copy import find


@dataclasses.dataclass
class Plan:
    """The snapshots to roll back to, and the names of each resource's newer ones."""

    snaps: list[Snap] = dataclasses.field(default_factory=list)
    newer: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)
    failures: list[dict[str, Any]] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done. It always counts as a change: LINSTOR doesn't tell whether anything was written."""
        outcome = Outcome(bool(self.snaps), failures=list(self.failures))
        for snap in self.snaps:
            outcome.before[snap.resource] = "as it is now"
            outcome.after[snap.resource] = f"as in snapshot {snap.name}"
            outcome.items.append(
                {"name": snap.name, "volume": snap.resource, "provider": "linstor", "state_id": snap.uuid}
            )
            if self.newer[snap.resource]:
                outcome.warn(
                    f"{snap.resource} has newer snapshots ({', '.join(self.newer[snap.resource])}). On ZFS, a rollback "
                    "can destroy them. The next incremental then has no base."
                )
        return outcome


def plan(resources: Sequence[str], name: str, snaps: Mapping[str, Sequence[Snap]]) -> Plan:
    """Find the snapshots. Reads only."""
    plan, newer = Plan(), {}
    for resource in resources:
        try:
            snap = find(resource, name, snaps[resource])
        except SnapshipError as error:
            if len(resources) == 1:
                raise
            plan.failures.append(error.as_dict())
            continue
        plan.snaps.append(snap)
        order = list(snaps[resource])
        newer[resource] = [each.name for each in order[order.index(snap) + 1 :]]
    plan.newer = newer
    return plan


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Roll back one after the other. A failure doesn't stop the others.

    A lost reply is an error: nobody knows whether it was done, and a second rollback could lose newer data.
    """
    outcome = plan.preview()
    done = []
    for snap, item in zip(plan.snaps, outcome.items):
        try:
            what = f"rolling {snap.resource} back to snapshot {snap.name}"
            cluster.change("snapshot_rollback", snap.resource, snap.name, what=what)
        except SnapshipError as error:
            outcome.failures.append(error.about(volume=snap.resource).as_dict())
            outcome.after[snap.resource] = outcome.before[snap.resource]
        else:
            done.append(item)
    outcome.items, outcome.changed = done, bool(done)
    return outcome
