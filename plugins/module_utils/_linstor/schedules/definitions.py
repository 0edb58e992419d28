# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Schedules in LINSTOR: the existing ones and the wanted ones."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, Protocol

from ..._engine.common.errors import UsageError
from ..._engine.common.units import parse_duration
from ..api.cluster import Cluster
from .cron import parse_cron, same_cron, shift

NUMBERS = ("keep_local", "keep_remote", "max_retries")
FIELDS = ("full_cron", "inc_cron", *NUMBERS, "on_failure")


class ScheduleOptions(Protocol):
    """The options of a request that are used here, besides those named in ``FIELDS``."""

    name: str
    state: str
    full_cron: str | None
    inc_cron: str | None
    spread: str | None
    spread_slots: int


@dataclasses.dataclass
class Definition:
    """An existing or wanted schedule: LINSTOR's fields, without those that aren't set."""

    name: str
    was: dict[str, Any] | None
    wanted: dict[str, Any] | None

    @property
    def changes(self) -> dict[str, Any]:
        """The fields to change, with their new values; ``None`` removes one."""
        was, wanted = self.was or {}, self.wanted or {}
        return {field: wanted.get(field) for field in FIELDS if was.get(field) != wanted.get(field)}

    @property
    def differs(self) -> bool:
        """Whether there is something to do."""
        return self.was is None or self.wanted is None or bool(self.changes)


def slots_of(request: ScheduleOptions) -> dict[str, dict[str, Any]]:
    """The wanted schedules, each with its cron fields."""
    if request.state == "absent":
        return {}
    crons: dict[str, Any] = {}
    if request.full_cron is not None:
        crons["full_cron"] = parse_cron(request.full_cron, "full_cron")
    if request.inc_cron is not None:
        crons["inc_cron"] = parse_cron(request.inc_cron, "inc_cron") if request.inc_cron else ""
    if request.spread is None:
        return {request.name: crons}
    window = int(parse_duration(request.spread, "spread") // 60)
    step = window / request.spread_slots
    if step < 1:
        raise UsageError(
            "spread: the slots are less than a minute apart.", "Set a longer spread, or fewer spread_slots."
        )
    slots: dict[str, dict[str, Any]] = {}
    for number in range(request.spread_slots):
        later = int(number * step)
        moved = {field: shift(cron, later, field) if cron else cron for field, cron in crons.items()}
        slots[f"{request.name}-slot{number + 1}"] = moved
    return slots


def compare(cluster: Cluster, request: ScheduleOptions, slots: Mapping[str, dict[str, Any]]) -> list[Definition]:
    """The wanted schedules with their existing definitions, and leftovers of an earlier spread. One list request."""
    there = list_definitions(cluster)
    by_name = {name.lower(): name for name in there}
    definitions = []
    for name, crons in slots.items():
        was = there.get(by_name.get(name.lower(), name))
        definitions.append(Definition(name, was, _merged(request, was, crons)))
    # leftovers of an earlier spread, or of a schedule without spread
    mine = named(request.name)
    wanted_names = {name.lower() for name in slots}
    stale = [name for name in there if mine.fullmatch(name) and name.lower() not in wanted_names]
    definitions += [Definition(name, there[name], None) for name in sorted(stale)]
    return definitions


def list_definitions(cluster: Cluster) -> dict[str, dict[str, Any]]:
    """The fields of all schedules, by name. One request."""
    there = cluster.read("schedule_list", what="listing schedules").schedules
    return {str(each.schedule_name): _fields(each) for each in there}


def named(name: str) -> re.Pattern[str]:
    """What the names of a schedule and of the slots that it was spread over match."""
    return re.compile(rf"{re.escape(name)}(-slot\d+)?", re.IGNORECASE)


def _fields(found: Any) -> dict[str, Any]:
    data = {field: getattr(found, field, None) for field in FIELDS}
    return {field: value for field, value in data.items() if value not in (None, "")}


def _merged(request: ScheduleOptions, was: dict[str, Any] | None, crons: dict[str, Any]) -> dict[str, Any]:
    """The wanted fields: the existing ones, overridden by the request."""
    wanted = dict(was or {"on_failure": "SKIP"})
    # LINSTOR returns cron expressions in its own spelling
    wanted.update({field: cron for field, cron in crons.items() if not (cron and same_cron(cron, wanted.get(field)))})
    for field in (*NUMBERS, "on_failure"):
        value = getattr(request, field)
        if value is not None:
            wanted[field] = value
    if "full_cron" not in wanted:
        raise UsageError(
            f"schedule {request.name!r} doesn't exist yet and needs full_cron.",
            "Set full_cron to the times of full backups.",
        )
    return {
        field: value
        for field, value in wanted.items()
        if value != "" and not (field in NUMBERS and int(value) < 0)  # removed
    }


def write(cluster: Cluster, definition: Definition) -> list[str]:
    """Create or change it. Returns LINSTOR's warnings."""
    fields = dict(definition.changes)
    name, cron = definition.name, "incremental_cron"
    if definition.was is None:
        wanted = definition.wanted or {}
        given = {cron if field == "inc_cron" else field: value for field, value in wanted.items()}
        return cluster.change("schedule_create", name, what=f"creating schedule {name}", **given).warnings
    # For LINSTOR, a number below zero or an empty cron expression removes the setting.
    given = {}
    for field, value in fields.items():
        gone = -1 if field in NUMBERS else ""
        given[cron if field == "inc_cron" else field] = gone if value is None else value
    return cluster.change("schedule_modify", name, what=f"changing schedule {name}", **given).warnings
