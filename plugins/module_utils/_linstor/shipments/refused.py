# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Snapshots that LINSTOR leaves behind when a target refuses a shipment."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..._engine.common.errors import SnapshipError
from ..api.cluster import Cluster
from ..api.replies import ControllerError
from ..state.backups import REFUSED, of_snapshot
from ..state.snapshots import Snap, list_snapshots
from .order import Order
from .resource_shipment import ResourceShipment
from .run import UNKNOWN_ERROR

_RECEIVING = "currently being restored to"
#: seconds after which a shipment that is still being prepared can't be another run's that has just begun
SETTLED = 3.0
TOO_EARLY = "restart the controller before deleting it; otherwise no other shipment can finish."


def in_mind(snap: Snap) -> str | None:
    """The remote for which a snapshot's shipment is, or stayed, in preparation; ``None`` without one."""
    if snap.received is not None:
        return None
    found = ((remote, snap.shipment(remote)) for remote in snap.shipped_to())
    return next((remote for remote, shipment in found if shipment and shipment.state == "preparing"), None)


def settle(cluster: Cluster, order: Order, shipments: Sequence[ResourceShipment]) -> None:
    """Mark the snapshots of refused shipments. They stay in "Prepare Shipping", and the next run would wait for them.

    They aren't deleted: LINSTOR still refers to them, and without them it can't finish later shipments to any remote.
    One list, and one request for each.
    """
    refused = [shipment for shipment in shipments if _was_refused(shipment.error)]
    if order.kind != "linstor" or not refused:
        return
    for shipment in refused:
        _explain(shipment.error)
    time.sleep(SETTLED)
    try:
        snaps = list_snapshots(cluster, [shipment.resource for shipment in refused])
    except SnapshipError:
        return  # the next run recognizes them after a while
    for shipment in refused:
        known = {snap.name.lower() for snap in shipment.history.snaps}
        for snap in snaps[shipment.resource]:
            left = of_snapshot(shipment.resource, snap, order.remote)
            if left is not None and left.state == "preparing" and snap.name.lower() not in known:
                _mark(cluster, order, shipment, snap.name)


def _was_refused(error: SnapshipError | None) -> bool:
    """Whether the target refused it. The source's controller passes that on with a number of its own."""
    return isinstance(error, ControllerError) and UNKNOWN_ERROR in error.numbers and "Remote '" in error.msg


def _explain(error: SnapshipError | None) -> None:
    """Explain the error if the target only says that it is busy: it waits for an earlier, failed shipment."""
    if error is not None and _RECEIVING in error.msg:
        error.code = "in_use"
        error.hint = (
            "The target is still receiving into this resource, or waits for a failed shipment until its"
            " BackupShipping/RecvTimeoutInMs (5 minutes) is over. Run the task again after that."
        )


def _mark(cluster: Cluster, order: Order, shipment: ResourceShipment, name: str) -> None:
    what, props = f"marking the snapshot {name} of {shipment.resource} as refused", {f"{REFUSED}{order.remote}": "True"}
    try:
        cluster.change("snapshot_dfn_modify", shipment.resource, name, props, what=what)
        shipment.actions.append(f"mark the snapshot {name} of {shipment.resource} as refused")
    except SnapshipError as error:
        shipment.warnings.append(error.msg)
    shipment.warnings.append(
        f"the snapshot {name} of {shipment.resource} was taken for this shipment and stays: {TOO_EARLY}"
    )
