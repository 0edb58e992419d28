# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: a schedule by which LINSTOR itself makes backups, and where it is enabled.

All resources of a schedule start at the same moment. To spread them, several schedules are created, each some minutes
later than the one before. The name of a resource decides which of them it uses.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster
from ..schedules.definitions import FIELDS, Definition, compare, list_definitions, named, slots_of, write
from ..schedules.enablement import Enablement, enablements, one_of
from ..schedules.runs import read_runs
from ..schedules.scope import put
from ..state.remotes import find_remote

CONCURRENT = "BackupShipping/MaxConcurrentBackupsPerNode"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])")


@dataclasses.dataclass
class Request:
    """The module's options. ``None`` leaves a setting unchanged; a number below zero removes a limit."""

    name: str = ""
    state: str = "present"
    full_cron: str | None = None
    inc_cron: str | None = None
    keep_local: int | None = None
    keep_remote: int | None = None
    on_failure: str | None = None
    max_retries: int | None = None
    remote: str | None = None
    resources: list[str] = dataclasses.field(default_factory=list)
    resource_groups: list[str] = dataclasses.field(default_factory=list)
    all_resources: bool = False
    enablement: str = "enabled"
    node: str | None = None
    target_storage_pool: str | None = None
    storage_pool_map: dict[str, str] | None = None
    force_restore: bool | None = None
    target_resource_group: str | None = None
    force_move_resource_group: bool | None = None
    target_resource: str | None = None
    spread: str | None = None
    spread_slots: int = 4
    max_concurrent_per_node: int | None = None
    nodes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Plan:
    """The differences to the request. ``limits``: (node or "", current value, wanted value).

    ``obstacles``: errors about missing remotes, resources or groups. In check mode, earlier tasks may not have created
    them yet.
    """

    request: Request
    definitions: list[Definition]
    enablements: list[Enablement]
    limits: list[tuple[str, str | None, str]]
    warnings: list[str] = dataclasses.field(default_factory=list)
    obstacles: list[SnapshipError] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        changed = any(each.differs for each in self.definitions)
        changed = changed or any(each.was != each.wanted for each in self.enablements)
        changed = changed or any(was != wanted for _node, was, wanted in self.limits)
        changed = changed or bool(self.obstacles)
        outcome = Outcome(changed=changed, warnings=list(self.warnings))
        for error in self.obstacles:
            outcome.warn(f"{error.msg} A real run would fail unless it is created first.")
        for each in self.definitions:
            outcome.items.append(_show(self, each))
            outcome.before[each.name], outcome.after[each.name] = each.was, each.wanted
        for entry in self.enablements:
            key = f"{entry.schedule} to {self.request.remote} on {entry.level}"
            outcome.before[key], outcome.after[key] = entry.was.show(), entry.wanted.show()
        for node, was, wanted in self.limits:
            key = f"{CONCURRENT} of {node or 'the controller'}"
            outcome.before[key], outcome.after[key] = was, wanted
        return outcome


