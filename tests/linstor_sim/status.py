# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The state of an outgoing shipment: in properties since LINSTOR 1.33, in flags before."""

from __future__ import annotations

from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.state import (
    ABORTING,
    PREPARE,
    SHIPPING,
    SOURCE,
    STATUS,
    SUCCESS,
    UPLOADING,
    Snapshot,
)

_FLAGS = {
    PREPARE: "SHIPPING",
    SHIPPING: "SHIPPING",
    UPLOADING: "SHIPPING",
    SUCCESS: "SHIPPED",
    ABORTING: "SHIPPING_ABORT",
}


def set_status(cluster: Cluster, snapshot: Snapshot, remote: str, status: str) -> None:
    if cluster.options.states_in_props:
        snapshot.props[f"{SOURCE}/{remote}/{STATUS}"] = status
        return
    snapshot.old_states[remote] = status
    kept = [each for each in snapshot.flags if each != "BACKUP" and not each.startswith("SHIP")]
    snapshot.flags = [*kept, "BACKUP", *([_FLAGS[status]] if status in _FLAGS else [])]


def status_of(snapshot: Snapshot, remote: str) -> str | None:
    return snapshot.source(remote) or snapshot.old_states.get(remote)
