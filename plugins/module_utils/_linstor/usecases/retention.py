# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: prune backups on an S3 remote, snapshots received here, and snapshots left by shipping, by calendar.

LINSTOR's own retention only counts whole chains. Here the end of a chain can be pruned while its beginning stays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError, VolumeError
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import iso_time
from ..._engine.policy import chains
from ..._engine.policy.retention_calendar import Rules, Verdict, decide, too_many
from ..api import clock
from ..api.cluster import Cluster
from ..api.replies import FAIL_DEPENDENT_BACKUP, ControllerError, LostReply
from ..shipments.prunable import LOCAL, RECEIVED, REMOTE, Candidate, left_behind, on_remote, received_here
from ..state.origins import resolve
from ..state.s3_bases import all_taken_last
from ..state.snapshots import list_snapshots


@dataclasses.dataclass
class Request:
    """The module's options; ``keep`` and ``local`` are rules as users write them."""

    remote: str | None = None
    received_from: str | None = None
    resources: list[str] = dataclasses.field(default_factory=list)
    all_resources: bool = False
    keep: dict[str, Any] | None = None
    local: dict[str, Any] | None = None
    min_age: str | None = None
    max_delete_percent: float | None = None
    keep_snaps: bool = True
    consistent: bool = False
    other_clusters: bool = False


@dataclasses.dataclass
class Sentence:
    """A candidate and its verdict; ``error``: why it isn't pruned although no rule keeps it."""

    candidate: Candidate
    verdict: Verdict
    error: SnapshipError | None = None

    @property
    def goes(self) -> bool:
        return not self.verdict.kept and self.error is None


@dataclasses.dataclass
class Plan:
    """All candidates with their verdicts, newest first in each place.

    ``obstacle``: the remote doesn't exist. In check mode, an earlier task may not have created it yet.
    """

    request: Request
    sentences: list[Sentence]
    errors: list[SnapshipError] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    obstacle: SnapshipError | None = None

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(changed=any(each.goes for each in self.sentences), warnings=list(self.warnings))
        outcome.failures = [error.as_dict() for error in self.errors]
        if self.obstacle is not None:
            outcome.warn(f"{self.obstacle.msg} A real run would fail unless it is defined first.")
        for each in self.sentences:
            outcome.items.append(_show(each))
        _compare(self, outcome)
        return outcome


def _compare(plan: Plan, outcome: Outcome) -> None:
    """The diff: each backup, with the reason why it stays or goes."""
    for each in plan.sentences:
        candidate, word = each.candidate, "goes" if each.goes else "stays"
        told = f"{word}: {', '.join(each.verdict.reasons) if each.error is None else each.error.msg}"
        key = f"{candidate.resource} ({candidate.place})"
        outcome.before.setdefault(key, {})[candidate.id] = told
        after = outcome.after.setdefault(key, {})
        if not each.goes:
            after[candidate.id] = told


