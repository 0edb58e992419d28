#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Define schedules by which LINSTOR makes backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_schedule
short_description: Define schedules by which LINSTOR makes backups
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that a schedule is defined as described, and that it is enabled for a remote on resources, on resource
    groups or on the whole cluster. LINSTOR's controller then makes the backups.
  - A setting of the resource itself (enabled or disabled) counts first, then the one of its resource group, then the
    one of the cluster.
  - All resources of a schedule start at the same moment. With O(spread), the module creates several schedules that
    start one after the other, and enables one of them for each resource.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  name:
    description:
      - Name of the schedule, 2 to 63 letters, digits and hyphens.
    type: str
    required: true
  state:
    description:
      - V(absent) deletes the schedule, also where it is enabled, and the schedules that O(spread) has created from it.
    type: str
    choices: [present, absent]
    default: present
  full_cron:
    description:
      - Times of full backups, in the five fields of cron, or one of V(hourly) (V(0 * * * *)), V(daily) (V(0 0 * * *)),
        V(weekly) (V(0 0 * * 0)) and V(monthly) (V(0 0 1 * *)). A new schedule needs it.
      - Times are in the time zone of the controller.
    type: str
  inc_cron:
    description:
      - Times of increments, in the same form. If a full one is due at the same time, LINSTOR makes only the full one.
        An empty string means no increments.
    type: str
  keep_local:
    description:
      - The number of full backups whose snapshots LINSTOR keeps in the cluster, with those of their increments. A
        number below zero keeps all of them.
      - For retention by calendar, use M(snapship.dr.linstor_retention) instead.
    type: int
  keep_remote:
    description:
      - The number of full backups that LINSTOR keeps on an S3 remote, with their increments. A number below zero keeps
        all of them.
    type: int
  on_failure:
    description:
      - V(RETRY) tries a failed backup again after a minute. V(SKIP), LINSTOR's own default, waits for the next one.
    type: str
    choices: [SKIP, RETRY]
  max_retries:
    description:
      - The maximal number of retries, with O(on_failure=RETRY). A number below zero, LINSTOR's default, sets no limit.
    type: int
  remote:
    description:
      - The remote for which the schedule is enabled.
    type: str
  resources:
    description:
      - The resources to enable the schedule on, one name or a list of them.
    type: raw
  resource_groups:
    description:
      - The resource groups to enable it on, one name or a list of them.
    type: raw
  all_resources:
    description:
      - Enable it on the whole cluster.
    type: bool
    default: false
  enablement:
    description:
      - The setting on these resources, groups or the cluster. V(enabled) and V(disabled) have precedence over the
        setting of the resource group and the cluster. V(inherited) removes the setting.
    type: str
    choices: [enabled, disabled, inherited]
    default: enabled
  node:
    description:
      - The node that ships, if it can. An empty string means any node.
    type: str
  target_storage_pool:
    description:
      - For a LINSTOR remote, the storage pool in the target cluster.
      - LINSTOR can set and change this and the following options, but not remove them. To remove one, create a schedule
        with another name.
    type: str
  storage_pool_map:
    description:
      - For a LINSTOR remote, the storage pool in the target cluster for each storage pool of this cluster.
    type: dict
  force_restore:
    description:
      - For a LINSTOR remote, replace the resource in the target cluster with the received snapshot. LINSTOR does this
        only if the resource has one diskful replica and isn't in use. M(snapship.dr.linstor_restore) checks more.
    type: bool
  target_resource_group:
    description:
      - For a LINSTOR remote and O(resources), the resource group in the target cluster.
    type: str
  force_move_resource_group:
    description:
      - Set the resource group even if the resource in the target cluster is already deployed.
    type: bool
  target_resource:
    description:
      - For a LINSTOR remote and a single one of O(resources), its name in the target cluster.
    type: str
  spread:
    description:
      - Spread the starts over this time, as in V(1h). The module creates O(spread_slots) schedules named O(name) with
        C(-slot1), C(-slot2) and so on. Each runs at the times of O(full_cron) and O(inc_cron), some minutes later than
        the one before. The name of a resource or group decides which schedule it uses. It keeps this schedule when
        others are added.
      - This needs a number as the minute in cron, and V(*) or numbers as the hour. No start moves to the next day.
      - The module deletes schedules with such names that are no longer needed, and the one named just O(name).
    type: str
  spread_slots:
    description:
      - The number of schedules for O(spread).
    type: int
    default: 4
  max_concurrent_per_node:
    description:
      - The maximal number of backups that a node ships at the same time. Others wait in LINSTOR's queue. V(0) allows
        none. A number below zero, LINSTOR's default, sets no limit.
      - The limit applies to all shipments, not only to those of this schedule.
    type: int
  nodes:
    description:
      - The nodes for which O(max_concurrent_per_node) is set. By default, it is set on the controller, for all nodes
        without their own limit.
    type: raw
seealso:
  - module: snapship.dr.linstor_schedule_info
  - module: snapship.dr.linstor_retention
"""

EXAMPLES = r"""
- name: Back up four resources each hour at different minutes, with a full one each week
  snapship.dr.linstor_schedule:
    controllers: "{{ linstor_controllers }}"
    name: hourly
    full_cron: weekly
    inc_cron: hourly
    remote: offsite
    resources: [db, wal, web, mail]
    spread: 1h
    max_concurrent_per_node: 2
  delegate_to: localhost
  run_once: true

