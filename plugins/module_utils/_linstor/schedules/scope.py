# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Where a schedule is enabled for a remote: on a resource, a resource group, or the whole cluster.

LINSTOR keeps that in properties ``Schedule/<remote>/<schedule>/...`` of what it is enabled on; the nearest one counts:
the resource's, else its group's, else the controller's. Its API sets them, and takes back only whether it is enabled
and the node; the others stay, and count again when it is enabled again. The map of pools stays even when the schedule
is deleted, and counts for one that gets its name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..api.cluster import Cluster
from ..api.replies import Replies

RESOURCE, GROUP, CLUSTER = "resource", "resource_group", "cluster"
_MAP = "RenameStorpoolMap/"
#: LINSTOR's key for all pools that the map doesn't name
_ANY_POOL = f"{_MAP}*"
#: what LINSTOR doesn't take back
_STAYS = (
    "target_storage_pool",
    "storage_pool_map",
    "force_restore",
    "target_resource_group",
    "force_move_resource_group",
    "target_resource",
)


@dataclasses.dataclass(frozen=True)
class Level:
    """What a schedule can be enabled on. ``name`` is empty for the cluster."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.name}" if self.name else "the whole cluster"

    @property
    def address(self) -> dict[str, str]:
        """As python-linstor's methods want it."""
        return {} if self.kind == CLUSTER else {f"{self.kind}_name": self.name}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is set on a level: ``enabled`` is ``None`` where nothing is, so that the next level counts."""

    enabled: bool | None = None
    node: str = ""
    target_storage_pool: str = ""
    storage_pool_map: tuple[tuple[str, str], ...] = ()
    force_restore: bool = False
    target_resource_group: str = ""
    force_move_resource_group: bool = False
    target_resource: str = ""

    @classmethod
    def read(cls, props: Mapping[str, str], remote: str, schedule: str) -> Setting:
        """From the properties of the level itself."""
        prefix = f"Schedule/{remote}/{schedule}/".lower()
        own = {key[len(prefix) :]: value for key, value in props.items() if key.lower().startswith(prefix)}
        enabled = own.get("Enabled")
        pools = {key[len(_MAP) :]: value for key, value in own.items() if key.startswith(_MAP) and key != _ANY_POOL}
        return cls(
            enabled=None if enabled is None else _true(enabled),
            node=own.get("PrefNode", ""),
            target_storage_pool=own.get(_ANY_POOL, ""),
            storage_pool_map=tuple(sorted(pools.items())),
            force_restore=_true(own.get("ForceRestore")),
            target_resource_group=own.get("TargetResourceGroup", ""),
            force_move_resource_group=_true(own.get("ForceResourceGroup")),
            target_resource=own.get("TargetResourceName", ""),
        )

    def stuck(self, wanted: Setting) -> list[str]:
        """The options that are set, aren't wanted, and can't be taken back."""
        found = [name for name in _STAYS if getattr(self, name) and not getattr(wanted, name)]
        if not set(dict(self.storage_pool_map)) <= set(dict(wanted.storage_pool_map)):
            found.append("storage_pool_map")
        return list(dict.fromkeys(found))

    @property
    def left(self) -> list[str]:
        """The options that are set although it isn't enabled, from an earlier time."""
        return self.stuck(Setting()) if self.enabled is None else []

    def show(self) -> dict[str, Any]:
        """For returns and diffs."""
        return dict(dataclasses.asdict(self), storage_pool_map=dict(self.storage_pool_map))


def _true(value: str | None) -> bool:
    return (value or "").lower() == "true"


def put(cluster: Cluster, remote: str, schedule: str, level: Level, was: Setting, wanted: Setting) -> list[Replies]:
    """Make it so. Returns what the controller said to each request."""
    said: list[Replies] = []
    what = f"schedule {schedule} to remote {remote} on {level}"
    if wanted.enabled is None or (was.node and not wanted.node):
        done = cluster.change("backup_schedule_delete", remote, schedule, what=f"taking {what} away", **level.address)
        said.append(done)
    if wanted.enabled is False:  # a setting of its own: no other level counts then
        done = cluster.change("backup_schedule_disable", remote, schedule, what=f"disabling {what}", **level.address)
        said.append(done)
    if wanted.enabled:
        done = cluster.change(
            "backup_schedule_enable",
            remote,
            schedule,
            preferred_node=wanted.node,
            dst_stor_pool=wanted.target_storage_pool,
            storpool_rename_map=dict(wanted.storage_pool_map),
            force_restore=wanted.force_restore,
            dst_rsc_grp=wanted.target_resource_group,
            force_mv_rsc_grp=wanted.force_move_resource_group,
            dst_rsc_name=wanted.target_resource,
            what=f"enabling {what}",
            **level.address,
        )
        said.append(done)
    return said
