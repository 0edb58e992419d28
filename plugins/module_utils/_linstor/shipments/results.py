# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The results of a run of backups, in the form in which the module returns them."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping, Sequence
from typing import Any

from ..._engine.common.errors import RemoteError, SnapshipError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster
from ..state import backups
from ..state.backups import RemoteBackup
from ..state.s3_list import UnlistableError, backup_list
from .items import chain_size, item
from .plan import Plan
from .resource_shipment import Ended, ResourceShipment

Listed = Mapping[tuple[str, str], RemoteBackup]
Sizes = Mapping[str, int]


def listed(cluster: Cluster, remote: str, shipped: Sequence[ResourceShipment]) -> Listed:
    """The bucket's list after shipping, by resource and snapshot in lower case. Only what it lists is a backup."""
    only = shipped[0].resource if len(shipped) == 1 else None
    try:
        answer = backup_list(cluster, remote, only)
    except UnlistableError as error:
        shipped[0].warnings.append(f"{error.msg} So it wasn't checked that the bucket has all the shipped backups.")
        found = [shipment.result for shipment in shipped if shipment.result]
        backups.as_listed(found)
        return {(each.resource.lower(), each.snapshot.lower()): each for each in found}
    snaps = {
        shipment.resource: [shipment.result.snap] for shipment in shipped if shipment.result and shipment.result.snap
    }
    found = backups.on_s3(answer, snaps, remote, [shipment.resource for shipment in shipped])
    backups.mark_broken(found)
    return {
        (each.resource.lower(), each.snapshot.lower()): each
        for each in backups.newest_first(found)[::-1]
        if each.state == "success"
    }


def outcome(cluster: Cluster, plan: Plan, there: Listed) -> Outcome:
    """The outcome of the run."""
    told = Outcome()
    _complete(plan, there)
    sizes = _sizes(cluster, plan) if plan.request.sizes and plan.order.kind == "s3" else {}
    for shipment in plan.shipments:
        told.changed = told.changed or shipment.started
        for text in shipment.warnings:
            told.warn(text)
        if shipment.error is not None:
            told.failures.append(shipment.error.about(shipment.resource, plan.order.remote).as_dict())
            continue
        newest = next((each for each in shipment.history.backups if each.complete), None)
        told.before[shipment.resource] = {"newest": newest.id if newest else None}
        entry = _finished(plan, shipment, sizes)
        told.items.append(entry)
        told.after[shipment.resource] = {"newest": entry["id"]}
    return told


def _complete(plan: Plan, there: Listed) -> None:
    """Replace each result by the bucket's entry. A result without one becomes an error."""
    if plan.order.kind != "s3":
        return
    for shipment in plan.shipments:
        if shipment.result is None or shipment.result.state != "success":
            continue
        found = there.get((shipment.resource.lower(), shipment.result.snapshot.lower()))
        if found is None or found.problem is not None:
            shipment.fail(_not_there(shipment, plan.order.remote, found))
        else:
            shipment.confirmed(found)


def _not_there(shipment: ResourceShipment, remote: str, found: RemoteBackup | None) -> SnapshipError:
    what = found.problem if found else "the remote doesn't list it"
    name = shipment.result.snapshot if shipment.result else None
    return RemoteError(
        f"LINSTOR reports {shipment.resource} (snapshot {name}) as shipped to {remote}, but {what}.",
        "Check the bucket. Run the task again to ship another snapshot.",
        "not_listed",
    )


def _finished(plan: Plan, shipment: ResourceShipment, sizes: Sizes) -> dict[str, Any]:
    state = shipment.state
    if not isinstance(state, Ended):
        return item(plan.cluster, plan.order, shipment.resource, shipment.satisfied)
    backup = state.backup
    entry = item(plan.cluster, plan.order, shipment.resource, backup)
    entry["joined"] = state.joined
    entry["actions"] = shipment.actions
    stored = sizes.get(backup.id)
    took = state.seconds
    if backup.finished is not None and backup.started is not None:
        took = round(backup.finished - backup.started, 3)
    entry.update(
        reason=shipment.reason or (shipment.choice.reason if shipment.choice and shipment.started else None),
        seconds=took,
        bytes_stored=stored,
        bytes_sent=stored if shipment.started else 0,
    )
    if backup.type == "full" and plan.survey is not None:
        entry["bytes_changed"] = plan.survey.allocated(shipment.resource, backup.node)
    return entry


def _sizes(cluster: Cluster, plan: Plan) -> Sizes:
    """The bytes of each new backup in the bucket: one request for a full one, two for an increment.

    LINSTOR tells the download size of a whole chain; the difference to its base's chain is the increment.
    """
    new = [
        shipment.result
        for shipment in plan.shipments
        if shipment.started and shipment.error is None and shipment.result is not None
    ]
    finished = [each for each in new if each.state == "success"]
    with concurrent.futures.ThreadPoolExecutor(plan.order.parallel) as pool:
        found = pool.map(lambda each: (each.id, _size(cluster, plan.order.remote, each)), finished)
        return {backup_id: size for backup_id, size in found if size is not None}


def _size(cluster: Cluster, remote: str, backup: RemoteBackup) -> int | None:
    whole = chain_size(cluster, remote, backup.id)
    below = chain_size(cluster, remote, backup.base) if backup.base else 0
    return None if whole is None or below is None else max(whole - below, 0)