def _show(each: Sentence) -> dict[str, Any]:
    candidate = each.candidate
    return {
        "id": candidate.id,
        "place": candidate.place,
        "provider": "linstor",
        "volume": candidate.resource,
        "remote": candidate.remote,
        "snapshot": candidate.snapshot,
        "type": candidate.type,
        "base": candidate.base,
        "created": None if candidate.created is None else iso_time(candidate.created),
        "state": candidate.state,
        "kept": not each.goes,
        "reasons": each.verdict.reasons,
        "actions": [],
    }


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only: snapshots, and for a remote also its list and the nodes. One request each.

    Raises UsageError for rules that keep nothing, and for options that contradict each other.
    """
    rules = _check(request)
    try:
        return _plan(cluster, request, rules)
    except UnknownError as error:
        if error.code != "unknown_remote" or request.remote is None:
            raise
        return Plan(request, [], obstacle=error)


def _plan(cluster: Cluster, request: Request, rules: Mapping[str, Rules]) -> Plan:
    wanted = None if request.all_resources else request.resources
    snaps = list_snapshots(cluster, wanted)
    now = clock.now()
    plan = Plan(request, [])
    if request.received_from is not None:
        found = received_here(snaps, resolve(cluster, request.received_from))
        plan.sentences += _judge(plan, found, rules[RECEIVED], now)
    elif request.keep is not None:
        found = on_remote(cluster, request.remote or "", wanted, snaps, request.other_clusters, now)
        plan.sentences += _judge(plan, found, rules[REMOTE], now)
    if request.local is not None:
        found = left_behind(snaps, request.remote or "", all_taken_last(cluster), now)
        plan.sentences += _judge(plan, found, rules[LOCAL], now)
    for each in plan.sentences:
        if each.candidate.warning and each.candidate.warning not in plan.warnings:
            plan.warnings.append(each.candidate.warning)
    seen = {each.candidate.resource.lower() for each in plan.sentences}
    plan.warnings += [
        f"resource {name} has no backups to prune." for name in request.resources if name.lower() not in seen
    ]
    return plan


def _judge(plan: Plan, found: list[Candidate], rules: Rules, now: float) -> list[Sentence]:
    by_id = {each.id: each for each in found}
    points = [each.point(plan.request.consistent) for each in found]
    verdicts = decide(points, rules, now)
    sentences = [Sentence(by_id[verdict.point.id], verdict) for verdict in verdicts]
    refused = too_many(verdicts, rules)
    for resource, (goes, there) in refused.items():
        place = next(each.place for each in found if each.resource == resource)
        error = VolumeError(
            f"retention would prune {goes} of the {there} {place} backups of {resource}, more than"
            f" {rules.max_delete_percent:g} %. It pruned none of them.",
            "Check the rules. If they are correct, raise max_delete_percent.",
            code="too_many",
        )
        plan.errors.append(error.about(volume=resource, remote=plan.request.remote or plan.request.received_from))
    for each in sentences:
        if refused and (plan.request.consistent or each.candidate.resource in refused) and not each.verdict.kept:
            each.error = plan.errors[-1]
    return sentences


def _check(request: Request) -> dict[str, Rules]:
    """The rules for each place."""
    if (request.remote is None) == (request.received_from is None):
        raise UsageError(
            "Set either remote or received_from.",
            "remote is for backups that this cluster ships, received_from for those shipped to it.",
        )
    if bool(request.resources) == request.all_resources:
        raise UsageError("Set either resources or all_resources.")
    if request.keep is None and (request.local is None or request.received_from is not None):
        raise UsageError("Set keep: the rules for the backups to keep.")
    if request.local is not None and request.received_from is not None:
        raise UsageError(
            "local and received_from can't both be set: local is for the cluster that ships.",
            "Set local in another task that connects to that cluster and sets remote.",
        )
    shared = {"min_age": request.min_age, "max_delete_percent": request.max_delete_percent}
    rules: dict[str, Rules] = {}
    if request.keep is not None:
        rules[REMOTE] = rules[RECEIVED] = Rules.of({**request.keep, **shared}, "keep")
    if request.local is not None:
        rules[LOCAL] = Rules.of({**request.local, **shared}, "local")
    return rules


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Prune, the ends of chains first. If one can't be deleted, its bases stay, too."""
    if plan.obstacle is not None:
        raise plan.obstacle
    outcome = plan.preview()
    items = dict(zip((id(each) for each in plan.sentences), outcome.items))
    needed: set[str] = set()
    outcome.changed = False
    for each in _ends_first([each for each in plan.sentences if each.goes]):
        candidate = each.candidate
        if candidate.id in needed:
            each.error = VolumeError(f"{candidate.id} stays: it is the base of a backup that couldn't be deleted.")
        else:
            try:
                items[id(each)]["actions"].append(_delete(cluster, plan.request, candidate))
                outcome.changed = True
            except SnapshipError as error:
                each.error = error.about(volume=candidate.resource, remote=candidate.remote)
                outcome.failures.append(error.as_dict())
        if each.error is not None:
            items[id(each)]["kept"] = True
            if candidate.base is not None:
                needed.add(candidate.base)
    outcome.before, outcome.after = {}, {}
    _compare(plan, outcome)
    return outcome


def _ends_first(going: list[Sentence]) -> list[Sentence]:
    """Each backup before its base, whatever their times say."""
    bases = {each.candidate.id: each.candidate.base for each in going}
    return sorted(going, key=lambda each: len(chains.descend(bases, each.candidate.id)[0]), reverse=True)


def _delete(cluster: Cluster, request: Request, candidate: Candidate) -> str:
    """Delete it. It is no error if it is already gone. LINSTOR refuses if it has become a base meanwhile."""
    try:
        try:
            _ask(cluster, request, candidate)
        except LostReply:
            _ask(cluster, request, candidate)  # deleting can be repeated safely
    except ControllerError as error:
        if error.code == "not_found":
            return f"{candidate.id} was already gone"
        if FAIL_DEPENDENT_BACKUP in error.numbers:
            error.code = "base_in_use"
            error.hint = "It is the base of a newer backup, so it wasn't deleted. Run the task again."
        raise
    return f"deleted {candidate.place} {candidate.id}"


def _ask(cluster: Cluster, request: Request, candidate: Candidate) -> None:
    what = f"deleting {candidate.place} {candidate.id}"
    if candidate.place == REMOTE:
        # A snapshot that is the base of the next increment stays, whatever keep_snaps says.
        keep = request.keep_snaps or candidate.needed_here
        cluster.change("backup_delete", candidate.remote, bak_id=candidate.id, keep_snaps=keep, what=what)
    else:
        cluster.change("snapshot_delete", candidate.resource, candidate.snapshot, what=what)
