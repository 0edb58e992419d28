# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retention by calendar: the rules one by one, and what must hold whatever there is and whatever is asked."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.policy.retention_calendar import (
    Point,
    Rules,
    Verdict,
    decide,
    too_many,
)

NOW = datetime(2026, 3, 9, 14, 30, tzinfo=timezone.utc)  # a Monday
COUNTS = ("last", "hourly", "daily", "weekly", "monthly", "yearly")


def at(text: str) -> Point:
    """A full of this time, which is its id."""
    return Point(text, datetime.fromisoformat(f"{text}+00:00").timestamp())


def ago(name: str, base: str | None = None, group: str | None = None, series: str = "", **age: float) -> Point:
    """A point of some time ago."""
    return Point(name, (NOW - timedelta(**age)).timestamp(), base, group=group, series=series)


def judge(points: list[Point], rules: Rules) -> dict[str, Verdict]:
    return {verdict.point.id: verdict for verdict in decide(points, rules, NOW.timestamp())}


def kept(points: list[Point], rules: Rules) -> list[str]:
    return [name for name, verdict in judge(points, rules).items() if verdict.kept]


def test_the_last_ones() -> None:
    points = [ago("a", hours=3), ago("c", hours=1), ago("b", hours=2)]
    assert kept(points, Rules(last=2)) == ["c", "b"]
    assert kept(points, Rules(last=-1)) == ["c", "b", "a"]
    assert judge(points, Rules(last=2))["a"].reasons == ["no rule keeps it"]


def test_the_newest_of_each_hour_that_has_one() -> None:
    points = [at("2026-03-09T14:29"), at("2026-03-09T14:01"), at("2026-03-09T13:59"), at("2026-03-09T09:00")]
    assert kept(points, Rules(hourly=3)) == ["2026-03-09T14:29", "2026-03-09T13:59", "2026-03-09T09:00"]
    assert judge(points, Rules(hourly=1))["2026-03-09T14:29"].reasons == ["hourly 2026-03-09 14h"]


def test_days_are_utc() -> None:
    points = [at("2026-03-09T00:00"), at("2026-03-08T23:59"), at("2026-03-08T00:00"), at("2026-03-07T12:00")]
    assert kept(points, Rules(daily=2)) == ["2026-03-09T00:00", "2026-03-08T23:59"]


def test_weeks_are_iso_weeks() -> None:
    # 29 December 2025 to 4 January 2026 is one week, of 2026; a Sunday belongs to the week before it
    points = [at("2026-01-04T23:00"), at("2026-01-01T10:00"), at("2025-12-29T10:00"), at("2025-12-28T10:00")]
    verdicts = judge(points, Rules(weekly=2))
    assert [name for name, verdict in verdicts.items() if verdict.kept] == ["2026-01-04T23:00", "2025-12-28T10:00"]
    assert verdicts["2026-01-04T23:00"].reasons == ["weekly 2026-W01"]
    assert verdicts["2025-12-28T10:00"].reasons == ["weekly 2025-W52"]


def test_months_and_years() -> None:
    points = [at("2026-03-01T00:00"), at("2026-02-28T23:59"), at("2026-02-01T00:00"), at("2025-12-31T23:59")]
    assert kept(points, Rules(monthly=2)) == ["2026-03-01T00:00", "2026-02-28T23:59"]
    assert kept(points, Rules(yearly=2)) == ["2026-03-01T00:00", "2025-12-31T23:59"]


def test_within_is_measured_from_the_newest_so_nothing_goes_once_backups_have_stopped() -> None:
    points = [ago("a", days=100), ago("b", days=101), ago("c", days=120)]
    assert kept(points, Rules(within=7 * 86400)) == ["a", "b"]


def test_rules_add_up_and_each_says_so() -> None:
    points = [ago("a", minutes=1), ago("b", days=1), ago("c", days=2)]
    verdicts = judge(points, Rules(last=1, daily=2, within=3600))
    assert verdicts["a"].reasons == ["last 1", "within 1h of the newest", "daily 2026-03-09"]
    assert verdicts["b"].reasons == ["daily 2026-03-08"]
    assert not verdicts["c"].kept


