# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.policy.protection import Newest, breaches, protection

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("created", "rpo", "breached"),
    [
        (NOW - 60, 120.0, False),
        (NOW - 60, None, False),
        (NOW - 600, 120.0, True),
        (NOW + 60, 120.0, False),
        (NOW + 3600, 120.0, True),
        (None, 120.0, True),
        (None, None, False),
    ],
)
def test_breached(created: float | None, rpo: float | None, breached: bool) -> None:
    entry = protection(Newest("zfs", "tank/db", "san1", "nas", created=created), rpo, NOW)
    assert entry["breached"] is breached
    assert (entry["reason"] is not None) is breached
    assert entry["age"] == (None if created is None else NOW - created)
    assert len(breaches([entry])) == breached


def test_what_is_said() -> None:
    old = protection(Newest("zfs", "tank/db", "san1", "nas", created=NOW - 7200), 3600.0, NOW)
    assert old["reason"] == "the newest backup is 2h old, the RPO is 1h"
    none = protection(Newest("zfs", "tank/db", "san1", "nas", problem="nobody answers"), 3600.0, NOW)
    assert none["reason"] == none["problem"] == "nobody answers"
    assert breaches([old, none]) == [
        {"volume": "tank/db", "remote": "nas", "age": 7200.0, "rpo": 3600.0, "reason": old["reason"]},
        {"volume": "tank/db", "remote": "nas", "age": None, "rpo": 3600.0, "reason": "nobody answers"},
    ]


def test_more_is_kept() -> None:
    entry = protection(Newest("linstor", "db", None, "nas", extra={"schedules": ["daily"]}), None, NOW)
    assert entry["schedules"] == ["daily"]
    assert entry["verified"] is None
