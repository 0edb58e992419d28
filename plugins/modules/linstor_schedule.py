#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Have LINSTOR make backups by a schedule."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_schedule
short_description: Have LINSTOR make backups by a schedule
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that a schedule is as described, and enabled for a remote on resources, on resource groups or on the
    whole cluster. LINSTOR's controller then makes the backups by itself.
  - On a resource that a schedule is set on (enabled or not) that counts; otherwise what is set on its group counts,
    otherwise what is set on the cluster.
  - All resources of a schedule start at the same moment. With O(spread), several schedules are made that start one
    after the other, and each resource is enabled on one of them.
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
      - V(absent) deletes the schedule, with all that it is enabled on, and the schedules that O(spread) has made of it.
    type: str
    choices: [present, absent]
    default: present
  full_cron:
    description:
      - When full backups are made, in the five fields of cron, or one of V(hourly) (V(0 * * * *)), V(daily)
        (V(0 0 * * *)), V(weekly) (V(0 0 * * 0)) and V(monthly) (V(0 0 1 * *)). Needed for a schedule that isn't there
        yet.
      - Times are those of the time zone that the controller runs in.
    type: str
  inc_cron:
    description:
      - When increments are made, in the same form. Where both are due at the same time, a full one is made. An empty
        string is for no increments.
    type: str
  keep_local:
    description:
      - Of how many full backups the snapshots stay in the cluster, with those of their increments. A number below zero
        is for all of them.
      - M(snapship.dr.linstor_retention) prunes by calendar instead.
    type: int
  keep_remote:
    description:
      - How many full backups stay on an S3 remote, with their increments. A number below zero is for all of them.
    type: int
  on_failure:
    description:
      - Whether a backup that fails is tried again after a minute, or left out until the next one is due. LINSTOR's own
        default is V(SKIP).
    type: str
    choices: [SKIP, RETRY]
  max_retries:
    description:
      - How often, with O(on_failure=RETRY). A number below zero is for as often as it takes, which is LINSTOR's
        default.
    type: int
  remote:
    description:
      - The remote that the schedule is enabled for.
    type: str
  resources:
    description:
      - Resources to set the schedule on, one name or a list of them.
    type: raw
  resource_groups:
    description:
      - Resource groups to set it on.
    type: raw
  all_resources:
    description:
      - Whether to set it on the whole cluster.
    type: bool
    default: false
  enablement:
    description:
      - What is set there. V(enabled) and V(disabled) overrule what is set on the resource group and on the cluster.
        V(inherited) takes the setting away.
    type: str
    choices: [enabled, disabled, inherited]
    default: enabled
  node:
    description:
      - The node that ships, where it can. An empty string is for any.
    type: str
  target_storage_pool:
    description:
      - For a LINSTOR remote, the storage pool on the other side.
      - LINSTOR can set this and the following options, and change them, but does not take them back. That needs
        a schedule with another name.
    type: str
  storage_pool_map:
    description:
      - For a LINSTOR remote, storage pools of this cluster, and those that take their place on the other side.
    type: dict
  force_restore:
    description:
      - For a LINSTOR remote, whether LINSTOR replaces the resource on the other side with what it receives. It does so
        only where that has one diskful replica, and is not in use. M(snapship.dr.linstor_restore) looks more closely.
    type: bool
  target_resource_group:
    description:
      - For a LINSTOR remote and O(resources), the resource group on the other side.
    type: str
  force_move_resource_group:
    description:
      - Whether that is so even where the resource on the other side is deployed.
    type: bool
  target_resource:
    description:
      - For a LINSTOR remote and one of O(resources), its name on the other side.
    type: str
  spread:
    description:
      - Spread the starts over this time, as in V(1h). O(spread_slots) schedules are made, named after O(name) with
        C(-slot1), C(-slot2) and so on, whose times are those of O(full_cron) and O(inc_cron), each some minutes later
        than the one before. A resource's or group's name decides which of them it is enabled on, so it stays there
        whatever else is added.
      - The minute in cron has to be a number for that, and the hour V(*) or numbers. Starts are not moved to the next
        day.
      - Schedules of such names that are not needed any more are deleted, as is one with the mere name.
    type: str
  spread_slots:
    description:
      - How many schedules O(spread) makes.
    type: int
    default: 4
  max_concurrent_per_node:
    description:
      - How many backups a node may ship at the same time. Others wait in LINSTOR's queue. V(0) is for none, a number
        below zero for any number, which is LINSTOR's default.
      - It holds for all that is shipped, not only for this schedule.
    type: int
  nodes:
    description:
      - The nodes that O(max_concurrent_per_node) is set on. By default it is set on the controller, for all
        that have none of their own.
    type: raw
seealso:
  - module: snapship.dr.linstor_retention
"""

EXAMPLES = r"""
- name: Increments each hour, a full one each week, four resources at different times
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

- name: All resources of a group each night
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

- name: Not that one
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
  description: The schedule, or those that were made of it, and those that were (or would be) deleted.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Its name.
      type: str
      returned: always
      sample: hourly-slot1
    state:
      description: V(present), or V(absent) where it was (or would be) deleted.
      type: str
      returned: always
      sample: present
    full_cron:
      description: When full backups are made.
      type: str
      returned: always
      sample: 0 0 * * 0
    inc_cron:
      description: When increments are made, or V(null).
      type: str
      returned: always
      sample: 0 * * * *
    keep_local:
      description: Of how many full backups the snapshots stay, or V(null).
      type: int
      returned: always
    keep_remote:
      description: How many full backups stay, or V(null).
      type: int
      returned: always
    on_failure:
      description: V(SKIP) or V(RETRY).
      type: str
      returned: always
    max_retries:
      description: How often it is tried again, or V(null).
      type: int
      returned: always
    enabled_on:
      description: What is (or would be) set on what the task names.
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
          description: Whether it is enabled, or V(null) where nothing is set.
          type: bool
          returned: always
        node:
          description: The node that ships, where it can.
          type: str
          returned: always
        target_storage_pool:
          description: The storage pool on the other side.
          type: str
          returned: always
        storage_pool_map:
          description: Storage pools, and those on the other side.
          type: dict
          returned: always
        force_restore:
          description: Whether LINSTOR replaces what is on the other side.
          type: bool
          returned: always
        target_resource_group:
          description: The resource group on the other side.
          type: str
          returned: always
        force_move_resource_group:
          description: Whether that is so even where the resource is deployed.
          type: bool
          returned: always
        target_resource:
          description: The name on the other side.
          type: str
          returned: always
    actions:
      description: What was done that changed something, in order.
      type: list
      elements: str
      returned: always
failures:
  description: What failed, and how. Empty where nothing did.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The resource, where it is about one.
      type: str
      returned: always
    remote:
      description: The remote, where it is about one.
      type: str
      returned: always
    code:
      description: A short word for programs, which stays the same from release to release.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What happened, in one line.
      type: str
      returned: always
    hint:
      description: What to do about it. Can be empty.
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
    """What the task asks for."""
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
