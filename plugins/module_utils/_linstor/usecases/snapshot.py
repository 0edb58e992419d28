# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: take, remove, copy, or roll back to snapshots of resources."""

from __future__ import annotations

import dataclasses
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Union

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import iso_time, parse_duration
from ..api import clock
from ..api.cluster import Cluster
from ..shipments.refused import TOO_EARLY, in_mind
from ..snapshots import resource_copy, rollback
from ..snapshots.changes import Step, remove, side_by_side, take, take_together, without_disk
from ..state.s3_bases import taken_last
from ..state.snapshots import Snap, list_snapshots

STATES = ("present", "absent", "restored", "rolled_back")
#: the name prefix of snapshots that this module took together; name and time must both match to count as one group
GROUP = "snapship-group-"
SINGLE = "snapship-"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{1,47}")
_TOGETHER = 60.0  # seconds by which the nodes' clocks may differ


@dataclasses.dataclass(frozen=True)
class Request:
    """The module's options; ``copy`` has those of state restored."""

    resources: Sequence[str]
    name: str | None = None
    max_age: str | None = None
    state: str = "present"
    consistent: bool = False
    nodes: Sequence[str] = ()
    discard_changes: bool = False
    parallel: int = 4
    copy: resource_copy.Options = dataclasses.field(default_factory=resource_copy.Options)


@dataclasses.dataclass
class Plan:
    """One step for each resource, and the failures."""

    request: Request
    steps: list[Step] = dataclasses.field(default_factory=list)
    failures: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(
            any(step.act for step in self.steps), failures=list(self.failures), warnings=list(self.warnings)
        )
        absent = self.request.state == "absent"
        for step in self.steps:
            there = [step.name] if step.snap is not None else []
            outcome.before[step.resource] = there
            outcome.after[step.resource] = [] if absent else [step.name]
            if step.snap is not None or not absent:
                outcome.items.append(shown(step.snap or Snap(step.resource, step.name), step.group))
        return outcome


AnyPlan = Union[Plan, resource_copy.Plan, rollback.Plan]


def plan(cluster: Cluster, request: Request) -> AnyPlan:
    """Reads only. A missing resource is a failure of its own; with ``consistent`` it is raised."""
    _check(request)
    definitions = _definitions(cluster)
    known = {name.lower(): name for name in definitions}
    found = [known[name.lower()] for name in request.resources if name.lower() in known]
    found = list(dict.fromkeys(found))
    missing = [_missing(cluster, name, known) for name in request.resources if name.lower() not in known]
    if missing and (request.consistent or len(request.resources) == 1):
        raise missing[0]
    snaps = list_snapshots(cluster, found) if found else {}
    if request.state == "restored":
        return resource_copy.plan(cluster, found[0], request.name or "", snaps[found[0]], request.copy)
    if request.state == "rolled_back":
        return rollback.plan(found, request.name or "", snaps)
    plan = Plan(request, failures=[error.as_dict() for error in missing])
    if request.state == "absent":
        plan.steps = [_absent(name, request.name or "", snaps[name]) for name in found]
        plan.warnings = [text for step in plan.steps for text in _needed(step, definitions[step.resource])]
    else:
        plan.steps = _group(request, snaps) if request.consistent else [_single(request, n, snaps[n]) for n in found]
        if request.nodes and any(step.act for step in plan.steps):
            _leave_out(cluster, plan)
    return plan


def apply(cluster: Cluster, plan: AnyPlan) -> Outcome:
    """Apply the plan: a group in one request, others in parallel. A failure doesn't stop the others."""
    if isinstance(plan, resource_copy.Plan):
        return resource_copy.apply(cluster, plan)
    if isinstance(plan, rollback.Plan):
        return rollback.apply(cluster, plan)
    outcome = plan.preview()
    todo = [step for step in plan.steps if step.act]
    if not todo:
        return outcome
    failed: dict[str, dict[str, Any]] = {}
    if plan.request.consistent and plan.request.state == "present":
        take_together(cluster, plan.request.nodes, todo)
    else:
        act = remove if plan.request.state == "absent" else take
        failed = side_by_side(plan.request.parallel, todo, lambda step: act(cluster, plan.request.nodes, step))
    outcome.failures += list(failed.values())
    outcome.changed = len(failed) < len(todo)
    if plan.request.state == "present":
        _fill_in(cluster, outcome, plan, failed)
    else:
        outcome.items = [item for item in outcome.items if item["volume"] not in failed]
    for name in failed:
        outcome.after[name] = outcome.before[name]
    return outcome