def test_what_is_young_stays() -> None:
    points = [ago("a", minutes=1), ago("b", minutes=50), ago("c", minutes=70)]
    verdicts = judge(points, Rules(last=1, min_age=3600))
    assert verdicts["b"].reasons == ["younger than 1h"]
    assert not verdicts["c"].kept


def test_a_base_stays_with_what_rests_on_it() -> None:
    points = [ago("i2", "i1", hours=1), ago("i1", "f", hours=2), ago("f", hours=3), ago("old", hours=4)]
    verdicts = judge(points, Rules(last=1))
    assert verdicts["i1"].reasons == ["base of i2"]
    assert verdicts["f"].reasons == ["base of i1"]
    assert not verdicts["old"].kept


def test_a_tail_goes_without_its_base() -> None:
    points = [ago("f2", hours=1), ago("i2", "i1", hours=2), ago("i1", "f", hours=3), ago("f", days=40)]
    assert kept(points, Rules(last=1, monthly=2)) == ["f2", "f"]


def test_a_group_stays_together_with_its_bases() -> None:
    points = [
        ago("db2", "db1", series="db", hours=1),
        ago("db1", series="db", group="g", hours=5),
        ago("wal1", "wal0", series="wal", group="g", hours=5),
        ago("wal0", series="wal", hours=6),
        ago("wal2", series="wal", hours=1),
        ago("old", series="wal", group="h", hours=9),
    ]
    verdicts = judge(points, Rules(last=1))
    assert verdicts["wal1"].reasons == ["in one group with db1"]
    assert verdicts["wal0"].reasons == ["base of wal1"]
    assert [name for name, verdict in verdicts.items() if not verdict.kept] == ["old"]


def test_a_stamp_in_the_future_stays_and_counts_for_nothing() -> None:
    points = [ago("future", days=-400), ago("a", hours=1), ago("b", days=3)]
    verdicts = judge(points, Rules(last=1, yearly=1, within=86400))
    assert verdicts["future"].reasons == ["its time is 400d in the future"]
    assert verdicts["a"].reasons == ["last 1", "within 1d of the newest", "yearly 2026"]
    assert not verdicts["b"].kept


def test_what_is_not_complete_counts_for_nothing() -> None:
    running = Point("running", NOW.timestamp(), complete=False, pinned="under way")
    failed = Point("failed", NOW.timestamp() - 60, complete=False)
    verdicts = judge([running, failed, ago("a", hours=1)], Rules(last=1))
    assert verdicts["running"].reasons == ["under way"]
    assert verdicts["failed"] == Verdict(failed, False, ["it is incomplete"])
    assert verdicts["a"].kept


def test_series_are_judged_apart() -> None:
    points = [ago("a1", series="a", hours=1), ago("a2", series="a", hours=2), ago("b1", series="b", hours=50)]
    assert kept(points, Rules(last=1)) == ["a1", "b1"]


def test_too_many_would_go() -> None:
    points = [ago(str(number), series="a", hours=number) for number in range(4)] + [ago("b", series="b")]
    rules = Rules(last=1, max_delete_percent=74)
    assert too_many(decide(points, rules, NOW.timestamp()), rules) == {"a": (3, 4)}
    rules = Rules(last=1, max_delete_percent=75)
    assert too_many(decide(points, rules, NOW.timestamp()), rules) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no rule"),
        ({"last": 0, "daily": None}, "no rule"),
        ({"last": -2}, "last"),
        ({"last": True}, "last"),
        ({"last": "3"}, "last"),
        ({"within": "7"}, "within"),
        ({"last": 1, "max_delete_percent": 101}, "max_delete_percent"),
    ],
)
def test_rules_that_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Rules.of(options)


def test_rules_from_options() -> None:
    options = {"last": 3, "weekly": -1, "within": "1d", "min_age": "1h", "max_delete_percent": 50, "yearly": None}
    assert Rules.of(options) == Rules(last=3, weekly=-1, within=86400, min_age=3600, max_delete_percent=50)
    with pytest.raises(UsageError):
        decide([], Rules(), NOW.timestamp())
    with pytest.raises(UsageError):
        decide([ago("a"), ago("a")], Rules(last=1), NOW.timestamp())


