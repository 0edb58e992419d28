# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Cron expressions of schedules, as LINSTOR accepts them: five fields, in the controller's time zone.

LINSTOR parses them with cron-utils in its UNIX dialect: lists, ranges that don't wrap around, steps, names of months
and weekdays, but none of Quartz's L, W, #, ?.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..._engine.common.errors import UsageError

#: the expression that each word stands for
WORDS = {"hourly": "0 * * * *", "daily": "0 0 * * *", "weekly": "0 0 * * 0", "monthly": "0 0 1 * *"}

_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_EVERY = ("*", "*/1")
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: dict[str, int]


_FIELDS = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("day of the week", 0, 7, {name: number for number, name in enumerate(_WEEKDAYS)}),
)


def parse_cron(value: str, what: str) -> str:
    """The expression as LINSTOR returns it: numbers only, Sunday as 0, one space between fields. Raises UsageError."""
    fields = WORDS.get(value.strip().lower(), value).split()
    if len(fields) != len(_FIELDS):
        raise UsageError(
            f"{what}: {value!r} has {len(fields)} fields instead of five.",
            f"Write minute, hour, day of the month, month and day of the week, or one of {', '.join(WORDS)}.",
        )
    _minutes, _hours, days, months, _weekdays = _all_values(fields, f"{what}: {value!r}")
    if fields[4] in _EVERY and not any(min(days) <= _LONGEST[month - 1] for month in months):
        raise UsageError(f"{what}: {value!r} never matches: none of these months has such a day.")
    return " ".join(_plain(text, field) for text, field in zip(fields, _FIELDS))


def _plain(text: str, field: _Field) -> str:
    def number(match: re.Match[str]) -> str:
        name = match[0].upper()
        return "7" if name == "SUN" and match.start() and text[match.start() - 1] == "-" else str(field.names[name])

    if field.names:
        text = re.sub("[A-Za-z]+", number, text)
    if text == "7":
        return "0"
    return "*" if text == "*/1" else re.sub(r"\b0+(?=\d)", "", text)


def same_cron(one: str, other: str | None) -> bool:
    """Whether two expressions match at the same times."""
    if one == other or other is None:
        return one == other
    try:
        mine, theirs = (_all_values(each.split(), "") for each in (one, other))
    except UsageError:
        return False
    return mine == theirs and _any_day(one) == _any_day(other)


def _any_day(cron: str) -> tuple[bool, bool]:
    """Whether the day fields are ``*``. Cron ignores such a field; a field that lists all days is an alternative."""
    fields = cron.split()
    return fields[2] in _EVERY, fields[4] in _EVERY


def _all_values(fields: list[str], where: str) -> list[set[int]]:
    if len(fields) != len(_FIELDS):
        raise UsageError(f"{where} doesn't have five fields.")
    values = [_values(text, field, where) for text, field in zip(fields, _FIELDS)]
    values[4] = {number % 7 for number in values[4]}
    return values


def _values(text: str, field: _Field, where: str) -> set[int]:
    """All values that a field matches."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"(?P<first>\*|\w+)(-(?P<last>\w+))?(/(?P<step>\d+))?", part)
        if not match or (match["first"] == "*" and match["last"]):
            raise UsageError(f"{where}: {part!r} isn't a valid {field.name}.")
        if match["first"] == "*":
            low, high = field.low, field.high
        else:
            low = _number(match["first"], field, where)
            # N/step means N-high/step
            high = _number(match["last"], field, where) if match["last"] else (field.high if match["step"] else low)
        step = int(match["step"] or 1)
        if high == 0 and match["last"] and field.names.get(match["last"].upper()) == 0:
            high = 7  # up to SUN
        if high < low:
            raise UsageError(f"{where}: the range {part!r} runs backwards.", "Split it into two ranges.")
        if not 1 <= step <= field.high:
            raise UsageError(f"{where}: {part!r} has an invalid step of {step}.")
        found.update(range(low, high + 1, step))
    return found


def _number(text: str, field: _Field, where: str) -> int:
    number = field.names.get(text.upper(), int(text) if text.isdecimal() and text.isascii() else -1)
    if not field.low <= number <= field.high:
        raise UsageError(f"{where}: {text!r} isn't a valid {field.name} ({field.low} to {field.high}).")
    return number


def shift(cron: str, minutes: int, what: str) -> str:
    """The expression with each start some minutes later. Raises UsageError if cron can't express that.

    The minute must be one number, and the hour a number, a list of numbers, or ``*``. No start moves to the next day,
    as the schedule would then run on other days.
    """
    if not minutes:
        return cron
    minute, hour, *rest = cron.split()
    if not minute.isdecimal() or not re.fullmatch(r"\*|\d+(,\d+)*", hour):
        raise UsageError(
            f"{what}: the starts of {cron!r} can't be spread.",
            "Write one minute, and hours as numbers or *, as in 0 * * * * or 30 1,13 * * *.",
        )
    later, late = divmod(int(minute) + minutes, 60)
    if hour == "*":
        # Each hour has a start anyway, so whole hours make no difference.
        return " ".join([str(late), hour, *rest])
    hours = [int(number) + later for number in hour.split(",")]
    if max(hours) > 23:
        raise UsageError(f"{what}: {cron!r} plus {minutes} minutes is on the next day.", "Set a shorter spread.")
    return " ".join([str(late), ",".join(str(number) for number in hours), *rest])