def shown(snap: Snap, group: str | None = None) -> dict[str, Any]:
    """A snapshot as modules return it."""
    flaw, received = None, snap.received is not None
    if snap.uuid and not snap.taken:
        flaw = "it couldn't be taken on all nodes" if snap.failed else "it isn't complete"
    return {
        "name": snap.name,
        "volume": snap.resource,
        "provider": "linstor",
        "state_id": snap.uuid or None,
        "group": group or (snap.name if snap.name.startswith(GROUP) else None),
        "created": iso_time(snap.time) if snap.time is not None else None,
        "size": sum(snap.sizes.values()) if snap.sizes else None,
        "nodes": sorted(snap.nodes),
        "valid": flaw is None,
        "flaw": flaw,
        # A received one still has the shipping properties of its source.
        "shipments": [] if received else [_shipment(snap, remote) for remote in snap.shipped_to()],
        "received": received,
    }


def describe(cluster: Cluster, resources: Sequence[str] | None, name: str | None) -> list[dict[str, Any]]:
    """All snapshots, the newest of each resource first. One request."""
    found = list_snapshots(cluster, resources)
    snaps = [snap for each in sorted(found) for snap in reversed(found[each])]
    return [shown(snap) for snap in snaps if name is None or snap.name.lower() == name.lower()]


def _check(request: Request) -> None:
    if request.state not in STATES:
        raise UsageError(f"state: {request.state!r} isn't one of {', '.join(STATES)}.")
    if request.state != "present" and not request.name:
        raise UsageError(f"state: {request.state} needs name.")
    if request.state == "present" and (request.name is None) == (request.max_age is None):
        raise UsageError("Set either name or max_age.")
    if request.state == "present" and request.name is not None and not _NAME.fullmatch(request.name):
        raise UsageError(
            f"name: {request.name!r} isn't a valid snapshot name.",
            "Use 2 to 48 letters, digits, - and _, beginning with a letter or _.",
        )
    if request.state == "restored" and (len(request.resources) != 1 or not request.copy.to_resource):
        raise UsageError("state: restored needs exactly one resource, and to_resource.")
    if request.state == "rolled_back" and not request.discard_changes:
        raise UsageError(
            "A rollback loses everything written since the snapshot was taken.",
            "Set discard_changes: true to allow that.",
        )
    if request.parallel < 1:
        raise UsageError("parallel must be at least 1.")
    if request.max_age is not None:
        parse_duration(request.max_age, "max_age")


def _definitions(cluster: Cluster) -> dict[str, Mapping[str, str]]:
    """The properties of all resource definitions, by name. One request."""
    answer = cluster.read("resource_dfn_list", query_volume_definitions=False, what="listing resource definitions")
    return {str(entry["name"]): dict(entry.get("props") or {}) for entry in answer.data_v1}


def _missing(cluster: Cluster, name: str, known: Mapping[str, str]) -> SnapshipError:
    names = sorted(known.values())
    there = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "") or "none"
    return UnknownError(
        f"{cluster.name} has no resource {name!r}. Its resources: {there}.", code="unknown_volume", volume=name
    )


def _leave_out(cluster: Cluster, plan: Plan) -> None:
    """Turn the resources without a disk on the requested nodes into failures."""
    wrong = without_disk(cluster, plan.request.nodes, [step for step in plan.steps if step.act])
    if wrong and plan.request.consistent:
        raise wrong[0]
    plan.steps = [step for step in plan.steps if step.resource not in [error.volume for error in wrong]]
    plan.failures += [error.as_dict() for error in wrong]


def _single(request: Request, resource: str, snaps: Sequence[Snap]) -> Step:
    if request.name is not None:
        there = _named(snaps, request.name)
        return Step(resource, there.name if there else request.name, there, act=there is None)
    oldest = clock.now() - parse_duration(request.max_age or "0", "max_age")
    fresh = [snap for snap in _own(snaps) if snap.created is not None and snap.created >= oldest]
    if fresh and oldest < clock.now():
        return Step(resource, fresh[-1].name, fresh[-1])
    return Step(resource, _new_name(SINGLE), act=True)


