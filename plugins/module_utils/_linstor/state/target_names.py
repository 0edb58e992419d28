# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The target of a shipment on the other cluster: resource names from patterns, and the options for LINSTOR."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from ..._engine.common.errors import UsageError
from ..api.cluster import Cluster

#: the placeholder for the resource's name in a pattern
PLACE = "{resource}"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{1,47}")


@dataclasses.dataclass(frozen=True)
class ShipmentTarget:
    """The module's option ``target``. ``resource``: a name, a pattern, or a name for each resource."""

    resource: str | Mapping[str, str] | None = None
    node: str | None = None
    storage_pool: str | None = None
    storage_pool_map: Mapping[str, str] = dataclasses.field(default_factory=dict)
    resource_group: str | None = None
    force_move_resource_group: bool = False
    net_interface: str | None = None
    download_only: bool = False
    force_restore: bool = False

    def name_of(self, resource: str) -> str:
        """The name of ``resource`` on the target."""
        if isinstance(self.resource, Mapping):
            return str(self.resource.get(resource, resource))
        return (self.resource or PLACE).replace(PLACE, resource)

    def arguments(self, resource: str) -> dict[str, Any]:
        """The arguments of python-linstor's ``backup_ship``."""
        return {
            "dst_rsc_name": self.name_of(resource),
            "dst_node": self.node,
            "dst_stor_pool": self.storage_pool,
            "stor_pool_rename": dict(self.storage_pool_map) or None,
            "dst_rsc_grp": self.resource_group,
            "force_mv_rsc_grp": self.force_move_resource_group,
            "dst_net_if": self.net_interface,
            "download_only": self.download_only,
            "force_restore": self.force_restore,
        }

    @property
    def given(self) -> bool:
        """Whether any of the options is set."""
        return self != ShipmentTarget()


def check(target: ShipmentTarget, resources: Iterable[str], same_cluster: bool) -> None:
    """Raise UsageError for invalid names, for two equal ones, and for the resource itself."""
    if target.download_only and target.force_restore:
        raise UsageError("target: download_only and force_restore can't both be set.")
    taken: dict[str, str] = {}
    for resource in resources:
        name = target.name_of(resource)
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"target: {name!r} isn't a valid resource name.",
                "Use 2 to 48 letters, digits, - and _, beginning with a letter or _.",
            )
        if name.lower() in taken:
            raise UsageError(
                f"target: {taken[name.lower()]} and {resource} would both be named {name} on the target.",
                f"Put {PLACE} into target.resource, or set a name for each of them.",
            )
        if same_cluster and name.lower() == resource.lower():
            raise UsageError(
                f"target: the remote is this same cluster, so {resource} would be shipped into itself.",
                f"Set target.resource to another name, such as {PLACE}-dr.",
            )
        taken[name.lower()] = resource


def is_same_cluster(cluster: Cluster, url: str | None) -> bool:
    """Whether a LINSTOR remote's address is one of the addresses of ``cluster``."""
    there = _host(url or "")
    return bool(there) and there in {_host(uri) for uri in cluster.access.controllers}


def _host(uri: str) -> tuple[str, int] | None:
    parts = urlsplit(uri if "://" in uri else f"linstor://{uri}")
    if not parts.hostname:
        return None
    # The controller is the same with and without TLS.
    default = 3371 if parts.scheme in ("linstor+ssl", "https") else 3370
    port = parts.port or default
    return parts.hostname.lower(), 3370 if port == 3371 else port
