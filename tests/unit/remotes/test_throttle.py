# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bandwidth limit."""

from __future__ import annotations

import threading

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes import store
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.store import Throttle
from ansible_collections.snapship.dr.tests.support.standing_time import StandingTime


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> StandingTime:
    standing = StandingTime()
    monkeypatch.setattr(store, "time", standing)
    return standing


def test_the_rate_is_kept_by_one(time: StandingTime) -> None:
    throttle = Throttle(1_000_000)
    for _slice in range(10):
        throttle.take(50_000)
    assert time.asked == pytest.approx([0.05 * number for number in range(1, 10)])


def test_the_rate_is_kept_by_many_together(time: StandingTime) -> None:
    throttle = Throttle(1_000_000)
    threads = [threading.Thread(target=lambda: [throttle.take(25_000) for _slice in range(5)]) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(time.asked) == pytest.approx([0.025 * number for number in range(1, 20)])


def test_idling_earns_nothing(time: StandingTime) -> None:
    throttle = Throttle(1_000_000)
    throttle.take(1)
    time.now += 0.3
    throttle.take(200_000)
    throttle.take(1)
    assert time.asked == pytest.approx([0.2])


def test_slices_suit_the_rate() -> None:
    assert Throttle(1).slice == 4096
    assert Throttle(1 << 20).slice == 1 << 17
    assert Throttle(1 << 30).slice == 1 << 20
