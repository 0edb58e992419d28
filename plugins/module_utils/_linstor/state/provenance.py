# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a restored resource says of itself: properties ``Aux/snapship.dr/restored/...`` of its resource definition.

Snapshots carry such properties along, into backups and into what is restored from them. So they name the resource
definition by its uuid: a copy's copy doesn't pass for what its original was restored from.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..api.cluster import Cluster
from .resources import Deployed

_PREFIX = "Aux/snapship.dr/restored/"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """Where a resource's content is from.

    ``source``: the remote, ``backup``: its id there or the snapshot's name, ``snapshot``: the uuid of the snapshot in
    this cluster that it was restored from, ``volumes``: the volumes' sizes then. ``pending``: it was begun, not ended.
    """

    source: str
    backup: str
    snapshot: str
    created: str = ""
    volumes: str = ""
    pending: bool = False


def read(there: Deployed) -> Provenance | None:
    """What a resource definition says, if it says it of itself."""
    own = {key[len(_PREFIX) :]: value for key, value in there.props.items() if key.startswith(_PREFIX)}
    if not own.get("backup") or own.get("resource") != there.uuid:
        return None
    return Provenance(
        source=own.get("source", ""),
        backup=own["backup"],
        snapshot=own.get("snapshot", ""),
        created=own.get("created", ""),
        volumes=own.get("volumes", ""),
        pending=own.get("state") != "done",
    )


def write(cluster: Cluster, there: Deployed, provenance: Provenance) -> None:
    """Record it."""
    fields: Mapping[str, str] = {
        "source": provenance.source or "-",
        "backup": provenance.backup,
        "snapshot": provenance.snapshot or "-",
        "created": provenance.created or "-",
        "volumes": provenance.volumes or "-",
        "resource": there.uuid,
        "state": "pending" if provenance.pending else "done",
    }
    cluster.change(
        "resource_dfn_modify",
        there.name,
        {_PREFIX + key: value for key, value in fields.items()},
        what=f"recording what {there.name} was restored from",
    )
