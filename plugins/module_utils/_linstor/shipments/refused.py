# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Snapshots that LINSTOR leaves behind where a target has refused a shipment after its snapshot was taken."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ..._engine.common.errors import SnapshipError
from ..api.cluster import Cluster
from ..api.replies import ControllerError
from ..state.backups import REFUSED, of_snapshot
from ..state.snapshots import Snap, list_snapshots
from .order import Order
from .run import UNKNOWN_ERROR
from .unit import Unit

_RECEIVING = "currently being restored to"
#: seconds after which what is still being prepared is no other run's shipment that has just begun
SETTLED = 3.0
TOO_EARLY = (
    "delete it only after the controller was started anew, as before that LINSTOR couldn't end any other shipment"
    " without it."
)


def in_mind(snap: Snap) -> str | None:
    """The remote to which a snapshot's shipment is being prepared, or was and never went on; ``None`` without one."""
    if snap.received is not None:
        return None
    found = ((remote, snap.shipment(remote)) for remote in snap.shipped_to())
    return next((remote for remote, shipment in found if shipment and shipment.state == "preparing"), None)


def settle(cluster: Cluster, order: Order, units: Sequence[Unit]) -> None:
    """Mark them, or the next run would wait for them: they are "Prepare Shipping" for ever.

    They aren't deleted: LINSTOR keeps them in mind, and without them fails to end whatever is shipped later, to any
    remote. One list and one request for each.
    """
    refused = [unit for unit in units if _was_refused(unit.error)]
    if order.kind != "linstor" or not refused:
        return
    for unit in refused:
        _explain(unit.error)
    time.sleep(SETTLED)
    try:
        snaps = list_snapshots(cluster, [unit.resource for unit in refused])
    except SnapshipError:
        return  # the next run takes them for what they are after a while
    for unit in refused:
        known = {snap.name.lower() for snap in unit.history.snaps}
        for snap in snaps[unit.resource]:
            left = of_snapshot(unit.resource, snap, order.remote)
            if left is not None and left.state == "preparing" and snap.name.lower() not in known:
                _mark(cluster, order, unit, snap.name)


def _was_refused(error: SnapshipError | None) -> bool:
    """Whether it is the target's refusal, which the source's controller passes on with a number of its own."""
    return isinstance(error, ControllerError) and UNKNOWN_ERROR in error.numbers and "Remote '" in error.msg


def _explain(error: SnapshipError | None) -> None:
    """Of what the target waits for in vain it says no more than that it is busy."""
    if error is not None and _RECEIVING in error.msg:
        error.code = "in_use"
        error.hint = (
            "The other cluster is still receiving into it, or waits for a shipment that has failed, which it gives up"
            " after its BackupShipping/RecvTimeoutInMs (5 minutes). Run it again then."
        )


def _mark(cluster: Cluster, order: Order, unit: Unit, name: str) -> None:
    what, props = f"marking the snapshot {name} of {unit.resource} as refused", {f"{REFUSED}{order.remote}": "True"}
    try:
        cluster.change("snapshot_dfn_modify", unit.resource, name, props, what=what)
        unit.actions.append(f"mark the snapshot {name} of {unit.resource} as refused")
    except SnapshipError as error:
        unit.warnings.append(error.msg)
    unit.warnings.append(f"the snapshot {name} of {unit.resource}, which was taken for it, stays: {TOO_EARLY}")
