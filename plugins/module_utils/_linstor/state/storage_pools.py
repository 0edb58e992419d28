# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What can be told before a backup is downloaded: whether a node has the pools for it, of the right kind, with room."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..._engine.common.errors import SnapshipError, UsageError, VolumeError
from ..._engine.common.units import show_bytes
from ..api.cluster import Cluster

_KIB = 1024
#: pools that take the streams of another kind of pool; every other kind takes only its own
_STREAMS = {"ZFS_THIN": "ZFS"}


@dataclasses.dataclass(frozen=True)
class Pool:
    """A storage pool of a node; ``free`` in bytes, ``None`` while its node is offline."""

    node: str
    name: str
    provider: str
    free: int | None


@dataclasses.dataclass(frozen=True)
class Need:
    """What a backup needs of one pool; ``pool`` is the source's name, ``bytes`` what is allocated once it is there."""

    pool: str
    provider: str
    bytes: int


def same_kind(one: str, other: str) -> bool:
    """Whether pools of these two providers take each other's streams."""
    return _STREAMS.get(one, one) == _STREAMS.get(other, other)


def read_pools(cluster: Cluster) -> list[Pool]:
    """All pools. One request."""
    answer = cluster.read("storage_pool_list", what="listing storage pools")
    data = getattr(answer, "data_v1", None)
    found = []
    for entry in data or ():
        free, provider = entry.get("free_capacity"), str(entry.get("provider_kind") or "")
        if provider != "DISKLESS":
            room = None if free is None else int(free) * _KIB
            found.append(Pool(str(entry.get("node_name") or ""), str(entry["storage_pool_name"]), provider, room))
    return found


@dataclasses.dataclass(frozen=True)
class Fit:
    """Where a backup is to go, and how much is downloaded."""

    node: str
    download: int


def fit(
    cluster: Cluster,
    remote: str,
    backup: str,
    pools: Iterable[Pool],
    node: str | None,
    pool_map: Mapping[str, str],
    passphrase: str | None,
) -> Fit:
    """The node that takes it: the one that is asked for, or that with the most room. One request.

    Raises UsageError or VolumeError (no_pool, provider, no_space, passphrase) where none can.
    """
    told: Any = cluster.read("backup_info", remote, bak_id=backup, what=f"looking at backup {backup}").data_v1
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
        raise VolumeError(f"there is no node {node!r} with a storage pool.", code="unknown_node")
    reasons: list[SnapshipError] = []
    fits: list[tuple[int, str]] = []
    for name in candidates:
        room = _room(name, by_node[name], needs, pool_map)
        if isinstance(room, SnapshipError):
            reasons.append(room)
        else:
            fits.append((room, name))
    if not fits:
        raise _worst(reasons)
    return Fit(max(fits)[1], int(told.get("dl_size_kib") or 0) * _KIB)


def _need(entry: Mapping[str, Any]) -> Need:
    size = sum(int(volume.get("alloc_size_kib") or 0) for volume in entry.get("vlms") or ())
    return Need(str(entry.get("name") or ""), str(entry.get("provider_kind") or ""), size * _KIB)


def _mapped_in_vain(pool_map: Mapping[str, str], needs: list[Need]) -> None:
    known = {need.pool.lower() for need in needs} | {"*"}
    for name in pool_map:
        if name.lower() not in known:
            raise UsageError(
                f"storage_pool_map: the backup has no pool {name!r}.",
                f"It has {', '.join(sorted(need.pool for need in needs)) or 'none'}.",
            )


def _room(node: str, pools: list[Pool], needs: list[Need], pool_map: Mapping[str, str]) -> int | SnapshipError:
    """The least bytes that any pool would have left, or why it can't be there."""
    named = {old.lower(): new for old, new in pool_map.items()}
    left: dict[str, int] = {}
    for need in needs:
        wanted = named.get(need.pool.lower(), named.get("*", need.pool))
        pool = next((each for each in pools if each.name.lower() == wanted.lower()), None)
        if pool is None:
            there = ", ".join(sorted(each.name for each in pools))
            return VolumeError(
                f"node {node} has no storage pool {wanted!r} (it has {there or 'none'}).",
                f"Say with storage_pool_map which pool {need.pool!r} becomes, or choose another node.",
                code="no_pool",
            )
        if not same_kind(pool.provider, need.provider):
            return VolumeError(
                f"the backup is from {need.provider}, storage pool {pool.name} of node {node} is {pool.provider}.",
                "LINSTOR restores only into a pool of the same kind.",
                code="provider",
            )
        if pool.free is None:
            return VolumeError(f"node {node} is offline.", "Choose another node, or start its satellite.", "offline")
        left[pool.name] = left.get(pool.name, pool.free) - need.bytes
        if left[pool.name] < 0:
            return VolumeError(
                f"storage pool {pool.name} of node {node} has {show_bytes(pool.free)} free,"
                f" {show_bytes(pool.free - left[pool.name])} are needed.",
                "Make room there, or choose another pool or node.",
                code="no_space",
            )
    return min(left.values(), default=0)


def _worst(reasons: list[SnapshipError]) -> SnapshipError:
    """Of several nodes' reasons the one that came closest."""
    for code in ("no_space", "offline", "provider", "no_pool"):
        for reason in reasons:
            if reason.code == code:
                return reason
    return reasons[0]
