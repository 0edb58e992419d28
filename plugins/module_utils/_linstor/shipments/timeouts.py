# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Shipments that take too long: the run stops waiting, or aborts them if abort_on_timeout is set."""

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

#: seconds that LINSTOR may take to abort
ABORTING_FOR = 60.0
_NOT_ENDED = (
    "LINSTOR is aborting it, but hasn't finished. If it stays stuck, someone deleted the snapshot of a refused"
    " shipment: restart the controller."
)


def check_time(cluster: Cluster, order: Order, pace: Pace, unit: Unit, trouble: RemoteError | None) -> None:
    """Stop waiting for a shipment that takes longer than the order allows, or abort it.

    ``trouble``: the error if its state couldn't be read.
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
    ending = "It goes on in the background; the next run waits for it."
    if trouble is not None:
        ending = f"The controller doesn't answer: {trouble.msg}"
    unit.error = unit.unsure or timed_out(order, unit, ending)


def _patience(order: Order, unit: Unit) -> float:
    """How many seconds to wait in its current state."""
    stuck = unit.current is not None and unit.current.state == "preparing"
    return min(order.wait_timeout, PREPARING_FOR) if stuck else order.wait_timeout


def timed_out(order: Order, unit: Unit, ending: str) -> SnapshipError:
    """The error of a shipment that took too long. ``ending`` says how it goes on."""
    state = f" Its state is {unit.current.state}." if unit.current else ""
    return BusyError(
        f"shipping {unit.resource} to {order.remote} (snapshot {unit.snapshot}) didn't finish within"
        f" {show_duration(_patience(order, unit))}.{state} {ending}",
        "The target hasn't begun to receive it: see the log of its controller. If the remote is this same cluster, the"
        " remote needs this cluster's id as cluster_id."
        if unit.current is not None and unit.current.state == "preparing"
        else "Set a longer wait_timeout if shipments take that long.",
        code="timeout",
    )


def stop(cluster: Cluster, order: Order, unit: Unit) -> bool:
    """Ask LINSTOR to abort it; returns whether LINSTOR accepted. The next lists show the result."""
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
