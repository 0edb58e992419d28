# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Where a schedule is enabled, and where it should be."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any, Protocol

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError
from ..api.cluster import Cluster
from .scope import CLUSTER, GROUP, RESOURCE, Level, Setting

_ENABLED = {"enabled": True, "disabled": False, "inherited": None}


class EnablementOptions(Protocol):
    """The options of a request that are used here, besides those of :class:`.scope.Setting`."""

    name: str
    remote: str | None
    resources: list[str]
    resource_groups: list[str]
    all_resources: bool
    enablement: str


@dataclasses.dataclass
class Enablement:
    """One schedule on one level."""

    schedule: str
    level: Level
    was: Setting
    wanted: Setting


def enablements(
    cluster: Cluster,
    request: EnablementOptions,
    schedules: list[str],
    properties: dict[str, str],
    missing: list[SnapshipError],
) -> list[Enablement]:
    """The current and the wanted setting of each schedule on each requested level.

    Resources and groups that don't exist are added to ``missing`` and count as having no setting.
    """
    if not request.remote:
        return []
    known: dict[Level, dict[str, str]] = {Level(CLUSTER): properties} if request.all_resources else {}
    if request.resources:
        listed = cluster.read("resource_dfn_list", query_volume_definitions=False, what="listing resource definitions")
        there = {str(each.name).lower(): each for each in listed.resource_definitions}
        for name in request.resources:
            known[Level(RESOURCE, name)] = _properties(there, name, "resource", missing)
    if request.resource_groups:
        listed = cluster.read("resource_group_list_raise", what="listing resource groups")
        there = {str(each.name).lower(): each for each in listed.resource_groups}
        for name in request.resource_groups:
            known[Level(GROUP, name)] = _properties(there, name, "resource group", missing)
    found: list[Enablement] = []
    for level, props in known.items():
        own = schedules[slot_of(level.name, len(schedules))] if level.name else schedules[0]
        for schedule in schedules:
            was = Setting.read(props, request.remote, schedule)
            wanted = _wanted(request, was) if schedule == own else _taken_back(was)
            if schedule == own or was != wanted:
                found.append(Enablement(schedule, level, was, wanted))
    return found


def slot_of(name: str, slots: int) -> int:
    """The number of the slot of a resource or group: always the same for one name, evenly spread over many names."""
    digest = hashlib.sha256(name.lower().encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") % slots


def _properties(there: dict[str, Any], name: str, kind: str, missing: list[SnapshipError]) -> dict[str, str]:
    try:
        return dict(one_of(there, name, kind).properties)
    except UnknownError as error:
        missing.append(error)
        return {}


def one_of(there: dict[str, Any], name: str, kind: str) -> Any:
    found = there.get(name.lower())
    if found is None:
        known = ", ".join(sorted(str(each.name) for each in there.values())[:20]) or "none"
        raise UnknownError(f"the cluster has no {kind} {name!r}. It has: {known}.", code="unknown_volume")
    return found


def _wanted(request: EnablementOptions, was: Setting) -> Setting:
    enabled = _ENABLED[request.enablement]
    if enabled is None:
        return _taken_back(was)
    if enabled is False:
        return dataclasses.replace(was, enabled=False)
    asked: dict[str, Any] = {field.name: getattr(request, field.name, None) for field in dataclasses.fields(Setting)}
    given = {name: value for name, value in asked.items() if value is not None}
    if "storage_pool_map" in given:
        given["storage_pool_map"] = tuple(sorted(given["storage_pool_map"].items()))
    wanted = dataclasses.replace(was, **given, enabled=True)
    stuck = was.stuck(wanted)
    if stuck:
        raise UsageError(
            f"LINSTOR can't remove {' and '.join(stuck)} from an enabled schedule.",
            "Create a schedule with another name, and delete this one with state: absent.",
        )
    return wanted


def _taken_back(was: Setting) -> Setting:
    return dataclasses.replace(was, enabled=None, node="")
