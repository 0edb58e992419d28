# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The backups of a cluster's resources on a remote. Each list is one request for all resources."""

from __future__ import annotations

import dataclasses
import datetime
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..._engine.common.units import UTC
from ..._engine.policy import chains
from ..api.cluster import Cluster
from .arrivals import doubts, is_unchecked
from .snapshots import ShipmentStatus, Snap
from .storage_pools import Pool, read_pools

#: seconds for which a shipment may be missing from both the queue and the snapshots: they are read one after the other
GRACE = 30.0
#: seconds after which a shipment that is still being prepared never starts; a target waits 300 of them
PREPARING_FOR = 600.0
_META = ".meta"
_GENERATED = re.compile(r"back_\d{8}_\d{6}")
_NAMED = re.compile(r"backup-(\d{8}-\d{6})-[0-9a-f]{6}")  # by new_name
_NAMED_BEFORE = 5.0  # seconds
_BASE = "BackupLastSnapshot"
_SOURCE_UUID = "Backup/Target/SourceSnapDfnUUID"
#: the property, followed by the remote's name, of a snapshot whose shipment the target has refused
REFUSED = "Aux/snapship.dr/refused/"
#: how the problem of a doubtful copy begins
UNTRUSTED = "the copy can't be trusted: "
SOURCE_CLUSTER = "Backup/FromClusterUUID"

Snaps = Mapping[str, list[Snap]]


@dataclasses.dataclass
class RemoteBackup:
    """A backup, or a shipment that may become one. Times in seconds since the epoch.

    ``created`` is the snapshot's time (see :attr:`Snap.time`), or when the shipment began if the snapshot is gone.
    ``id`` is the id in the S3 remote's list, or ``<resource>/<snapshot>`` for other remotes. ``base`` is the id of its
    base; ``base_known`` is false if the controller doesn't tell the base, so that a full one can't be recognized.
    ``state`` is a ShipmentStatus' one, or ``lost`` (it was queued, but disappeared from the queue), or ``stuck`` (it
    is queued behind a failed shipment). ``snap`` is the snapshot in the cluster, if it still exists. ``noted`` is the
    state that this snapshot records: LINSTOR uses a base only if that says success, whatever the bucket has.
    ``numbers`` are those of the volumes whose objects a bucket has.
    ``young``: its snapshot was named beforehand, and records nothing of a shipment yet. ``doubtful``: the target has
    it, but its content can't be trusted.
    """

    id: str
    resource: str
    snapshot: str
    state: str
    base: str | None = None
    base_known: bool = True
    created: float | None = None
    started: float | None = None
    finished: float | None = None
    node: str | None = None
    numbers: tuple[int, ...] = ()
    problem: str | None = None
    report: str | None = None
    snap: Snap | None = None
    target: Snap | None = None
    noted: str | None = None
    young: bool = False
    doubtful: bool = False

    @property
    def complete(self) -> bool:
        """Whether it is complete and can be restored."""
        return self.state == "success" and self.problem is None

    @property
    def volumes(self) -> list[dict[str, int | None]]:
        """Number and size in bytes of each volume; no size if the snapshot no longer exists."""
        sizes = self.snap.sizes if self.snap else {}
        return [{"number": number, "size": sizes.get(number)} for number in sorted({*self.numbers, *sizes})]

    @property
    def buildable(self) -> bool:
        """Whether LINSTOR can use it as a base. An increment on a base that LINSTOR records as failed waits forever."""
        return self.complete and self.noted in (None, "success")

    @property
    def type(self) -> str | None:
        """``full``, ``incremental``, or ``None`` if the controller doesn't tell."""
        if self.base is not None:
            return "incremental"
        return "full" if self.base_known else None


def newest_first(backups: Iterable[RemoteBackup]) -> list[RemoteBackup]:
    """Backups by the time of their snapshots, the newest first."""
    return sorted(backups, key=lambda each: (each.created or 0.0, each.id), reverse=True)


def shipments(snaps: Snaps, remote: str, queue: frozenset[tuple[str, str]] = frozenset()) -> list[RemoteBackup]:
    """All past and current shipments to ``remote``, from the snapshots; ``queue`` has (resource, snapshot)."""
    found = []
    for resource, theirs in snaps.items():
        for snap in theirs:
            backup = of_snapshot(resource, snap, remote, queue)
            if backup is not None:
                found.append(backup)
    return found


