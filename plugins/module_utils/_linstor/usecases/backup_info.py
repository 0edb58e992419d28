# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: list the backups on a remote, or those received here. Reads only.

Requests: for an S3 remote the lists of remotes, snapshots, nodes (with resources) and backups; for a LINSTOR remote
those of remotes and snapshots, and of the target's snapshots if these can be read; without a remote that of snapshots.
One more for the storage pools in which copies are that nobody has checked.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

from ..._engine.common.errors import UnknownError, UsageError
from ..._engine.common.units import FUTURE_TOLERANCE, iso_time, show_duration
from ..._engine.policy import chains
from ..api import clock
from ..api.cluster import Access, Cluster
from ..shipments.items import chain_size, logical
from ..state import backups, target_names
from ..state.arrivals import base_of, doubts, is_unchecked
from ..state.backups import RemoteBackup, Snaps
from ..state.origins import source_of
from ..state.remotes import Remote, find_remote
from ..state.s3_list import backup_list
from ..state.snapshots import list_snapshots
from ..state.storage_pools import read_pools

_RECEIVED_BASE = "BackupLastSnapshot"


@dataclasses.dataclass
class Request:
    """The module's options. Without a remote: the backups that this cluster has received."""

    remote: str | None = None
    resources: list[str] = dataclasses.field(default_factory=list)
    id: str | None = None
    details: bool = False
    queue: bool = False
    target_cluster: Access | None = None


@dataclasses.dataclass
class BackupList:
    """Backups, the newest first, and the queue of shipments."""

    backups: list[dict[str, Any]]
    queue: list[dict[str, Any]]
    warnings: list[str] = dataclasses.field(default_factory=list)


def listing(cluster: Cluster, request: Request) -> BackupList:
    """The requested backups. Raises UnknownError for an unknown id."""
    found: list[RemoteBackup] = []
    remote = find_remote(cluster, request.remote) if request.remote is not None else None
    wanted = request.resources or None
    snaps = list_snapshots(cluster)
    if remote is None:
        if request.target_cluster:
            raise UsageError("target_cluster needs remote: without remote, the backups received here are listed.")
        found = received(snaps)
        _look_at_arrivals(cluster, found, snaps)
    elif remote.type == "s3":
        found = _on_s3(cluster, remote, snaps)
    elif remote.type == "linstor":
        found = _shipped(cluster, remote, snaps, request.target_cluster)
    else:
        raise UsageError(f"remote {remote.name} is of type {remote.type}, which can't hold backups.")
    if wanted is not None:
        names = {name.lower() for name in wanted}
        found = [each for each in found if each.resource.lower() in names]
    result = BackupList(_items(cluster, remote, found, request), [])
    if request.queue:
        result.queue = queue(cluster, remote.name if remote else None)
    if not result.backups and wanted is None and request.id is None:
        result.warnings.append(f"{remote.name} has no backups." if remote else "no backups were received here.")
    return result


def received(snaps: Snaps) -> list[RemoteBackup]:
    """The snapshots that other clusters, or this one, have shipped here."""
    found = []
    for resource, theirs in snaps.items():
        for snap in theirs:
            arrived = snap.received
            if arrived is None:
                continue
            base = base_of(snap)
            found.append(
                RemoteBackup(
                    id=backups.identity(resource, snap.name),
                    resource=resource,
                    snapshot=snap.name,
                    state=arrived.state,
                    base=backups.identity(resource, base) if base else None,
                    base_known="ShippingStatus" in snap.shipping(None),
                    created=snap.time,
                    started=arrived.started,
                    node=arrived.node,
                    report=arrived.report,
                    snap=snap,
                )
            )
    return found


def _look_at_arrivals(cluster: Cluster, found: list[RemoteBackup], snaps: Snaps) -> None:
    """Name the copies that can't be trusted. One request if one of them was never checked."""
    unchecked = any(each.snap is not None and is_unchecked(each.snap) for each in found)
    pools = read_pools(cluster) if unchecked else []
    told = {resource: doubts(theirs, pools) for resource, theirs in snaps.items()}
    for each in found:
        if each.state == "success":
            backups.doubt(each, told[each.resource].get(each.snapshot))


def _on_s3(cluster: Cluster, remote: Remote, snaps: Snaps) -> list[RemoteBackup]:
    answer = backup_list(cluster, remote.name)
    found = backups.on_s3(answer, snaps, remote.name)
    backups.mark_broken(found)
    there = {(each.resource.lower(), each.snapshot.lower()) for each in found}
    now = clock.now()
    # Shipments under way may not be in the bucket yet.
    going = [each for each in backups.shipments(snaps, remote.name) if backups.under_way(each, now)]
    return [*found, *(each for each in going if (each.resource.lower(), each.snapshot.lower()) not in there)]


