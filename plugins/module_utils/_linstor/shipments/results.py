# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What came of backing up resources, in the form in which the module returns it."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..._engine.common.errors import RemoteError, SnapshipError
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import iso_time
from ..api.cluster import Cluster
from ..state import backups
from ..state.backups import Backup
from ..state.s3_listing import UnlistableError, backup_list
from ..state.snapshots import Snap
from .choice import Wish, would_satisfy
from .order import Order
from .unit import Unit

if TYPE_CHECKING:
    from ..usecases.backup import Plan

_KIB = 1024
Listed = Mapping[tuple[str, str], Backup]
Sizes = Mapping[str, int]


def item(cluster: Cluster, order: Order, resource: str, backup: Backup | None) -> dict[str, Any]:
    """A backup as it is returned; what this run did for it is added by the caller."""
    snap = backup.snap if backup else None
    # In a bucket it has no name before it is there.
    named = backup is not None and (order.kind != "s3" or backup.state in ("success", ""))
    return {
        "id": backup.id if backup and named else None,
        "group": None,
        "provider": "linstor",
        "volume": resource,
        "origin": cluster.name,
        "remote": order.remote,
        "target": order.target.name_of(resource) if order.kind == "linstor" else None,
        "snapshot": backup.snapshot if backup else None,
        "target_snapshot": backup.target.name if backup and backup.target else None,
        "state_id": snap.uuid or None if snap else None,
        "type": backup.type if backup else None,
        "base": backup.base if backup and named else None,
        "reason": None,
        "created": iso_time(backup.created) if backup and backup.created is not None else None,
        "state": backup.state if backup else None,
        "node": backup.node if backup else None,
        "bytes_logical": logical(snap),
        "bytes_changed": None,
        "bytes_stored": None,
        "bytes_sent": 0,
        "seconds": 0.0,
        "segments": None,
        "resumed": 0,
        "joined": False,
        "actions": [],
    }


def logical(snap: Snap | None) -> int | None:
    """The size of a resource's volumes together, in bytes."""
    return sum(snap.sizes.values()) if snap and snap.sizes else None


def would_change(unit: Unit, wish: Wish) -> bool:
    """Whether something would be started for a resource."""
    if unit.satisfied is not None:
        return False
    return unit.join is None or not would_satisfy(unit.join, wish, unit.look.now)


def preview(outcome: Outcome, made: Plan, unit: Unit) -> None:
    """What would be done for one resource, for check mode."""
    newest = next((each for each in unit.look.backups if each.complete), None)
    outcome.before[unit.resource] = {"newest": newest.id if newest else None}
    for text in unit.warnings:
        outcome.warn(text)
    shown = unit.satisfied or (None if would_change(unit, made.wish) else unit.join)
    given = _blank(made.order, unit) if shown is None else shown
    entry = item_of(made, unit, given)
    outcome.items.append(entry)
    if shown is None:
        # Of what isn't there yet nobody knows how it would be shipped.
        kind = f"{entry['type']}: {entry['reason']}" if unit.choice else "backup"
        outcome.after[unit.resource] = {"newest": f"(new {kind})"}
    elif unit.satisfied is None:
        outcome.after[unit.resource] = {"newest": f"(under way: {shown.snapshot})"}
    else:
        outcome.after[unit.resource] = outcome.before[unit.resource]


def item_of(made: Plan, unit: Unit, backup: Backup) -> dict[str, Any]:
    """One of the plan's resources with the backup that is, or would be, its result."""
    entry = item(made.cluster, made.order, unit.resource, backup)
    if backup.state == "":
        entry.update(id=None, state=None, snapshot=made.wish.snapshot, type=backup.type if unit.choice else None)
        entry["reason"] = unit.choice.reason if unit.choice else None
        entry["bytes_logical"] = logical(unit.look.snaps[-1]) if unit.look.snaps else None
    return entry


def _blank(order: Order, unit: Unit) -> Backup:
    base = unit.choice.base if unit.choice else None
    return Backup(id="", resource=unit.resource, snapshot="", state="", base=base.id if base else None)


