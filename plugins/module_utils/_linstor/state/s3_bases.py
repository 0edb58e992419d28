# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What LINSTOR builds a backup to a bucket on. It goes by rules of its own and ships a full one without a word:

- a snapshot that it takes itself is built on the last one that it took itself for that remote, which a property of the
  resource definition names; backups of snapshots that were there already don't count;
- one that is there already is built on the snapshot just before it, if that one's backup is in the bucket.
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
    """What a resource's definition says: the snapshot that LINSTOR took last for the remote, and its volumes' sizes
    (bytes by volume number)."""

    last: str | None
    sizes: Mapping[int, int]


def base_records(cluster: Cluster, remote: str) -> dict[str, BaseRecord]:
    """By the resources' names in lower case. One request."""
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
    """By the resources' names in lower case, what :func:`taken_last` says. One request."""
    return {
        str(entry.get("name")).lower(): taken_last(entry.get("props")) for entry in _definitions(cluster, sizes=False)
    }


def taken_last(props: Any) -> dict[str, str]:
    """By remotes' names, the snapshot that LINSTOR took itself last, from a resource definition's properties."""
    found = ((_LAST.fullmatch(key), value) for key, value in (props.items() if isinstance(props, Mapping) else ()))
    return {match[1]: str(value) for match, value in found if match}


def _definitions(cluster: Cluster, sizes: bool) -> list[Mapping[str, Any]]:
    listing = cluster.read("resource_dfn_list", query_volume_definitions=sizes, what="listing resource definitions")
    return _list(getattr(listing, "data_v1", None))


def own_base(base_record: BaseRecord, snaps: Sequence[Snap]) -> tuple[Snap | None, str]:
    """What a snapshot would be built on that LINSTOR takes itself, or why there is nothing."""
    if base_record.last is None:
        return None, "LINSTOR builds what it takes itself on what it took itself, and that is the first"
    there = next((snap for snap in snaps if snap.name.lower() == base_record.last.lower()), None)
    if there is None or there.failed:
        return None, f"LINSTOR would build it on the snapshot {base_record.last}, which is gone"
    if base_record.sizes and any(base_record.sizes.get(number) != size for number, size in there.sizes.items()):
        return None, f"the size of its volumes has changed since {base_record.last}"
    return there, ""


def base_of(snap: Snap, snaps: Sequence[Snap]) -> tuple[Snap | None, str]:
    """What a snapshot that is there is built on, or why there is nothing."""
    before = [each for each in snaps if each.created is not None and each.created < (snap.created or 0.0)]
    if not before:
        return None, f"LINSTOR builds it on the snapshot just before it, and {snap.name} is the first"
    return max(before, key=lambda each: each.created or 0.0), ""


def _list(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []
