# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times of schedules: what LINSTOR's cron takes, what it doesn't, and starts moved by some minutes."""

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.schedules.cron import parse_cron, same_cron, shift


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ("hourly", "0 * * * *"),
        ("Daily", "0 0 * * *"),
        ("weekly", "0 0 * * 0"),
        ("monthly", "0 0 1 * *"),
        ("  0   2 * *  0 ", "0 2 * * 0"),
        ("*/15 8-18/2 * * mon-fri", "*/15 8-18/2 * * 1-5"),
        ("5,35 00 1,15 JAN,jul 7", "5,35 0 1,15 1,7 0"),
        ("10/20 * * * *", "10/20 * * * *"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 31 * *", "0 0 31 * *"),
        ("0 0 * * fri-sun", "0 0 * * 5-7"),
        ("0 0 * * sun-tue", "0 0 * * 0-2"),
        ("*/1 02 * * 7", "* 2 * * 0"),
    ],
)
def test_taken(value: str, plain: str) -> None:
    assert parse_cron(value, "full_cron") == plain


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("", "0 fields"),
        ("* * * *", "4 fields"),
        ("0 0 2 * * *", "6 fields"),
        ("@daily", "1 fields"),
        ("60 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 0 * *", "day of the month"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "day of the week"),
        ("0 0 L * *", "day of the month"),
        ("0 0 ? * 1", "day of the month"),
        ("0 22-2 * * *", "backwards"),
        ("*/0 * * * *", "step"),
        ("*-5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"),
        ("-1 * * * *", "minute"),
        ("0 0 31 2,4 *", "never"),
        ("\u0661 * * * *", "minute"),
    ],
)
def test_refused(value: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        parse_cron(value, "full_cron")
    assert "full_cron" in str(caught.value)


@pytest.mark.parametrize(
    ("cron", "minutes", "later"),
    [
        ("0 2 * * 0", 0, "0 2 * * 0"),
        ("0 2 * * 0", 15, "15 2 * * 0"),
        ("50 2 * * 0", 15, "5 3 * * 0"),
        ("0 2,14 * * *", 90, "30 3,15 * * *"),
        ("30 * * * *", 45, "15 * * * *"),
        ("*/15 * * * *", 0, "*/15 * * * *"),
    ],
)
def test_later(cron: str, minutes: int, later: str) -> None:
    assert parse_cron(shift(cron, minutes, "x"), "x") == later


@pytest.mark.parametrize(
    ("cron", "minutes", "message"),
    [("*/15 * * * *", 5, "spread"), ("0 8-18 * * *", 5, "spread"), ("0 23 * * *", 60, "next day")],
)
def test_what_cannot_be_later(cron: str, minutes: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        shift(cron, minutes, "inc_cron")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("0 2 * * 7", "0 2 * * 0", True),
        ("*/15 8-18/2 * * mon-fri", "*/15 8-18/2 * * 1-5", True),
        ("5,35 0 1,15 JAN,jul 7", "5,35 0 1,15 1,7 0", True),
        ("0 0 * * fri-sun", "0 0 * * 5-7", True),
        ("*/1 * * * *", "* * * * *", True),
        ("0-59 * * * *", "* * * * *", True),
        ("0 0 1 * 0-6", "0 0 1 * *", False),  # each day, and the first of each month
        ("0 2 * * *", "0 3 * * *", False),
        ("0 2 * * *", None, False),
        ("0 2 * * *", "something new", False),
    ],
)
def test_spelt_otherwise(one: str, other: str | None, same: bool) -> None:
    assert same_cron(parse_cron(one, "x"), other) is same
