#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Tell when LINSTOR's schedules ran last and when they run next."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_schedule_info
short_description: Tell when LINSTOR's schedules ran last and when they run next
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the schedules by which LINSTOR itself makes backups. For each resource and remote of a schedule, it returns
    when the schedule ran last and when it runs next.
  - It only reads. Two requests are enough for any number of resources.
  - That a schedule has run doesn't mean that its backup succeeded. M(snapship.dr.linstor_backup_info) lists the
    backups, and M(snapship.dr.linstor_protection_info) compares their age with an RPO.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  name:
    description:
      - Return only this schedule, and the schedules that O(snapship.dr.linstor_schedule#module:spread) has created from
        it.
    type: str
  remote:
    description:
      - Return only the runs to this remote.
    type: str
  resources:
    description:
      - Return only the runs for these resources, a list of names or one name. Without O(name) and O(remote), a resource
        that has no schedule has an entry that says so.
    type: raw
seealso:
  - module: snapship.dr.linstor_schedule
  - module: snapship.dr.linstor_protection_info
"""

EXAMPLES = r"""
- name: Ask for the runs of a schedule
  snapship.dr.linstor_schedule_info:
    controllers: "{{ linstor_controllers }}"
    name: hourly
  delegate_to: localhost
  run_once: true
  register: hourly

- name: Show when it ran last and when it runs next
  ansible.builtin.debug:
    msg: "{{ item.volume }} to {{ item.remote }}: last {{ item.last or 'never' }}, next {{ item.next or 'now' }}"
  loop: "{{ hourly.runs | selectattr('enabled') }}"
  loop_control:
    label: "{{ item.schedule }}"
"""

RETURN = r"""
schedules:
  description: The schedules, by name.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the schedule.
      type: str
      returned: always
      sample: hourly-slot1
    full_cron:
      description: Times of full backups, in the controller's time zone.
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
runs:
  description: The last and the next run of each schedule, one entry for each resource and remote.
  returned: always
  type: list
  elements: dict
  contains:
    volume:
      description: The resource.
      type: str
      returned: always
      sample: db
    remote:
      description: Name of the remote. Empty for a resource that has no schedule.
      type: str
      returned: always
      sample: offsite
    schedule:
      description: Name of the schedule. Empty for a resource that has none.
      type: str
      returned: always
      sample: hourly-slot1
    enabled:
      description: Whether it is active for the resource.
      type: bool
      returned: always
    reason:
      description: Why it isn't active, in LINSTOR's words (V(disabled), V(undeployed), V(none set)), or V(null).
      type: str
      returned: always
    last:
      description: When it last started a backup, in UTC, or V(null). This doesn't tell whether that backup succeeded.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.123000Z"
    last_type:
      description: V(full) or V(incremental), or V(null).
      type: str
      returned: always
      sample: incremental
    next:
      description: When it runs next, in UTC. V(null) while it is running, or if it isn't active.
      type: str
      returned: always
      sample: "2026-03-09T15:30:00.000000Z"
    next_type:
      description: V(full) or V(incremental), or V(null).
      type: str
      returned: always
      sample: incremental
    next_full:
      description: When the next full backup is planned, in UTC, or V(null).
      type: str
      returned: always
      sample: "2026-03-15T00:30:00.000000Z"
    next_incremental:
      description: When the next increment is planned, in UTC, or V(null).
      type: str
      returned: always
      sample: "2026-03-09T15:30:00.000000Z"
    running:
      description: Whether it is running now.
      type: bool
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import schedule
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def question(params: Mapping[str, Any]) -> schedule.Question:
    """The question of the task."""
    return schedule.Question(params["name"], params["remote"], names(params["resources"], "resources"))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(), {"name": {"type": "str"}, "remote": {"type": "str"}, "resources": {"type": "raw"}}
        ),
        supports_check_mode=True,
    )
    more: dict[str, Any] = {"runs": []}

    def look(cluster: Cluster, params: Mapping[str, Any]) -> Outcome:
        schedules, more["runs"] = schedule.describe(cluster, question(params))
        return Outcome(items=schedules)

    linstor.answer(module, look, "schedules", lambda _cluster: more)


if __name__ == "__main__":
    main()
