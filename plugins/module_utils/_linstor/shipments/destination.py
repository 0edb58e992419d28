# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether the receiving cluster has what a shipment needs: node, pools with space, resource group, interface.

LINSTOR itself only reports that it found no suitable storage pool, and it leaves a snapshot behind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..._engine.common.errors import SnapshipError, UnknownError, VolumeError
from ..._engine.common.units import show_bytes
from ..api.cluster import Cluster
from ..state.storage_pools import Pool, read_pools, same_kind
from ..state.target_names import ShipmentTarget


class Destination:
    """The target cluster's storage pools, and its resource groups or nodes if the options name one. Read once."""

    def __init__(self, cluster: Cluster, target: ShipmentTarget) -> None:
        self._target = target
        self._name = cluster.name
        self._pools = read_pools(cluster)
        self._left = {pool.key: pool.free for pool in self._pools if pool.free is not None}
        self._error = _unknown_group(cluster, target) or self._unknown_node() or _unknown_interface(cluster, target)

    def problem(self, providers: Collection[str]) -> SnapshipError | None:
        """The error if the target can't receive from storage pools of these kinds (``LVM_THIN`` ...)."""
        if self._error is not None:
            # Each resource gets its own error object.
            return type(self._error)(self._error.msg, self._error.hint, self._error.code)
        for name in [self._target.storage_pool, *self._target.storage_pool_map.values()]:
            pools = [each for each in self._pools if self._on_node(each)]
            if name is not None and name.lower() not in [each.name.lower() for each in pools]:
                node = self._target.node
                return VolumeError(
                    f"target: {f'node {node} of ' if node else ''}{self._name} has no storage pool {name!r}."
                    f" Its pools: {_listed(each.name for each in pools)}.",
                    "Choose one of these pools, or another node.",
                    "no_pool",
                )
        candidates = self._candidates()
        if any(same_kind(pool.provider, kind) for pool in candidates for kind in providers):
            return None
        asked = [f"node {self._target.node}"] if self._target.node else []
        asked += [f"storage pool {self._target.storage_pool}"] if self._target.storage_pool else []
        return VolumeError(
            f"the resource is in a pool of kind {_listed(providers)}, but {' and '.join(asked) or self._name} has only"
            f" {_listed(each.provider for each in candidates)}.",
            "Choose a pool of the same kind on the target: LINSTOR ships into no other.",
            "provider",
        )

    def reserve(self, resource: str, providers: Collection[str], needed: int | None) -> SnapshipError | None:
        """Set the space aside that a full backup needs, or return the error if no pool has it.

        It is set aside where most is free; LINSTOR may choose another pool. ``needed`` in bytes, if it is known. A ZFS
        pool isn't checked: LINSTOR doesn't tell what a stream will need there, and one that is full refuses it.
        """
        able = [pool for pool in self._candidates() if any(same_kind(pool.provider, kind) for kind in providers)]
        if not able or not all(pool.loses_writes and pool.key in self._left for pool in able):
            return None
        best = max(able, key=lambda pool: self._left[pool.key])
        left = self._left[best.key]
        if needed is None:
            return _too_tight(resource, able, None) if all(pool.is_tight for pool in able) else None
        if needed > left:
            taken = (best.free or 0) - left
            others = f" of which this run needs {show_bytes(taken)} for other resources," if taken else ""
            return VolumeError(
                f"{resource} needs {show_bytes(needed)} on the target, but {best.title}, the emptiest that it could go"
                f" to, has {show_bytes(best.free or 0)} free,{others} so it wasn't shipped."
                " A thin pool that fills up damages what arrives, and LINSTOR reports success.",
                "Free space there, enlarge the pool, or choose another pool or node with target.",
                "no_space",
            )
        self._left[best.key] = left - needed
        return None

    def too_tight(self, resource: str, nodes: Iterable[str], whole: int | None) -> SnapshipError | None:
        """The error if an increment can't go to the pools of these nodes: nearly nothing is free in any of them.

        Nobody knows an increment's size beforehand, only the ``whole`` resource's. If that fits, the increment does.
        """
        there = [pool for pool in self._pools if pool.is_on(nodes) and pool.loses_writes and pool.free is not None]
        if not there or not all(pool.is_tight and (whole is None or (pool.free or 0) < whole) for pool in there):
            return None
        return _too_tight(resource, there, whole)

    def _candidates(self) -> list[Pool]:
        return [each for each in self._pools if self._on_node(each) and self._is_wanted(each)]

    def _on_node(self, pool: Pool) -> bool:
        return self._target.node is None or pool.node.lower() == self._target.node.lower()

    def _is_wanted(self, pool: Pool) -> bool:
        # The map has precedence over the single pool. Which of its entries applies depends on the source's pool.
        wanted = self._target.storage_pool
        return bool(self._target.storage_pool_map) or wanted is None or pool.name.lower() == wanted.lower()

    def _unknown_node(self) -> SnapshipError | None:
        if any(self._on_node(each) for each in self._pools):
            return None
        nodes = _listed(each.node for each in self._pools)
        return UnknownError(
            f"target: {self._name} has no node {self._target.node!r} with a storage pool. Its nodes: {nodes}.",
            code="unknown_node",
        )


def _too_tight(resource: str, pools: Sequence[Pool], whole: int | None) -> SnapshipError:
    best = max(pools, key=lambda pool: pool.free or 0)
    size = "" if whole is None else f" ({resource} has {show_bytes(whole)})"
    return VolumeError(
        f"{best.title} on the target is nearly full: {show_bytes(best.free or 0)} are free{size}, so {resource} wasn't"
        " shipped. A thin pool that fills up damages what arrives, and LINSTOR reports success.",
        "Free space there, or enlarge the pool.",
        "pool_full",
    )


def _unknown_group(cluster: Cluster, target: ShipmentTarget) -> SnapshipError | None:
    if target.resource_group is None:
        return None
    names = _names(cluster.read("resource_group_list_raise", what="listing resource groups").resource_groups)
    if target.resource_group.lower() in [name.lower() for name in names]:
        return None
    return UnknownError(
        f"target: {cluster.name} has no resource group {target.resource_group!r}. Its groups: {_listed(names)}.",
        "Create the resource group first, or leave target.resource_group out.",
        "unknown_group",
    )


def _unknown_interface(cluster: Cluster, target: ShipmentTarget) -> SnapshipError | None:
    if target.net_interface is None:
        return None
    nodes = cluster.read("node_list", what="listing nodes").nodes
    wanted = target.node.lower() if target.node else None
    able = [each for each in nodes if wanted is None or str(each.name).lower() == wanted]
    names = [name for each in able for name in _names(each.net_interfaces)]
    if target.net_interface.lower() in [name.lower() for name in names]:
        return None
    return UnknownError(
        f"target: no node that could receive it has a network interface {target.net_interface!r}."
        f" Their interfaces: {_listed(names)}.",
        code="unknown_interface",
    )


def _names(things: Sequence[object]) -> list[str]:
    return [str(getattr(each, "name", "")) for each in things]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))[:20]) or "none"
