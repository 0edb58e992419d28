# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The space in storage pools: what is used, what LINSTOR tells of it, and what happens when a pool is full."""

from __future__ import annotations

from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.contents import CHUNK, Content
from ansible_collections.snapship.dr.tests.linstor_sim.state import Pool

_CHUNK_KIB = CHUNK >> 10


def used_kib(cluster: Cluster, pool: Pool) -> int:
    """What volumes and snapshots use; they share chunks, as in a thin pool."""
    chunks: set[tuple[int, object]] = set()
    for definition in cluster.definitions.values():
        for resource in definition.diskful:
            if (resource.node, resource.pool) == (pool.node, pool.name):
                chunks = chunks.union(*(each.content.shares() for each in definition.volumes.values()))
        for snapshot in definition.snapshots.values():
            part = snapshot.nodes.get(pool.node)
            if part is not None and part.pool == pool.name:
                chunks = chunks.union(*(each.content.shares() for each in snapshot.volumes.values()))
    return len(chunks) * _CHUNK_KIB


def free_kib(cluster: Cluster, pool: Pool) -> int:
    """What LINSTOR tells. For a thin pool of LVM it follows from ``data_percent``, which has two decimals and says
    100.00 only of a full one."""
    if pool.provider == "DISKLESS":
        return pool.total_kib
    used = used_kib(cluster, pool)
    if pool.provider != "LVM_THIN" or used >= pool.total_kib:
        return max(pool.total_kib - used, 0)
    percent = min(round(100 * used / pool.total_kib, 2), 99.99)
    return int(pool.total_kib * (100 - percent) / 100)


def take_in(cluster: Cluster, pool: Pool, content: Content, base: Content) -> None:
    """What was written since ``base`` arrives in the pool. ValueError if that is a ZFS pool without enough room."""
    room = (pool.total_kib - used_kib(cluster, pool)) // _CHUNK_KIB
    if pool.provider == "LVM_THIN":
        lost = content.lose(base, room)
        if lost and pool.reports_full:
            cluster.report(
                pool.node, f"Failed to write {lost} chunks to thin pool {pool.name}: No space left on device"
            )
    elif len(content.changed_since(base)[0]) > room:
        raise ValueError(f"cannot receive: out of space in {pool.name}")
