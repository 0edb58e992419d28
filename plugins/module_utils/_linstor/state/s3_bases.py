# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The base that LINSTOR chooses for a backup to a bucket. If it finds none, it ships a full one and doesn't say so.

- For a snapshot that LINSTOR takes itself, the base is the last one that it took itself for that remote. A property of
  the resource definition names it. Backups of existing snapshots don't count.
- For an existing snapshot, the base is the snapshot just before it, if the bucket has that one's backup.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..api.cluster import Cluster
from .snapshots import Snap

_LAST = re.compile("BackupShipping/Source/([^/]+)/BackupLastStartedOrQueued", re.IGNORECASE)
_KIB = 1024


@dataclasses.dataclass(frozen=True)
class BaseRecord:
    """What LINSTOR chooses a base by: the snapshot that it took last for the remote, and the resource's volume sizes
    (bytes by volume number)."""

    last: str | None
    sizes: Mapping[int, int]


def base_records(cluster: Cluster, remote: str) -> dict[str, BaseRecord]:
    """The records of all resources, by name in lower case. One request."""
    found = {}
    for entry in _definitions(cluster, sizes=True):
        sizes = {
            int(each["volume_number"]): int(each["size_kib"]) * _KIB
            for each in _list(entry.get("volume_definitions"))
            if isinstance(each.get("volume_number"), int) and isinstance(each.get("size_kib"), int)
        }
        taken = {name.lower(): snapshot for name, snapshot in taken_last(entry.get("props")).items()}
        found[str(entry.get("name")).lower()] = BaseRecord(taken.get(remote.lower()), sizes)
    return found


def all_taken_last(cluster: Cluster) -> dict[str, dict[str, str]]:
    """The result of :func:`taken_last` for all resources, by name in lower case. One request."""
    return {
        str(entry.get("name")).lower(): taken_last(entry.get("props")) for entry in _definitions(cluster, sizes=False)
    }


def taken_last(props: Any) -> dict[str, str]:
    """The snapshot that LINSTOR itself took last for each remote, from a resource definition's properties."""
    found = ((_LAST.fullmatch(key), value) for key, value in (props.items() if isinstance(props, Mapping) else ()))
    return {match[1]: str(value) for match, value in found if match}


def _definitions(cluster: Cluster, sizes: bool) -> list[Mapping[str, Any]]:
    listing = cluster.read("resource_dfn_list", query_volume_definitions=sizes, what="listing resource definitions")
    return _list(getattr(listing, "data_v1", None))


def own_base(base_record: BaseRecord, snaps: Sequence[Snap]) -> tuple[Snap | None, str]:
    """The base of a snapshot that LINSTOR takes itself, or why there is none."""
    if base_record.last is None:
        return None, "LINSTOR uses only snapshots that it took itself as bases, and this is the first one"
    there = next((snap for snap in snaps if snap.name.lower() == base_record.last.lower()), None)
    if there is None or there.failed:
        return None, f"its base, the snapshot {base_record.last}, no longer exists"
    if base_record.sizes and any(base_record.sizes.get(number) != size for number, size in there.sizes.items()):
        return None, f"the size of its volumes changed after {base_record.last}"
    return there, ""


def base_of(snap: Snap, snaps: Sequence[Snap]) -> tuple[Snap | None, str]:
    """The base of an existing snapshot, or why there is none."""
    before = [each for each in snaps if each.created is not None and each.created < (snap.created or 0.0)]
    if not before:
        return None, f"LINSTOR uses the snapshot just before it as its base, and {snap.name} is the first one"
    return max(before, key=lambda each: each.created or 0.0), ""


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
