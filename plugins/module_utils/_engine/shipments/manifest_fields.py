# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Makes the manifest of a shipment whose data is stored."""

from __future__ import annotations

from typing import Any

from ..common.units import iso_time
from ..local.host import Host
from ..repository.version import versions
from ..streams import thin
from ..volumes.provider import Snapshot
from .journal import StoredSegment
from .shipment import Shipment


def fields_of(
    shipment: Shipment,
    host: Host,
    snapshot: Snapshot,
    properties: dict[str, Any],
    tables: dict[str, Any],
) -> dict[str, Any]:
    """The manifest's fields. ``properties``: of the volume; ``tables``: the result of put_tables()."""
    head, parts = shipment.head, shipment.parts()
    return {
        "id": head["id"],
        "base": head["base"],
        "base_state_id": head["base_state_id"],
        "origin": head["origin"],
        "machine_id": host.machine_id,
        "volume": snapshot.volume,
        "provider": snapshot.provider,
        "lineage": snapshot.lineage,
        "state_id": snapshot.state_id,
        "snapshot": snapshot.name,
        "created": iso_time(snapshot.created),
        "group": snapshot.group,
        "consistency": snapshot.consistency,
        "reason": head["reason"],
        "size": snapshot.size,
        "properties": properties,
        "bytes": {"changed": sum(part.changed for part in parts), "stored": sum(part.segment.size for part in parts)},
        "stream": _stream(head["stream"], parts),
        "compression": head["compression"],
        "encryption": head["encryption"],
        **tables,
        "sources": [],
        "tool": versions(),
    }


def _stream(stream: dict[str, Any], parts: list[StoredSegment]) -> dict[str, Any]:
    """The field ``stream``: for blocks with the numbers of chunks."""
    if stream["format"] == thin.FORMAT:
        return dict(stream, data=sum(part.data for part in parts), unmap=sum(part.unmap for part in parts))
    return stream
