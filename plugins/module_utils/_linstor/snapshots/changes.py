# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Take and remove snapshots. No change is made twice, even if an answer gets lost."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Sequence
from typing import Any, Callable

from ..._engine.common.errors import SnapshipError, VolumeError
from ..api.cluster import Cluster
from ..api.replies import ControllerError, LostReply
from ..state.readiness import survey
from ..state.snapshots import Snap, list_snapshots


@dataclasses.dataclass
class Step:
    """The change for one resource: snapshot ``name`` is taken or removed; ``snap`` is the existing one."""

    resource: str
    name: str
    snap: Snap | None = None
    act: bool = False
    group: str | None = None


def without_disk(cluster: Cluster, nodes: Sequence[str], steps: Sequence[Step]) -> list[SnapshipError]:
    """An error for each resource without a disk on one of these nodes, as LINSTOR would refuse it. Two requests."""
    replicas, wrong = survey(cluster).replicas, []
    for step in steps:
        held = [replica.node for replica in replicas.get(step.resource.lower(), [])]
        lacking = [node for node in nodes if node.lower() not in [each.lower() for each in held]]
        if lacking:
            error = VolumeError(
                f"{step.resource} has no disk on {', '.join(lacking)}. It has disks on {', '.join(held) or 'no node'}.",
                "Set nodes to some of these, or leave it out.",
                "no_replica",
            )
            wrong.append(error.about(volume=step.resource))
    return wrong


def take(cluster: Cluster, nodes: Sequence[str], step: Step) -> None:
    """Take one, on these nodes, or on all nodes with a disk of the resource."""
    what = f"taking snapshot {step.name} of {step.resource}"
    try:
        cluster.change("snapshot_create", list(nodes), step.resource, step.name, what=what)
    except LostReply:
        if taken(cluster, [step]) is None:
            cluster.change("snapshot_create", list(nodes), step.resource, step.name, what=what)


def take_together(cluster: Cluster, nodes: Sequence[str], steps: Sequence[Step]) -> None:
    """Take all of them at one point in time, with one name."""
    names = [step.resource for step in steps]
    of = ", ".join(names) if len(names) <= 10 else f"{len(names)} resources"
    what = f"taking snapshot {steps[0].name} of {of}"
    try:
        cluster.change("snapshot_create_multi", list(nodes), names, steps[0].name, what=what)
    except LostReply:
        if taken(cluster, steps) is None:
            cluster.change("snapshot_create_multi", list(nodes), names, steps[0].name, what=what)


def taken(cluster: Cluster, steps: Sequence[Step]) -> list[Snap] | None:
    """The existing snapshots of these steps, or ``None`` if there are none."""
    there = list_snapshots(cluster, [step.resource for step in steps])
    found = [snap for step in steps for snap in there[step.resource] if snap.name == step.name]
    return found or None


def remove(cluster: Cluster, nodes: Sequence[str], step: Step) -> None:
    """Remove one. It is no error if it doesn't exist."""
    what = f"removing snapshot {step.name} of {step.resource}"
    for attempt in (1, 2):  # removing can be repeated safely
        try:
            cluster.change("snapshot_delete", step.resource, step.name, list(nodes) or None, what=what)
        except ControllerError as error:
            if error.code != "not_found":
                raise
        except LostReply:
            if attempt == 2:
                raise
            continue
        return


def side_by_side(parallel: int, steps: Sequence[Step], act: Callable[[Step], None]) -> dict[str, dict[str, Any]]:
    """Run ``act`` for each step with ``parallel`` workers. Returns the failures by resource, in the steps' order."""
    failed = {}
    with concurrent.futures.ThreadPoolExecutor(min(parallel, len(steps))) as pool:
        running = {pool.submit(act, step): step for step in steps}
        for future in concurrent.futures.as_completed(running):
            step = running[future]
            try:
                future.result()
            except SnapshipError as error:
                failed[step.resource] = error.about(volume=step.resource).as_dict()
    return {step.resource: failed[step.resource] for step in steps if step.resource in failed}
