# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deleting backups from a bucket, together with their local snapshots."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, s3_layout
from ansible_collections.snapship.dr.tests.linstor_sim.backup_list import Meta, read_keys, read_metas
from ansible_collections.snapship.dr.tests.linstor_sim.buckets import Unreachable, bucket_of
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import is_busy
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Remote, Snapshot


@dataclass(frozen=True)
class Selection:
    """The backups to delete. Empty fields don't matter; ``before`` is a local time as in backups' names."""

    id: str = ""
    prefix: str = ""
    key: str = ""
    before: str = ""
    resource: str = ""
    node: str = ""
    every: bool = False
    of_this_cluster: bool = False
    cascading: bool = False

    def check(self) -> None:
        """Refused without any field, and with fields that LINSTOR doesn't allow together."""
        kinds = [self.id, self.prefix, self.key, self.before + self.resource + self.node]
        count = sum(map(bool, [*kinds, self.every, self.of_this_cluster]))
        if not count:
            message = (
                "You have to specify which backups you want to delete. Use 'all' to delete all backups in the "
                "specified bucket"
            )
            raise Refused(codes.FAIL_INVLD_REQUEST, message)
        if count > 1:
            message = (
                "Too many parameters given. You can only use the following parameters in combination: id and "
                "cascading; s3key and cascading; since, resource_name and node_name in any combination; all other "
                "parameters can only be used on their own."
            )
            raise Refused(codes.FAIL_INVLD_REQUEST, message)


@dataclass
class _Doomed:
    keys: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    snapshots: list[tuple[Definition, Snapshot]] = field(default_factory=list)
    said: Entries = field(default_factory=list)


class _Bucket:
    """The existing backups and their bases."""

    def __init__(self, cluster: Cluster, remote: Remote) -> None:
        self.keys = set(read_keys(cluster, remote))
        self.metas: dict[str, Meta] = read_metas(cluster, remote, keys=sorted(self.keys))

    def volumes(self, meta: str) -> list[str]:
        return [part["name"] for parts in self.metas[meta].get("backups", {}).values() for part in parts]

    def dependants(self, meta: str) -> list[str]:
        return [key for key, each in self.metas.items() if each.get("basedOn") == meta]


def delete(cluster: Cluster, remote: Remote, wanted: Selection, dry_run: bool, keep_snapshots: bool) -> Entries:
    """The reply."""
    there = _Bucket(cluster, remote)
    doomed = _Doomed()
    for key in _chosen(cluster, remote, wanted, there, doomed):
        _doom(cluster, there, key, wanted.cascading or wanted.every or wanted.of_this_cluster, doomed)
    if wanted.key:
        doomed.keys.add(wanted.key)
        doomed.missing.discard(wanted.key)
    if keep_snapshots:
        doomed.snapshots.clear()
    entries = _would(doomed) if dry_run else _carry_out(cluster, remote, doomed)
    if doomed.missing:
        missing = "".join(f"  {key}\n" for key in sorted(doomed.missing))
        message = f"The following S3 keys were not found in the given remote:\n{missing}"
        entries.append(entry(codes.WARN_NOT_FOUND, message))
    return entries + doomed.said


def _chosen(cluster: Cluster, remote: Remote, wanted: Selection, there: _Bucket, doomed: _Doomed) -> list[str]:
    if wanted.every:
        return sorted(there.metas)
    if wanted.of_this_cluster:
        return sorted(key for key, meta in there.metas.items() if meta.get("clusterId") == cluster.id)
    if wanted.key:
        return [wanted.key]
    if wanted.id or wanted.prefix:
        start = wanted.prefix or (wanted.id if wanted.id.endswith(".meta") else f"{wanted.id}.meta")
        found = sorted(key for key in there.metas if key.startswith(start))
        if not found:
            what = "id prefix" if wanted.prefix else "id"
            message = f"No backup with {what} '{start}' found on remote '{remote.name}'"
            doomed.said.append(entry(codes.WARN_NOT_FOUND, message))
        return found
    limit = _time(wanted.before) if wanted.before else None
    return sorted(
        key
        for key, meta in there.metas.items()
        if (not wanted.resource or meta["rscName"].lower() == wanted.resource.lower())
        and (not wanted.node or meta["nodeName"].lower() == wanted.node.lower())
        and (limit is None or meta["startTimestamp"] < limit)
    )


