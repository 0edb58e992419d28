# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.access import Access
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.clock import Pace, until
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state import target_names


@pytest.mark.parametrize(
    ("controllers", "url", "same"),
    [
        (("ctrl",), "http://ctrl:3370", True),
        (("ctrl",), "https://ctrl:3371", True),
        (("linstor+ssl://ctrl",), "http://CTRL:3370", True),
        (("a", "b:3370"), "http://b", True),
        (("ctrl:4000",), "http://ctrl:3370", False),
        (("ctrl",), "http://other:3370", False),
        (("ctrl",), None, False),
    ],
)
def test_the_same_cluster(controllers: tuple[str, ...], url: str | None, same: bool) -> None:
    assert target_names.is_same_cluster(Cluster(Access(controllers=controllers)), url) is same


class Time:
    """Passes only where it is slept through."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def test_pauses_grow() -> None:
    time = Time()
    pace = Pace(2.0, time.clock, time.sleep)
    for _round in range(8):
        pace.pause()
    assert time.slept == sorted(time.slept)
    assert (time.slept[0], time.slept[-1]) == (0.25, 2.0)
    pace.again()
    pace.pause(until=time.now + 0.1)
    assert time.slept[-1] == pytest.approx(0.1)


def test_until_a_deadline() -> None:
    time = Time()
    with pytest.raises(Exception, match="waited 10s for the moon") as raised:
        until(lambda: None, 10.0, Pace(2.0, time.clock, time.sleep), "the moon")
    assert raised.value.code == "timeout"
    assert time.now == pytest.approx(10.0)
    assert until(lambda: time.now, 10.0, Pace(2.0, time.clock, time.sleep), "now") == time.now
