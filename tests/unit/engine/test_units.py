# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Durations, sizes and times as users write them; what YAML may have made of them is refused."""

from __future__ import annotations

import re

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import units
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0),
        ("0", 0),
        (0, 0),
        ("30s", 30),
        ("15m", 900),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (" 1d ", 86400),
        ("2w", 1209600),
        ("1y", 31536000),
        ("0.5s", 0.5),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert units.parse_duration(text, "x") == seconds


@pytest.mark.parametrize("text", ["", "5", 750, "-1h", "1 h", "h", "1x", "1h ago", "1h-30m", "1H", True, None, "1e3s"])
def test_durations_that_are_refused_name_the_option(text: object) -> None:
    with pytest.raises(UsageError, match=r"^max_age: "):
        units.parse_duration(text, "max_age")  # type: ignore[arg-type]  # what YAML may give


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        (1048576, 1 << 20),
        ("100M", 100 << 20),
        ("1.5GiB", 3 << 29),
        ("10 MB/s", 10 << 20),
        ("2t", 2 << 40),
        ("7kib", 7168),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert units.parse_size(text, "x") == size


@pytest.mark.parametrize("text", ["", "-1", "1P", "M", "1 2", "1,5G", "0x10", None])
def test_sizes_that_are_refused(text: object) -> None:
    with pytest.raises(UsageError, match=r"^bandwidth_limit: "):
        units.parse_size(text, "bandwidth_limit")  # type: ignore[arg-type]  # what YAML may give


@pytest.mark.parametrize(
    ("text", "seconds", "assumed_utc"),
    [
        ("1970-01-01T00:00:00Z", 0, False),
        ("2026-03-09T14:30:00+01:00", 1773063000, False),
        ("2026-03-09T14:30:00.500000Z", 1773066600.5, False),
        ("2026-03-09T14:30:00", 1773066600, True),
        ("2026-03-09 14:30", 1773066600, True),
        ("2026-03-09", 1773014400, True),
        (" 2026-03-09T14:30:00z ", 1773066600, False),
    ],
)
def test_times(text: str, seconds: float, assumed_utc: bool) -> None:
    assert units.parse_time(text, "at") == (seconds, assumed_utc)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "14:30", "2026-13-01", "2026-02-30", "2026-03-09T25:00", "1773066600"]
)
def test_times_that_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"^at: "):
        units.parse_time(text, "at")


def test_what_is_shown() -> None:
    assert units.iso_time(1773066600.123456) == "2026-03-09T14:30:00.123456Z"
    assert [units.show_duration(each) for each in (0, 35, 90, 93600, 90061, -5)] == [
        "0s",
        "35s",
        "1m 30s",
        "1d 2h",
        "1d 1h",
        "5s",
    ]
    assert [units.show_bytes(each) for each in (0, 512, 10 << 20, 3 << 40)] == ["0 B", "512 B", "10.0 MiB", "3.0 TiB"]


@pytest.mark.parametrize("seconds", [-1e300, -62135596801.0, -62135596800.0, -1.0, 0.0, 253402300799.999999, 1e18])
def test_any_number_of_seconds_can_be_shown(seconds: float) -> None:
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z", units.iso_time(seconds))


def test_times_that_exist_are_shown_as_they_are() -> None:
    assert units.iso_time(-62135596800.0) == "0001-01-01T00:00:00.000000Z"
    assert units.iso_time(-1.5) == "1969-12-31T23:59:58.500000Z"
    assert units.iso_time(253402300799.0) == "9999-12-31T23:59:59.000000Z"
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-12:00"):
        assert units.iso_time(units.parse_time(text, "at")[0])
