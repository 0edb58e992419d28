# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""A new resource from a snapshot of the same cluster: its definition, its volumes, and where it is deployed."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import Callable

from .._engine.errors import SnapshipError
from . import deployed, provenance
from .connection import Cluster
from .deployed import Deployed
from .provenance import Provenance
from .replies import LostReply


def unfold(
    cluster: Cluster,
    resource: str,
    snapshot: str,
    to: str,
    come_from: Provenance,
    group: str | None = None,
    nodes: Sequence[str] = (),
    pools: Mapping[str, str] | None = None,
) -> Deployed:
    """Make ``to``, which isn't there or is an empty definition, and record where it is from.

    On ``nodes`` (all that have the snapshot, if empty); ``pools`` maps names of storage pools to others. What it made
    is removed again where it fails.
    """
    there = deployed.look_at(cluster, to)
    created = there is None
    if there is None:
        create = functools.partial(cluster.change, "resource_dfn_create", to, resource_group=group)
        _once(functools.partial(create, what=f"creating {to}"), lambda: deployed.look_at(cluster, to) is not None)
        there = deployed.look_at(cluster, to)
    try:
        return _fill(cluster, resource, snapshot, to, there, come_from, nodes, pools)
    except SnapshipError:
        if created:
            with contextlib.suppress(SnapshipError):
                cluster.change("resource_dfn_delete", to, what=f"removing {to}")
        raise


def _fill(
    cluster: Cluster,
    resource: str,
    snapshot: str,
    to: str,
    there: Deployed | None,
    come_from: Provenance,
    nodes: Sequence[str],
    pools: Mapping[str, str] | None,
) -> Deployed:
    what = f"restoring snapshot {snapshot} of {resource} to {to}"
    there = _present(there, what)
    provenance.write(cluster, there, _pending(come_from))
    volumes = functools.partial(cluster.change, "snapshot_volume_definition_restore", resource, snapshot, to, what=what)
    _once(volumes, lambda: bool(_present(deployed.look_at(cluster, to), what).sizes))
    resources = functools.partial(
        cluster.change, "snapshot_resource_restore", list(nodes), resource, snapshot, to, dict(pools or {}), what=what
    )
    _once(resources, lambda: bool(_present(deployed.look_at(cluster, to), what).diskful))
    there = _present(deployed.look_at(cluster, to), what)
    provenance.write(cluster, there, come_from)
    return there


def _once(change: Callable[[], object], is_done: Callable[[], bool]) -> None:
    """Make the change; where its answer is lost and it wasn't done, make it again."""
    try:
        change()
    except LostReply:
        if not is_done():
            change()


def _present(there: Deployed | None, what: str) -> Deployed:
    if there is None:
        raise SnapshipError(f"{what}: its definition is gone.", "Somebody else has removed it; run the task again.")
    return there


def _pending(come_from: Provenance) -> Provenance:
    return Provenance(come_from.source, come_from.backup, come_from.snapshot, come_from.created, pending=True)