def of_snapshot(
    resource: str, snap: Snap, remote: str, queue: frozenset[tuple[str, str]] = frozenset()
) -> RemoteBackup | None:
    """The shipment of one snapshot to ``remote``, or ``None`` if it was never shipped there."""
    props = snap.shipping(remote)
    shipment = snap.shipment(remote)
    modern = "ShippingStatus" in props
    if snap.received is not None and props.get("ShippingStatus", "").lower() == "uploading metadata":
        return None  # the property came with the snapshot: it is about the shipment to this cluster
    if (resource.lower(), snap.name.lower()) in queue:
        state = "queued"
    elif shipment is None:
        if "BackupStartTimestamp" not in props or snap.received is not None and not props.get("BackupTargetRemote"):
            return None
        state = "lost"
    else:
        state = "lost" if shipment.state == "preparing" and not modern else shipment.state
    if state == "preparing" and f"{REFUSED}{remote}".lower() in {key.lower() for key in snap.props}:
        state = "failed"
    base = props.get(_BASE) if modern else _old_base(snap)
    return RemoteBackup(
        id=identity(resource, snap.name),
        resource=resource,
        snapshot=snap.name,
        state=state,
        base=identity(resource, base) if base else None,
        base_known=modern or base is not None,
        created=snap.time,
        started=shipment.started if shipment else _seconds(props.get("BackupStartTimestamp")),
        node=shipment.node if shipment else None,
        report=shipment.report if shipment else None,
        snap=snap,
    )


def young(resource: str, snap: Snap) -> RemoteBackup:
    """The shipment of a snapshot that shows nothing of it yet: LINSTOR has been seen to take 14 seconds for that."""
    made = RemoteBackup(identity(resource, snap.name), resource, snap.name, "preparing", base_known=False, snap=snap)
    made.created, made.young = snap.time, True
    return made


def identity(resource: str, snapshot: str) -> str:
    """The id of a shipment to a remote that keeps no list."""
    return f"{resource}/{snapshot}"


def as_listed(found: Iterable[RemoteBackup]) -> None:
    """Give shipments the ids that they have in the bucket's list, when that list can't be read.

    Snapshots that LINSTOR hasn't named keep their ids: in the list, these contain the controller's local time.
    """
    for each in found:
        each.id = _listed_id(each.id)
        each.base = each.base and _listed_id(each.base)


