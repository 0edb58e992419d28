# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Resource definitions and the nodes on which they are deployed. Two requests for all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ..api.cluster import Cluster

_DISKLESS = {"DISKLESS", "DRBD_DISKLESS", "NVME_INITIATOR", "EBS_INITIATOR", "TIE_BREAKER"}


@dataclasses.dataclass
class Deployed:
    """A resource definition. ``sizes``: bytes by volume number. ``in_use``: the nodes on which it is open.

    Only DRBD knows whether a resource is open; without DRBD ``in_use`` is always empty. ``restoring``: LINSTOR is
    restoring it from a backup.
    """

    name: str
    uuid: str
    group: str
    props: Mapping[str, str]
    sizes: Mapping[int, int]
    diskful: list[str] = dataclasses.field(default_factory=list)
    diskless: list[str] = dataclasses.field(default_factory=list)
    in_use: list[str] = dataclasses.field(default_factory=list)
    restoring: bool = False

    @property
    def volumes(self) -> str:
        """The volumes' sizes in the form in which they are recorded."""
        return ",".join(f"{number}:{size}" for number, size in sorted(self.sizes.items()))


def read_definitions(cluster: Cluster, names: Iterable[str]) -> dict[str, Deployed]:
    """The existing definitions among these names, by name in lower case."""
    wanted = {name.lower() for name in names}
    found: dict[str, Deployed] = {}
    for entry in _data(cluster.read("resource_dfn_list", what="listing resource definitions")):
        if str(entry["name"]).lower() in wanted:
            found[str(entry["name"]).lower()] = _definition(entry)
    if not found:
        return found
    for entry in _data(cluster.read("resource_list", what="listing resources")):
        there = found.get(str(entry["name"]).lower())
        if there is None or "DELETE" in (entry.get("flags") or ()):
            continue
        node = str(entry["node_name"])
        (there.diskless if _DISKLESS & set(entry.get("flags") or ()) else there.diskful).append(node)
        if (entry.get("state") or {}).get("in_use"):
            there.in_use.append(node)
    return found


def read_definition(cluster: Cluster, name: str) -> Deployed | None:
    """The definition of that name, or ``None``."""
    return read_definitions(cluster, [name]).get(name.lower())


def _definition(entry: Mapping[str, Any]) -> Deployed:
    return Deployed(
        name=str(entry["name"]),
        uuid=str(entry.get("uuid") or ""),
        group=str(entry.get("resource_group_name") or ""),
        props=dict(entry.get("props") or {}),
        sizes={
            int(volume.get("volume_number") or 0): int(volume.get("size_kib") or 0) * 1024
            for volume in entry.get("volume_definitions") or ()
        },
        restoring="RESTORE_TARGET" in (entry.get("flags") or ()),
    )


def _data(answer: Any) -> list[Mapping[str, Any]]:
    data = getattr(answer, "data_v1", None)
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
