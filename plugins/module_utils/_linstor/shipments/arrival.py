# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether a shipment has arrived on the target, and whether the copy can be trusted.

The source says Success as soon as it has sent everything. A target says Success even if its storage pool was full.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..._engine.common.errors import BusyError, RemoteError, SnapshipError
from ..api import clock
from ..api.clock import Pace, until
from ..api.cluster import Cluster
from ..state import backups
from ..state.arrivals import is_unchecked, record
from ..state.backups import UNTRUSTED, RemoteBackup, doubt
from ..state.snapshots import list_snapshots
from ..state.storage_pools import PoolWatch
from . import error_reports
from .choice import rid_of
from .order import Order
from .resource_shipment import Ended, ResourceShipment

#: seconds within which the target must show the received snapshot
APPEARS_WITHIN = 60.0
#: the flag of a resource definition into which LINSTOR is restoring
RESTORING = "RESTORE_TARGET"


def confirm(pools: PoolWatch, order: Order, shipments: Sequence[ResourceShipment], pace: Pace) -> None:
    """Wait until the target has received all shipments. Each check is one list of the target's snapshots.

    A shipment that didn't arrive, or whose copy can't be trusted, fails. The latter is recorded on the target.
    """
    target = pools.cluster
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
    arrived_ones = [shipment for shipment in sent if shipment.error is None]
    if not order.target.download_only:
        _let_restore(target, order, arrived_ones, pace)
    _trust(pools, order, arrived_ones)


def _trust(pools: PoolWatch, order: Order, arrived: Sequence[ResourceShipment]) -> None:
    """Check that no storage pool was full, and that the target's satellites have reported nothing about it.

    One list of pools and one of error reports, and one request for each copy to record the result.
    """
    if not arrived:
        return
    pools.look()
    reports = error_reports.read(pools.cluster, min(map(_began, arrived)) - 2.0)
    for shipment in arrived:
        backup = shipment.result
        copy = backup.target if backup is not None else None
        if backup is None or copy is None:
            continue
        wanted = order.target.storage_pool if backup.base is None and not order.target.storage_pool_map else None
        began = _began(shipment)
        # Another run's shipment began by another clock.
        since = 0.0 if isinstance(shipment.state, Ended) and shipment.state.joined else began
        pool = pools.full(copy.resource, copy.nodes, since, [wanted] if wanted else [])
        reason = f"{pool} was full while the copy arrived" if pool else None
        reason = reason or error_reports.about_arrival(reports, copy, began)
        if reason is None and pools.blind is not None:
            shipment.warnings.append(
                f"{shipment.resource}: it wasn't checked whether a storage pool was full while the copy arrived:"
                f" {pools.blind.msg}"
            )
            continue
        try:
            record(pools.cluster, copy, reason)
        except SnapshipError as error:
            shipment.warnings.append(f"{error.msg} So later runs can't know it.")
        if reason is not None:
            doubt(backup, reason)
            shipment.fail(_doubtful(shipment, backup, order))


def record_suspicions(target: Cluster, shipments: Sequence[ResourceShipment]) -> None:
    """Record which resource's newest copy was never checked and is in a full pool: the pool may have space later.

    One request for each.
    """
    for shipment in shipments:
        newest = next((each for each in shipment.history.backups if each.state == "success"), None)
        if newest is None or not newest.doubtful or newest.target is None or not is_unchecked(newest.target):
            continue
        try:
            record(target, newest.target, (newest.problem or "").removeprefix(UNTRUSTED))
        except SnapshipError as error:
            shipment.warnings.append(f"{error.msg} So later runs can't know it.")


def _began(shipment: ResourceShipment) -> float:
    state = shipment.state
    return (state.began if isinstance(state, Ended) else None) or clock.now()


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
    if backup.doubtful:
        return _doubtful(shipment, backup, order)
    unreadable = trouble is not None and trouble.code != "timeout"
    why = trouble.msg if trouble is not None and unreadable else backup.problem or "the target doesn't have it"
    return RemoteError(
        f"LINSTOR reports {shipment.resource} (snapshot {backup.snapshot}) as shipped to {order.remote}, but {why}.",
        "See the error reports of the target cluster. Run the task again to ship another snapshot.",
        "not_arrived",
    )


def _doubtful(shipment: ResourceShipment, backup: RemoteBackup, order: Order) -> SnapshipError:
    return RemoteError(
        f"LINSTOR reports {shipment.resource} (snapshot {backup.snapshot}) as shipped to {order.remote}, but"
        f" {backup.problem}. Parts of its data may be missing.",
        f"{rid_of(backup.target) if backup.target else ''} The next run ships a full backup.".strip(),
        "pool_full",
    )
