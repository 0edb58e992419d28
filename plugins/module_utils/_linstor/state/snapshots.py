# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Snapshots of all resources and the states of their shipments. One request."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..api.cluster import Cluster

SOURCE = "BackupShipping/Source/"
TARGET = "BackupShipping/Target/"
_OLD = "BackupShipping/"
_STATES = {
    "prepare shipping": "preparing",
    "shipping": "shipping",
    "uploading metadata": "shipping",
    "success": "success",
    "failed": "failed",
    "prepare abort": "aborting",
    "aborting": "aborting",
    "aborted": "aborted",
}
#: states of shipments that are still going on
UNDER_WAY = ("preparing", "queued", "shipping", "aborting")


@dataclasses.dataclass(frozen=True)
class ShipmentStatus:
    """The state of a snapshot's shipment.

    ``state`` is preparing, queued, shipping, success, failed, aborting, aborted, or unknown (a state that this release
    doesn't know). ``remote`` can be "" with LINSTOR before 1.33. ``started`` is in seconds since the epoch;
    ``report`` is the id of LINSTOR's error report. A snapshot never says ``queued``; only the queue's list does.
    """

    state: str
    remote: str
    node: str | None = None
    started: float | None = None
    report: str | None = None

    @property
    def under_way(self) -> bool:
        """Whether it is still going on."""
        return self.state in UNDER_WAY


@dataclasses.dataclass(frozen=True)
class Snap:
    """A snapshot of a resource, on all its nodes together.

    ``created`` is the earliest of its nodes' times in seconds since the epoch, ``sizes`` the bytes of each volume.
    ``props`` are the definition's, ``node_props`` and ``node_flags`` those of the snapshot on each node.
    """

    resource: str
    name: str
    uuid: str = ""
    created: float | None = None
    nodes: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    props: Mapping[str, str] = dataclasses.field(default_factory=dict)
    node_props: Mapping[str, Mapping[str, str]] = dataclasses.field(default_factory=dict)
    node_flags: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    sizes: Mapping[int, int] = dataclasses.field(default_factory=dict)

    @property
    def taken(self) -> bool:
        """Whether it was taken successfully. This says nothing about shipments."""
        return "SUCCESSFUL" in self.flags and not self.failed

    @property
    def failed(self) -> bool:
        """Whether taking it failed, or it is being deleted."""
        return bool({"FAILED_DEPLOYMENT", "FAILED_DISCONNECT", "DELETE"} & set(self.flags))

    @property
    def time(self) -> float | None:
        """When its data is from: when it was taken or when its first shipment began, whichever is earlier.

        LINSTOR takes the snapshot of a shipment a moment after that has begun. Lists of backups tell only the beginning
        of a shipment, and the creation of a received snapshot is its arrival: the beginning is the same everywhere.
        """
        began = [_milliseconds(value) for props in self._all_props() for key, value in props.items() if _is_begin(key)]
        return min((each for each in (self.created, *began) if each is not None), default=None)

    def shipping(self, remote: str | None) -> dict[str, str]:
        """The shipping properties for ``remote`` (``None``: for receiving it), without their common prefix."""
        prefix = TARGET if remote is None else f"{SOURCE}{remote}/"
        found: dict[str, str] = {}
        for props in (*self.node_props.values(), self.props):
            for key, value in props.items():
                # LINSTOR ignores case in names.
                if key.lower().startswith(prefix.lower()):
                    found[key[len(prefix) :]] = value
        return found

    def shipped_to(self) -> list[str]:
        """The remotes that it was or is to be shipped to."""
        keys = [key for props in (*self.node_props.values(), self.props) for key in props]
        names = [key[len(SOURCE) :].rsplit("/", 1)[0] for key in keys if key.startswith(SOURCE)]
        old = [
            props[f"{_OLD}BackupTargetRemote"] for props in self._all_props() if f"{_OLD}BackupTargetRemote" in props
        ]
        return list(dict.fromkeys(names + old))

    def shipment(self, remote: str) -> ShipmentStatus | None:
        """The state of its shipment to ``remote``, or ``None`` if there was none."""
        props = self.shipping(remote)
        if props.get("ShippingStatus"):
            return _shipment(props, remote, props.get("SrcNode"))
        targets = {
            each[f"{_OLD}BackupTargetRemote"] for each in self._all_props() if f"{_OLD}BackupTargetRemote" in each
        }
        if targets and remote.lower() not in {each.lower() for each in targets}:
            return None
        sources = [node for node, flags in self.node_flags.items() if "BACKUP_SOURCE" in flags]
        if "BACKUP" not in self.flags or self._received_by_flags():
            return None
        return _by_flags(self.flags, remote if targets else "", sources)

    @property
    def received(self) -> ShipmentStatus | None:
        """The state of receiving it here, or ``None`` if it was taken here."""
        props = self.shipping(None)
        if props.get("ShippingStatus"):
            return _shipment(props, props.get("BackupSrcRemote", ""), props.get("DstNode"))
        if "BACKUP" not in self.flags or not self._received_by_flags():
            return None
        nodes = [node for node, flags in self.node_flags.items() if "BACKUP_TARGET" in flags]
        remotes = [each[f"{_OLD}BackupSrcRemote"] for each in self._all_props() if f"{_OLD}BackupSrcRemote" in each]
        return _by_flags(self.flags, remotes[0] if remotes else "", nodes)

    def _received_by_flags(self) -> bool:
        return any("BACKUP_TARGET" in flags for flags in self.node_flags.values()) or any(
            f"{_OLD}BackupSrcRemote" in props for props in self._all_props()
        )

    def _all_props(self) -> list[Mapping[str, str]]:
        return [self.props, *self.node_props.values()]


