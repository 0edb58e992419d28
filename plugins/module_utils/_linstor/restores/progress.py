# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether downloads under way still go on: LINSTOR keeps the state of one that nobody carries any more."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from ..._engine.common.errors import BusyError, need
from ..api import clock
from ..api.clock import Pace
from ..state.liveness import Course, Liveness
from ..state.snapshots import Snap
from .item import Item

#: seconds: the satellite's clock tells when its snapshot was created
_SKEW = 30.0


def look(liveness: Liveness, items: Sequence[Item], pace: Pace) -> None:
    """Look for signs of life of downloads that this run didn't start, or that haven't changed for a while."""
    slow = (not each.started or pace.clock() - each.moved >= liveness.timeout / 10 for each in items if each.arriving)
    if any(slow):
        liveness.look(())


def check(liveness: Liveness, item: Item, pace: Pace, remote: str) -> None:
    """Raise BusyError (code ``stalled``) for a download that has stood still for too long."""
    snap = _arriving(item)
    arrival = snap.received if snap is not None else None
    if snap is None or arrival is None or not item.arriving:
        return
    now = pace.clock()
    course = Course(arrival.node, snap.created, now - item.moved, item.target, skew=_SKEW)
    states = tuple((each.name, each.received.state) for each in item.snaps if each.received is not None)
    trace = (*liveness.trace(course), *states)
    if trace != item.trace:
        item.trace, item.moved = trace, now
    standstill = liveness.standstill(dataclasses.replace(course, quiet=now - item.moved), clock.now())
    if standstill is None:
        return
    what = f"the download of backup {need(item.point, 'it was chosen').id} from {remote} into {item.target}"
    if arrival.state == "aborting":
        cure = f"Somebody has aborted it, and LINSTOR doesn't end that. Delete snapshot {snap.name} of {item.target}:"
        cure += f" linstor snapshot delete {item.target} {snap.name}."
    else:
        cure = f"Abort it: linstor backup abort --restore {remote} {item.target}."
    raise BusyError(
        standstill.text(what, clock.now()),
        f"{cure} Then run the task again. If downloads are only slow, set a longer stall_timeout.",
        code="stalled",
    )


def _arriving(item: Item) -> Snap | None:
    name = need(item.point, "it was chosen").snapshot.lower()
    return next((snap for snap in item.snaps if snap.name.lower() == name), None)