def anything(chance: random.Random) -> tuple[list[Point], Rules]:
    """Some series of chains, some grouped, some incomplete, some in the future; and some rules."""
    points: list[Point] = []
    for series in range(chance.randint(1, 3)):
        chain: list[Point] = []
        time = NOW.timestamp() - chance.choice([0, 3600, -90000])
        times = sorted(time - chance.expovariate(1 / (86400 * 30)) for _number in range(chance.randint(0, 25)))
        for number, moment in enumerate(times):
            base = chance.choice(chain).id if chain and chance.random() < 0.7 else None
            group = f"g{chance.randint(0, 6)}" if chance.random() < 0.3 else None
            complete = chance.random() < 0.9
            pinned = "under way" if not complete and chance.random() < 0.5 else ""
            point = Point(f"{series}.{number}", moment, base, complete, str(series), group, pinned)
            points.append(point)
            if complete:
                chain.append(point)
    counts = {name: chance.choice([0, 0, 1, 2, 5, -1]) for name in COUNTS}
    durations = {"within": chance.choice([0.0, 86400.0 * 9]), "min_age": chance.choice([0.0, 86400.0])}
    rules = Rules(**{**counts, **durations})
    chance.shuffle(points)
    return points, rules if rules.keeps else Rules(last=1)


@pytest.mark.parametrize("seed", range(200))
def test_whatever_there_is(seed: int) -> None:
    points, rules = anything(random.Random(seed))
    now = NOW.timestamp()
    verdicts = decide(points, rules, now)
    stays = {verdict.point.id: verdict.point for verdict in verdicts if verdict.kept}
    goes = {verdict.point.id: verdict.point for verdict in verdicts if not verdict.kept}
    assert len(verdicts) == len(points)
    assert all(verdict.reasons and all(verdict.reasons) for verdict in verdicts)
    assert not {point.base for point in stays.values()} & set(goes), "what stays rests on what stays"
    assert not {point.group for point in stays.values() if point.group} & {point.group for point in goes.values()}
    assert not any(
        point.pinned or point.time > now + 300 or point.time > now - rules.min_age for point in goes.values()
    )
    for series in {point.series for point in points}:
        counted = [p for p in points if p.series == series and p.complete and p.time <= now + 300]
        if counted:
            assert max(counted, key=lambda point: point.time).id in stays, "the newest always stays"
    # again, with what is left: nothing more goes
    again = decide(list(stays.values()), rules, now)
    assert all(verdict.kept for verdict in again)
    # more generous rules keep no less
    more = Rules(**{name: -1 if getattr(rules, name) == -1 else getattr(rules, name) + 1 for name in COUNTS})
    more = Rules(**{**vars(more), "within": rules.within + 60, "min_age": rules.min_age + 60})
    assert set(stays) <= {verdict.point.id for verdict in decide(points, more, now) if verdict.kept}


def test_every_ten_minutes_for_three_years_comes_down_to_the_periods() -> None:
    points: list[Point] = []
    rules = Rules(last=4, hourly=24, daily=7, weekly=5, monthly=12, yearly=2)
    moment = NOW - timedelta(days=1100)
    while moment < NOW:
        moment += timedelta(minutes=10) if moment > NOW - timedelta(days=3) else timedelta(hours=6)
        points.append(Point(moment.isoformat(), moment.timestamp()))
        points = [verdict.point for verdict in decide(points, rules, moment.timestamp()) if verdict.kept]
    assert 4 + 24 - 1 <= len(points) <= 4 + 24 + 7 + 5 + 12 + 2
    assert len({point.id[:10] for point in points}) >= 7 + 3 + 10


def test_absurd_times_are_only_times() -> None:
    points = [Point(str(seconds), seconds) for seconds in (-1e300, -62135596801.0, -1.0, 0.0)]
    assert kept([*points, at("2026-03-09T12:00:00")], Rules(yearly=2, weekly=1)) == ["2026-03-09T12:00:00", "0.0"]
    assert set(kept([Point("far", 1e18), *points], Rules(daily=1))) == {"far", "0.0"}