def list_snapshots(cluster: Cluster, resources: Iterable[str] | None = None) -> dict[str, list[Snap]]:
    """All snapshots by resource, the oldest first, from one request.

    With ``resources``, only theirs (a few are requested by name; for many, all snapshots are read and filtered).
    Each of these resources is a key, even without snapshots.
    """
    wanted = None if resources is None else list(resources)
    few = wanted if wanted is not None and len(wanted) <= 20 else None
    answer = cluster.read("snapshot_dfn_list", filter_by_resources=few, what="listing snapshots")
    found: dict[str, list[Snap]] = {name: [] for name in wanted or ()}
    canonical = {name.lower(): name for name in found}
    for entry in _entries(answer):
        snap = _parse(entry)
        name = canonical.get(snap.resource.lower(), None if wanted is not None else snap.resource)
        if name is not None:
            found.setdefault(name, []).append(snap)
    for snaps in found.values():
        snaps.sort(key=lambda snap: (snap.created is None, snap.created or 0.0, snap.name))
    return found


def _entries(answer: Any) -> list[dict[str, Any]]:
    data = getattr(answer, "data_v1", None)
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []


def _parse(entry: Mapping[str, Any]) -> Snap:
    nodes = [each for each in entry.get("snapshots") or () if isinstance(each, Mapping)]
    times = [each["create_timestamp"] / 1000 for each in nodes if each.get("create_timestamp")]
    names = [str(name) for name in entry.get("nodes") or ()] or [str(each.get("node_name", "")) for each in nodes]
    return Snap(
        resource=str(entry.get("resource_name", "")),
        name=str(entry.get("name", "")),
        uuid=str(entry.get("uuid") or ""),
        created=min(times) if times else None,
        nodes=tuple(names),
        flags=tuple(entry.get("flags") or ()),
        props=dict(_own_props(entry)),
        node_props={str(each.get("node_name", "")): dict(each.get("snapshot_props") or {}) for each in nodes},
        node_flags={str(each.get("node_name", "")): tuple(each.get("flags") or ()) for each in nodes},
        sizes={
            int(volume["volume_number"]): int(volume.get("size_kib") or 0) * 1024
            for volume in entry.get("volume_definitions") or ()
        },
    )


def _own_props(entry: Mapping[str, Any]) -> Mapping[str, str]:
    """The snapshot definition's own properties.

    Since REST 1.24 they come separately. In ``props`` they are mixed with those of the resource definition, which has,
    for instance, the resource's last backup under the same name as the snapshot's base.
    """
    if "snapshot_definition_props" in entry or "resource_definition_props" in entry:
        return entry.get("snapshot_definition_props") or {}
    return entry.get("props") or {}


def _is_begin(key: str) -> bool:
    return key.startswith(_OLD) and key.endswith("/BackupStartTimestamp")


def _milliseconds(value: str) -> float | None:
    return int(value) / 1000 if value.isdigit() else None


def _shipment(props: Mapping[str, str], remote: str, node: str | None) -> ShipmentStatus:
    started = props.get("BackupStartTimestamp", "")
    return ShipmentStatus(
        state=_STATES.get(props["ShippingStatus"].lower(), "unknown"),
        remote=remote,
        node=node,
        started=int(started) / 1000 if started.isdigit() else None,
        report=props.get("ShippingErrorReport") or None,
    )


def _by_flags(flags: Iterable[str], remote: str, nodes: list[str]) -> ShipmentStatus:
    """The state as LINSTOR before 1.33 tells it."""
    told = set(flags)
    if "SHIPPED" in told:
        state = "success"
    elif "SHIPPING_ABORT" in told:
        state = "aborting" if "SHIPPING" in told else "aborted"
    elif "SHIPPING" in told:
        state = "shipping"
    else:
        # It is marked as a backup, but no shipment is going on.
        state = "failed" if {"FAILED_DEPLOYMENT", "FAILED_DISCONNECT"} & told else "preparing"
    return ShipmentStatus(state, remote, nodes[0] if nodes else None)
