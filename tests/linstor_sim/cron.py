# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cron expressions of five fields, in the controller's zone, with cron-utils' words for what is wrong with one."""

from __future__ import annotations

import datetime

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_YEARS = 4


class CronError(ValueError):
    """The text isn't a cron expression."""


class Cron:
    """``text`` is the expression as LINSTOR returns it: Sunday is 0."""

    def __init__(self, text: str) -> None:
        if text.startswith("@"):
            raise CronError("Nicknames not supported!")
        parts = text.split()
        if len(parts) != len(_RANGES):
            raise CronError(f"Cron expression contains {len(parts)} parts but we expect one of [5]")
        self._fields = [_field(part, *limits) for part, limits in zip(parts, _RANGES)]
        self._any_day, self._any_weekday = parts[2] == "*", parts[4] == "*"
        self._fields[4] = {day % 7 for day in self._fields[4]}
        if parts[4] == "7":
            parts[4] = "0"
        self.text = " ".join(parts)

    def after(self, moment: datetime.datetime) -> datetime.datetime:
        """The next time, later than ``moment``. CronError when there is none in the next years."""
        found = moment.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        end = found + datetime.timedelta(days=366 * _YEARS)
        while found < end:
            if not self._day(found):
                found = (found + datetime.timedelta(days=1)).replace(hour=0, minute=0)
            elif found.hour not in self._fields[1]:
                found = (found + datetime.timedelta(hours=1)).replace(minute=0)
            elif found.minute not in self._fields[0]:
                found += datetime.timedelta(minutes=1)
            else:
                return found
        raise CronError(f"'{self.text}' never comes.")

    def _day(self, moment: datetime.datetime) -> bool:
        if moment.month not in self._fields[3]:
            return False
        day, weekday = moment.day in self._fields[2], moment.isoweekday() % 7 in self._fields[4]
        # If both fields are restricted, one match is enough.
        return (day and weekday) if self._any_day or self._any_weekday else (day or weekday)


def _field(text: str, low: int, high: int) -> set[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _slash, step = part.partition("/")
        if span == "*":
            first, last = low, high
        else:
            start, dash, end = span.partition("-")
            first = _number(start, low, high)
            last = _number(end, low, high) if dash else (high if step else first)
        found |= set(range(first, last + 1, _number(step, 1, high) if step else 1))
    return found


def _number(text: str, low: int, high: int) -> int:
    if not text.isdigit():
        raise CronError(f"Failed to parse cron expression. Invalid chars in expression! Expression: {text}")
    if not low <= int(text) <= high:
        raise CronError(f"Failed to parse cron expression. Value {text} not in range [{low}, {high}]")
    return int(text)
