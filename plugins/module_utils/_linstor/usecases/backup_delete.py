# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: delete a backup from an S3 remote."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..._engine.common.errors import RemoteError, UnknownError, UsageError
from ..._engine.common.outcome import Outcome
from ..._engine.policy import chains
from ..api.clock import Pace, until
from ..api.cluster import Cluster
from ..api.replies import LostReply
from ..shipments.items import item
from ..shipments.order import Order
from ..state import backups
from ..state.backups import RemoteBackup
from ..state.remotes import find_remote
from ..state.s3_list import backup_list, dated


@dataclasses.dataclass
class Request:
    """The module's options with ``state: absent``."""

    remote: str = ""
    id: str = ""
    cascade: bool = False
    keep_snapshots: bool = True
    resources: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Plan:
    """The backups to delete, each before its base."""

    cluster: Cluster
    request: Request
    order: Order
    going: list[RemoteBackup]
    missing_remote: UnknownError | None = None

    def preview(self) -> Outcome:
        """What would be done."""
        told = Outcome(changed=bool(self.going), items=_items(self, []))
        if self.missing_remote:
            told.warn(f"{self.missing_remote.msg} A real run would fail unless it is defined first.")
        _show(self, told)
        return told


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only. Raises UsageError if the backup is the base of others and ``cascade`` isn't set."""
    if len(request.resources) > 1:
        raise UsageError("resources: an id belongs to one resource, so name only that one.")
    try:
        remote = find_remote(cluster, request.remote)
    except UnknownError as error:
        return Plan(cluster, request, Order(request.remote, "s3"), [], error)
    if remote.type != "s3":
        raise UsageError(
            f"remote {remote.name} is of type {remote.type}, which keeps no list of backups.",
            "The target cluster has received snapshots: remove them there with snapship.dr.linstor_snapshot.",
        )
    return Plan(cluster, request, Order(remote.name, "s3"), _find(cluster, remote.name, request))


def _listed(cluster: Cluster, remote: str) -> list[RemoteBackup]:
    answer = backup_list(cluster, remote)
    return backups.on_s3(answer, {}, remote)


def _find(cluster: Cluster, remote: str, request: Request) -> list[RemoteBackup]:
    answer = backup_list(cluster, remote)
    wanted = next(
        (each for each in backups.on_s3(answer, {}, remote) if each.id == request.id.removesuffix(".meta")), None
    )
    if wanted is None:
        return []
    listed = {each.id: each for each in dated(cluster, answer, remote, [wanted.resource])}
    wanted = listed[wanted.id]
    if request.resources and wanted.resource.lower() != request.resources[0].lower():
        raise UsageError(f"backup {wanted.id} is of resource {wanted.resource}, not of {request.resources[0]}.")
    if wanted.state == "shipping":
        raise UsageError(
            f"backup {wanted.id} is still being shipped.",
            "Wait until it has ended, or abort it first.",
            code="under_way",
        )
    bases = {each.id: each.base for each in listed.values() if each.state == "success"}
    resting = [listed[each] for each in chains.dependants(bases, wanted.id)]
    if resting and not request.cascade:
        raise UsageError(
            f"{wanted.id} is the base of {len(resting)} backups; the nearest is {resting[0].id}.",
            "Set cascade: true to delete them, too.",
            code="has_dependants",
        )
    return [*resting[::-1], wanted]


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Delete the backups, and check that they are gone."""
    if plan.missing_remote:
        raise plan.missing_remote
    told = Outcome()
    if plan.going:
        wanted = plan.going[-1]
        done = f"delete backup {wanted.id} from {plan.order.remote}" + (
            " with all that depend on it" if plan.going[1:] else ""
        )
        try:
            replies = cluster.change(
                "backup_delete",
                plan.order.remote,
                bak_id=wanted.id,
                cascade=plan.request.cascade,
                keep_snaps=plan.request.keep_snapshots,
                what=f"deleting backup {wanted.id} from {plan.order.remote}",
            )
            for text in replies.warnings:
                told.warn(text)
        except LostReply:
            told.warn(
                "The controller's answer was lost; the remote's list was read to see whether the backups are gone."
            )
        told.changed = True
        _check_gone(cluster, plan)
        told.items = _items(plan, [done])
    _show(plan, told)
    return told


def _check_gone(cluster: Cluster, plan: Plan) -> None:
    ids = {each.id for each in plan.going}

    def gone() -> bool | None:
        return True if not ids & {each.id for each in _listed(cluster, plan.order.remote)} else None

    try:
        until(gone, 15.0, Pace(2.0), f"{', '.join(sorted(ids))} to disappear from {plan.order.remote}")
    except RemoteError as error:
        raise error.about(remote=plan.order.remote) from None


def _items(plan: Plan, actions: list[str]) -> list[dict[str, Any]]:
    found = []
    for each in plan.going:
        entry = item(plan.cluster, plan.order, each.resource, each)
        found.append({**entry, "actions": actions})
    return found


def _show(plan: Plan, told: Outcome) -> None:
    for each in plan.going:
        told.before[each.id] = {"resource": each.resource, "type": each.type}
    told.after = {}
