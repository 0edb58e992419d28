# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Create a resource from a snapshot of the same cluster: its definition, its volumes, and its deployment.

No change is made twice, even if an answer gets lost.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Callable

from ..._engine.common.errors import RemoteError, SnapshipError
from ..api.cluster import Cluster
from ..api.replies import LostReply
from ..state.resources import Deployed, read_definition
from ..state.snapshots import Snap


def define(cluster: Cluster, name: str, group: str | None) -> Deployed:
    """Create an empty resource definition."""
    what = f"creating resource definition {name}"
    make = functools.partial(cluster.change, "resource_dfn_create", name, resource_group=group, what=what)
    _once(make, lambda: read_definition(cluster, name) is not None)
    return _present(cluster, name)


def unfold(
    cluster: Cluster, snap: Snap, there: Deployed, nodes: Sequence[str], pools: Mapping[str, str], actions: list[str]
) -> Deployed:
    """Restore the volumes of a snapshot into a definition that isn't deployed, and deploy it. Returns the result.

    ``nodes``: where to deploy it; if empty, on all nodes that have the snapshot. ``pools`` maps names of storage pools
    to others. Appends to ``actions`` what was done.
    """
    name, of = there.name, f"snapshot {snap.name} of {snap.resource}"
    _volumes(cluster, snap, there, actions)
    what = f"restoring {of} into {name}"
    deploy = functools.partial(cluster.change, "snapshot_resource_restore", list(nodes), snap.resource, snap.name, name)
    _once(
        functools.partial(deploy, storpool_rename_map=dict(pools) or None, what=what),
        lambda: bool(_present(cluster, name).diskful),
    )
    actions.append(f"restored {of} into {name}")
    found = read_definition(cluster, name)
    if found is None or not found.diskful:
        raise RemoteError(f"LINSTOR created no resource {name} from snapshot {snap.name}.", code="restore_failed")
    return found


def _volumes(cluster: Cluster, snap: Snap, there: Deployed, actions: list[str]) -> None:
    """Make the volume definitions equal to the snapshot's."""
    name = there.name
    if dict(there.sizes) == dict(snap.sizes):
        return
    for number in sorted(there.sizes, reverse=True):
        cluster.change("volume_dfn_delete", name, number, what=f"deleting volume definition {number} of {name}")
        actions.append(f"deleted volume definition {number} of {name}")
    what = f"restoring the volume definitions of {name} from snapshot {snap.name}"
    method = "snapshot_volume_definition_restore"
    _once(
        functools.partial(cluster.change, method, snap.resource, snap.name, name, what=what),
        lambda: bool(_present(cluster, name).sizes),
    )
    actions.append(f"restored the volume definitions of {name}")


def _once(change: Callable[[], object], is_done: Callable[[], bool]) -> None:
    """Make the change. If its answer is lost and it wasn't done, make it again."""
    try:
        change()
    except LostReply:
        if not is_done():
            change()


def _present(cluster: Cluster, name: str) -> Deployed:
    there = read_definition(cluster, name)
    if there is None:
        raise SnapshipError(
            f"the resource definition {name} disappeared.", "Somebody else removed it. Run the task again."
        )
    return there