def _show(plan: Plan, definition: Definition) -> dict[str, Any]:
    enabled = [
        dict(each.wanted.show(), level=each.level.kind, on=each.level.name or None, remote=plan.request.remote)
        for each in plan.enablements
        if each.schedule == definition.name
    ]
    fields = definition.wanted or {}
    shown: dict[str, Any] = {"name": definition.name, "state": "absent" if definition.wanted is None else "present"}
    shown.update({field: fields.get(field) for field in FIELDS})
    return dict(shown, enabled_on=enabled, actions=[])


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only: schedules, and if needed remotes, definitions, groups, nodes and properties; one list each.

    Raises UsageError, before any request, for options that LINSTOR would refuse or silently ignore.
    """
    _check(request)
    slots = slots_of(request)
    obstacles: list[SnapshipError] = []
    if request.remote and request.state == "present":
        try:
            find_remote(cluster, request.remote)
        except UnknownError as error:
            obstacles.append(error)
    definitions = compare(cluster, request, slots)
    found: list[Enablement] = []
    limits: list[tuple[str, str | None, str]] = []
    if request.state == "present":
        properties = (
            cluster.properties() if request.all_resources or request.max_concurrent_per_node is not None else {}
        )
        found = enablements(cluster, request, list(slots), properties, obstacles)
        limits = _limits(cluster, request, properties)
    plan = Plan(request, definitions, found, limits, obstacles=obstacles)
    if request.state == "present" and not request.remote:
        plan.warnings += _unused(request)
    plan.warnings += [
        f"schedule {each.schedule} on {each.level}: LINSTOR still has {' and '.join(each.was.left)} from an earlier"
        " enablement, and uses it again."
        for each in found
        if each.wanted.enabled and each.was.left
    ]
    return plan


def _unused(request: Request) -> list[str]:
    given = [name for name in ("resources", "resource_groups", "all_resources") if getattr(request, name)]
    return [f"{', '.join(given)}: nothing was enabled, because remote isn't set."] if given else []


def _limits(cluster: Cluster, request: Request, properties: dict[str, str]) -> list[tuple[str, str | None, str]]:
    if request.max_concurrent_per_node is None:
        return []
    wanted = str(max(request.max_concurrent_per_node, -1))
    if not request.nodes:
        # no property means no limit
        return [("", properties.get(CONCURRENT, "-1"), wanted)]
    there = {str(each.name).lower(): each for each in cluster.read("node_list", what="listing nodes").nodes}
    return [(name, one_of(there, name, "node").props.get(CONCURRENT), wanted) for name in request.nodes]


def _check(request: Request) -> None:
    longest = f"{request.name}-slot{request.spread_slots}" if request.spread is not None else request.name
    if not _NAME.fullmatch(longest):
        raise UsageError(
            f"name: {request.name!r} isn't a valid schedule name.",
            "Use 2 to 63 letters, digits and -. With spread, the added -slot1 and so on counts, too.",
        )
    if not 1 <= request.spread_slots <= 60:
        raise UsageError("spread_slots must be between 1 and 60.")
    if request.spread is not None and request.all_resources:
        raise UsageError(
            "spread needs resources or resource_groups.", "A schedule for the whole cluster can't be spread."
        )
    only_resources = [
        name
        for name in ("target_resource", "target_resource_group", "force_move_resource_group")
        if getattr(request, name)
    ]
    if only_resources and (request.resource_groups or request.all_resources):
        raise UsageError(
            f"{' and '.join(only_resources)}: LINSTOR ignores this for resource groups and for the whole cluster.",
            "Enable the schedule on resources instead.",
        )
    if request.target_resource and len(request.resources) > 1:
        raise UsageError("target_resource needs exactly one resource.", "Two resources can't be shipped into one.")
    if request.nodes and request.max_concurrent_per_node is None:
        raise UsageError("nodes needs max_concurrent_per_node.")


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Create and change schedules, then enable them, then remove those that are no longer wanted."""
    if plan.obstacles:
        raise plan.obstacles[0]
    outcome = plan.preview()
    actions: dict[str, list[str]] = {item["name"]: item["actions"] for item in outcome.items}
    for each in plan.definitions:
        if each.wanted is not None and each.differs:
            outcome.warnings += write(cluster, each)
            actions[each.name].append("modified" if each.was is not None else "created")
    for entry in plan.enablements:
        if entry.was == entry.wanted:
            continue
        for replies in put(cluster, plan.request.remote or "", entry.schedule, entry.level, entry.was, entry.wanted):
            for warning in replies.warnings:
                outcome.warn(warning)
        word = {True: "enabled", False: "disabled", None: "setting removed"}[entry.wanted.enabled]
        actions[entry.schedule].append(f"{word} on {entry.level}")
    for each in plan.definitions:
        if each.wanted is None:
            outcome.warnings += cluster.change(
                "schedule_delete", each.name, what=f"deleting schedule {each.name}"
            ).warnings
            actions[each.name].append("deleted")
    for node, was, wanted in plan.limits:
        if was != wanted:
            _limit(cluster, node, wanted)
            done = f"set {CONCURRENT} of {node or 'the controller'} to {wanted}"
            next(iter(actions.values())).append(done)
    return outcome


def _limit(cluster: Cluster, node: str, wanted: str) -> None:
    what = f"limiting concurrent backups of {node or 'each node'} to {wanted}"
    if node:
        cluster.change("node_modify", node, property_dict={CONCURRENT: wanted}, what=what)
    else:
        cluster.change("controller_set_prop", CONCURRENT, wanted, what=what)


@dataclasses.dataclass(frozen=True)
class Question:
    """The options of the module that only reads. ``None`` and an empty list mean all."""

    name: str | None = None
    remote: str | None = None
    resources: list[str] = dataclasses.field(default_factory=list)


def describe(cluster: Cluster, question: Question) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The schedules as they are defined, and the runs of each on each resource and remote. Two requests."""
    mine = named(question.name) if question.name else None
    found = [
        {"name": name, **{field: fields.get(field) for field in FIELDS}}
        for name, fields in list_definitions(cluster).items()
        if mine is None or mine.fullmatch(name)
    ]
    wanted = {name.lower() for name in question.resources}
    runs = [
        each
        for each in read_runs(cluster)
        # A resource without a schedule has an entry, too.
        if (each["schedule"] or wanted and mine is None and question.remote is None)
        and (mine is None or mine.fullmatch(each["schedule"]))
        and (question.remote is None or each["remote"].lower() == question.remote.lower())
        and (not wanted or each["volume"].lower() in wanted)
    ]
    return found, sorted(runs, key=lambda each: (each["volume"], each["remote"], each["schedule"]))