- name: Back up all resources of a group each night
  snapship.dr.linstor_schedule:
    controllers: "{{ linstor_controllers }}"
    name: nightly
    full_cron: 30 4 1 * *
    inc_cron: 30 4 * * *
    on_failure: RETRY
    max_retries: 3
    remote: dr-site
    resource_groups: protected
  delegate_to: localhost
  run_once: true

- name: Exclude one resource of the group
  snapship.dr.linstor_schedule:
    controllers: "{{ linstor_controllers }}"
    name: nightly
    remote: dr-site
    resources: scratch
    enablement: disabled
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
schedules:
  description: The schedule or its slots, and the schedules that were (or would be) deleted.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the schedule.
      type: str
      returned: always
      sample: hourly-slot1
    state:
      description: V(present), or V(absent) if it was (or would be) deleted.
      type: str
      returned: always
      sample: present
    full_cron:
      description: Times of full backups.
      type: str
      returned: always
      sample: 0 0 * * 0
    inc_cron:
      description: Times of increments, or V(null).
      type: str
      returned: always
      sample: 0 * * * *
    keep_local:
      description: Number of full backups whose snapshots are kept in the cluster, or V(null).
      type: int
      returned: always
    keep_remote:
      description: Number of full backups that are kept on the remote, or V(null).
      type: int
      returned: always
    on_failure:
      description: V(SKIP) or V(RETRY).
      type: str
      returned: always
    max_retries:
      description: Maximal number of retries, or V(null).
      type: int
      returned: always
    enabled_on:
      description: The settings on the resources, groups or cluster that the task names.
      type: list
      elements: dict
      returned: always
      contains:
        level:
          description: V(resource), V(resource_group) or V(cluster).
          type: str
          returned: always
        "on":
          description: Name of the resource or group.
          type: str
          returned: always
        remote:
          description: Name of the remote.
          type: str
          returned: always
        enabled:
          description: Whether it is enabled. V(null) without a setting.
          type: bool
          returned: always
        node:
          description: The node that ships, if it can.
          type: str
          returned: always
        target_storage_pool:
          description: The storage pool in the target cluster.
          type: str
          returned: always
        storage_pool_map:
          description: The storage pool in the target cluster for each one of this cluster.
          type: dict
          returned: always
        force_restore:
          description: Whether LINSTOR replaces the resource in the target cluster.
          type: bool
          returned: always
        target_resource_group:
          description: The resource group in the target cluster.
          type: str
          returned: always
        force_move_resource_group:
          description: Whether the group is set even if the resource is already deployed.
          type: bool
          returned: always
        target_resource:
          description: Name of the resource in the target cluster.
          type: str
          returned: always
    actions:
      description: The changes that were made, in order.
      type: list
      elements: str
      returned: always
failures:
  description: What failed, and how. Empty if nothing failed.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The resource, if the failure is about one.
      type: str
      returned: always
    remote:
      description: The remote, if the failure is about one.
      type: str
      returned: always
    code:
      description: A short word for programs. It stays the same in later releases.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What happened, in one line.
      type: str
      returned: always
    hint:
      description: What to do about it. It may be empty.
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import schedule
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names

AS_GIVEN = (
    "name",
    "state",
    "full_cron",
    "inc_cron",
    "keep_local",
    "keep_remote",
    "on_failure",
    "max_retries",
    "remote",
    "all_resources",
    "enablement",
    "node",
    "target_storage_pool",
    "force_restore",
    "target_resource_group",
    "force_move_resource_group",
    "target_resource",
    "spread",
    "spread_slots",
    "max_concurrent_per_node",
)


def request(params: Mapping[str, Any]) -> schedule.Request:
    """The request of the task."""
    pools = params["storage_pool_map"]
    return schedule.Request(
        **{name: params[name] for name in AS_GIVEN},
        resources=names(params["resources"], "resources"),
        resource_groups=names(params["resource_groups"], "resource_groups"),
        nodes=names(params["nodes"], "nodes"),
        storage_pool_map=None if pools is None else {str(old): str(new) for old, new in pools.items()},
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            {
                "name": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "full_cron": {"type": "str"},
                "inc_cron": {"type": "str"},
                "keep_local": {"type": "int"},
                "keep_remote": {"type": "int"},
                "on_failure": {"type": "str", "choices": ["SKIP", "RETRY"]},
                "max_retries": {"type": "int"},
                "remote": {"type": "str"},
                "resources": {"type": "raw"},
                "resource_groups": {"type": "raw"},
                "all_resources": {"type": "bool", "default": False},
                "enablement": {
                    "type": "str",
                    "choices": ["enabled", "disabled", "inherited"],
                    "default": "enabled",
                },
                "node": {"type": "str"},
                "target_storage_pool": {"type": "str"},
                "storage_pool_map": {"type": "dict"},
                "force_restore": {"type": "bool"},
                "target_resource_group": {"type": "str"},
                "force_move_resource_group": {"type": "bool"},
                "target_resource": {"type": "str"},
                "spread": {"type": "str"},
                "spread_slots": {"type": "int", "default": 4},
                "max_concurrent_per_node": {"type": "int"},
                "nodes": {"type": "raw"},
            },
        ),
        supports_check_mode=True,
    )
    linstor.carry_out(module, schedule, request, "schedules")


if __name__ == "__main__":
    main()
