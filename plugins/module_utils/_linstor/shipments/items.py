# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Backups in the form in which modules return them."""

from __future__ import annotations

from typing import Any

from ..._engine.common.errors import RemoteError
from ..._engine.common.units import iso_time
from ..api.cluster import Cluster
from ..state.backups import RemoteBackup
from ..state.snapshots import Snap
from .order import Order

_KIB = 1024


def item(cluster: Cluster, order: Order, resource: str, backup: RemoteBackup | None) -> dict[str, Any]:
    """A backup as modules return it. The caller adds what this run did for it."""
    snap = backup.snap if backup else None
    # In a bucket it has no id before it is complete.
    named = backup is not None and (order.kind != "s3" or backup.state in ("success", ""))
    return {
        "id": backup.id if backup and named else None,
        "group": None,
        "provider": "linstor",
        "volume": resource,
        "origin": cluster.name,
        "remote": order.remote,
        "target": order.target.name_of(resource) if order.kind == "linstor" else None,
        "snapshot": backup.snapshot if backup else None,
        "target_snapshot": backup.target.name if backup and backup.target else None,
        "state_id": snap.uuid or None if snap else None,
        "type": backup.type if backup else None,
        "base": backup.base if backup and named else None,
        "reason": None,
        "created": iso_time(backup.created) if backup and backup.created is not None else None,
        "state": backup.state if backup else None,
        "node": backup.node if backup else None,
        "bytes_logical": logical(snap),
        "bytes_changed": None,
        "bytes_stored": None,
        "bytes_sent": 0,
        "seconds": 0.0,
        "segments": None,
        "resumed": 0,
        "joined": False,
        "actions": [],
    }


def logical(snap: Snap | None) -> int | None:
    """The total size of a resource's volumes, in bytes."""
    return sum(snap.sizes.values()) if snap and snap.sizes else None


def chain_size(cluster: Cluster, remote: str, backup_id: str) -> int | None:
    """Bytes in the bucket of a backup with all its bases; ``None`` if the controller can't tell."""
    try:
        answer = cluster.read("backup_info", remote, bak_id=backup_id, what=f"reading the size of {backup_id}")
    except RemoteError:
        return None  # the task doesn't fail for a size
    size = getattr(answer, "dl_size", None)
    return int(size) * _KIB if size is not None else None