def took_snapshot(backup: RemoteBackup) -> bool:
    """Whether the shipment of a listed backup has surely taken its snapshot, so that both have the same time.

    If LINSTOR has named the snapshot, the backup's id is without that name. We name one just before its shipment.
    """
    if "^" not in backup.id:
        return True
    named = _NAMED.fullmatch(backup.snapshot)
    if named is None or backup.started is None:
        return False
    moment = datetime.datetime.strptime(named[1], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    return abs(backup.started - moment.timestamp()) < _NAMED_BEFORE


def new_name(now: float) -> str:
    """A name for a snapshot that a shipment takes at ``now``, and that nobody else gives."""
    moment = datetime.datetime.fromtimestamp(now, UTC)
    return f"backup-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _listed_id(known: str) -> str:
    resource, _slash, snapshot = known.partition("/")
    return f"{resource}_{snapshot}" if _GENERATED.fullmatch(snapshot) else known


def under_way(backup: RemoteBackup, now: float) -> bool:
    """Whether a shipment is still going on.

    One that disappeared from the queue counts as going on for a short while. One that is still being prepared after
    the target's waiting time has ended: LINSTOR leaves this state behind when the target refuses a shipment.
    """
    if backup.state == "preparing" and backup.started is not None and now - backup.started > PREPARING_FOR:
        return False
    if backup.state == "lost":
        return backup.created is not None and now - backup.created < GRACE
    return ShipmentStatus(backup.state, "").under_way


def on_s3(listing: Any, snaps: Snaps, remote: str, resources: Iterable[str] | None = None) -> list[RemoteBackup]:
    """The backups that an S3 remote lists, each with its snapshot if that is still in the cluster.

    ``listing`` is python-linstor's answer. It leaves out objects that aren't LINSTOR's. It includes backups that
    another cluster made of a resource with the same name; see :func:`is_ours`.
    """
    wanted = None if resources is None else {name.lower(): name for name in resources}
    found = []
    for key, entry in _listed(listing).items():
        resource = str(entry.get("origin_rsc") or "")
        if wanted is not None:
            if resource.lower() not in wanted:
                continue
            resource = wanted[resource.lower()]
        found.append(_from_s3(str(entry.get("id") or key), resource, entry, snaps.get(resource, []), remote))
    return found


def _listed(listing: Any) -> Mapping[str, Mapping[str, Any]]:
    data = getattr(listing, "data_v1", None)
    entries = data.get("linstor") if isinstance(data, Mapping) else None
    return entries if isinstance(entries, Mapping) else {}


def _from_s3(backup_id: str, resource: str, entry: Mapping[str, Any], snaps: list[Snap], remote: str) -> RemoteBackup:
    told = entry.get("start_timestamp")
    started = None if told is None else told / 1000
    finished = entry.get("finished_timestamp")
    base = entry.get("based_on_id")
    name = str(entry.get("origin_snap") or "")
    snap = _same(snaps, name, remote, started)
    shipment = snap.shipment(remote) if snap else None
    numbers = tuple(sorted(int(each.get("vlm_nr") or 0) for each in entry.get("vlms") or ()))
    if entry.get("success"):
        state = "success"
    elif entry.get("shipping"):
        state = "shipping"
    else:
        state = "unknown" if entry.get("success") is None else "failed"
    return RemoteBackup(
        id=backup_id.removesuffix(_META),
        resource=resource,
        snapshot=name,
        state=state,
        base=str(base).removesuffix(_META) if base else None,
        created=min((each for each in (snap.time if snap else None, started) if each is not None), default=None),
        started=started,
        finished=finished / 1000 if finished is not None else None,
        node=entry.get("origin_node") or None,
        numbers=numbers,
        problem=_incomplete(entry, numbers, snap) if state == "success" else None,
        snap=snap,
        noted=shipment.state if shipment else None,
    )


def _incomplete(entry: Mapping[str, Any], numbers: tuple[int, ...], snap: Snap | None) -> str | None:
    """What a complete backup lacks in the bucket."""
    missing = sorted(set(snap.sizes) - set(numbers)) if snap and entry.get("vlms") is not None else []
    if missing:
        return f"{'the object of' if len(missing) == 1 else 'the objects of'} {_named(missing)} missing"
    return "one of its objects is missing" if entry.get("restorable") is False else None


def _named(numbers: list[int]) -> str:
    """Volumes as the beginning of a sentence."""
    return f"volume {numbers[0]} is" if len(numbers) == 1 else f"volumes {', '.join(map(str, numbers))} are"


def _same(snaps: list[Snap], name: str, remote: str, started: float | None) -> Snap | None:
    """The snapshot of a listed backup, found by its name and by the time at which its shipment began."""
    for snap in snaps:
        if snap.name.lower() != name.lower():
            continue
        told = _seconds(snap.shipping(remote).get("BackupStartTimestamp"))
        if told is None or started is None:
            return snap if snap.shipment(remote) else None
        return snap if abs(told - started) < 1.0 else None
    return None


def is_ours(backup: RemoteBackup, nodes: Iterable[str]) -> bool:
    """Whether this cluster made it: its snapshot is here, or one of ``nodes`` shipped it.

    A bucket's list doesn't tell which cluster made a backup, and two clusters can share a bucket.
    """
    return backup.snap is not None or (backup.node or "").lower() in {node.lower() for node in nodes}


def mark_broken(backups: list[RemoteBackup]) -> None:
    """Set ``problem`` of each backup whose chain has a gap, so that it can't be restored."""
    bases = {backup.id: backup.base for backup in backups if backup.complete}
    known: dict[str, int | None] = {}
    for backup in backups:
        if backup.id in bases and chains.length(bases, backup.id, known) is None:
            backup.problem = "one of its bases is missing"


def attach_received(backups: Iterable[RemoteBackup], there: Snaps, pools: Sequence[Pool] = ()) -> None:
    """Find the received snapshot of each on the target, by the UUID of the snapshot that was shipped.

    ``pools``: the target's storage pools, to doubt what nobody has checked in a full one.
    """
    received = {
        snap.props[_SOURCE_UUID]: snap for snaps in there.values() for snap in snaps if _SOURCE_UUID in snap.props
    }
    doubtful = {resource: doubts(snaps, pools) for resource, snaps in there.items()}
    for backup in backups:
        if backup.snap is None or backup.state != "success":
            continue
        backup.target, backup.problem, backup.doubtful = received.get(backup.snap.uuid), None, False
        if backup.target is None:
            backup.problem = "its snapshot is no longer on the target"
        elif (arrived := backup.target.received) is not None and arrived.state != "success":
            backup.problem = f"its state on the target is {arrived.state}"
        elif lacking := sorted(set(backup.snap.sizes) - set(backup.target.sizes)):
            backup.problem = f"{_named(lacking)} missing on the target"
        else:
            doubt(backup, next((told[backup.target.name] for told in _of(doubtful, backup.target)), None))


def _of(doubtful: Mapping[str, Mapping[str, str]], snap: Snap) -> list[Mapping[str, str]]:
    return [told for name, told in doubtful.items() if name.lower() == snap.resource.lower() and snap.name in told]


def doubt(backup: RemoteBackup, reason: str | None) -> None:
    """Give a backup the problem that its copy can't be trusted, if there is a reason."""
    if reason is not None:
        backup.problem, backup.doubtful = f"{UNTRUSTED}{reason}", True


def attach_checked(backups: Sequence[RemoteBackup], there: Snaps, target: Cluster, newest_only: bool = False) -> None:
    """:func:`attach_received`. It reads the target's storage pools (one request) if a copy was never checked.

    ``newest_only``: only the newest copy of each resource decides whether that is needed.
    """
    attach_received(backups, there)
    seen: set[str] = set()
    for backup in newest_first(each for each in backups if each.complete):
        decides = backup.resource not in seen or not newest_only
        seen.add(backup.resource)
        if decides and backup.target is not None and is_unchecked(backup.target):
            attach_received(backups, there, read_pools(target))
            return


def queued(cluster: Cluster, remote: str) -> frozenset[tuple[str, str]]:
    """(resource, snapshot) in lower case of all shipments queued for ``remote``. One request."""
    return frozenset(read_queue(cluster, remote))


def read_queue(cluster: Cluster, remote: str) -> dict[tuple[str, str], str]:
    """The queue by (resource, snapshot), with the snapshot that each uses as its base ("" for a full). One request."""
    if cluster.rest_version < (1, 20):
        return {}
    answer = cluster.read("backup_queue_list", remotes=[remote], snap_to_node=True, what="reading the backup queue")
    return {
        (str(each["resource_name"]).lower(), str(each["snapshot_name"]).lower()): str(each.get("based_on") or "")
        for each in queue_entries(answer)
        if str(each.get("remote_name", remote)).lower() == remote.lower()
    }


def queue_entries(answer: Any) -> list[Mapping[str, Any]]:
    """The snapshots in a queue, each once, however the queue is grouped."""
    data = getattr(answer, "data_v1", None)
    found: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    if isinstance(data, Mapping):
        entries = list(data.get("snap_queues") or ())
        entries += [each for node in data.get("node_queues") or () for each in node.get("queue") or ()]
        for entry in entries:
            key = (str(entry.get("resource_name")), str(entry.get("snapshot_name")), str(entry.get("remote_name")))
            found.setdefault(key, entry)
    return list(found.values())


def _old_base(snap: Snap) -> str | None:
    """The name of the base, where LINSTOR before 1.33 kept it."""
    for props in snap.node_props.values():
        if props.get(f"BackupShipping/{_BASE}"):
            return props[f"BackupShipping/{_BASE}"]
    return None


def _seconds(milliseconds: str | None) -> float | None:
    return int(milliseconds) / 1000 if milliseconds and milliseconds.isdigit() else None
