# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The requests that start and abort a shipment; each is one request."""

from __future__ import annotations

import dataclasses

from ..api.cluster import Cluster
from ..api.replies import Replies
from ..state.target_names import ShipmentTarget


@dataclasses.dataclass(frozen=True)
class Order:
    """The options that all shipments of a run share. ``kind`` is s3 or linstor; times in seconds."""

    remote: str
    kind: str
    target: ShipmentTarget = dataclasses.field(default_factory=ShipmentTarget)
    source_node: str | None = None
    wait: bool = True
    wait_timeout: float = 21600.0
    stall_timeout: float = 900.0
    abort_on_timeout: bool = False
    parallel: int = 4

    def describe(self, resource: str) -> str:
        """The shipment in words, for ``actions``."""
        if self.kind == "s3":
            return f"create a backup of {resource} on {self.remote}"
        return f"ship {resource} to {self.target.name_of(resource)} on {self.remote}"


def start(cluster: Cluster, order: Order, resource: str, full: bool, snapshot: str | None) -> Replies:
    """Start a shipment. The controller answers as soon as it has begun or is queued.

    Raises ControllerError if the controller refuses, LostReply if nobody knows whether it has begun.
    """
    if order.kind == "s3":
        return cluster.change(
            "backup_create",
            order.remote,
            resource,
            incremental=not full,
            node_name=order.source_node,
            snap_name=snapshot,
            what=f"creating a backup of {resource} on {order.remote}",
        )
    return cluster.change(
        "backup_ship",
        order.remote,
        resource,
        src_node=order.source_node,
        force_full=full,
        src_snap=snapshot,
        what=f"shipping {resource} to {order.remote}",
        **order.target.arguments(resource),
    )


def abort(cluster: Cluster, order: Order, resource: str, snapshot: str) -> Replies:
    """Abort a shipment. Before REST 1.27 this aborts all shipments of the resource to the remote."""
    one = {"snapshot": snapshot} if cluster.rest_version >= (1, 27) else {}
    return cluster.change(
        "backup_abort",
        order.remote,
        resource,
        create=True,
        what=f"aborting the shipment of {resource} to {order.remote}",
        **one,
    )
