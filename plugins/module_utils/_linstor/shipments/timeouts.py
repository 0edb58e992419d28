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
from .resource_shipment import ResourceShipment, Stopping

#: seconds that LINSTOR may take to abort
ABORTING_FOR = 60.0
_NOT_ENDED = (
    "LINSTOR is aborting it, but hasn't finished. If it stays stuck, someone deleted the snapshot of a refused"
    " shipment: restart the controller."
)


def check_time(
    cluster: Cluster, order: Order, pace: Pace, shipment: ResourceShipment, trouble: RemoteError | None
) -> None:
    """Stop waiting for a shipment that takes longer than the order allows, or abort it.

    ``trouble``: the error if its state couldn't be read.
    """
    now = pace.clock()
    if isinstance(shipment.state, Stopping):
        if now > shipment.state.asked + ABORTING_FOR:
            shipment.fail(timed_out(order, shipment, _NOT_ENDED))
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


def _patience(order: Order, shipment: ResourceShipment) -> float:
    """How many seconds to wait in its current state."""
    return min(order.wait_timeout, PREPARING_FOR) if _stuck(shipment) else order.wait_timeout


def _stuck(shipment: ResourceShipment) -> bool:
    seen = shipment.watched.seen
    return seen is not None and seen.state == "preparing"


def timed_out(order: Order, shipment: ResourceShipment, ending: str) -> SnapshipError:
    """The error of a shipment that took too long. ``ending`` says how it goes on."""
    watched = shipment.watched
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
