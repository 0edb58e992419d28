# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How LINSTOR lays its backups out in a bucket: the names of objects, and the meta object's JSON.

A volume is ``<resource>_<number:05d>_back_<date>_<time><suffix>[^<snapshot>]``, the meta object the same without the
number and with ``.meta``; the snapshot's name is left out where it is the backup's own.
"""

from __future__ import annotations

import datetime
import json
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    SOURCE,
    STATUS,
    UPLOADING,
    Definition,
    Snapshot,
    SnapshotNode,
)

TIME_FORMAT = "%Y%m%d_%H%M%S"
_ID = r"(?P<id>back_[0-9]{8}_[0-9]{6})"
_META = re.compile(rf"(?P<resource>[a-zA-Z0-9_-]{{2,48}})_{_ID}(?:|(?P<suffix>:?.+?))(?P<snapshot>\^.*)?\.meta")
_VOLUME = re.compile(
    rf"(?P<resource>[a-zA-Z0-9_-]{{2,48}})(?P<layer>\..+)?_(?P<number>[0-9]{{5}})_{_ID}"
    r"(?P<suffix>:?.+?)?(?P<snapshot>\^.*)?"
)
_KINDS = {"LVM_THIN": "lvmThin", "ZFS": "zfs", "ZFS_THIN": "zfsThin"}


@dataclass(frozen=True)
class BackupName:
    """The common name of one backup's objects. ``id`` is ``back_<date>_<time>``."""

    resource: str
    id: str
    suffix: str
    snapshot: str

    @property
    def backup(self) -> str:
        """The backup's id as it is listed."""
        return f"{self.resource}_{self._tail}"

    @property
    def meta(self) -> str:
        return f"{self.backup}.meta"

    @property
    def time(self) -> datetime.datetime:
        return datetime.datetime.strptime(self.id[len("back_") :], TIME_FORMAT).astimezone()

    @property
    def timestamp(self) -> int:
        return int(self.time.timestamp() * 1000)

    def volume(self, number: int) -> str:
        return f"{self.resource}_{number:05d}_{self._tail}"

    @property
    def _tail(self) -> str:
        return f"{self.id}{self.suffix}" + (f"^{self.snapshot}" if self.snapshot != self.id else "")


def of_meta(key: str) -> BackupName | None:
    """None for a key that isn't a meta object's."""
    found = _META.fullmatch(key)
    return _named(found) if found else None


def of_volume(key: str) -> tuple[BackupName, int] | None:
    found = _VOLUME.fullmatch(key)
    return (_named(found), int(found["number"])) if found else None


def _named(found: re.Match[str]) -> BackupName:
    return BackupName(
        found["resource"], found["id"], found["suffix"] or "", (found["snapshot"] or "")[1:] or found["id"]
    )


def local(timestamp: int) -> datetime.datetime:
    """Milliseconds as a time in the controller's zone."""
    return datetime.datetime.fromtimestamp(timestamp / 1000, datetime.timezone.utc).astimezone()


def backup_id(now: datetime.datetime) -> str:
    """The name of a backup that begins now; LINSTOR takes it as the snapshot's too, if none is given."""
    return "back_" + now.strftime(TIME_FORMAT)


def of_snapshot(definition: Definition, snapshot: Snapshot, remote: str) -> BackupName:
    """The name a snapshot's backup has in a remote, from when it was started."""
    started = local(int(snapshot.source(remote, "BackupStartTimestamp") or 0))
    suffix = snapshot.source(remote, "S3KeySuffix") or ""
    return BackupName(definition.name, backup_id(started), suffix, snapshot.name)


def meta(
    cluster: Cluster, definition: Definition, snapshot: Snapshot, remote: str, node: str, base: str | None
) -> bytes:
    """The meta object, which is written last. ``base``: the key of the base's meta object."""
    name, now = of_snapshot(definition, snapshot, remote), cluster.clock.now
    volumes = snapshot.volumes.values()
    made = {
        "rscName": definition.name,
        "nodeName": node,
        "startTimestamp": int(snapshot.source(remote, "BackupStartTimestamp") or 0),
        "finishTimestamp": now,
        **({"basedOn": base} if base else {}),
        "layerData": _layer(snapshot, snapshot.layers, snapshot.nodes[node]),
        "rscDfn": {
            "snapDfnProps": {**snapshot.props, f"{SOURCE}/{remote}/{STATUS}": UPLOADING},
            "rscDfnProps": {
                **snapshot.definition_props,
                "Cluster/LocalID": cluster.id,
                "CurStltConnName": "default",
                "NodeName": node,
                "NodeUname": node,
            },
            "flags": 0,
            "vlmDfns": {
                str(each.number): {"snapVlmDfnProps": {}, "vlmDfnProps": {}, "flags": 0, "size": each.size_kib}
                for each in volumes
            },
        },
        "rsc": {
            "snapProps": {},
            "rscProps": {"StorPoolName": snapshot.nodes[node].pool},
            "flags": 0,
            "vlms": {str(each.number): {"snapVlmProps": {}, "vlmProps": {}, "flags": 0} for each in volumes},
        },
        **({"luksInfo": _luks(cluster)} if "LUKS" in snapshot.layers else {}),
        "backups": {
            str(each.number): [{"name": name.volume(each.number), "finishedTimestamp": now, "node": node}]
            for each in volumes
        },
        "clusterId": cluster.id,
        "snapDfnUuid": snapshot.uuid,
    }
    return json.dumps(made).encode()


def _layer(snapshot: Snapshot, layers: list[str], node: SnapshotNode) -> dict[str, Any]:
    kind = layers[0].lower()
    made: dict[str, Any] = {"kind": kind, "rscNameSuffix": ""}
    made["children"] = [_layer(snapshot, layers[1:], node)] if len(layers) > 1 else []
    if kind == "storage":
        pool = {"kind": "storPool", "storPoolName": node.pool, "deviceProviderKind": node.provider}
        made["volumeList"] = [
            {
                "kind": _KINDS.get(node.provider, "diskless"),
                "vlmNr": each.number,
                "storPoolApi": pool,
                "usableSize": each.size_kib,
                "allocatedSize": each.content.allocated >> 10,
                "snapshotUsableSize": each.size_kib,
                "snapshotAllocatedSize": each.content.allocated >> 10,
            }
            for each in snapshot.volumes.values()
        ]
    else:
        made["volumeList"] = [{"kind": kind, "vlmNr": each.number} for each in snapshot.volumes.values()]
    return made


def _luks(cluster: Cluster) -> dict[str, str]:
    """Stand-ins for encrypted values: the double encrypts nothing."""
    return {"masterPassword": f"{cluster.id[:8]}AA=", "masterCryptHash": "AAAA", "masterCryptSalt": "AAAA"}