def _time(text: str) -> int:
    try:
        found = datetime.datetime.strptime(text, s3_layout.TIME_FORMAT).astimezone()
    except ValueError:
        message = f"Failed to parse '{text}'. Expected format: YYYYMMDD_HHMMSS (e.g. 20210824_072543)"
        raise Refused(codes.FAIL_INVLD_TIME_PARAM, message, report=True) from None
    return int(found.timestamp() * 1000)


def _doom(cluster: Cluster, there: _Bucket, key: str, cascading: bool, doomed: _Doomed) -> None:
    if key in doomed.keys:
        return
    if key not in there.metas:
        (doomed.keys if key in there.keys else doomed.missing).add(key)
        return
    doomed.keys.add(key)
    for volume in there.volumes(key):
        (doomed.keys if volume in there.keys else doomed.missing).add(volume)
    for dependant in there.dependants(key):
        if not cascading:
            message = (
                f"{key} should be deleted, but at least {dependant} is referencing it. Use --cascading to delete "
                "recursively"
            )
            raise Refused(codes.FAIL_DEPENDEND_BACKUP, message, report=True)
        _doom(cluster, there, dependant, cascading, doomed)
    _doom_snapshot(cluster, there.metas[key], doomed)


def _doom_snapshot(cluster: Cluster, meta: Meta, doomed: _Doomed) -> None:
    definition = cluster.find_definition(meta["rscName"])
    for snapshot in definition.snapshots.values() if definition else []:
        if snapshot.uuid == meta["snapDfnUuid"] and definition is not None:
            doomed.snapshots.append((definition, snapshot))


def _would(doomed: _Doomed) -> Entries:
    entries = []
    if doomed.keys:
        keys = "".join(f"  {key}\n" for key in sorted(doomed.keys))
        entries.append(entry(0, f"Would delete s3 objects:\n{keys}"))
    if doomed.snapshots:
        snapshots = "".join(f"  Resource: {each.name}, Snapshot: {of.name}\n" for each, of in doomed.snapshots)
        entries.append(entry(0, f"Would delete Snapshots:\n{snapshots}"))
    return entries or [entry(0, "Dryrun mode. Although nothing selected for deletion")]


def _carry_out(cluster: Cluster, remote: Remote, doomed: _Doomed) -> Entries:
    entries: Entries = []
    if not doomed.keys:
        entries.append(entry(codes.INFO_NOOP | codes.MASK_BACKUP, "Could not find any backups to delete."))
    bucket, kept = bucket_of(cluster, remote), []
    with cluster.unlocked():
        for key in sorted(doomed.keys):
            try:
                bucket.delete(key)
            except Unreachable:
                kept.append(key)
    if kept:
        message = f"Could not delete [{', '.join(kept)}]"
        entries.append(entry(codes.FAIL_UNKNOWN_ERROR | codes.MASK_BACKUP, message))
    deleted = ", ".join(key for key in sorted(doomed.keys) if key not in kept)
    entries.append(entry(codes.MASK_SUCCESS | codes.MASK_BACKUP, f"Successfully deleted [{deleted}]"))
    for definition, snapshot in doomed.snapshots:
        entries.append(_deleted(cluster, definition, snapshot))
    return entries


def _deleted(cluster: Cluster, definition: Definition, snapshot: Snapshot) -> dict[str, Any]:
    about = {"RscDfn": definition.name, "Snapshot": snapshot.name}
    busy = is_busy(cluster, snapshot)
    if busy:
        message = f"Snapshot definition {snapshot.name} of resource {definition.name} is {busy}."
        return entry(codes.FAIL_IN_USE | codes.MASK_SNAPSHOT | codes.MASK_DEL, message, references=about)
    definition.snapshots.pop(snapshot.name, None)
    message = f"Snapshot '{snapshot.name}' of resource '{definition.name}' deleted."
    return entry(codes.DELETED | codes.MASK_SNAPSHOT | codes.MASK_DEL, message, references=about)
