# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Durations, sizes and points in time, as users write them and as they are shown."""

from __future__ import annotations

import datetime
import re

from .errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
_BYTES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
UTC = datetime.timezone.utc
_LONGEST = 1000 * 31536000  # seconds of a duration
_LARGEST = 1 << 63  # bytes of a size
FUTURE_TOLERANCE = 300.0  # seconds a time stamp may be ahead of a clock before it counts for nothing
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
_FIRST = (datetime.datetime.min.replace(tzinfo=UTC) - _EPOCH).total_seconds()
# The last second of the year 9999. Its microseconds have no float of their own: the nearest is in the year 10000.
LAST_TIME = (datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - _EPOCH).total_seconds()


def parse_duration(value: str | int | float, what: str) -> float:
    """Seconds from ``15m``, ``1h30m``, ``2d``. A number alone is refused (unless 0): YAML reads 12:30 as 750."""
    if isinstance(value, float) and 0 <= value <= _LONGEST:  # what parse_duration itself returned earlier
        return value
    text = str(value).strip()
    if text == "0":
        return 0.0
    if not re.fullmatch(r"(\d+(\.\d+)?[smhdwy])+", text):
        raise UsageError(f"{what}: {text!r} isn't a duration.", "Write a number and a unit: 30s, 15m, 6h, 1d, 2w, 1y.")
    seconds = sum(
        float(number) * _SECONDS[unit] for number, _fraction, unit in re.findall(r"(\d+(\.\d+)?)([smhdwy])", text)
    )
    if seconds > _LONGEST:
        raise UsageError(f"{what}: {text[:40]!r} is longer than a thousand years.", "Set a shorter duration.")
    return seconds


def parse_size(value: str | int, what: str) -> int:
    """Bytes from ``1048576``, ``100M``, ``1.5GiB`` (units are powers of 1024)."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?(?:/s)?", str(value).strip(), re.IGNORECASE)
    if not match:
        raise UsageError(f"{what}: {value!r} is no size.", "Write bytes, or a number with K, M, G or T.")
    size = float(match.group(1)) * _BYTES[match.group(2).upper()]
    if size >= _LARGEST:
        raise UsageError(f"{what}: {str(value)[:40]!r} is larger than any volume.", "Set a smaller size.")
    return int(size)


def parse_time(value: str, what: str) -> tuple[float, bool]:
    """Seconds since the epoch from ISO 8601; the flag says that no offset was given and UTC was taken."""
    text = value.strip()
    iso = re.sub(r"[zZ]$", "+00:00", text)
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", iso):
        iso += "T00:00:00"
    try:
        moment = datetime.datetime.fromisoformat(iso)
    except ValueError:
        raise UsageError(
            f"{what}: {text!r} isn't a point in time.", "Write it as 2026-03-09T14:30:00+01:00, or with Z for UTC."
        ) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC).timestamp(), True
    return moment.timestamp(), False


def is_time(value: object) -> bool:
    """Whether this is a number of seconds since the epoch, up to the year 9999, as records have them."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= LAST_TIME


def utc_time(seconds: float) -> datetime.datetime:
    """A point in time by the calendar. Clocks and names can be absurd: what is before the year 1 or after 9999 becomes
    the first or last second there is."""
    return datetime.datetime.fromtimestamp(max(_FIRST, min(LAST_TIME, seconds)), UTC)


def iso_time(seconds: float) -> str:
    """``2026-03-09T14:30:00.123456Z``."""
    return utc_time(seconds).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def show_duration(seconds: float) -> str:
    """A duration for messages: the largest two units, ``1d 2h``, ``35s``."""
    rest = int(abs(seconds))
    parts = []
    for unit in ("d", "h", "m", "s"):
        count, rest = divmod(rest, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def show_bytes(count: int | float) -> str:
    """Bytes for messages: ``512 B``, ``10.0 MiB``."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} B" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"
