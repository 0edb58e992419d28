# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether what was shipped has arrived: the source says Success when it has sent all."""

from __future__ import annotations

from collections.abc import Sequence

from ..._engine.common.errors import BusyError, RemoteError, SnapshipError
from ..api.clock import Pace, until
from ..api.cluster import Cluster
from ..state import backups
from ..state.backups import RemoteBackup
from ..state.snapshots import list_snapshots
from .order import Order
from .unit import Unit

#: seconds within which the target has to show what the source has sent
APPEARS_WITHIN = 60.0
#: the flag of a resource definition that is being restored into
RESTORING = "RESTORE_TARGET"


def confirm(target: Cluster, order: Order, units: Sequence[Unit], pace: Pace) -> None:
    """Wait until the target has received all that was sent. One list of the target's snapshots for each look.

    Units whose shipment ended otherwise there get an error.
    """
    sent = [unit for unit in units if unit.result is not None and unit.result.state == "success"]
    if not sent:
        return
    names = [order.target.name_of(unit.resource) for unit in sent]
    found = [unit.result for unit in sent if unit.result is not None]

    def arrived() -> bool | None:
        backups.attach_received(found, list_snapshots(target, names))
        return None if any(_expected(each) for each in found) else True

    pace.again()
    trouble: SnapshipError | None = None
    try:
        until(arrived, APPEARS_WITHIN, pace, f"{target.name} to show what {order.remote} was sent")
    except (BusyError, RemoteError) as error:
        trouble = error
    for unit in sent:
        if unit.result is not None and (unit.result.target is None or unit.result.problem is not None):
            unit.error = _not_there(unit, unit.result, order, trouble)
    if not order.target.download_only:
        _let_restore(target, order, [unit for unit in sent if unit.error is None], pace)


def _let_restore(target: Cluster, order: Order, arrived: Sequence[Unit], pace: Pace) -> None:
    """Wait until LINSTOR has made the resources there of what has arrived, where it does."""
    names = {order.target.name_of(unit.resource).lower() for unit in arrived}

    def done() -> bool | None:
        listing = target.read("resource_dfn_list", query_volume_definitions=False, what="listing resource definitions")
        there = {str(each["name"]).lower() for each in listing.data_v1 if RESTORING in (each.get("flags") or ())}
        return None if there & names else True

    if not names:
        return
    pace.again()
    try:
        until(done, order.wait_timeout, pace, f"{target.name} to restore what it has received")
    except (BusyError, RemoteError) as error:
        for unit in arrived:
            unit.warnings.append(f"{unit.resource} has arrived, but: {error.msg}")


def _expected(backup: RemoteBackup) -> bool:
    """Whether it may still come."""
    received = backup.target.received if backup.target is not None else None
    return backup.target is None or received is not None and received.under_way


def _not_there(unit: Unit, backup: RemoteBackup, order: Order, trouble: SnapshipError | None) -> SnapshipError:
    unreadable = trouble is not None and trouble.code != "timeout"
    why = trouble.msg if trouble is not None and unreadable else backup.problem or "it isn't on the target"
    return RemoteError(
        f"LINSTOR says that {unit.resource} (snapshot {backup.snapshot}) was shipped to {order.remote}, but {why}.",
        "Look at the error reports of the target cluster; run it again to ship another one.",
        "not_arrived",
    )
