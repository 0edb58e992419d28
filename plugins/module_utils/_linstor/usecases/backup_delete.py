# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: a backup isn't on an S3 remote any more."""

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
from ..state.backups import Backup
from ..state.remotes import find_remote
from ..state.s3_list import backup_list


@dataclasses.dataclass
class Request:
    """As the module's options with ``state: absent``."""

    remote: str = ""
    id: str = ""
    cascade: bool = False
    keep_snapshots: bool = True
    resources: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Plan:
    """The backups that go, those that others rest on last."""

    cluster: Cluster
    request: Request
    order: Order
    going: list[Backup]
    missing_remote: UnknownError | None = None

    def preview(self) -> Outcome:
        """What would be done."""
        told = Outcome(changed=bool(self.going), items=_items(self, []))
        if self.missing_remote:
            told.warn(f"{self.missing_remote.msg} A run would fail unless it is defined before.")
        _show(self, told)
        return told


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only. Raises UsageError where something rests on the backup and ``cascade`` isn't set."""
    if len(request.resources) > 1:
        raise UsageError("a backup's id belongs to one resource.")
    try:
        remote = find_remote(cluster, request.remote)
    except UnknownError as error:
        return Plan(cluster, request, Order(request.remote, "s3"), [], error)
    if remote.type != "s3":
        raise UsageError(
            f"remote {remote.name} is of type {remote.type}, which keeps no list of backups to remove one from.",
            "What was received there are snapshots: remove them with snapship.dr.linstor_snapshot on that cluster.",
        )
    return Plan(cluster, request, Order(remote.name, "s3"), _find(cluster, remote.name, request))


def _listed(cluster: Cluster, remote: str) -> list[Backup]:
    answer = backup_list(cluster, remote)
    return backups.on_s3(answer, {}, remote)


def _find(cluster: Cluster, remote: str, request: Request) -> list[Backup]:
    listed = {each.id: each for each in _listed(cluster, remote)}
    wanted = listed.get(request.id.removesuffix(".meta"))
    if wanted is None:
        return []
    if request.resources and wanted.resource.lower() != request.resources[0].lower():
        raise UsageError(f"backup {wanted.id} is of resource {wanted.resource}, not of {request.resources[0]}.")
    if wanted.state == "shipping":
        raise UsageError(
            f"backup {wanted.id} is just being made.", "Wait for its end, or abort it first.", code="under_way"
        )
    bases = {each.id: each.base for each in listed.values() if each.state == "success"}
    resting = [listed[each] for each in chains.dependants(bases, wanted.id)]
    if resting and not request.cascade:
        raise UsageError(
            f"{len(resting)} backups rest on {wanted.id}, the nearest is {resting[0].id}.",
            "Set cascade to delete them too.",
            code="has_dependants",
        )
    return [*resting[::-1], wanted]


def apply(cluster: Cluster, made: Plan) -> Outcome:
    """Have LINSTOR delete them, and see that they are gone."""
    if made.missing_remote:
        raise made.missing_remote
    told = Outcome()
    if made.going:
        wanted = made.going[-1]
        done = f"delete backup {wanted.id} from {made.order.remote}" + (" with all on it" if made.going[1:] else "")
        try:
            replies = cluster.change(
                "backup_delete",
                made.order.remote,
                bak_id=wanted.id,
                cascade=made.request.cascade,
                keep_snaps=made.request.keep_snapshots,
                what=f"deleting backup {wanted.id} from {made.order.remote}",
            )
            for text in replies.warnings:
                told.warn(text)
        except LostReply:
            told.warn("The controller's answer was lost; what became of it was read from the list.")
        told.changed = True
        _check_gone(cluster, made)
        told.items = _items(made, [done])
    _show(made, told)
    return told


def _check_gone(cluster: Cluster, made: Plan) -> None:
    ids = {each.id for each in made.going}

    def gone() -> bool | None:
        return True if not ids & {each.id for each in _listed(cluster, made.order.remote)} else None

    try:
        until(gone, 15.0, Pace(2.0), f"{', '.join(sorted(ids))} to go from {made.order.remote}")
    except RemoteError as error:
        raise error.about(remote=made.order.remote) from None


def _items(made: Plan, actions: list[str]) -> list[dict[str, Any]]:
    found = []
    for each in made.going:
        entry = item(made.cluster, made.order, each.resource, each)
        found.append({**entry, "actions": actions})
    return found


def _show(made: Plan, told: Outcome) -> None:
    for each in made.going:
        told.before[each.id] = {"resource": each.resource, "type": each.type}
    told.after = {}
