# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Retention by calendar: which backups are kept, which are deleted, and why. Pure: it neither reads nor deletes.

The rules are those of restic, borg and sanoid: of each of the newest N hours, days, ISO weeks, months and years with a
backup, the newest backup is kept. Calendars are UTC. A kept backup keeps its bases and its group, too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..common.errors import UsageError
from ..common.units import FUTURE_TOLERANCE, parse_duration, show_duration, utc_time

#: a stamp further ahead than this many seconds is no age at all
#: for a count: every period there is
ALL = -1

#: a rule, and the name that all points of one period share
_PERIODS = {
    "hourly": "%Y-%m-%d %Hh",
    "daily": "%Y-%m-%d",
    "weekly": "%G-W%V",  # the year that the ISO week belongs to
    "monthly": "%Y-%m",
    "yearly": "%Y",
}


@dataclasses.dataclass(frozen=True)
class Point:
    """One backup or snapshot.

    ``id`` is unique among all points, ``time`` is in seconds since the epoch, ``base`` is the id of its base.
    Rules count within a ``series`` (a volume). Points of one ``group`` (of several series) share their fate.
    An incomplete point satisfies no rule and is deleted, unless it is ``pinned``: the reason to keep it anyway.
    """

    id: str
    time: float
    base: str | None = None
    complete: bool = True
    series: str = ""
    group: str | None = None
    pinned: str = ""


@dataclasses.dataclass(frozen=True)
class Rules:
    """How many to keep of each kind (:data:`ALL` for all of them); durations in seconds."""

    last: int = 0
    hourly: int = 0
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0
    within: float = 0.0
    min_age: float = 0.0
    max_delete_percent: float = 100.0

    @classmethod
    def of(cls, options: Mapping[str, Any], what: str = "keep") -> Rules:
        """From options as users write them: counts, and durations as in ``7d``. Raises UsageError."""
        given: dict[str, Any] = {}
        for name in ("last", *_PERIODS):
            count = options.get(name)
            if count is None:
                continue
            if isinstance(count, bool) or not isinstance(count, int) or count < ALL:
                raise UsageError(f"{what}: {name} is {count!r}.", "Set it to a number of backups; -1 keeps all.")
            given[name] = count
        for name in ("within", "min_age"):
            if options.get(name) is not None:
                given[name] = parse_duration(options[name], name)
        if options.get("max_delete_percent") is not None:
            given["max_delete_percent"] = float(options["max_delete_percent"])
        rules = cls(**given)
        if not 0 <= rules.max_delete_percent <= 100:
            raise UsageError("max_delete_percent must be from 0 to 100.")
        if not rules.keeps:
            raise UsageError(
                f"{what}: no rule keeps a backup.",
                "Set at least one of last, hourly, daily, weekly, monthly, yearly and within.",
            )
        return rules

    @property
    def keeps(self) -> bool:
        """Whether any rule keeps something."""
        return bool(self.within) or any(getattr(self, name) for name in ("last", *_PERIODS))


@dataclasses.dataclass
class Verdict:
    """The decision on one point: kept or deleted, and the reasons (at least one)."""

    point: Point
    kept: bool
    reasons: list[str]


def decide(points: Iterable[Point], rules: Rules, now: float) -> list[Verdict]:
    """A verdict for each point, newest first. Raises UsageError where no rule keeps anything, or an id comes twice.

    The base of a kept point is never deleted, and neither is a member of a kept group.
    """
    if not rules.keeps:
        raise UsageError("no rule keeps a backup.")
    everything = sorted(points, key=lambda point: (-point.time, point.id))
    reasons: dict[str, list[str]] = {point.id: [] for point in everything}
    if len(reasons) != len(everything):
        raise UsageError("two points have the same id.")
    for series in dict.fromkeys(point.series for point in everything):
        _by_rules([point for point in everything if point.series == series], rules, now, reasons)
    _close(everything, reasons)
    return [Verdict(point, bool(reasons[point.id]), reasons[point.id] or [_why_it_goes(point)]) for point in everything]


def _why_it_goes(point: Point) -> str:
    return "no rule keeps it" if point.complete else "it is incomplete"


def _by_rules(points: list[Point], rules: Rules, now: float, reasons: dict[str, list[str]]) -> None:
    """Reasons from the rules, for the points of one series, newest first."""
    for point in points:
        if point.pinned:
            reasons[point.id].append(point.pinned)
        if point.time > now + FUTURE_TOLERANCE:
            reasons[point.id].append(f"its time is {show_duration(point.time - now)} in the future")
        elif point.time > now - rules.min_age:
            reasons[point.id].append(f"younger than {show_duration(rules.min_age)}")
    # A time in the future would make everything else look old.
    counted = [point for point in points if point.complete and point.time <= now + FUTURE_TOLERANCE]
    for number, point in enumerate(counted, 1):
        if rules.last == ALL or number <= rules.last:
            reasons[point.id].append(f"last {number}")
        # Measured from the newest, as in restic: when backups have stopped, nothing more is deleted.
        if point.time >= counted[0].time - rules.within and rules.within:
            reasons[point.id].append(f"within {show_duration(rules.within)} of the newest")
    for rule in _PERIODS:
        _newest_of_each(counted, rule, getattr(rules, rule), reasons)


def _newest_of_each(points: list[Point], rule: str, count: int, reasons: dict[str, list[str]]) -> None:
    seen: set[str] = set()
    for point in points:
        period = utc_time(point.time).strftime(_PERIODS[rule])
        if period in seen:
            continue
        if count != ALL and len(seen) >= count:
            return
        seen.add(period)
        reasons[point.id].append(f"{rule} {period}")


def _close(points: list[Point], reasons: dict[str, list[str]]) -> None:
    """A kept point keeps its base and its group, and so do they."""
    by_id = {point.id: point for point in points}
    members: dict[str, list[Point]] = {}
    for point in points:
        if point.group is not None:
            members.setdefault(point.group, []).append(point)
    waiting = [point for point in points if reasons[point.id]]
    while waiting:
        point = waiting.pop(0)
        base = by_id.get(point.base) if point.base is not None else None
        if base is not None:
            _also(base, f"base of {point.id}", reasons, waiting)
        for member in members.get(point.group, []) if point.group is not None else []:
            if member is not point and not reasons[member.id]:
                _also(member, f"in one group with {point.id}", reasons, waiting)


def _also(point: Point, reason: str, reasons: dict[str, list[str]], waiting: list[Point]) -> None:
    if not reasons[point.id]:
        waiting.append(point)
    reasons[point.id].append(reason)


def too_many(verdicts: Iterable[Verdict], rules: Rules) -> dict[str, tuple[int, int]]:
    """The series of which more than ``max_delete_percent`` would be deleted: how many, of how many complete ones."""
    count: dict[str, list[int]] = {}
    for verdict in verdicts:
        if verdict.point.complete:
            going = count.setdefault(verdict.point.series, [0, 0])
            going[0] += not verdict.kept
            going[1] += 1
    return {
        series: (goes, there)
        for series, (goes, there) in count.items()
        if goes and 100.0 * goes > rules.max_delete_percent * there
    }
