# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: a schedule by which LINSTOR makes backups itself, and what it is enabled on.

All resources of one schedule start at the same instant. To spread them, several schedules are made of one, each some
minutes later, and a resource's name decides which of them is its own.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster
from ..schedules.definitions import FIELDS, Definition, compare, slots_of, write
from ..schedules.enablement import Enablement, enablements, one_of
from ..schedules.scope import put
from ..state.remotes import find_remote

CONCURRENT = "BackupShipping/MaxConcurrentBackupsPerNode"
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])")


@dataclasses.dataclass
class Request:
    """As the module's options. What is ``None`` is left as it is, a number below zero takes a limit away."""

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
    """What differs from what is asked for. ``limits``: (node or "", value now, value wanted).

    ``obstacles`` are remotes, resources or groups that have to be there first: a play that is only checked may not have
    made them yet.
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
            outcome.warn(f"{error.msg} A run would fail unless it is made before.")
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
    """Reads only: schedules, and as far as asked for remotes, definitions, groups, nodes, properties: one list each.

    Raises UsageError before anything is asked for what LINSTOR would refuse, or would silently ignore.
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
        f"schedule {each.schedule} on {each.level}: LINSTOR still has {' and '.join(each.was.left)}"
        " from an earlier time, which counts again."
        for each in found
        if each.wanted.enabled and each.was.left
    ]
    return plan


def _unused(request: Request) -> list[str]:
    given = [name for name in ("resources", "resource_groups", "all_resources") if getattr(request, name)]
    return [f"{', '.join(given)} without remote: nothing was enabled."] if given else []


def _limits(cluster: Cluster, request: Request, properties: dict[str, str]) -> list[tuple[str, str | None, str]]:
    if request.max_concurrent_per_node is None:
        return []
    wanted = str(max(request.max_concurrent_per_node, -1))
    if not request.nodes:
        # without the property there is no limit
        return [("", properties.get(CONCURRENT, "-1"), wanted)]
    there = {str(each.name).lower(): each for each in cluster.read("node_list", what="listing nodes").nodes}
    return [(name, one_of(there, name, "node").props.get(CONCURRENT), wanted) for name in request.nodes]


def _check(request: Request) -> None:
    longest = f"{request.name}-slot{request.spread_slots}" if request.spread is not None else request.name
    if not _NAME.fullmatch(longest):
        raise UsageError(
            f"name: {request.name!r} is no name for a schedule.",
            "Use 2 to 63 letters, digits and - (with spread, what is added to it counts too).",
        )
    if not 1 <= request.spread_slots <= 60:
        raise UsageError("spread_slots is between 1 and 60.")
    if request.spread is not None and request.all_resources:
        raise UsageError(
            "spread needs resources or resource_groups.", "What is enabled for the whole cluster starts all at once."
        )
    only_resources = [
        name
        for name in ("target_resource", "target_resource_group", "force_move_resource_group")
        if getattr(request, name)
    ]
    if only_resources and (request.resource_groups or request.all_resources):
        raise UsageError(
            f"{' and '.join(only_resources)}: LINSTOR ignores this on a resource group and on the whole cluster.",
            "Enable the schedule on resources.",
        )
    if request.target_resource and len(request.resources) > 1:
        raise UsageError("target_resource is for one resource.", "Two resources can't be shipped into one.")
    if request.nodes and request.max_concurrent_per_node is None:
        raise UsageError("nodes is for max_concurrent_per_node.")


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Make and change schedules, then what they are enabled on, then remove what is too much."""
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
        word = {True: "enabled", False: "disabled", None: "taken away"}[entry.wanted.enabled]
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