def _group(request: Request, snaps: Mapping[str, Sequence[Snap]]) -> list[Step]:
    """One snapshot of the same name for each resource: one that all have, or a new one."""
    if request.name is not None:
        name = request.name
        there = {resource: _named(each, name) for resource, each in snaps.items()}
        some = sorted(resource for resource, snap in there.items() if snap is not None)
        if some and len(some) < len(there):
            raise VolumeError(
                f"{', '.join(some)} already has a snapshot {name!r}, but other resources don't. So they can't have one "
                "of the same point in time.",
                "Choose another name, or remove that snapshot first.",
                "not_together",
            )
    else:
        name = _fresh_group(request, snaps) or _new_name(GROUP)
        there = {resource: _named(each, name) for resource, each in snaps.items()}
    return [Step(resource, name, snap, snap is None, name) for resource, snap in there.items()]


def _fresh_group(request: Request, snaps: Mapping[str, Sequence[Snap]]) -> str | None:
    age = parse_duration(request.max_age or "0", "max_age")
    oldest = clock.now() - age
    shared = set.intersection(*({snap.name for snap in _own(each)} for each in snaps.values())) if age else set()
    times: dict[str, list[float]] = {}
    for name in shared:
        if name.startswith(GROUP):
            taken = [snap.created for each in snaps.values() for snap in each if snap.name == name]
            times[name] = [moment for moment in taken if moment is not None]
    fresh = {
        name: min(moments)
        for name, moments in times.items()
        if len(moments) == len(snaps) and min(moments) >= oldest and max(moments) - min(moments) <= _TOGETHER
    }
    return max(fresh, key=lambda name: fresh[name]) if fresh else None


def _own(snaps: Sequence[Snap]) -> list[Snap]:
    """The complete snapshots that were taken here, without the received ones."""
    return [snap for snap in snaps if snap.taken and snap.received is None]


def _named(snaps: Sequence[Snap], name: str) -> Snap | None:
    found = next((snap for snap in snaps if snap.name.lower() == name.lower()), None)
    if found is not None and found.failed:
        raise VolumeError(
            f"Snapshot {found.name!r} of {found.resource} is unusable: taking it failed, or it is being removed.",
            "Remove it with state: absent first.",
            "broken_snapshot",
            volume=found.resource,
        )
    return found


def _absent(resource: str, name: str, snaps: Sequence[Snap]) -> Step:
    found = next((snap for snap in snaps if snap.name.lower() == name.lower()), None)
    return Step(resource, found.name if found else name, found, act=found is not None)


def _needed(step: Step, props: Mapping[str, str]) -> list[str]:
    """Warnings about the removal of a snapshot."""
    remotes = [remote for remote, name in taken_last(props).items() if name.lower() == step.name.lower()]
    if step.snap is None:
        return []
    told = [
        f"Without snapshot {step.name}, the next backup of {step.resource} on {remote} will be a full one."
        for remote in remotes
    ]
    remote = in_mind(step.snap)
    if remote is not None:
        told.append(f"LINSTOR was to ship snapshot {step.name} of {step.resource} to {remote}: {TOO_EARLY}")
    return told


def _new_name(start: str) -> str:
    return f"{start}{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(3)}"


def _fill_in(cluster: Cluster, outcome: Outcome, plan: Plan, failed: Mapping[str, Any]) -> None:
    """Replace the planned items by the snapshots that exist now."""
    now = list_snapshots(cluster, [step.resource for step in plan.steps])
    outcome.items = []
    for step in plan.steps:
        if step.resource in failed:
            continue
        snap = next((each for each in now[step.resource] if each.name == step.name), None)
        outcome.items.append(shown(snap or Snap(step.resource, step.name), step.group))
        if step.act and (snap is None or snap.failed):
            error = VolumeError(
                f"LINSTOR accepted snapshot {step.name} of {step.resource}, but it isn't complete.",
                "See LINSTOR's error reports. Remove the snapshot with state: absent.",
                "broken_snapshot",
                volume=step.resource,
            )
            outcome.failures.append(error.as_dict())


def _shipment(snap: Snap, remote: str) -> dict[str, Any]:
    found = snap.shipment(remote)
    return {"remote": remote, "state": found.state if found else "unknown"}
