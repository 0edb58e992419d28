# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The body of a PUT: how much of it is handed out at once."""

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3 import payload
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.payload import Payload

KIB = 1 << 10
DATA = memoryview(bytes(8 << 20))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which stands until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(payload.time, "monotonic", lambda: now[0])
    return now


def test_slices_grow_while_the_line_is_fast_and_shrink_when_it_is_slow(clock: list[float]) -> None:
    body = Payload(DATA, "")
    sizes = []
    for seconds in (0.0, 0.1, 0.1, 3.0, 0.1):
        clock[0] += seconds
        sizes.append(len(body.read()) // KIB)
    assert sizes == [256, 1024, 1024, 256, 1024]


def test_a_body_that_is_sent_again_begins_small(clock: list[float]) -> None:
    body = Payload(DATA, "")
    assert [len(body.read()) // KIB for _slice in range(2)] == [256, 1024]
    body.seek(0)
    assert len(body.read()) // KIB == 256


def test_all_of_it_is_handed_out_once(clock: list[float]) -> None:
    data = bytes(range(256)) * (3 << 12) + b"end"
    body = Payload(data, "")
    assert b"".join(iter(lambda: bytes(body.read()), b"")) == data
