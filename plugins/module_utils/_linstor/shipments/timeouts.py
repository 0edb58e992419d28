# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Shipments that take too long, or stand still: the run stops waiting, or aborts them if abort_on_timeout is set."""

from __future__ import annotations

import contextlib

from ..._engine.common.errors import BusyError, RemoteError, SnapshipError
from ..._engine.common.units import show_duration
from ..api import clock
from ..api.clock import Pace
from ..api.cluster import Cluster
from ..api.replies import LostReply
from ..state.backups import PREPARING_FOR
from ..state.liveness import SLOWEST, Course, Liveness, Standstill
from .order import Order, abort
from .resource_shipment import ResourceShipment, Stopping, Watched

#: seconds that LINSTOR may take to abort
ABORTING_FOR = 60.0
_NOT_ENDED = (
    "LINSTOR is aborting it, but hasn't finished. If it stays stuck, someone deleted the snapshot of a refused"
    " shipment: restart the controller."
)
_STILL_ABORTING = (
    "LINSTOR was asked to abort it and hasn't confirmed that; a satellite that has lost it never does. The next run"
    " waits a minute for it at most, and then ships again."
)
#: a shipment whose progress can't be seen may take this many times as long as the longest of the earlier ones
_LONGER = 2.0


def check_time(
    cluster: Cluster, order: Order, pace: Pace, shipment: ResourceShipment, trouble: RemoteError | None
) -> None:
    """Stop waiting for a shipment that takes longer than the order allows, or abort it.

    ``trouble``: the error if its state couldn't be read.
    """
    now = pace.clock()
    if isinstance(shipment.state, Stopping):
        if now > shipment.state.asked + ABORTING_FOR:
            ending = _NOT_ENDED if shipment.state.standstill is None else _STILL_ABORTING
            shipment.fail(timed_out(order, shipment, ending, shipment.state.standstill))
        return
    if now - shipment.watched.since <= _patience(order, shipment):
        return
    if order.abort_on_timeout and shipment.watched.snapshot is not None and stop(cluster, order, shipment):
        shipment.stop(now)
        pace.again()
        return
    ending = "It goes on in the background; the next run waits for it."
    if trouble is not None:
        ending = f"The controller doesn't answer: {trouble.msg}"
    shipment.fail(shipment.watched.doubt or timed_out(order, shipment, ending))


def may_stall(order: Order, pace: Pace, shipment: ResourceShipment) -> bool:
    """Whether to look for signs of life: it was joined, or nothing has changed for a while."""
    if not _is_shipping(shipment):
        return False
    return shipment.watched.joined or pace.clock() - shipment.watched.moved >= order.stall_timeout / 10


def _is_shipping(shipment: ResourceShipment) -> bool:
    state = shipment.state
    return isinstance(state, Watched) and state.seen is not None and state.seen.state == "shipping"


def check_progress(order: Order, pace: Pace, shipment: ResourceShipment, liveness: Liveness) -> Standstill | None:
    """Whether it has stood still for too long."""
    now = pace.clock()
    if not _is_shipping(shipment):
        return None
    shipment.follow(liveness.trace(course(order, shipment, now)), now)
    return liveness.standstill(course(order, shipment, now), clock.now())


def give_up(cluster: Cluster, order: Order, pace: Pace, shipment: ResourceShipment, standstill: Standstill) -> None:
    """Fail a shipment that stands still, or begin to abort it."""
    if order.abort_on_timeout and stop(cluster, order, shipment):
        shipment.stop(pace.clock(), standstill)
        pace.again()
        return
    shipment.fail(timed_out(order, shipment, "It wasn't aborted.", standstill))


def course(order: Order, shipment: ResourceShipment, now: float) -> Course:
    """What its progress is judged by."""
    seen, watched = shipment.watched.seen, shipment.watched
    earlier = [
        each.finished - each.started
        for each in shipment.history.backups
        if each.complete and each.finished is not None and each.started is not None
    ]
    known = [_LONGER * max(earlier)] if earlier else []
    known += [shipment.allocated / SLOWEST] if shipment.allocated is not None else []
    return Course(
        node=seen.node if seen else None,
        began=seen.started if seen else None,
        quiet=now - watched.moved,
        target=order.target.name_of(shipment.resource),
        source=seen.snap.uuid if seen and seen.snap and order.kind == "linstor" else None,
        allowed=max(known, default=None),
    )


def _patience(order: Order, shipment: ResourceShipment) -> float:
    """How many seconds to wait in its current state."""
    return min(order.wait_timeout, PREPARING_FOR) if _stuck(shipment) else order.wait_timeout


def _stuck(shipment: ResourceShipment) -> bool:
    seen = shipment.watched.seen
    return seen is not None and seen.state == "preparing"


def timed_out(
    order: Order, shipment: ResourceShipment, ending: str, standstill: Standstill | None = None
) -> SnapshipError:
    """The error of a shipment that took too long, or stood still. ``ending`` says how it goes on."""
    watched = shipment.watched
    if standstill is not None:
        what = f"the shipment of {shipment.resource} (snapshot {watched.snapshot}) to {order.remote}"
        return BusyError(f"{standstill.text(what, clock.now())} {ending}", _by_hand(order, shipment), code="stalled")
    state = f" Its state is {watched.seen.state}." if watched.seen else ""
    return BusyError(
        f"shipping {shipment.resource} to {order.remote} (snapshot {watched.snapshot}) didn't finish within"
        f" {show_duration(_patience(order, shipment))}.{state} {ending}",
        "The target hasn't begun to receive it: see the log of its controller. If the remote is this same cluster, the"
        " remote needs this cluster's id as cluster_id."
        if _stuck(shipment)
        else "Set a longer wait_timeout if shipments take that long.",
        code="timeout",
    )


def _by_hand(order: Order, shipment: ResourceShipment) -> str:
    if order.abort_on_timeout:
        return "Run the task again: it ships again. If shipments are only slow, set a longer stall_timeout."
    return (
        "Set abort_on_timeout: true to have such shipments aborted, or abort this one:"
        f" linstor backup abort --create {order.remote} {shipment.resource}. The next run then ships again. If"
        " shipments are only slow, set a longer stall_timeout."
    )


def stop(cluster: Cluster, order: Order, shipment: ResourceShipment) -> bool:
    """Ask LINSTOR to abort it; returns whether LINSTOR accepted. The next lists show the result."""
    snapshot = shipment.watched.snapshot
    if snapshot is None:
        return False
    with contextlib.suppress(LostReply):
        try:
            abort(cluster, order, shipment.resource, snapshot)
        except RemoteError as error:
            shipment.warnings.append(f"{shipment.resource}: {error.msg}")
            return False
    shipment.actions.append(f"abort {shipment.resource} (snapshot {snapshot}) to {order.remote}")
    return True
