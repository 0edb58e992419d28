# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: resources have a recent backup on a remote, or one of a given snapshot.

Requests: if there is nothing to do, at most three lists (remotes, snapshots, and the S3 remote's backups) besides the
version that connecting reads. Otherwise four more lists first, one request for each shipment, one list of snapshots
for each check of all running shipments, and one list of backups at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from ..._engine.common.errors import SnapshipError, UnknownError, UsageError
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import parse_duration
from ..api import clock
from ..api.clock import Pace
from ..api.cluster import Cluster, same_version
from ..api.replies import ControllerError
from ..shipments import choice, error_reports, refused, results
from ..shipments.arrival import confirm, record_suspicions
from ..shipments.choice import Demand, would_satisfy
from ..shipments.destination import Destination
from ..shipments.findings import Findings, read_findings
from ..shipments.order import Order
from ..shipments.plan import Plan, Request
from ..shipments.resource_shipment import ResourceShipment, Satisfied, Waiting
from ..shipments.run import Shipping
from ..state import readiness, target_names
from ..state.backups import RemoteBackup, under_way
from ..state.passphrase import lock
from ..state.remotes import BACKUP_TYPES, Remote, find_remote
from ..state.s3_bases import base_records
from ..state.storage_pools import PoolWatch

__all__ = ["Plan", "Request", "apply", "check", "plan"]

_NEVER = {
    "preparing": refused.TOO_EARLY,
    "stuck": "its base has failed, so it stays in LINSTOR's queue. Abort it with: linstor backup abort --create",
}


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only. Raises UsageError for options that contradict each other. A resource's error is in its shipment."""
    demand = check(request)
    try:
        remote = find_remote(cluster, request.remote)
    except UnknownError as error:
        order = _order(request, request.remote, "linstor" if request.target.given else "s3")
        return _unseen(cluster, request, demand, order, error)
    _check_kind(request, remote)
    order = _order(request, remote.name, remote.type)
    same = remote.type == "linstor" and target_names.is_same_cluster(cluster, remote.options.get("url"))
    target_names.check(order.target, request.resources, same)
    with contextlib.ExitStack() as stack:
        there = stack.enter_context(Cluster(request.target_cluster)) if request.target_cluster else None
        try:
            findings = read_findings(cluster, order, request.resources, there, same)
        except ControllerError as error:
            if error.code != "locked" or order.kind != "s3":
                raise
            return _unseen(
                cluster, request, demand, order, lock(cluster) or error
            )  # LINSTOR can't read the remote's keys
        plan = Plan(cluster, request, demand, order, [_unit(findings, name, demand) for name in request.resources])
        plan.same_cluster = same
        if plan.work:
            _prepare(cluster, plan, findings, there)
    return plan


def check(request: Request) -> Demand:
    """The demand for each resource. Raises UsageError."""
    if not request.resources:
        raise UsageError("resources is empty.")
    if not request.remote:
        raise UsageError("remote is empty.")
    twice = {name.lower() for name in request.resources}
    if len(twice) < len(request.resources):
        raise UsageError("resources: a name appears twice. LINSTOR ignores case in names.")
    if (request.snapshot is None) == (request.max_age is None):
        raise UsageError("Set either snapshot or max_age.", "max_age: 0s makes a new backup at each run.")
    if request.parallel < 1:
        raise UsageError("parallel must be at least 1.")
    if request.max_chain is not None and request.max_chain < 1:
        raise UsageError("max_chain must be at least 1. With 1, each backup is a full one.")
    if request.type == "incremental" and request.max_chain == 1:
        raise UsageError("type: incremental and max_chain: 1 contradict each other.")
    if parse_duration(request.poll_interval, "poll_interval") <= 0:
        raise UsageError("poll_interval must be more than 0s.")
    if parse_duration(request.stall_timeout, "stall_timeout") <= 0:
        raise UsageError("stall_timeout must be more than 0s.")
    return Demand(
        kind=request.type,
        max_age=None if request.max_age is None else parse_duration(request.max_age, "max_age"),
        snapshot=request.snapshot,
        full_every=None if request.full_every is None else parse_duration(request.full_every, "full_every"),
        max_chain=request.max_chain,
        wait=request.wait,
    )


def _check_kind(request: Request, remote: Remote) -> None:
    if remote.type not in BACKUP_TYPES:
        raise UsageError(
            f"remote {remote.name} is of type {remote.type}; backups need a remote of type {' or '.join(BACKUP_TYPES)}."
        )
    if remote.type == "s3" and (request.target.given or request.target_cluster):
        raise UsageError(
            f"remote {remote.name} is a bucket, but target and target_cluster are for remotes of type linstor.",
            "Leave them out. snapship.dr.linstor_restore restores from a bucket.",
        )


def _order(request: Request, remote: str, kind: str) -> Order:
    return Order(
        remote=remote,
        kind=kind,
        target=request.target,
        source_node=request.source_node,
        wait=request.wait,
        wait_timeout=parse_duration(request.wait_timeout, "wait_timeout"),
        stall_timeout=parse_duration(request.stall_timeout, "stall_timeout"),
        abort_on_timeout=request.abort_on_timeout,
        parallel=request.parallel,
    )


def _unseen(cluster: Cluster, request: Request, demand: Demand, order: Order, error: SnapshipError) -> Plan:
    """A plan for a remote that can't be read: as far as is known, each resource would be shipped."""
    shipments = []
    for name in request.resources:
        history = choice.History(name, [], [], clock.now(), True)
        shipments.append(
            ResourceShipment(
                history, choice=choice.BaseChoice(False, None, "first backup of this resource on this remote")
            )
        )
    return Plan(cluster, request, demand, order, shipments, obstacle=error)


def _unit(findings: Findings, resource: str, demand: Demand) -> ResourceShipment:
    history = findings.of(resource)
    satisfied = choice.satisfying(history, demand)
    if satisfied is None and history.strangers and findings.adopt(history):
        satisfied = choice.satisfying(history, demand)
    shipment = ResourceShipment(
        history, Satisfied(satisfied) if satisfied else Waiting(), warnings=list(history.warnings)
    )
    if satisfied is None:
        findings.settle_queue(history)
        shipment.warnings += [
            f"LINSTOR will never ship snapshot {each.snapshot} of {resource} to {findings.order.remote}:"
            f" {_NEVER[each.state]}"
            for each in history.backups
            if each.state in _NEVER and not under_way(each, history.now)
        ]
    return shipment


def _prepare(cluster: Cluster, plan: Plan, findings: Findings, there: Cluster | None) -> None:
    """Check what each shipment needs, and choose how to ship."""
    plan.survey = findings.survey = findings.survey or readiness.survey(cluster)
    if plan.order.kind == "s3":
        known = base_records(cluster, plan.order.remote)
        for shipment in plan.work:
            shipment.history.base_record = known.get(shipment.resource.lower())
    for shipment in plan.work:
        shipment.history.numbers = plan.survey.numbers(shipment.resource)
        shipment.allocated = plan.survey.needed(shipment.resource, plan.order.source_node)
        problem = plan.survey.problem(shipment.resource, plan.order.source_node) or _choose(shipment, plan.demand)
        if problem is not None:
            shipment.fail(problem)
    receiving = cluster if plan.same_cluster else there
    if plan.order.kind == "linstor" and receiving is not None:
        _look_at_target(plan, receiving)
    for shipment in plan.shipments:
        if shipment.error is not None:
            shipment.error.about(shipment.resource, plan.order.remote)
    if plan.order.kind == "linstor":
        plan.obstacle = same_version(cluster, there) if there else None
    elif plan.work:
        plan.obstacle = lock(cluster)


def _look_at_target(plan: Plan, receiving: Cluster) -> None:
    """Check that the target can receive the backups. Increments go to the node and pool of their base anyway."""
    todo = [shipment for shipment in plan.work if shipment.choice is not None and not shipment.join]
    if not todo or plan.survey is None:
        return
    destination = Destination(receiving, plan.order.target)
    survey, node = plan.survey, plan.order.source_node
    # The largest first: so the others are tried in what it leaves.
    for shipment in sorted(todo, key=lambda each: survey.needed(each.resource, node) or 0, reverse=True):
        base = shipment.choice.base if shipment.choice is not None else None
        needed, kinds = survey.needed(shipment.resource, node), survey.providers(shipment.resource, node)
        problem: SnapshipError | None = None
        if base is None:
            problem = destination.problem(kinds) or destination.reserve(shipment.resource, kinds, needed)
        elif base.target is not None:
            problem = destination.too_tight(shipment.resource, base.target.nodes, needed)
        if problem is not None:
            shipment.fail(problem)


def _choose(shipment: ResourceShipment, demand: Demand) -> SnapshipError | None:
    """Choose how to ship a resource, or which shipment to wait for. Returns an error if neither is possible."""
    shipment.wait(choice.joinable(shipment.history, demand))
    if demand.snapshot is not None and shipment.join is None:
        snap = next((each for each in shipment.history.snaps if each.name.lower() == demand.snapshot.lower()), None)
        if snap is None or snap.failed:
            there = ", ".join(each.name for each in shipment.history.snaps[-10:]) or "none"
            return UnknownError(
                f"resource {shipment.resource} has no snapshot {demand.snapshot}. Its newest snapshots: {there}.",
                "Take one with snapship.dr.linstor_snapshot.",
                code="unknown_snapshot",
            )
    try:
        shipment.choice = choice.choose(shipment.history, demand)
    except SnapshipError as error:
        if shipment.join is None or not would_satisfy(shipment.join, demand, shipment.history.now):
            return error
    return None


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Ship the missing backups. A failed resource doesn't stop the others."""
    if plan.obstacle:
        raise plan.obstacle.about(remote=plan.order.remote)
    pace = Pace(parse_duration(plan.request.poll_interval, "poll_interval"))
    work = plan.work
    if not plan.order.wait:
        _take_as_it_goes(work, plan.demand)
    with contextlib.ExitStack() as stack:
        pools = _pools(cluster, plan, pace, stack)
        if pools is not None:
            record_suspicions(pools.cluster, plan.shipments)
        Shipping(cluster, plan.order, plan.demand, pace, pools).run(work)
        if pools is not None:
            confirm(pools, plan.order, work, pace)
    refused.settle(cluster, plan.order, work)
    error_reports.explain(cluster, work)
    listed: Mapping[tuple[str, str], RemoteBackup] = {}
    shipped = [shipment for shipment in work if shipment.result is not None and shipment.result.state == "success"]
    if shipped and plan.order.kind == "s3":
        listed = results.listed(cluster, plan.order.remote, shipped)
    return results.outcome(cluster, plan, listed)


def _pools(cluster: Cluster, plan: Plan, pace: Pace, stack: contextlib.ExitStack) -> PoolWatch | None:
    """The watch over the target's storage pools, if this run waits and the target can be read."""
    if not plan.order.wait or plan.order.kind != "linstor" or all(each.satisfied for each in plan.shipments):
        return None
    if plan.same_cluster:
        return PoolWatch(cluster, pace)
    access = plan.request.target_cluster
    return PoolWatch(stack.enter_context(Cluster(access)), pace) if access else None


def _take_as_it_goes(work: list[ResourceShipment], demand: Demand) -> None:
    """Without waiting, a shipment under way counts as the result if it meets the demand; otherwise it is ignored."""
    for shipment in work:
        if shipment.join is not None and would_satisfy(shipment.join, demand, shipment.history.now):
            shipment.end(shipment.join)
        elif shipment.join is not None:
            shipment.wait(None)
