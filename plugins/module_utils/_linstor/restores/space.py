# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Checks before a download: whether a node has the storage pools for a backup, of the right kind and with space."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..._engine.common.errors import SnapshipError, UsageError, VolumeError
from ..._engine.common.units import show_bytes
from ..api.cluster import Cluster
from ..state.storage_pools import Pool, same_kind

_KIB = 1024


@dataclasses.dataclass(frozen=True)
class Need:
    """What a backup needs of one pool; ``pool`` is the source pool's name, ``bytes`` what will be allocated."""

    pool: str
    provider: str
    bytes: int


@dataclasses.dataclass(frozen=True)
class Fit:
    """The node for a backup, the bytes to download, and those that it takes of each of the node's pools."""

    node: str
    download: int
    takes: Mapping[str, int] = dataclasses.field(default_factory=dict)


def without(pools: Iterable[Pool], taken: Fit) -> list[Pool]:
    """The pools with the space that remains after a download."""
    takes = {(taken.node.lower(), name.lower()): size for name, size in taken.takes.items()}
    return [
        pool if pool.free is None else dataclasses.replace(pool, free=pool.free - takes.get(pool.key, 0))
        for pool in pools
    ]


def fit(
    cluster: Cluster,
    remote: str,
    backup: str,
    pools: Iterable[Pool],
    node: str | None,
    pool_map: Mapping[str, str],
    passphrase: str | None,
) -> Fit:
    """The node for a backup: the requested one, or the one with the most free space. One request.

    Raises UsageError or VolumeError (no_pool, provider, no_space, passphrase) if no node is suitable.
    """
    told: Any = cluster.read("backup_info", remote, bak_id=backup, what=f"reading backup {backup}").data_v1
    entries = [each for each in told.get("storpools") or () if isinstance(each, Mapping)]
    if not passphrase and any(
        volume.get("layer_type") == "LUKS" for each in entries for volume in each.get("vlms") or ()
    ):
        raise UsageError(
            f"backup {backup} has encrypted (LUKS) volumes.",
            "Set passphrase to the master passphrase of the cluster that made it.",
            code="passphrase",
        )
    needs = [_need(each) for each in entries]
    _mapped_in_vain(pool_map, needs)
    by_node: dict[str, list[Pool]] = {}
    for pool in pools:
        by_node.setdefault(pool.node, []).append(pool)
    candidates = [name for name in by_node if node is None or name.lower() == node.lower()]
    if not candidates:
        raise VolumeError(f"the cluster has no node {node!r} with a storage pool.", code="unknown_node")
    reasons: list[SnapshipError] = []
    fits: list[tuple[int, str]] = []
    takes: dict[str, dict[str, int]] = {}
    for name in candidates:
        room = _room(name, by_node[name], needs, pool_map, takes.setdefault(name, {}))
        if isinstance(room, SnapshipError):
            reasons.append(room)
        else:
            fits.append((room, name))
    if not fits:
        raise _worst(reasons)
    chosen = max(fits)[1]
    return Fit(chosen, int(told.get("dl_size_kib") or 0) * _KIB, takes[chosen])


def _need(entry: Mapping[str, Any]) -> Need:
    size = sum(int(volume.get("alloc_size_kib") or 0) for volume in entry.get("vlms") or ())
    return Need(str(entry.get("name") or ""), str(entry.get("provider_kind") or ""), size * _KIB)


def _mapped_in_vain(pool_map: Mapping[str, str], needs: list[Need]) -> None:
    known = {need.pool.lower() for need in needs} | {"*"}
    for name in pool_map:
        if name.lower() not in known:
            raise UsageError(
                f"storage_pool_map: the backup has no storage pool {name!r}.",
                f"Its pools: {', '.join(sorted(need.pool for need in needs)) or 'none'}.",
            )


def _room(
    node: str, pools: list[Pool], needs: list[Need], pool_map: Mapping[str, str], takes: dict[str, int]
) -> int | SnapshipError:
    """The bytes left in the fullest pool afterwards, or the error if the node isn't suitable.

    ``takes`` gets the bytes needed of each pool.
    """
    named = {old.lower(): new for old, new in pool_map.items()}
    left: dict[str, int] = {}
    for need in needs:
        wanted = named.get(need.pool.lower(), named.get("*", need.pool))
        pool = next((each for each in pools if each.name.lower() == wanted.lower()), None)
        if pool is None:
            there = ", ".join(sorted(each.name for each in pools))
            return VolumeError(
                f"node {node} has no storage pool {wanted!r}. Its pools: {there or 'none'}.",
                f"Map pool {need.pool!r} to one of them with storage_pool_map, or choose another node.",
                code="no_pool",
            )
        if not same_kind(pool.provider, need.provider):
            return VolumeError(
                f"the backup needs a pool of kind {need.provider}, but storage pool {pool.name} of node {node} is"
                f" {pool.provider}.",
                "Choose a pool of the same kind: LINSTOR restores into no other.",
                code="provider",
            )
        if pool.free is None:
            return VolumeError(f"node {node} is offline.", "Choose another node, or start its satellite.", "offline")
        takes[pool.name] = takes.get(pool.name, 0) + need.bytes
        left[pool.name] = pool.free - takes[pool.name]
        if left[pool.name] < 0:
            return VolumeError(
                f"storage pool {pool.name} of node {node} is too full: {show_bytes(pool.free)} are free,"
                f" {show_bytes(takes[pool.name])} are needed.",
                "Free space there, or choose another pool or node.",
                code="no_space",
            )
    return min(left.values(), default=0)


def _worst(reasons: list[SnapshipError]) -> SnapshipError:
    """The reason of the node that came closest."""
    for code in ("no_space", "offline", "provider", "no_pool"):
        for reason in reasons:
            if reason.code == code:
                return reason
    return reasons[0]
