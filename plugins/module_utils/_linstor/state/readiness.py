# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Checks before a shipment starts: whether a resource can be shipped at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..._engine.common.errors import SnapshipError, UnknownError, VolumeError
from ..api.cluster import Cluster

#: the kinds of storage pool that LINSTOR can ship from
SHIPPABLE = ("LVM_THIN", "ZFS", "ZFS_THIN")
_NO_DATA = ("DISKLESS", "DRBD_DISKLESS", "NVME_INITIATOR", "TIE_BREAKER", "DELETE", "INACTIVE")
_KIB = 1024


@dataclasses.dataclass
class Replica:
    """A resource's data on one node; ``allocated`` in bytes, ``None`` if LINSTOR doesn't know.

    ``numbers`` are those of its volumes.
    """

    node: str
    online: bool
    providers: tuple[str, ...]
    allocated: int | None
    numbers: frozenset[int] = frozenset()

    @property
    def ships(self) -> bool:
        """Whether LINSTOR can ship from this node once it is online."""
        return bool(self.providers) and all(each in SHIPPABLE for each in self.providers)


@dataclasses.dataclass
class Survey:
    """The replicas of each resource (by its name in lower case), and the names of all nodes. Two requests."""

    replicas: Mapping[str, list[Replica]]
    names: Mapping[str, str]
    nodes: list[str]

    def problem(self, resource: str, source_node: str | None) -> SnapshipError | None:
        """The error if a resource can't be shipped now."""
        replicas = self.replicas.get(resource.lower())
        if replicas is None:
            there = ", ".join(sorted(self.names.values())[:20]) or "none"
            return UnknownError(
                f"this cluster has no resource {resource}. Its resources: {there}.", code="unknown_volume"
            )
        if not replicas:
            return VolumeError(f"resource {resource} has no diskful replica.", code="no_replica")
        able = [replica for replica in replicas if replica.ships]
        if not able:
            kinds = sorted({kind for replica in replicas for kind in replica.providers}) or ["nothing"]
            return VolumeError(
                f"LINSTOR can't ship resource {resource} from a pool of kind {', '.join(kinds)}.",
                "Add a replica in a pool of kind LVM_THIN, ZFS or ZFS_THIN.",
                code="no_provider",
            )
        if source_node is not None:
            able = [replica for replica in able if replica.node.lower() == source_node.lower()]
            if not able:
                return VolumeError(
                    f"LINSTOR can't ship resource {resource} from node {source_node}: no suitable replica is there.",
                    f"Its replicas are on {', '.join(replica.node for replica in replicas)}.",
                    code="source_node",
                )
        if not any(replica.online for replica in able):
            return VolumeError(
                f"resource {resource} can't be shipped: its nodes are offline"
                f" ({', '.join(replica.node for replica in able)}).",
                "Check them with: linstor node list",
                code="offline",
            )
        return None

    def providers(self, resource: str, source_node: str | None) -> set[str]:
        """The kinds of storage pool from which a resource would be shipped."""
        return {
            kind
            for replica in self.replicas.get(resource.lower(), [])
            if replica.ships and (source_node is None or replica.node.lower() == source_node.lower())
            for kind in replica.providers
        }

    def numbers(self, resource: str) -> frozenset[int]:
        """The numbers of a resource's volumes."""
        return frozenset(number for replica in self.replicas.get(resource.lower(), []) for number in replica.numbers)

    def needed(self, resource: str, source_node: str | None) -> int | None:
        """Bytes that a full backup needs in a thin pool of the target; ``None`` if LINSTOR doesn't know."""
        sizes = [
            replica.allocated
            for replica in self.replicas.get(resource.lower(), [])
            if replica.ships and (source_node is None or replica.node.lower() == source_node.lower())
        ]
        return max((size for size in sizes if size is not None), default=None)

    def allocated(self, resource: str, node: str | None) -> int | None:
        """Bytes allocated for a resource on a node: what a full backup ships."""
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
        numbers=frozenset(int(each.get("volume_number") or 0) for each in volumes),
    )


def _data(answer: Any) -> Iterable[Mapping[str, Any]]:
    data = getattr(answer, "data_v1", None)
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
