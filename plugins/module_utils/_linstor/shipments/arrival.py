# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether a shipment has arrived on the target. The source says Success as soon as it has sent everything."""

from __future__ import annotations

from collections.abc import Sequence

from ..._engine.common.errors import BusyError, RemoteError, SnapshipError
from ..api.clock import Pace, until
from ..api.cluster import Cluster
from ..state import backups
from ..state.backups import RemoteBackup
from ..state.snapshots import list_snapshots
from .order import Order
from .resource_shipment import ResourceShipment

#: seconds within which the target must show the received snapshot
APPEARS_WITHIN = 60.0
#: the flag of a resource definition into which LINSTOR is restoring
RESTORING = "RESTORE_TARGET"


def confirm(target: Cluster, order: Order, shipments: Sequence[ResourceShipment], pace: Pace) -> None:
    """Wait until the target has received all shipments. Each check is one list of the target's snapshots.

    Units whose shipment didn't arrive get an error.
    """
    sent = [shipment for shipment in shipments if shipment.result is not None and shipment.result.state == "success"]
    if not sent:
        return
    names = [order.target.name_of(shipment.resource) for shipment in sent]
    found = [shipment.result for shipment in sent if shipment.result is not None]

    def arrived() -> bool | None:
        backups.attach_received(found, list_snapshots(target, names))
        return None if any(_expected(each) for each in found) else True

    pace.again()
    trouble: SnapshipError | None = None
    try:
        until(arrived, APPEARS_WITHIN, pace, f"{target.name} to show the snapshots shipped to {order.remote}")
    except (BusyError, RemoteError) as error:
        trouble = error
    for shipment in sent:
        if shipment.result is not None and (shipment.result.target is None or shipment.result.problem is not None):
            shipment.fail(_not_there(shipment, shipment.result, order, trouble))
    if not order.target.download_only:
        _let_restore(target, order, [shipment for shipment in sent if shipment.error is None], pace)


def _let_restore(target: Cluster, order: Order, arrived: Sequence[ResourceShipment], pace: Pace) -> None:
    """Wait until LINSTOR on the target has restored the received snapshots into resources, if it does."""
    names = {order.target.name_of(shipment.resource).lower() for shipment in arrived}

    def done() -> bool | None:
        listing = target.read("resource_dfn_list", query_volume_definitions=False, what="listing resource definitions")
        there = {str(each["name"]).lower() for each in listing.data_v1 if RESTORING in (each.get("flags") or ())}
        return None if there & names else True

    if not names:
        return
    pace.again()
    try:
        until(done, order.wait_timeout, pace, f"{target.name} to restore the received snapshots")
    except (BusyError, RemoteError) as error:
        for shipment in arrived:
            shipment.warnings.append(
                f"the shipment of {shipment.resource} has arrived, but isn't restored yet: {error.msg}"
            )


def _expected(backup: RemoteBackup) -> bool:
    """Whether it may still arrive."""
    received = backup.target.received if backup.target is not None else None
    return backup.target is None or received is not None and received.under_way


def _not_there(
    shipment: ResourceShipment, backup: RemoteBackup, order: Order, trouble: SnapshipError | None
) -> SnapshipError:
    unreadable = trouble is not None and trouble.code != "timeout"
    why = trouble.msg if trouble is not None and unreadable else backup.problem or "the target doesn't have it"
    return RemoteError(
        f"LINSTOR reports {shipment.resource} (snapshot {backup.snapshot}) as shipped to {order.remote}, but {why}.",
        "See the error reports of the target cluster. Run the task again to ship another snapshot.",
        "not_arrived",
    )
