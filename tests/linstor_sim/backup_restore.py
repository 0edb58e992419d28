# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores from a bucket, and the sizes of such restores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard

from ansible_collections.snapship.dr.tests.linstor_sim import capacity, codes, receiving, s3_layout, youth
from ansible_collections.snapship.dr.tests.linstor_sim.backup_list import Meta, need_key, read_keys, read_metas
from ansible_collections.snapship.dr.tests.linstor_sim.buckets import Unreachable, bucket_of
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.receiving import Reception, Terms
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Entries, Refused, entry
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import BackupName
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool, Remote

_LATER = 1 << 60
_PATTERN = (
    "'<rscName>_back_YYYYMMDD_HHMMSS[optional-backup-s3-suffix][^snapshot-name][.meta] (e.g. "
    "my-rsc_back_20210824_072543)'. Please provide a valid target backup, or provide only the source resource name to "
    "restore to the latest backup of that resource."
)


@dataclass(frozen=True)
class Wanted:
    """The options of a restore, named as in the API."""

    node_name: str
    target_rsc_name: str
    src_rsc_name: str = ""
    src_snap_name: str = ""
    last_backup: str = ""
    stor_pool_map: dict[str, str] = field(default_factory=dict)
    passphrase: str = ""
    download_only: bool = False
    force_restore: bool = False
    dst_rsc_grp: str = ""
    force_mv_rsc_grp: bool = False


def selection(last_backup: str, resource: str) -> None:
    """Refused unless exactly one of the two is given."""
    if bool(last_backup) == bool(resource):
        few = "Too few" if not last_backup else "Too many"
        message = f"{few} parameters given. Either the backup's id or the source resource has to be given."
        raise Refused(codes.FAIL_INVLD_REQUEST, message)


def find(cluster: Cluster, remote: Remote, wanted: str, resource: str, snapshot: str) -> tuple[BackupName | None, Any]:
    """The requested backup and the bucket's keys. Without an id it is the latest one whose key *begins* with the
    resource's name, as in LINSTOR. This may be another resource's backup."""
    if wanted:
        key = wanted if wanted.endswith(".meta") else f"{wanted}.meta"
        named = s3_layout.of_meta(key)
        if named is None:
            message = f"The target backup {wanted} is invalid since it does not match the pattern of {_PATTERN}"
            raise Refused(codes.FAIL_INVLD_BACKUP_CONFIG | codes.MASK_BACKUP, message)
        return named, read_keys(cluster, remote, named.resource)
    keys = read_keys(cluster, remote, resource)
    names = [name for name in map(s3_layout.of_meta, keys) if name and snapshot in ("", name.snapshot)]
    return max(names, key=lambda name: name.id, default=None), keys


def chain(cluster: Cluster, remote: Remote, name: BackupName, keys: list[str]) -> list[tuple[BackupName, Meta]]:
    """From the wanted backup back to its full."""
    metas = read_metas(cluster, remote, keys=keys)
    found: list[tuple[BackupName, Meta]] = []
    key: str | None = name.meta
    while key:
        named = s3_layout.of_meta(key)
        if key not in metas or named is None:
            message = f"Failed to parse meta file {name.meta}"
            raise Refused(codes.FAIL_UNKNOWN_ERROR | codes.MASK_BACKUP, message, report=True)
        found.append((named, metas[key]))
        key = metas[key].get("basedOn")
    return found


def restore(cluster: Cluster, remote_name: str, wanted: Wanted) -> Entries:
    """Start a download; ``step`` continues it."""
    node = cluster.node(wanted.node_name)
    if not node.online:
        raise Refused(
            codes.FAIL_NOT_CONNECTED,
            f"No active connection to satellite '{node.name}'.",
            details="Backups cannot be restored when the corresponding satellite is not connected.",
        )
    remote = cluster.s3_remote(remote_name)
    need_key(cluster)
    name, keys = find(cluster, remote, wanted.last_backup, wanted.src_rsc_name, wanted.src_snap_name)
    if name is None or name.meta not in keys:
        message = (
            f"The target backup {name.meta if name else 'null'} is invalid since it does not exist in the given remote "
            f"{remote.name}. Please provide a valid target backup, or provide only the source resource name to restore "
            "to the latest backup of that resource."
        )
        raise Refused(codes.FAIL_INVLD_BACKUP_CONFIG | codes.MASK_BACKUP, message)
    links = chain(cluster, remote, name, keys)
    there = cluster.find_definition(wanted.target_rsc_name)
    missing = [each for each in links if not there or each[0].snapshot not in there.snapshots]
    if not missing:
        message = (
            "The requested backup has already been downloaded to this cluster. Please use 'snapshot resource restore' "
            "to get a resource."
        )
        raise Refused(codes.FAIL_EXISTS_SNAPSHOT | codes.MASK_BACKUP, message)
    return _begin(cluster, remote, wanted, node.name, missing, keys)


