# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Where received snapshots are from.

What another cluster ships is marked with that cluster's id; what is downloaded from S3 with the remote's name. The
name of a LINSTOR remote stands for the cluster id it was defined with.
"""

from __future__ import annotations

import re

from ..._engine.common.errors import UnknownError
from ..api.cluster import Cluster
from ..api.notes import Notes
from .backups import SOURCE_CLUSTER
from .remotes import list_remotes, noted
from .snapshots import Snap

ANY = "any"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def source_of(snap: Snap) -> str:
    """The cluster's id or the S3 remote's name; empty where LINSTOR doesn't tell."""
    for props in (snap.props, *snap.node_props.values()):
        if props.get(SOURCE_CLUSTER):
            return props[SOURCE_CLUSTER]
    arrival = snap.received
    return arrival.remote if arrival is not None else ""


def resolve(cluster: Cluster, received_from: str) -> str:
    """What :func:`source_of` gives for it, or ``any``. A name takes two requests.

    Raises UnknownError for a name that no remote has, or for a remote of which nobody knows whose it is.
    """
    if received_from.lower() == ANY:
        return ANY
    if _UUID.fullmatch(received_from):
        return received_from
    remotes = list_remotes(cluster)
    found = remotes.get(received_from.lower())
    if found is None:
        raise UnknownError(
            f"{cluster.name} knows no remote {received_from!r} (it knows: "
            f"{', '.join(sorted(each.name for each in remotes.values())) or 'none'}).",
            "Give a remote of this cluster, the id of the cluster that ships to it, or any.",
            code="unknown_remote",
        )
    if found.type != "linstor":
        return found.name
    cluster_id = noted(Notes.read(cluster), found.name).get("cluster_id")
    if not cluster_id:
        raise UnknownError(
            f"nobody knows which cluster remote {found.name!r} stands for: LINSTOR doesn't tell.",
            "Give the id of that cluster (its property Cluster/LocalID), or any; or define the remote with "
            "snapship.dr.linstor_remote, which notes it.",
            code="unknown_cluster",
        )
    return cluster_id


def is_from(snap: Snap, source: str) -> bool:
    """Whether it was received from what :func:`resolve` gave."""
    return source == ANY or source_of(snap).lower() == source.lower()
