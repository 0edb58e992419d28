#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Compare the backups of a LINSTOR cluster's resources with their RPO."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_protection_info
short_description: Compare the backups of a LINSTOR cluster's resources with their RPO
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Measures the age of the newest complete backup of each resource on each remote, and compares it with the promised
    recovery point objective (RPO).
  - It also lists resources without any protection, and the state of LINSTOR's own schedules.
  - It only reads. The number of requests doesn't depend on the number of resources.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.promises
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  resources:
    description:
      - Check only these resources, a list of names or one name. By default, all resources except those received from
        another cluster.
    type: raw
  rpo:
    description:
      - The maximal age of the newest complete backup, as in V(30h). It applies to all O(remotes) without an RPO of
        their own. Without an RPO, the module returns ages only, and nothing is breached.
    type: str
seealso:
  - module: snapship.dr.linstor_backup
  - module: snapship.dr.linstor_backup_info
"""

EXAMPLES = r"""
- name: Compare the backups on two remotes with their RPO
  snapship.dr.linstor_protection_info:
    controllers: "{{ controllers }}"
    remotes:
      - name: offsite
        rpo: 30h
      - name: dr-site
        rpo: 45m
        target_cluster:
          controllers: "{{ target_controllers }}"
  delegate_to: localhost
  register: protected

- name: Fail if an RPO is breached
  ansible.builtin.assert:
    that: protected.breached | length == 0
    fail_msg: >-
      Too old:{% for each in protected.breached %}
      {{ each.volume }} on {{ each.remote }}: {{ each.reason }}.{% endfor %}

- name: Show the age of all backups
  snapship.dr.linstor_protection_info:
    controllers: "{{ controllers }}"
  delegate_to: localhost
"""

RETURN = r"""
protection:
  description: One entry for each resource and remote.
  returned: always
  type: list
  elements: dict
  contains:
    provider:
      description: Always V(linstor).
      type: str
      returned: always
    volume:
      description: The resource.
      type: str
      returned: always
    origin:
      description: The cluster, by the addresses of its controllers.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    id:
      description: The newest complete backup, or V(null).
      type: str
      returned: always
    type:
      description: V(full) or V(incremental), or V(null).
      type: str
      returned: always
    created:
      description: >-
        The time of its data, in UTC, as in RV(snapship.dr.linstor_backup_info#module:backups[].created), or V(null).
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    age:
      description: Its age in seconds, or V(null).
      type: float
      returned: always
    rpo:
      description: The promised RPO in seconds, or V(null).
      type: float
      returned: always
    breached:
      description: Whether the RPO is breached.
      type: bool
      returned: always
    reason:
      description: Why it is breached, or V(null).
      type: str
      returned: always
    chain_length:
      description: Number of backups in its chain, as far as is known.
      type: int
      returned: always
    bytes_logical:
      description: Total size of the resource's volumes, or V(null).
      type: int
      returned: always
    bytes_stored:
      description: Always V(null). M(snapship.dr.linstor_backup_info) returns it with details.
      type: int
      returned: always
    verified:
      description: Always V(null). LINSTOR keeps no digests, so its backups can't be verified.
      type: str
      returned: always
    problem:
      description: The problem of a newer backup that is incomplete or can't be trusted, or V(null).
      type: str
      returned: always
    snapshot:
      description: The snapshot of the newest complete backup, or V(null).
      type: str
      returned: always
    state:
      description: State of the newest shipment, as in M(snapship.dr.linstor_backup_info).
      type: str
      returned: always
    schedules:
      description: Names of the LINSTOR schedules that ship the resource to the remote.
      type: list
      elements: str
      returned: always
breached:
  description: The breached entries of RV(protection), in short.
  returned: always
  type: list
  elements: dict
  contains:
    volume:
      description: The resource.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    age:
      description: Age of the newest complete backup in seconds, or V(null).
      type: float
      returned: always
    rpo:
      description: The promised RPO in seconds.
      type: float
      returned: always
    reason:
      description: Why it is breached.
      type: str
      returned: always
unprotected:
  description: >-
    Resources that have no complete backup on any of the remotes, that no schedule ships, and that O(remotes) doesn't
    name.
  returned: always
  type: list
  elements: str
schedules:
  description: >-
    LINSTOR's own schedules, one entry for each resource, remote and schedule. The same as
    RV(snapship.dr.linstor_schedule_info#module:runs), with an entry for each resource that has no schedule.
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
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import protection_info
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.linstor_target import target_access, target_cluster
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> protection_info.Request:
    """The request of the task."""
    return protection_info.Request(
        resources=names(params["resources"], "resources"),
        rpo=params["rpo"],
        promises=[_promise(given) for given in params["remotes"] or ()],
    )


def _promise(given: Mapping[str, Any]) -> protection_info.Promise:
    resources = names(given["resources"], "remotes.resources")
    return protection_info.Promise(
        given["name"], given["rpo"], resources or None, target_access(given["target_cluster"])
    )


def main() -> None:
    """Run as a module."""
    promise = arguments.merge(
        target_cluster(),
        {
            "name": {"type": "str", "required": True},
            "rpo": {"type": "str"},
            "resources": {"type": "raw"},
        },
    )
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            {
                "resources": {"type": "raw"},
                "rpo": {"type": "str"},
                "remotes": {"type": "list", "elements": "dict", "options": promise},
            },
        ),
        supports_check_mode=True,
    )
    more: dict[str, Any] = {"breached": [], "unprotected": [], "schedules": []}

    def look(cluster: Cluster, params: Mapping[str, Any]) -> Outcome:
        found = protection_info.report(cluster, request(params))
        more.update(breached=found.breached, unprotected=found.unprotected, schedules=found.schedules)
        return Outcome(items=found.protection, warnings=found.warnings)

    linstor.answer(module, look, "protection", lambda _cluster: more)


if __name__ == "__main__":
    main()
