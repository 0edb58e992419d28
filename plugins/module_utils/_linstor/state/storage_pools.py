# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The storage pools of a cluster, and which of them were full while copies arrived in them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable
from typing import Any

from ..._engine.common.errors import SnapshipError
from ..api import clock
from ..api.clock import Pace
from ..api.cluster import Cluster

_KIB = 1024
#: seconds between two looks: LINSTOR asks every satellite each time
_EVERY = 2.0
#: the same after a look that failed: connecting again takes time
_LATER = 30.0
#: a pool of the first kind can receive the streams of the second; pools of one kind always can
_STREAMS = {"ZFS_THIN": "ZFS"}


@dataclasses.dataclass(frozen=True)
class Pool:
    """A storage pool of a node; ``free`` and ``total`` in bytes, ``None`` while its node is offline."""

    node: str
    name: str
    provider: str
    free: int | None
    total: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """Its node and name as LINSTOR compares them."""
        return self.node.lower(), self.name.lower()

    @property
    def title(self) -> str:
        """How messages name it."""
        return f"storage pool {self.name} of node {self.node}"

    @property
    def loses_writes(self) -> bool:
        """Whether it silently loses what is written to it when it is full. Others refuse it, and the copy fails."""
        return self.provider == "LVM_THIN"

    @property
    def is_full(self) -> bool:
        """Whether it loses writes. LINSTOR derives the free space from a percentage with two decimals."""
        return self._has_only(1, 10_000)

    @property
    def is_tight(self) -> bool:
        """Whether less than one hundredth of it is free, so that it may soon lose writes."""
        return self._has_only(1, 100)

    def is_on(self, nodes: Iterable[str]) -> bool:
        """Whether it is on one of these nodes."""
        return self.node.lower() in {node.lower() for node in nodes}

    def _has_only(self, part: int, of: int) -> bool:
        if not self.loses_writes or self.free is None or not self.total:
            return False
        return self.free * of <= self.total * part


def same_kind(one: str, other: str) -> bool:
    """Whether pools of these two providers can receive from each other."""
    return _STREAMS.get(one, one) == _STREAMS.get(other, other)


def read_pools(cluster: Cluster) -> list[Pool]:
    """All storage pools. One request."""
    answer = cluster.read("storage_pool_list", what="listing storage pools")
    data = getattr(answer, "data_v1", None)
    found = []
    for entry in data or ():
        free, provider = entry.get("free_capacity"), str(entry.get("provider_kind") or "")
        if provider != "DISKLESS":
            name, node = str(entry["storage_pool_name"]), str(entry.get("node_name") or "")
            found.append(Pool(node, name, provider, _bytes(free), _bytes(entry.get("total_capacity"))))
    return found


def users(cluster: Cluster, resource: str) -> set[tuple[str, str]]:
    """The keys of the pools in which a resource is deployed. One request."""
    answer = cluster.read(
        "volume_list", filter_by_resources=[resource], what=f"reading the storage pools of {resource}"
    )
    return {
        (str(entry.get("node_name") or "").lower(), str(volume.get("storage_pool_name") or "").lower())
        for entry in getattr(answer, "data_v1", None) or ()
        if str(entry.get("name") or "").lower() == resource.lower()
        for volume in entry.get("volumes") or ()
    }


def _bytes(kib: Any) -> int | None:
    return None if kib is None else int(kib) * _KIB


class PoolWatch:
    """Looks at the pools again and again. Each look is one request."""

    def __init__(self, cluster: Cluster, pace: Pace) -> None:
        self.cluster = cluster
        self.blind: SnapshipError | None = None  #: why the last look failed
        self._pace = pace
        self._next = 0.0
        self._kept: list[Pool] = []
        self._full: dict[tuple[str, str], float] = {}

    def glance(self) -> None:
        """Look, unless that was done just before."""
        if self._pace.clock() >= self._next:
            self.look()

    def look(self) -> None:
        """Read the pools."""
        try:
            self._kept = read_pools(self.cluster)
        except SnapshipError as error:
            self.blind, self._next = error, self._pace.clock() + _LATER
            return
        self.blind, self._next = None, self._pace.clock() + _EVERY
        self._full.update({pool.key: clock.now() for pool in self._kept if pool.is_full})

    def full(self, resource: str, nodes: Iterable[str], since: float = 0.0, pools: Collection[str] = ()) -> str | None:
        """The storage pool with a copy on these nodes, in words, if it was seen full.

        ``since``: in seconds since the epoch. ``pools``: the names of the only pools that the copy can be in, if they
        are known. Otherwise the resource's own pools count, if it is deployed. That is one request, made only if there
        is a choice.
        """
        there = [pool for pool in self._kept if pool.is_on(nodes) and pool.loses_writes]
        if pools:
            there = [pool for pool in there if pool.name.lower() in {name.lower() for name in pools}]
        found = [pool for pool in there if self._full.get(pool.key, -1.0) >= since]
        if found and len(there) > len(found):
            used = users(self.cluster, resource)
            there = [pool for pool in there if pool.key in used] or there
            found = [pool for pool in found if pool in there]
        if not found:
            return None
        unsure = "" if len(there) == len(found) else " (LINSTOR doesn't tell which of the node's pools has the copy)"
        return f"{found[0].title}{unsure}"
