# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The scope of a schedule for a remote: a resource, a resource group, or the whole cluster.

LINSTOR keeps the settings in properties ``Schedule/<remote>/<schedule>/...`` of the resource, its group and the
controller; the first of these that has them counts. The API can set all of them, but remove only two: whether the
schedule is enabled, and the node. The others stay and count again when the schedule is enabled again. The map of
storage pools stays even after the schedule is deleted, and counts for a new one of the same name.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..api.cluster import Cluster
from ..api.replies import Replies

RESOURCE, GROUP, CLUSTER = "resource", "resource_group", "cluster"
_MAP = "RenameStorpoolMap/"
#: LINSTOR's key for all storage pools that aren't in the map
_ANY_POOL = f"{_MAP}*"
#: options that LINSTOR can't remove
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
    """A level on which a schedule can be enabled. ``name`` is empty for the cluster."""

    kind: str
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.name}" if self.name else "the whole cluster"

    @property
    def address(self) -> dict[str, str]:
        """The arguments of python-linstor's methods for this level."""
        return {} if self.kind == CLUSTER else {f"{self.kind}_name": self.name}


@dataclasses.dataclass(frozen=True)
class Setting:
    """The setting of a level: ``enabled`` is ``None`` if there is none, so that the next level counts."""

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
        """From the properties of the level."""
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
        """The options that are set, aren't wanted, and can't be removed."""
        found = [name for name in _STAYS if getattr(self, name) and not getattr(wanted, name)]
        if not set(dict(self.storage_pool_map)) <= set(dict(wanted.storage_pool_map)):
            found.append("storage_pool_map")
        return list(dict.fromkeys(found))

    @property
    def left(self) -> list[str]:
        """The options that an earlier enablement has left."""
        return self.stuck(Setting()) if self.enabled is None else []

    def show(self) -> dict[str, Any]:
        """The setting for return values and diffs."""
        return dict(dataclasses.asdict(self), storage_pool_map=dict(self.storage_pool_map))


def _true(value: str | None) -> bool:
    return (value or "").lower() == "true"


def put(cluster: Cluster, remote: str, schedule: str, level: Level, was: Setting, wanted: Setting) -> list[Replies]:
    """Apply the setting. Returns the controller's replies to each request."""
    said: list[Replies] = []
    what = f"schedule {schedule} to remote {remote} on {level}"
    if wanted.enabled is None or (was.node and not wanted.node):
        done = cluster.change("backup_schedule_delete", remote, schedule, what=f"removing {what}", **level.address)
        said.append(done)
    if wanted.enabled is False:  # "disabled" is a setting, too: the next level doesn't count
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