def _shipped(cluster: Cluster, remote: Remote, snaps: Snaps, target: Access | None) -> list[RemoteBackup]:
    found = backups.shipments(snaps, remote.name)
    with contextlib.ExitStack() as stack:
        if target is not None:
            there = stack.enter_context(Cluster(target))
            backups.attach_checked(found, list_snapshots(there), there)
        elif target_names.is_same_cluster(cluster, remote.options.get("url")):
            backups.attach_checked(found, snaps, cluster)
    return found


def queue(cluster: Cluster, remote: str | None) -> list[dict[str, Any]]:
    """The queued shipments, the next one first. One request."""
    if cluster.rest_version < (1, 20):
        return []
    answer = cluster.read("backup_queue_list", snap_to_node=True, what="reading the backup queue")
    waiting_there = backups.queue_entries(answer)
    entries = [
        {
            "volume": str(each["resource_name"]),
            "snapshot": str(each["snapshot_name"]),
            "remote": str(each.get("remote_name") or ""),
            "type": "incremental" if each.get("incremental") else "full",
            "base": each.get("based_on") or None,
            "node": each.get("pref_node") or None,
            "since": iso_time(each["start_timestamp"] / 1000) if each.get("start_timestamp") else None,
        }
        for each in waiting_there
    ]
    kept = [each for each in entries if remote is None or str(each["remote"]).lower() == remote.lower()]
    return sorted(kept, key=lambda each: each["since"] or "")


def _items(
    cluster: Cluster, remote: Remote | None, found: list[RemoteBackup], request: Request
) -> list[dict[str, Any]]:
    now = clock.now()
    bases = {each.id: each.base for each in found if each.state == "success"}
    listed = remote is not None and remote.type == "s3"
    chosen = backups.newest_first(found)
    if request.id is not None:
        chosen = [each for each in chosen if each.id == request.id.removesuffix(".meta")]
        if not chosen:
            where = f"on {remote.name}" if remote else "among those received here"
            raise UnknownError(
                f"there is no backup {request.id!r} {where}.",
                "Leave id out to list all backups.",
                code="unknown_backup",
            )
    items = [entry(cluster, remote, each, bases, listed, now) for each in chosen]
    if listed and (request.details or request.id is not None):
        _add_sizes(cluster, str(remote and remote.name), chosen, items)
    return items


def entry(
    cluster: Cluster,
    remote: Remote | None,
    backup: RemoteBackup,
    bases: Mapping[str, str | None],
    listed: bool,
    now: float,
) -> dict[str, Any]:
    """One backup in the form of the native module backup_info, with LINSTOR's own fields.

    On a remote without a list, each received snapshot is complete by itself: a chain only counts increments.
    """
    chain = chains.chain(bases, backup.id) if backup.state == "success" else None
    problem = _problem(backup, now)
    source = source_of(backup.snap) if backup.snap is not None and remote is None else None
    return {
        "id": backup.id,
        "provider": "linstor",
        "volume": backup.resource,
        "origin": source or cluster.name,
        "remote": remote.name if remote else None,
        "type": backup.type,
        "base": backup.base,
        "chain": chain,
        "chain_length": len(chain) if chain else (None if listed else chains.known_length(bases, backup.id) or None),
        "complete": problem is None,
        "problem": problem,
        "created": iso_time(backup.created) if backup.created is not None else None,
        "age": round(now - backup.created, 3) if backup.created is not None else None,
        "snapshot": backup.snapshot,
        "state_id": backup.snap.uuid or None if backup.snap else None,
        "state": backup.state,
        "node": backup.node,
        "finished": iso_time(backup.finished) if backup.finished is not None else None,
        "bytes_logical": logical(backup.snap),
        "volumes": backup.volumes,
        "target": backup.target.resource if backup.target else None,
        "target_snapshot": backup.target.name if backup.target else None,
    }


def _problem(backup: RemoteBackup, now: float) -> str | None:
    if backup.state != "success":
        words = {"unknown": "it has no meta object", "lost": "it was queued, but disappeared from the queue"}
        return words.get(backup.state, f"its state is {backup.state}")
    if backup.created is not None and backup.created - now > FUTURE_TOLERANCE:
        return f"its time is {show_duration(backup.created - now)} in the future"
    return backup.problem


def _add_sizes(cluster: Cluster, remote: str, chosen: list[RemoteBackup], items: list[dict[str, Any]]) -> None:
    """Add the bytes of each backup and of its whole chain. One request for each backup."""
    wanted = {each.id for each in chosen if each.state == "success"}
    wanted |= {each.base for each in chosen if each.base is not None and each.state == "success"}
    names = sorted(wanted)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        sizes = dict(zip(names, pool.map(lambda name: chain_size(cluster, remote, name), names)))
    for backup, item in zip(chosen, items):
        whole = sizes.get(backup.id)
        below = sizes.get(backup.base) if backup.base else 0
        item["bytes_chain"] = whole
        item["bytes_stored"] = None if whole is None or below is None else max(whole - below, 0)
