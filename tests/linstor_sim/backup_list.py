# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of a bucket's backups, as LINSTOR returns it."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim import codes, s3_layout
from ansible_collections.snapship.dr.tests.linstor_sim.buckets import Unreachable, bucket_of
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Reason, Refused
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import TIME_FORMAT, BackupName
from ansible_collections.snapship.dr.tests.linstor_sim.state import SHIPPING, SOURCE, STATUS, SUCCESS, Remote
from ansible_collections.snapship.dr.tests.linstor_sim.status import status_of

Meta = dict[str, Any]


def need_key(cluster: Cluster) -> None:
    """The bucket's keys are encrypted with the passphrase."""
    if cluster.passphrase_status != "unlocked":
        raise Refused(
            codes.FAIL_NOT_FOUND_CRYPT_KEY,
            "Unable to decrypt the S3 access key and secret key without having a master key",
            cause="The masterkey was not initialized yet",
            correction="Create or enter the master passphrase",
        )


def read_keys(cluster: Cluster, remote: Remote, resource: str = "") -> list[str]:
    need_key(cluster)
    bucket = bucket_of(cluster, remote)
    with cluster.unlocked():
        try:
            return bucket.keys(resource)
        except Unreachable as error:
            if error.root:
                why = Reason(str(error), "SdkClientException", error.root)
                unknown = codes.FAIL_UNKNOWN_ERROR
                raise Refused(unknown, "Exception thrown.", report=True, reason=why, details=str(error)) from error
            message = f"Failed to list the objects of remote '{remote.name}'"
            raise Refused(
                codes.FAIL_UNKNOWN_ERROR | codes.MASK_BACKUP, message, report=True, cause=str(error)
            ) from error


def read_metas(cluster: Cluster, remote: Remote, resource: str = "", keys: list[str] | None = None) -> dict[str, Meta]:
    """All readable meta objects, by key."""
    wanted = [key for key in (read_keys(cluster, remote, resource) if keys is None else keys) if s3_layout.of_meta(key)]
    bucket = bucket_of(cluster, remote)
    found = {}
    with cluster.unlocked():
        for key in wanted:
            try:
                read = json.loads(bucket.get(key))
            except (Unreachable, ValueError):
                continue
            if isinstance(read, dict) and "rscName" in read:
                found[key] = read
    return found


def listed(cluster: Cluster, remote: Remote, resource: str, snapshot: str) -> dict[str, Any]:
    """The reply to a list of backups."""
    keys = read_keys(cluster, remote, resource)
    metas = read_metas(cluster, remote, resource, keys)
    backups: dict[str, Any] = {}
    known: set[str] = set()
    for key, meta in metas.items():
        name = s3_layout.of_meta(key)
        if name is None or (snapshot and snapshot.lower() != name.snapshot.lower()):
            continue
        item, used = _from_meta(key, name, meta, keys)
        backups[name.backup] = item
        known |= {key, *used}
    for key in keys:
        volume = s3_layout.of_volume(key) if key not in known else None
        if volume and (not snapshot or snapshot.lower() == volume[0].snapshot.lower()):
            same = [each for each in keys if (s3_layout.of_volume(each) or (None,))[0] == volume[0]]
            backups.setdefault(volume[0].backup, _without_meta(cluster, remote, volume[0], same))
            known |= set(same)
    _need_start_times(cluster, remote, resource)
    for name, futures in _under_way(cluster, remote, resource, snapshot):
        backups.setdefault(name.backup, _without_meta(cluster, remote, name, futures))
    others = [key for key in keys if key not in known]
    return {"linstor": dict(sorted(backups.items())), "other": {"files": others}}


def _need_start_times(cluster: Cluster, remote: Remote, resource: str) -> None:
    """LINSTOR reads the start time of a shipment to this bucket from every snapshot under way, whatever its remote."""
    for definition in cluster.definitions.values():
        if resource and definition.name.lower() == resource.lower():
            continue
        for snapshot in definition.snapshots.values():
            shipping = any(
                key.startswith(f"{SOURCE}/") and key.endswith(f"/{STATUS}") and value == SHIPPING
                for key, value in snapshot.props.items()
            )
            if shipping and snapshot.source(remote.name, "BackupStartTimestamp") is None:
                details = "Cannot parse null string"
                raise Refused(codes.FAIL_UNKNOWN_ERROR, "Exception thrown.", report=True, details=details)


def _under_way(cluster: Cluster, remote: Remote, resource: str, snapshot: str) -> list[tuple[BackupName, list[str]]]:
    """Uploads that aren't in the bucket yet. With a filter, LINSTOR leaves out those of the requested resource."""
    found = []
    for each in cluster.shipments:
        order = each.order
        if order.remote is not remote and order.remote.name != remote.name:
            continue
        if resource and order.definition.name.lower() == resource.lower():
            continue
        if snapshot and order.snapshot.name.lower() == snapshot.lower():
            continue
        name = s3_layout.of_snapshot(order.definition, order.snapshot, remote.name)
        found.append((name, [name.volume(number) for number in order.snapshot.volumes]))
    return found


def _from_meta(key: str, name: BackupName, meta: Meta, keys: list[str]) -> tuple[dict[str, Any], list[str]]:
    restorable, volumes, used = True, {}, []
    for number, parts in meta.get("backups", {}).items():
        for part in parts:
            volume = s3_layout.of_volume(part["name"]) if part["name"] in keys else None
            if volume is None or volume[1] != int(number):
                restorable = False
                continue
            used.append(part["name"])
            volumes[int(number)] = {
                "vlm_nr": int(number),
                "finished_time": _time(part["finishedTimestamp"]),
                "finished_timestamp": part["finishedTimestamp"],
                "s3": {"key": part["name"]},
            }
    item = {
        "id": name.backup,
        "start_time": _time(meta["startTimestamp"]),
        "start_timestamp": meta["startTimestamp"],
        "finished_time": _time(meta["finishTimestamp"]),
        "finished_timestamp": meta["finishTimestamp"],
        "origin_rsc": name.resource,
        "origin_snap": name.snapshot,
        "origin_node": meta["nodeName"],
        "vlms": list(volumes.values()),
        "success": True,
        "shipping": False,
        "restorable": restorable,
        "s3": {"meta_name": key},
        "based_on_id": meta.get("basedOn"),
    }
    return item, used


def _without_meta(cluster: Cluster, remote: Remote, name: BackupName, keys: list[str]) -> dict[str, Any]:
    definition = cluster.find_definition(name.resource)
    snapshot = definition.snapshots.get(name.snapshot) if definition else None
    status = status_of(snapshot, remote.name) if snapshot else None
    state: dict[str, bool | None] = {"shipping": False, "success": False}
    if status is None:
        state = {"shipping": None, "success": None}
    elif status in (SHIPPING, SUCCESS):
        state = {"shipping": status == SHIPPING, "success": True if status == SUCCESS else None}
    return {
        "id": name.backup,
        "start_time": name.time.strftime(TIME_FORMAT),
        "start_timestamp": name.timestamp,
        "origin_rsc": name.resource,
        "origin_snap": name.snapshot,
        "origin_node": (
            snapshot.source(remote.name, "SrcNode") if snapshot and status in (SHIPPING, SUCCESS) else None
        ),
        "vlms": [{"vlm_nr": (s3_layout.of_volume(key) or (None, 0))[1], "s3": {"key": key}} for key in keys],
        "restorable": False,
        **state,
    }


def _time(timestamp: int) -> str:

    return s3_layout.local(timestamp).strftime(TIME_FORMAT)
