# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""RPO: the age of each volume's newest backup on each remote against what was promised. Pure functions.

The caller knows the backups (from a catalog or a LINSTOR cluster) and fills in :class:`Newest`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..common.units import FUTURE_TOLERANCE, iso_time, show_duration


@dataclasses.dataclass
class Newest:
    """The newest complete backup of one volume on one remote. Times in seconds since the epoch, sizes in bytes.

    ``created``: its point in time, ``None`` if there is no complete backup.
    """

    provider: str
    volume: str
    origin: str | None
    remote: str
    id: str | None = None
    type: str | None = None
    created: float | None = None
    chain_length: int | None = None
    bytes_logical: int | None = None
    bytes_stored: int | None = None
    verified: float | None = None
    problem: str | None = None
    extra: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def protection(newest: Newest, rpo: float | None, now: float) -> dict[str, Any]:
    """One entry: age against ``rpo`` (seconds; ``None``: no RPO, so never breached)."""
    age = None if newest.created is None else now - newest.created
    reason = _breach(newest, age, rpo)
    return {
        "provider": newest.provider,
        "volume": newest.volume,
        "origin": newest.origin,
        "remote": newest.remote,
        "id": newest.id,
        "type": newest.type,
        "created": None if newest.created is None else iso_time(newest.created),
        "age": None if age is None else round(age, 3),
        "rpo": rpo,
        "breached": reason is not None,
        "reason": reason,
        "chain_length": newest.chain_length,
        "bytes_logical": newest.bytes_logical,
        "bytes_stored": newest.bytes_stored,
        "verified": None if newest.verified is None else iso_time(newest.verified),
        "problem": newest.problem,
        **newest.extra,
    }


def _breach(newest: Newest, age: float | None, rpo: float | None) -> str | None:
    if rpo is None:
        return None
    if age is None:
        return newest.problem or "no complete backup exists"
    if age < -FUTURE_TOLERANCE:
        return f"the time of the newest backup is {show_duration(age)} in the future"
    if age > rpo:
        return f"the newest backup is {show_duration(age)} old, the RPO is {show_duration(rpo)}"
    return None


def breaches(entries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The breached entries, in short."""
    return [
        {name: entry[name] for name in ("volume", "remote", "age", "rpo", "reason")}
        for entry in entries
        if entry["breached"]
    ]
