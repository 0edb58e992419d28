# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Base snapshots pin space in a pool. When the pool gets full they are removed, oldest first."""

from __future__ import annotations

import time

from ..common.errors import BusyError
from ..volumes.provider import Pressure, Provider, Snapshot

UNSHIPPED = 3600.0  # seconds during which a snapshot without a backup may belong to a run that will read it


def relieve(provider: Provider, volume: str, limit: int, spare: set[str]) -> list[str]:
    """Remove base snapshots from a volume's pool until it is less full than ``limit`` percent.

    ``spare``: states that are still needed. Returns warnings: what was removed, and the consequences.
    """
    said: list[str] = []
    if limit >= 100 or not _tight(provider, volume, limit):
        return said
    for snapshot in provider.pinned(volume):
        tight = _tight(provider, volume, limit)
        if tight is None:
            break
        if snapshot.state_id in spare or _being_shipped(snapshot):
            continue
        try:
            provider.remove(snapshot)
        except BusyError:
            continue  # another run reads it
        said.append(_told(provider, snapshot, tight, limit))
    return said


def _being_shipped(snapshot: Snapshot) -> bool:
    return "pending" in snapshot.holds.values() and time.time() - snapshot.created < UNSHIPPED


def _tight(provider: Provider, volume: str, limit: int) -> Pressure | None:
    over = [each for each in provider.pressure(volume) if each.percent >= limit]
    return max(over, key=lambda each: each.percent, default=None)


def _told(provider: Provider, snapshot: Snapshot, tight: Pressure, limit: int) -> str:
    left = any(each.state_id == snapshot.state_id for each in provider.bases(snapshot.volume))
    follows = "will use the bookmark instead" if left else "will be a full, unless there is another base"
    return (
        f"pool {tight.pool} is {tight.percent:.0f} % full ({tight.what}; pool_high is {limit} %): the base "
        f"{snapshot.name} of {snapshot.volume} was removed. The next incremental {follows}."
    )
