#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Tell which backups there are of a LINSTOR cluster's resources."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_backup_info
short_description: Tell which backups there are of a LINSTOR cluster's resources
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the backups on a remote of a LINSTOR cluster, with their chains and what is under way; or, without
    O(remote), what other clusters have shipped to this one.
  - It only reads, and with as many requests for hundreds of resources as for one.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.target_cluster
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  remote:
    description:
      - Name of the remote, as LINSTOR knows it. On one of type V(s3) the backups in the bucket are listed, those of
        other clusters in the same bucket too; for one of type V(linstor) the snapshots here that were shipped to it.
      - Without it, the snapshots are listed that this cluster has received.
    type: str
  resources:
    description:
      - Tell only about these resources, a list of names or one name.
    type: raw
  id:
    description:
      - Tell only about this backup, in detail. It is an error when there is no such backup.
    type: str
  details:
    description:
      - Ask LINSTOR also how much each backup in a bucket takes, which is one more request for each.
    type: bool
    default: false
  queue:
    description:
      - Tell also what waits to be shipped, in RV(queue), which is one more request.
    type: bool
    default: false
seealso:
  - module: snapship.dr.linstor_backup
  - module: snapship.dr.linstor_restore
"""

EXAMPLES = r"""
- name: What is in the bucket?
  snapship.dr.linstor_backup_info:
    controllers: "{{ controllers }}"
    remote: offsite
  delegate_to: localhost
  register: there

- name: Show when each resource was backed up last
  ansible.builtin.debug:
    msg: "{{ item }}: {{ (complete | selectattr('volume', '==', item) | first).created }}"
  loop: "{{ complete | map(attribute='volume') | unique }}"
  vars:
    complete: "{{ there.backups | selectattr('complete') }}"

- name: What has the other cluster received?
  snapship.dr.linstor_backup_info:
    controllers: "{{ target_controllers }}"
  delegate_to: localhost

- name: What was shipped there, by what both say, and what waits?
  snapship.dr.linstor_backup_info:
    controllers: "{{ controllers }}"
    remote: dr-site
    queue: true
    target_cluster:
      controllers: "{{ target_controllers }}"
  delegate_to: localhost
"""

RETURN = r"""
backups:
  description: The backups and shipments, newest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: >-
        Identity of the backup: its name in the bucket, or C(resource/snapshot) where the remote keeps no list.
      type: str
      returned: always
      sample: db_back_20260309_143000
    provider:
      description: Always V(linstor).
      type: str
      returned: always
    volume:
      description: The resource.
      type: str
      returned: always
    origin:
      description: >-
        The cluster it is from, by the addresses of its controllers; for what was received here by the source's id.
        LINSTOR's list of a bucket doesn't say which cluster a backup in it is from.
      type: str
      returned: always
    remote:
      description: Name of the remote. V(null) for what was received here.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental). V(null) where it isn't known.
      type: str
      returned: always
    base:
      description: Id of the backup that an incremental rests on, or V(null).
      type: str
      returned: always
    chain:
      description: >-
        The ids of all that it was built on, the full one first and itself last. V(null) where one of them is not
        there. In a bucket all of them are needed to restore it; what a cluster has received is whole by itself.
      type: list
      elements: str
      returned: always
    chain_length:
      description: How many these are. V(null) where that isn't known.
      type: int
      returned: always
    complete:
      description: Whether it can be relied on.
      type: bool
      returned: always
    problem:
      description: Why it can't, or V(null).
      type: str
      returned: always
    created:
      description: When its snapshot was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    age:
      description: How old it is by this host's clock, in seconds.
      type: float
      returned: always
    snapshot:
      description: The snapshot that was shipped.
      type: str
      returned: always
    state_id:
      description: Identity of the snapshot. V(null) where the snapshot is no longer in the cluster.
      type: str
      returned: always
    state:
      description: >-
        V(success), V(preparing), V(queued), V(shipping), V(failed), V(aborting), V(aborted), V(lost) (it was queued,
        and isn't any more) or V(unknown).
      type: str
      returned: always
    node:
      description: The node that shipped or received it.
      type: str
      returned: always
    finished:
      description: When it was complete in the bucket, in UTC. V(null) for other remotes.
      type: str
      returned: always
    bytes_logical:
      description: Size of the resource's volumes together. V(null) where the snapshot is no longer in the cluster.
      type: int
      returned: always
    target:
      description: What the resource is called in the other cluster, where that was looked at; otherwise V(null).
      type: str
      returned: always
    target_snapshot:
      description: What the snapshot is called in the other cluster, where that was looked at; otherwise V(null).
      type: str
      returned: always
    bytes_chain:
      description: How much of the bucket it takes with all that it rests on.
      type: int
      returned: with O(details=true) or O(id), for a bucket
    bytes_stored:
      description: How much of the bucket it takes itself.
      type: int
      returned: with O(details=true) or O(id), for a bucket
queue:
  description: What waits to be shipped, the first one first. Empty without O(queue=true).
  returned: always
  type: list
  elements: dict
  contains:
    volume:
      description: The resource.
      type: str
      returned: always
    snapshot:
      description: The snapshot.
      type: str
      returned: always
    remote:
      description: The remote.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental).
      type: str
      returned: always
    base:
      description: The snapshot that an incremental rests on, or V(null).
      type: str
      returned: always
    node:
      description: The node that should ship it, or V(null).
      type: str
      returned: always
    since:
      description: When it was to be shipped, in UTC.
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup_info
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.linstor_target import target_access, target_cluster
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> backup_info.Request:
    """What the task asks to see."""
    return backup_info.Request(
        remote=params["remote"],
        resources=names(params["resources"], "resources"),
        id=params["id"],
        details=params["details"],
        queue=params["queue"],
        target_cluster=target_access(params["target_cluster"]),
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            target_cluster(),
            {
                "remote": {"type": "str"},
                "resources": {"type": "raw"},
                "id": {"type": "str"},
                "details": {"type": "bool", "default": False},
                "queue": {"type": "bool", "default": False},
            },
        ),
        supports_check_mode=True,
    )
    more: dict[str, Any] = {"queue": []}

    def listing(cluster: Cluster, params: Mapping[str, Any]) -> Outcome:
        found = backup_info.listing(cluster, request(params))
        more["queue"] = found.queue
        return Outcome(items=found.backups, warnings=found.warnings)

    linstor.answer(module, listing, "backups", lambda _cluster: more)


if __name__ == "__main__":
    main()
