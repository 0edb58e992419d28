# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Shipments that take too long: waited for no longer, or aborted where that is asked for."""

from __future__ import annotations

import contextlib

from ..._engine.common.errors import BusyError, RemoteError, SnapshipError
from ..._engine.common.units import show_duration
from ..api.clock import Pace
from ..api.cluster import Cluster
from ..api.replies import LostReply
from ..state.backups import PREPARING_FOR
from .order import Order, abort
from .unit import Unit

#: seconds for which LINSTOR may take to abort
ABORTING_FOR = 60.0
_NOT_ENDED = (
    "LINSTOR was asked to abort it, and hasn't ended it yet. If it doesn't, a snapshot was deleted of which a target"
    " had refused the shipment; start the controller anew then."
)


def check_time(cluster: Cluster, order: Order, pace: Pace, unit: Unit, trouble: RemoteError | None) -> None:
    """Give up what takes longer than the order allows, or ask LINSTOR to abort it.

    ``trouble``: why its state couldn't be read just now.
    """
    now = pace.clock()
    if unit.abort_at is not None:
        if now > unit.abort_at + ABORTING_FOR:
            unit.error = timed_out(order, unit, _NOT_ENDED)
        return
    if now - unit.watched <= _patience(order, unit):
        return
    if order.abort_on_timeout and unit.snapshot is not None and stop(cluster, order, unit):
        unit.abort_at = now
        pace.again()
        return
    ending = "LINSTOR goes on by itself; the next run joins it."
    if trouble is not None:
        ending = f"The controller doesn't answer: {trouble.msg}"
    unit.error = unit.unsure or timed_out(order, unit, ending)


def _patience(order: Order, unit: Unit) -> float:
    """How many seconds to wait in the state that it is in."""
    stuck = unit.current is not None and unit.current.state == "preparing"
    return min(order.wait_timeout, PREPARING_FOR) if stuck else order.wait_timeout


def timed_out(order: Order, unit: Unit, ending: str) -> SnapshipError:
    """The error of a shipment that took too long. ``ending`` says what becomes of it."""
    state = f" It is {unit.current.state}." if unit.current else ""
    return BusyError(
        f"shipping {unit.resource} to {order.remote} (snapshot {unit.snapshot}) hasn't ended within"
        f" {show_duration(_patience(order, unit))}.{state} {ending}",
        "The target hasn't begun to receive it: see its controller's log. A remote that is the cluster itself needs"
        " its own cluster_id."
        if unit.current is not None and unit.current.state == "preparing"
        else "Set a longer wait_timeout where that is how long it takes.",
        code="timeout",
    )


def stop(cluster: Cluster, order: Order, unit: Unit) -> bool:
    """Ask LINSTOR to end it; returns whether that was asked. What becomes of it is seen in the next lists."""
    if unit.snapshot is None:
        return False
    with contextlib.suppress(LostReply):
        try:
            abort(cluster, order, unit.resource, unit.snapshot)
        except RemoteError as error:
            unit.warnings.append(f"{unit.resource}: {error.msg}")
            return False
    unit.actions.append(f"abort {unit.resource} (snapshot {unit.snapshot}) to {order.remote}")
    return True