def _begin(
    cluster: Cluster,
    remote: Remote,
    wanted: Wanted,
    node: str,
    missing: list[tuple[BackupName, Meta]],
    keys: list[str],
) -> Entries:
    said: Entries = []
    receptions: list[Reception] = []
    definition = None
    for name, meta in missing:
        _need_whole(meta, keys)
        _need_passphrase(name, meta, wanted)
        terms = _terms(wanted, node, meta)
        pool = _place(cluster, terms)
        if definition is None:
            definition = receiving.definition_for(cluster, terms, said)
        started = meta["startTimestamp"]
        made = receiving.prepare(cluster, definition, name.snapshot, terms, pool, started, remote.name, said)
        made.props["BackupShipping/Target/BackupToRestore"] = name.meta
        base = s3_layout.of_meta(meta["basedOn"]) if meta.get("basedOn") else None
        if base is not None:
            made.props["BackupShipping/Target/BackupLastSnapshot"] = base.snapshot
        receptions.append(Reception(definition, made, remote.name, None, 0, False))
        receptions[-1].backup = name
    for later, earlier in zip(receptions, receptions[1:]):
        earlier.next = later
    first = receptions[-1]
    young = [youth.begin(cluster, each.definition, each.snapshot, _starter(cluster, each)) for each in receptions]
    if all(young):
        first.ends = _LATER
        cluster.receptions.append(first)
    else:
        _start(cluster, first, cluster.clock.now)
    message = (
        f"Restoring backup of resource {missing[0][0].resource} from remote {remote.name} into resource "
        f"{wanted.target_rsc_name} in progress."
    )
    into = f"'[{definition.name}]' on '{node}'" if definition else ""
    taken = (f"Suspended IO of {into} for snapshot", f"Took snapshot of {into}", f"Resumed IO of {into} after snapshot")
    return [*(entry(codes.MODIFIED, text) for text in taken), *said, entry(codes.MASK_INFO, message)]


def _need_whole(meta: Meta, keys: list[str]) -> None:
    for part in (part for parts in meta["backups"].values() for part in parts):
        if part["name"] not in keys:
            message = f"Failed to find backup {part['name']}"
            raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT | codes.MASK_BACKUP, message, report=True)


def _need_passphrase(name: BackupName, meta: Meta, wanted: Wanted) -> None:
    if meta.get("luksInfo") and not wanted.passphrase:
        message = (
            f"The resource {name.resource} to be restored seems to have luks configured, but no passphrase was given."
        )
        raise Refused(codes.FAIL_NOT_FOUND_CRYPT_KEY | codes.MASK_BACKUP, message, report=True)


def _terms(wanted: Wanted, node: str, meta: Meta) -> Terms:
    layers, storage = [], meta["layerData"]
    while storage["children"]:
        layers.append(storage["kind"].upper())
        storage = storage["children"][0]
    pool = storage["volumeList"][0]["storPoolApi"]
    return Terms(
        wanted.target_rsc_name,
        [*layers, "STORAGE"],
        pool["deviceProviderKind"],
        pool["storPoolName"],
        {int(number): each["size"] for number, each in meta["rscDfn"]["vlmDfns"].items()},
        node,
        rename=wanted.stor_pool_map,
        group=wanted.dst_rsc_grp,
        move_group=wanted.force_mv_rsc_grp,
        download_only=wanted.download_only,
        force_restore=wanted.force_restore,
        props=meta["rscDfn"]["snapDfnProps"],
        definition_props=meta["rscDfn"]["rscDfnProps"],
    )


def _place(cluster: Cluster, terms: Terms) -> Pool:
    name = terms.rename.get(terms.source_pool, terms.rename.get("*", terms.source_pool))
    if not any(each.name == name for each in cluster.pools.values()):
        message = f"Storage pool definition '{name}' not found."
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL_DFN, message)
    found = cluster.pools.get((terms.node, name))
    if found is None:
        message = f"Storage pool '{name}' on node '{terms.node}' not found."
        raise Refused(codes.FAIL_NOT_FOUND_STOR_POOL, message)
    if found.provider != terms.provider:
        raise Refused(codes.FAIL_UNKNOWN_ERROR, "An exception occurred while creating layer data", report=True)
    return found


def _starter(cluster: Cluster, reception: Reception) -> Callable[[], None]:
    """Starts it, if it is the first of its chain."""
    return lambda: _start(cluster, reception, cluster.clock.now) if reception.ends == _LATER else None


def _start(cluster: Cluster, reception: Reception, at: int) -> None:
    reception.ends = at + int(cluster.options.ship_seconds * 1000)
    reception.fault = cluster.faults.of_shipment(reception.definition.name, reception.remote)
    if reception not in cluster.receptions:
        cluster.receptions.append(reception)


