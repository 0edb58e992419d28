# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The origin of received snapshots.

LINSTOR marks a snapshot from another cluster with that cluster's id, and one downloaded from S3 with the remote's name.
The name of a LINSTOR remote stands for the cluster id that it was defined with.
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
    """The id of the cluster or the name of the S3 remote; empty if LINSTOR doesn't tell."""
    for props in (snap.props, *snap.node_props.values()):
        if props.get(SOURCE_CLUSTER):
            return props[SOURCE_CLUSTER]
    arrival = snap.received
    return arrival.remote if arrival is not None else ""


def resolve(cluster: Cluster, received_from: str) -> str:
    """The origin that :func:`source_of` returns for these snapshots, or ``any``. A name takes two requests.

    Raises UnknownError if no remote has this name, or if the remote's cluster id isn't known.
    """
    if received_from.lower() == ANY:
        return ANY
    if _UUID.fullmatch(received_from):
        return received_from
    remotes = list_remotes(cluster)
    found = remotes.get(received_from.lower())
    if found is None:
        raise UnknownError(
            f"{cluster.name} has no remote {received_from!r}. Its remotes: "
            f"{', '.join(sorted(each.name for each in remotes.values())) or 'none'}.",
            "Set received_from to a remote of this cluster, to the id of the cluster that ships here, or to any.",
            code="unknown_remote",
        )
    if found.type != "linstor":
        return found.name
    cluster_id = noted(Notes.read(cluster), found.name).get("cluster_id")
    if not cluster_id:
        raise UnknownError(
            f"the cluster id of remote {found.name!r} isn't known: LINSTOR doesn't tell it.",
            "Set received_from to the id of that cluster (its property Cluster/LocalID) or to any. Or define the "
            "remote with snapship.dr.linstor_remote, which records the id.",
            code="unknown_cluster",
        )
    return cluster_id


def is_from(snap: Snap, source: str) -> bool:
    """Whether a snapshot was received from this origin; see :func:`resolve`."""
    return source == ANY or source_of(snap).lower() == source.lower()
