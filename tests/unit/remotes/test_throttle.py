# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The bandwidth limit."""

from __future__ import annotations

import threading
import time

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.store import Throttle


def test_the_rate_is_kept_by_one() -> None:
    throttle = Throttle(1_000_000)
    started = time.monotonic()
    for _slice in range(10):
        throttle.take(50_000)
    assert 0.4 < time.monotonic() - started < 4  # 0.5 on a machine that does nothing else


def test_the_rate_is_kept_by_many_together() -> None:
    throttle = Throttle(1_000_000)
    started = time.monotonic()
    threads = [threading.Thread(target=lambda: [throttle.take(25_000) for _slice in range(5)]) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0.4 < time.monotonic() - started < 4  # 0.5 on a machine that does nothing else


def test_idling_earns_nothing() -> None:
    throttle = Throttle(1_000_000)
    throttle.take(1)
    time.sleep(0.3)
    started = time.monotonic()
    throttle.take(200_000)
    throttle.take(1)
    assert time.monotonic() - started > 0.15


def test_slices_suit_the_rate() -> None:
    assert Throttle(1).slice == 4096
    assert Throttle(1 << 20).slice == 1 << 17
    assert Throttle(1 << 30).slice == 1 << 20
