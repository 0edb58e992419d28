#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Prune a LINSTOR cluster's backups by calendar."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_retention
short_description: Prune a LINSTOR cluster's backups by calendar
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Applies retention rules to a cluster's backups. It keeps the backups that a rule names, and prunes all others.
  - It prunes backups on an S3 remote (O(remote)), snapshots that this cluster has received from another one
    (O(received_from)), and the snapshots that shipping leaves on the cluster that ships (O(local)).
  - A backup that is kept keeps all of its bases, so a chain only loses backups at its end. The newest complete backup
    of a resource is always kept. So are shipments under way and their bases.
  - Hours, days, weeks, months and years are in UTC. A backup with a time in the future is kept, and counts for no
    rule.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.received
  - snapship.dr._retention
  - snapship.dr._retention.local
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - It lists each backup with the reason why it stays or goes.
  idempotent:
    support: full
options:
  remote:
    description:
      - The S3 remote whose backups are pruned. With O(local) alone, any remote.
    type: str
  resources:
    description:
      - The resources whose backups are pruned, one name or a list of them. With O(received_from), their names in the
        receiving cluster.
    type: raw
  all_resources:
    description:
      - Prune the backups of all resources, instead of O(resources).
    type: bool
    default: false
  min_age:
    description:
      - Keep all backups that are younger than this, as in V(1d).
    type: str
  max_delete_percent:
    description:
      - If the rules would prune more than this percentage of a resource's complete backups, prune none of them, and
        fail. This protects from mistakes in the rules.
    type: float
    default: 100
  keep_snaps:
    description:
      - Keep the cluster's snapshot of a pruned backup. Otherwise, LINSTOR deletes it, too, unless it is the base of the
        next increment.
    type: bool
    default: true
  consistent:
    description:
      - Treat backups of O(resources) whose snapshots have the same name as one group of one point in time. A group is
        kept or pruned together.
    type: bool
    default: false
  other_clusters:
    description:
      - Also prune backups on O(remote) that another cluster made of resources with the same names. LINSTOR doesn't tell
        which cluster made a backup. A backup counts as another cluster's if this cluster has neither its snapshot nor
        its node.
    type: bool
    default: false
notes:
  - LINSTOR deletes backups one by one, and lists the whole bucket for each of them. So the first run can take long.
seealso:
  - module: snapship.dr.linstor_restore
  - module: snapship.dr.linstor_schedule
"""

EXAMPLES = r"""
- name: Prune backups on S3, and the snapshots that shipping leaves behind
  snapship.dr.linstor_retention:
    controllers: "{{ linstor_controllers }}"
    remote: offsite
    resources: [db, wal]
    consistent: true
    keep:
      last: 4
      daily: 7
      weekly: 5
      monthly: 12
    local:
      last: 2
    min_age: 1h
    max_delete_percent: 60
  delegate_to: localhost
  run_once: true

- name: Prune the snapshots that another cluster has shipped to this one
  snapship.dr.linstor_retention:
    controllers: "{{ dr_controllers }}"
    received_from: any
    all_resources: true
    keep:
      within: 2d
      daily: 14
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
backups:
  description: All checked backups, the newest of each place first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: The backup's id on the remote, or C(resource/snapshot).
      type: str
      returned: always
      sample: db_back_20260309_143000
    place:
      description: V(remote), V(received), or V(local) for a snapshot that shipping has left behind.
      type: str
      returned: always
      sample: remote
    provider:
      description: Always V(linstor).
      type: str
      returned: always
    volume:
      description: The resource.
      type: str
      returned: always
      sample: db
    remote:
      description: The remote, or the origin of a received snapshot.
      type: str
      returned: always
    snapshot:
      description: The snapshot.
      type: str
      returned: always
      sample: back_20260309_143000
    type:
      description: V(full) or V(incremental), or V(null) for a snapshot.
      type: str
      returned: always
    base:
      description: Id of the base of an incremental backup, or V(null).
      type: str
      returned: always
    created:
      description: The time of its data, in UTC, as in RV(snapship.dr.linstor_backup_info#module:backups[].created).
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    state:
      description: V(success) if it is complete.
      type: str
      returned: always
      sample: success
    kept:
      description: Whether it stays.
      type: bool
      returned: always
    reasons:
      description: Why it stays or goes.
      type: list
      elements: str
      returned: always
      sample: [last 1, daily 2026-03-09]
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import retention
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> retention.Request:
    """The request of the task."""
    return retention.Request(
        remote=params["remote"],
        received_from=params["received_from"],
        resources=names(params["resources"], "resources"),
        all_resources=params["all_resources"],
        keep=params["keep"],
        local=params["local"],
        min_age=params["min_age"],
        max_delete_percent=params["max_delete_percent"],
        keep_snaps=params["keep_snaps"],
        consistent=params["consistent"],
        other_clusters=params["other_clusters"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            linstor.stored(),
            arguments.retention("keep", "local"),
            {
                "resources": {"type": "raw"},
                "all_resources": {"type": "bool", "default": False},
                "min_age": {"type": "str"},
                "max_delete_percent": {"type": "float", "default": 100},
                "keep_snaps": {"type": "bool", "default": True},
                "consistent": {"type": "bool", "default": False},
                "other_clusters": {"type": "bool", "default": False},
            },
        ),
        mutually_exclusive=linstor.ONE_STORE,
        required_one_of=[*linstor.ONE_STORE, ("keep", "local")],
        supports_check_mode=True,
    )
    linstor.carry_out(module, retention, request, "backups")


if __name__ == "__main__":
    main()
