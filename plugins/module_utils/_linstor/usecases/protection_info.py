# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: compare the age of each resource's newest backup on each remote with its RPO. Reads only.

Requests: the lists of remotes, resource definitions, snapshots and schedules, and one list of backups for each S3
remote, for any number of resources.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from ..._engine.common.errors import RemoteError, UsageError
from ..._engine.common.units import parse_duration
from ..._engine.policy import chains, protection
from ..._engine.policy.protection import Newest
from ..api import clock
from ..api.cluster import Access, Cluster
from ..schedules.runs import read_runs
from ..shipments.items import logical
from ..state import backups, target_names
from ..state.backups import RemoteBackup, Snaps
from ..state.remotes import BACKUP_TYPES, Remote, list_remotes
from ..state.s3_list import backup_list
from ..state.snapshots import list_snapshots


@dataclasses.dataclass
class Promise:
    """The promise that resources have backups on a remote; ``rpo`` as users write it, or ``None``."""

    remote: str
    rpo: Any = None
    resources: list[str] | None = None
    target_cluster: Access | None = None


@dataclasses.dataclass
class Request:
    """The module's options. Without promises, all remotes are checked."""

    resources: list[str] = dataclasses.field(default_factory=list)
    promises: list[Promise] = dataclasses.field(default_factory=list)
    rpo: Any = None


@dataclasses.dataclass
class Report:
    """The return values of the module."""

    protection: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    breached: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    unprotected: list[str] = dataclasses.field(default_factory=list)
    schedules: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)


def report(cluster: Cluster, request: Request) -> Report:
    """Read everything once, and measure it."""
    report = Report()
    default = None if request.rpo is None else parse_duration(request.rpo, "rpo")
    remotes = list_remotes(cluster)
    snaps = list_snapshots(cluster)
    there = _resources(cluster)
    copies = {name for name, theirs in snaps.items() if any(snap.received is not None for snap in theirs)}
    report.schedules = read_runs(cluster)
    now = clock.now()
    covered: set[str] = set()
    promises = request.promises or [Promise(each.name) for each in remotes.values() if each.type in BACKUP_TYPES]
    for promise in promises:
        rpo = default if promise.rpo is None else parse_duration(promise.rpo, "rpo")
        found = _look(cluster, remotes.get(promise.remote.lower()), promise, snaps, report)
        names = promise.resources or request.resources or [name for name in there if name not in copies]
        for name in names:
            newest = _newest(cluster, promise.remote, name, found, report.schedules)
            if name.lower() not in {each.lower() for each in there}:
                newest.problem = "the cluster has no such resource"
            if not request.promises and rpo is None and newest.created is None and newest.problem is None:
                continue  # no promise covers it
            report.protection.append(protection.protection(newest, rpo, now))
            if newest.created is not None or promise.resources is not None:
                covered.add(name.lower())
    report.breached = protection.breaches(report.protection)
    scheduled = {str(each["volume"]).lower() for each in report.schedules if each["enabled"]}
    wanted = {name.lower() for name in request.resources} or {name.lower() for name in there}
    report.unprotected = sorted(
        name
        for name in there
        if name.lower() in wanted and name.lower() not in covered | scheduled and name not in copies
    )
    report.protection.sort(key=lambda each: (each["volume"], each["remote"]))
    return report


def _resources(cluster: Cluster) -> list[str]:
    data = getattr(
        cluster.read("resource_dfn_list", query_volume_definitions=False, what="listing resource definitions"),
        "data_v1",
        None,
    )
    return [str(each["name"]) for each in data or () if "DELETE" not in (each.get("flags") or ())]


def _look(
    cluster: Cluster, remote: Remote | None, promise: Promise, snaps: Snaps, report: Report
) -> dict[str, list[RemoteBackup]] | str:
    """The backups on a remote by resource in lower case, or why they can't be read."""
    if remote is None:
        return f"the cluster has no remote {promise.remote}"
    if remote.type not in BACKUP_TYPES:
        raise UsageError(f"remote {remote.name} is of type {remote.type}, which can't hold backups.")
    try:
        found = _backups(cluster, remote, promise, snaps)
    except RemoteError as error:
        report.warnings.append(f"{remote.name}: {error.msg}")
        return f"the remote can't be read: {error.msg}"
    sorted_out: dict[str, list[RemoteBackup]] = {}
    for each in backups.newest_first(found):
        sorted_out.setdefault(each.resource.lower(), []).append(each)
    return sorted_out


def _backups(cluster: Cluster, remote: Remote, promise: Promise, snaps: Snaps) -> list[RemoteBackup]:
    if remote.type == "s3":
        answer = backup_list(cluster, remote.name)
        found = backups.on_s3(answer, snaps, remote.name)
        backups.mark_broken(found)
        nodes = {node for theirs in snaps.values() for snap in theirs for node in snap.nodes}
        return [each for each in found if backups.is_ours(each, nodes)]
    found = backups.shipments(snaps, remote.name)
    with contextlib.ExitStack() as stack:
        if promise.target_cluster is not None:
            there = stack.enter_context(Cluster(promise.target_cluster))
            backups.attach_checked(found, list_snapshots(there), there, newest_only=True)
        elif target_names.is_same_cluster(cluster, remote.options.get("url")):
            backups.attach_checked(found, snaps, cluster, newest_only=True)
    return found


def _newest(
    cluster: Cluster,
    remote: str,
    resource: str,
    found: dict[str, list[RemoteBackup]] | str,
    planned: list[dict[str, Any]],
) -> Newest:
    newest = Newest("linstor", resource, cluster.name, remote)
    if isinstance(found, str):
        newest.problem = found
        return newest
    theirs = found.get(resource.lower(), [])
    good = next((each for each in theirs if each.complete), None)
    last = next(iter(theirs), None)
    if good is not None:
        bases = {each.id: each.base for each in theirs if each.complete}
        newest.id, newest.type, newest.created = good.id, good.type, good.created
        newest.chain_length = chains.known_length(bases, good.id) if good.base_known else None
        newest.bytes_logical = logical(good.snap)
    if last is not None and last is not good:
        newest.problem = last.problem or f"the state of the newest shipment ({last.snapshot}) is {last.state}"
    same = [each for each in planned if (each["volume"], each["remote"]) == (resource, remote)]
    newest.extra = {
        "snapshot": good.snapshot if good else None,
        "state": last.state if last else None,
        "schedules": [each["schedule"] for each in same if each["enabled"]],
    }
    return newest