def listed(cluster: Cluster, remote: str, shipped: Sequence[Unit]) -> Listed:
    """The bucket's list after shipping, by resource and snapshot in lower case: what isn't in it isn't a backup."""
    only = shipped[0].resource if len(shipped) == 1 else None
    try:
        answer = backup_list(cluster, remote, only)
    except UnlistableError as error:
        shipped[0].warnings.append(f"{error.msg} So nobody has looked whether all that was shipped is in it.")
        found = [unit.result for unit in shipped if unit.result]
        backups.as_listed(found)
        return {(each.resource.lower(), each.snapshot.lower()): each for each in found}
    snaps = {unit.resource: [unit.result.snap] for unit in shipped if unit.result and unit.result.snap}
    found = backups.on_s3(answer, snaps, remote, [unit.resource for unit in shipped])
    backups.mark_broken(found)
    return {
        (each.resource.lower(), each.snapshot.lower()): each
        for each in backups.newest_first(found)[::-1]
        if each.state == "success"
    }


def outcome(cluster: Cluster, made: Plan, there: Listed) -> Outcome:
    """All that came of it."""
    told = Outcome()
    _complete(made, there)
    sizes = _sizes(cluster, made) if made.request.sizes and made.order.kind == "s3" else {}
    for unit in made.units:
        told.changed = told.changed or unit.started
        for text in unit.warnings:
            told.warn(text)
        if unit.error is not None:
            told.failures.append(unit.error.about(unit.resource, made.order.remote).as_dict())
            continue
        newest = next((each for each in unit.look.backups if each.complete), None)
        told.before[unit.resource] = {"newest": newest.id if newest else None}
        entry = _finished(made, unit, sizes)
        told.items.append(entry)
        told.after[unit.resource] = {"newest": entry["id"]}
    return told


def _complete(made: Plan, there: Listed) -> None:
    """Take what the bucket's list says of what was shipped; fail what isn't in it."""
    if made.order.kind != "s3":
        return
    for unit in made.units:
        if unit.result is None or unit.result.state != "success":
            continue
        found = there.get((unit.resource.lower(), unit.result.snapshot.lower()))
        if found is None or found.problem is not None:
            unit.error = _not_there(unit, made.order.remote, found)
        else:
            unit.result = found


def _not_there(unit: Unit, remote: str, found: Backup | None) -> SnapshipError:
    what = found.problem if found else "it isn't in the remote's list"
    name = unit.result.snapshot if unit.result else None
    return RemoteError(
        f"LINSTOR says that {unit.resource} (snapshot {name}) was shipped to {remote}, but {what}.",
        "Look at the bucket; run it again to ship another one.",
        "not_listed",
    )


def _finished(made: Plan, unit: Unit, sizes: Sizes) -> dict[str, Any]:
    if unit.satisfied is not None:
        return item(made.cluster, made.order, unit.resource, unit.satisfied)
    backup = unit.result
    entry = item(made.cluster, made.order, unit.resource, backup)
    entry["joined"] = unit.joined
    entry["actions"] = unit.actions
    if backup is None:
        return entry
    stored = sizes.get(backup.id)
    took = unit.seconds
    if backup.finished is not None and backup.started is not None:
        took = round(backup.finished - backup.started, 3)
    entry.update(
        reason=unit.reason or (unit.choice.reason if unit.choice and unit.started else None),
        seconds=took,
        bytes_stored=stored,
        bytes_sent=stored if unit.started else 0,
    )
    if backup.type == "full" and made.survey is not None:
        entry["bytes_changed"] = made.survey.allocated(unit.resource, backup.node)
    return entry


def _sizes(cluster: Cluster, made: Plan) -> Sizes:
    """How much each new backup takes on the bucket, in bytes: one request for a full one, two for an increment.

    LINSTOR tells how much is to be downloaded for a whole chain; the difference is the last one's.
    """
    new = [unit.result for unit in made.units if unit.started and unit.error is None and unit.result is not None]
    finished = [each for each in new if each.state == "success"]
    with concurrent.futures.ThreadPoolExecutor(made.order.parallel) as pool:
        found = pool.map(lambda each: (each.id, _size(cluster, made.order.remote, each)), finished)
        return {backup_id: size for backup_id, size in found if size is not None}


def _size(cluster: Cluster, remote: str, backup: Backup) -> int | None:
    whole = chain_size(cluster, remote, backup.id)
    below = chain_size(cluster, remote, backup.base) if backup.base else 0
    return None if whole is None or below is None else max(whole - below, 0)


def chain_size(cluster: Cluster, remote: str, backup_id: str) -> int | None:
    """Bytes on the bucket of a backup and all it rests on; ``None`` where the controller can't tell."""
    try:
        answer = cluster.read("backup_info", remote, bak_id=backup_id, what=f"reading the size of {backup_id}")
    except RemoteError:
        return None  # a size isn't worth a failure
    size = getattr(answer, "dl_size", None)
    return int(size) * _KIB if size is not None else None
