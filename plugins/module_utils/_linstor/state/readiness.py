# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What can be told before anything is started: what would keep a resource from being shipped."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, VolumeError
from ..api.cluster import Cluster

#: what LINSTOR can ship from
SHIPPABLE = ("LVM_THIN", "ZFS", "ZFS_THIN")
_NO_DATA = ("DISKLESS", "DRBD_DISKLESS", "NVME_INITIATOR", "TIE_BREAKER", "DELETE", "INACTIVE")
_KIB = 1024


@dataclasses.dataclass
class Replica:
    """A resource's data on one node; ``allocated`` in bytes, ``None`` where LINSTOR doesn't know."""

    node: str
    online: bool
    providers: tuple[str, ...]
    allocated: int | None

    @property
    def ships(self) -> bool:
        """Whether LINSTOR could ship from here, as soon as the node is online."""
        return bool(self.providers) and all(each in SHIPPABLE for each in self.providers)


@dataclasses.dataclass
class Survey:
    """The replicas of each resource (by its name in lower case), and all nodes' names. Two requests."""

    replicas: Mapping[str, list[Replica]]
    names: Mapping[str, str]
    nodes: list[str]

    def problem(self, resource: str, source_node: str | None) -> SnapshipError | None:
        """Why a resource can't be shipped now."""
        replicas = self.replicas.get(resource.lower())
        if replicas is None:
            there = ", ".join(sorted(self.names.values())[:20]) or "none"
            return UnknownError(
                f"there is no resource {resource} in this cluster; there are: {there}.", code="unknown_volume"
            )
        if not replicas:
            return VolumeError(f"resource {resource} has no diskful replica.", code="no_replica")
        able = [replica for replica in replicas if replica.ships]
        if not able:
            kinds = sorted({kind for replica in replicas for kind in replica.providers}) or ["nothing"]
            return VolumeError(
                f"resource {resource} is kept in {', '.join(kinds)}, which LINSTOR can't ship.",
                "It ships from LVM_THIN, ZFS and ZFS_THIN: add a replica in such a pool.",
                code="no_provider",
            )
        if source_node is not None:
            able = [replica for replica in able if replica.node.lower() == source_node.lower()]
            if not able:
                return VolumeError(
                    f"resource {resource} has no replica on {source_node} that could be shipped.",
                    f"Those it has are on {', '.join(replica.node for replica in replicas)}.",
                    code="source_node",
                )
        if not any(replica.online for replica in able):
            return VolumeError(
                f"no satellite that could ship resource {resource} is online"
                f" (of {', '.join(replica.node for replica in able)}).",
                "Look at it with: linstor node list",
                code="offline",
            )
        return None

    def providers(self, resource: str, source_node: str | None) -> set[str]:
        """The kinds of pool from which a resource would be shipped."""
        return {
            kind
            for replica in self.replicas.get(resource.lower(), [])
            if replica.ships and (source_node is None or replica.node.lower() == source_node.lower())
            for kind in replica.providers
        }

    def allocated(self, resource: str, node: str | None) -> int | None:
        """Bytes that are allocated for a resource on a node, which is what a full one ships."""
        for replica in self.replicas.get(resource.lower(), []):
            if node is not None and replica.node.lower() == node.lower():
                return replica.allocated
        return None


def survey(cluster: Cluster) -> Survey:
    """Read nodes and resources."""
    online = {}
    nodes = []
    for node in _data(cluster.read("node_list", what="listing nodes")):
        nodes.append(str(node["name"]))
        online[nodes[-1].lower()] = node.get("connection_status") in ("ONLINE", "CONNECTED", "AUTHENTICATED")
    replicas: dict[str, list[Replica]] = {}
    names: dict[str, str] = {}
    for entry in _data(cluster.read("volume_list", what="listing resources")):
        name = str(entry["name"])
        names.setdefault(name.lower(), name)
        there = replicas.setdefault(name.lower(), [])
        if not set(_NO_DATA) & set(entry.get("flags") or ()):
            there.append(_replica(entry, online))
    return Survey(replicas, names, nodes)


def _replica(entry: Mapping[str, Any], online: Mapping[str, bool]) -> Replica:
    volumes = list(entry.get("volumes") or ())
    sizes = [each.get("allocated_size_kib") for each in volumes]
    known = all(isinstance(size, int) and size >= 0 for size in sizes) and bool(sizes)
    node = str(entry["node_name"])
    return Replica(
        node=node,
        online=online.get(node.lower(), False),
        providers=tuple(str(each.get("provider_kind") or "") for each in volumes),
        allocated=sum(sizes) * _KIB if known else None,
    )


def _data(answer: Any) -> Iterable[Mapping[str, Any]]:
    data = getattr(answer, "data_v1", None)
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
