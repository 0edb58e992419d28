# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""When LINSTOR's schedules ran last, and when they run next: by resource, remote and schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..._engine.common.units import iso_time
from ..api.cluster import Cluster


def read_runs(cluster: Cluster) -> list[dict[str, Any]]:
    """One entry for each resource, remote and schedule, and one for each resource without any. One request.

    None before REST 1.14, which has no schedules.
    """
    if cluster.rest_version < (1, 14):
        return []
    answer = cluster.read("schedule_list_by_resource", what="listing schedules")
    data = getattr(answer, "data_v1", None)
    return [_run(each) for each in (data.get("data") or () if isinstance(data, Mapping) else ())]


def _run(each: Mapping[str, Any]) -> dict[str, Any]:
    upcoming = each.get("next_exec_time")
    return {
        "volume": str(each.get("rsc_name") or ""),
        "remote": str(each.get("remote_name") or ""),
        "schedule": str(each.get("schedule_name") or ""),
        "enabled": not each.get("reason"),
        "reason": each.get("reason") or None,
        "last": _time(each, "last_snap_time"),
        "last_type": _kind(each, "last_snap_time", "last_snap_inc"),
        "next": _time(each, "next_exec_time"),
        "next_type": _kind(each, "next_exec_time", "next_exec_inc"),
        "next_full": _time(each, "next_planned_full"),
        "next_incremental": _time(each, "next_planned_inc"),
        "running": isinstance(upcoming, int) and upcoming < 0 and not each.get("reason"),
    }


def _time(each: Mapping[str, Any], key: str) -> str | None:
    """LINSTOR writes -1 for "never"."""
    value = each.get(key)
    return iso_time(value / 1000) if isinstance(value, int) and value >= 0 else None


def _kind(each: Mapping[str, Any], time: str, flag: str) -> str | None:
    if _time(each, time) is None:
        return None
    return "incremental" if each.get(flag) else "full"
