# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a resource was restored from: properties ``Aux/snapship.dr/restored/...`` of its resource definition.

Snapshots and backups carry these properties along, and a restore brings them back. They contain the UUID of their
resource definition, so that a copy of a restored resource isn't taken for the restored resource itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ..api.cluster import Cluster
from .resources import Deployed

_PREFIX = "Aux/snapship.dr/restored/"


@dataclasses.dataclass(frozen=True)
class Provenance:
    """The backup that a resource was restored from.

    ``source``: the remote. ``backup``: the backup's id there or the snapshot's name. ``snapshot``: the UUID of the
    restored snapshot in this cluster. ``volumes``: the volumes' sizes then. ``pending``: the restore hasn't finished.
    """

    source: str
    backup: str
    snapshot: str
    created: str = ""
    volumes: str = ""
    pending: bool = False


def read(there: Deployed) -> Provenance | None:
    """The record of a resource definition, or ``None`` if it has none of its own."""
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
    """Record what a resource was restored from."""
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
