# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: volumes have a snapshot, or not."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

from ..common.errors import SnapshipError, UsageError
from ..common.outcome import Outcome
from ..common.units import iso_time, parse_duration
from ..local.host import Host
from ..snapshots.selection import Members, looking_at, split
from ..snapshots.take import Quiesce, check_name, fresh, fresh_group, take
from ..volumes.provider import Snapshot


@dataclasses.dataclass
class Request(Quiesce):
    """As the module's options; durations as users write them."""

    volumes: list[str] = dataclasses.field(default_factory=list)
    provider: str | None = None
    name: str | None = None
    max_age: Any = None
    state: str = "present"
    consistent: bool = False
    recursive: bool = False


@dataclasses.dataclass
class SnapshotUnit:
    """Volumes that get their snapshots together: one, or a group."""

    providers: Members
    there: list[Snapshot] = dataclasses.field(default_factory=list)
    error: SnapshipError | None = None

    @property
    def volumes(self) -> list[str]:
        return list(self.providers)


@dataclasses.dataclass
class Plan:
    """The snapshots to take or to remove."""

    request: Request
    units: list[SnapshotUnit]
    lenient: bool = True  # check mode: a volume that an earlier task would create is missing

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome()
        for unit in self.units:
            if unit.error and not (self.lenient and unit.error.code == "unknown_volume"):
                outcome.failures.append(unit.error.as_dict())
                continue
            if unit.error:
                outcome.warn(f"{unit.error.msg} A real run would fail unless it is created first.")
            absent = self.request.state == "absent"
            if absent == bool(unit.there):
                outcome.changed = True
            _show(outcome, unit, [] if absent else unit.there or _expected(self.request, unit))
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises UsageError for options that don't go together."""
    if not request.volumes:
        raise UsageError("volumes is empty.")
    if request.state == "present" and (request.name is None) == (request.max_age is None):
        raise UsageError("set either name or max_age.", "max_age: 0s takes a new snapshot at each run.")
    if request.state == "absent" and request.name is None:
        raise UsageError("state: absent needs name.")
    if request.name is not None:
        check_name(request.name)
    if request.max_age is not None:
        parse_duration(request.max_age, "max_age")
    request.hooks()
    together = request.consistent and request.state == "present"
    selected = split(request.volumes, request.provider, together, request.recursive)
    units = [SnapshotUnit(members) for members in selected]
    with looking_at(selected):
        for unit in units:
            try:
                unit.there = _there(unit, request)
            except SnapshipError as error:
                unit.error = error.about(volume=unit.volumes[0])
    return Plan(request, units)


def _there(unit: SnapshotUnit, request: Request) -> list[Snapshot]:
    """The snapshots that satisfy the request (present), or that will be removed (absent)."""
    by_volume = {volume: provider.snapshots(volume) for volume, provider in unit.providers.items()}
    if request.state == "absent":
        return [each for found in by_volume.values() for each in found if each.name == request.name]
    for volume, provider in unit.providers.items():
        provider.info(volume)
    age = parse_duration(request.max_age, "max_age") if request.max_age is not None else None
    now = time.time()
    if request.consistent or request.recursive:
        return fresh_group(by_volume, age, now, request.name) or []
    snapshots = by_volume[unit.volumes[0]]
    if age is not None:
        found = fresh(snapshots, age, now)
        return [found] if found else []
    return [each for each in snapshots if each.name == request.name]


def apply(host: Host, plan: Plan) -> Outcome:
    """Take or remove what the plan says. A failed volume doesn't stop the others."""
    outcome, request = Outcome(), plan.request
    for unit in plan.units:
        try:
            if unit.error:
                raise unit.error
            if request.state == "absent":
                for snapshot in unit.there:
                    if snapshot.holds:
                        outcome.warn(
                            f"snapshot {snapshot.name!r} of {snapshot.volume} was the base of the next incremental. "
                            "The next backup will be a full, unless there is another base."
                        )
                    unit.providers[snapshot.volume].remove(snapshot)
                _show(outcome, unit, [])
                outcome.changed = outcome.changed or bool(unit.there)
                continue
            result = unit.there
            if not result:
                group = request.consistent or request.recursive
                result, warnings = take(unit.providers, request.name, group, request)
                outcome.warnings += warnings
                outcome.changed = True
            _show(outcome, unit, [each.public() for each in result])
        except SnapshipError as error:
            outcome.failures.append(error.about(volume=unit.volumes[0]).as_dict())
    return outcome


def _expected(request: Request, unit: SnapshotUnit) -> list[dict[str, Any]]:
    """Placeholders for snapshots that would be taken."""
    return [
        {
            "name": request.name or "(new)",
            "volume": volume,
            "provider": unit.providers[volume].name,
            "state_id": None,
            "group": None,
            "created": iso_time(time.time()),
            "size": None,
            "method": None,
            "path": None,
            "valid": True,
            "flaw": None,
            "holds": [],
        }
        for volume in unit.volumes
    ]


def _show(outcome: Outcome, unit: SnapshotUnit, after: list[Any]) -> None:
    shown = [each.public() if isinstance(each, Snapshot) else each for each in after]
    outcome.items += shown
    for volume in unit.volumes:
        outcome.before[volume] = [each.name for each in unit.there if each.volume == volume]
        outcome.after[volume] = [each["name"] for each in shown if each["volume"] == volume]


def describe(volumes: list[str], provider: str | None = None) -> list[dict[str, Any]]:
    """All snapshots of these volumes, newest first."""
    found: list[Snapshot] = []
    units = split(volumes, provider, False)
    with looking_at(units):
        for members in units:
            for volume, one in members.items():
                snapshots = one.snapshots(volume)
                if not snapshots:
                    one.info(volume)  # raises if there is no such volume
                found += snapshots
    return [each.public() for each in sorted(found, key=lambda each: each.created, reverse=True)]