def step(cluster: Cluster) -> None:
    """Carry out the downloads that are due. The next one of a chain begins after the one before it."""
    while True:
        due = [each for each in cluster.receptions if _is_due(cluster, each)]
        if not due:
            return
        first = due[0]
        following, ended = first.next, first.ends
        _download(cluster, first)
        if following in cluster.receptions and following is not None:
            _start(cluster, following, ended)


def _is_due(cluster: Cluster, reception: Reception) -> bool:
    hangs = reception.fault is not None and reception.fault.how == "hang"
    return reception.backup is not None and not hangs and reception.ends <= cluster.clock.now


def _download(cluster: Cluster, reception: Reception) -> None:
    name = reception.backup
    if name is None:
        return
    # No other thread may begin with it while the lock is open.
    reception.backup = None
    node = next(iter(reception.snapshot.nodes))
    base = reception.snapshot.target("BackupLastSnapshot")
    reception.base = reception.definition.snapshots.get(base) if base else None
    bucket = bucket_of(cluster, cluster.remotes[reception.remote])
    try:
        if reception.fault and reception.fault.how in ("fail", "cut", "lose"):
            raise ValueError(reception.fault.message)
        for number in reception.snapshot.volumes:
            with cluster.unlocked():
                stream = zstandard.decompress(bucket.get(name.volume(number)))
            receiving.receive(cluster, reception, number, stream)
    except (Unreachable, ValueError, zstandard.ZstdError) as error:
        cluster.report(node, f"Receiving of backup {name.backup} failed: {error}")
        if reception in cluster.receptions:
            receiving.finish(cluster, reception, False)
        return
    if reception in cluster.receptions:
        receiving.finish(cluster, reception, True)


def info(cluster: Cluster, remote_name: str, wanted: Wanted) -> dict[str, Any]:
    """The sizes that a restore would download and allocate."""
    remote = cluster.s3_remote(remote_name)
    need_key(cluster)
    name, keys = find(cluster, remote, wanted.last_backup, wanted.src_rsc_name, wanted.src_snap_name)
    if name is None:
        message = (
            f"Could not find a matching backup for resource '{wanted.src_rsc_name or 'null'}', snapshot "
            f"'{wanted.src_snap_name or 'null'}' and id '{wanted.last_backup or 'null'}' in remote '{remote.name}'"
        )
        raise Refused(codes.FAIL_NOT_FOUND_BACKUP | codes.MASK_BACKUP, message)
    if name.meta not in keys:
        message = f"Could not find the needed meta-file with the name '{name.meta}' in remote '{remote.name}'"
        raise Refused(codes.FAIL_NOT_FOUND_SNAPSHOT_DFN | codes.MASK_BACKUP, message)
    links = chain(cluster, remote, name, keys)
    name = links[0][0]
    sizes = _sizes(cluster, remote, links)
    terms = _terms(wanted, wanted.node_name, links[0][1])
    target = wanted.stor_pool_map.get(terms.source_pool, terms.source_pool)
    allocated = sum(each["allocatedSize"] for each in _storage(links[0][1]))
    pool = cluster.pools.get((wanted.node_name, target))
    return {
        "rsc": name.resource,
        "snap": name.snapshot,
        "full": links[-1][0].meta,
        "latest": name.backup,
        "count": len(links),
        "dl_size_kib": sum(sizes.values()),
        "alloc_size_kib": allocated,
        "storpools": [
            {
                "name": terms.source_pool,
                "provider_kind": terms.provider,
                "target_name": target,
                "remaining_space_kib": capacity.free_kib(cluster, pool) - allocated if pool else None,
                "vlms": [
                    {
                        "name": link.volume(each["vlmNr"]),
                        "layer_type": "STORAGE",
                        "dl_size_kib": sizes[link.volume(each["vlmNr"])],
                        "alloc_size_kib": each["allocatedSize"] if link is name else None,
                        "usable_size_kib": each["usableSize"] if link is name else None,
                    }
                    for link, meta in links
                    for each in _storage(meta)
                ],
            }
        ],
    }


def _storage(meta: Meta) -> list[dict[str, Any]]:
    layer = meta["layerData"]
    while layer["children"]:
        layer = layer["children"][0]
    volumes: list[dict[str, Any]] = layer["volumeList"]
    return volumes


def _sizes(cluster: Cluster, remote: Remote, links: list[tuple[BackupName, Meta]]) -> dict[str, int]:
    bucket, sizes = bucket_of(cluster, remote), {}
    with cluster.unlocked():
        for name, meta in links:
            for number in meta["backups"]:
                key = name.volume(int(number))
                try:
                    sizes[key] = -(-len(bucket.get(key)) // 1024)
                except Unreachable:
                    sizes[key] = 0
    return sizes
