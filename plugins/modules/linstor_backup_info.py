#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the backups of a LINSTOR cluster's resources."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_backup_info
short_description: List the backups of a LINSTOR cluster's resources
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the backups on a remote of a LINSTOR cluster, with their chains and the shipments under way. Without
    O(remote), it returns the backups that other clusters have shipped to this one.
  - It only reads. The number of requests doesn't depend on the number of resources.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.target_cluster
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  remote:
    description:
      - Name of the remote in LINSTOR. For a remote of type V(s3), all backups in the bucket are listed, including those
        of other clusters. For a remote of type V(linstor), the snapshots of this cluster that were shipped to it.
      - Without O(remote), the snapshots that this cluster has received are listed.
    type: str
  resources:
    description:
      - List only the backups of these resources, a list of names or one name.
    type: raw
  id:
    description:
      - Return only this backup, with details. It is an error if it doesn't exist.
    type: str
  details:
    description:
      - Also return the size of each backup in a bucket. This takes one more request for each backup.
    type: bool
    default: false
  queue:
    description:
      - Also return the queued shipments in RV(queue). This takes one more request.
    type: bool
    default: false
seealso:
  - module: snapship.dr.linstor_backup
  - module: snapship.dr.linstor_restore
"""

EXAMPLES = r"""
- name: List the backups in a bucket
  snapship.dr.linstor_backup_info:
    controllers: "{{ controllers }}"
    remote: offsite
  delegate_to: localhost
  register: there

- name: Show the time of each resource's newest backup
  ansible.builtin.debug:
    msg: "{{ item }}: {{ (complete | selectattr('volume', '==', item) | first).created }}"
  loop: "{{ complete | map(attribute='volume') | unique }}"
  vars:
    complete: "{{ there.backups | selectattr('complete') }}"

- name: List the backups that the other cluster has received
  snapship.dr.linstor_backup_info:
    controllers: "{{ target_controllers }}"
  delegate_to: localhost

- name: List the shipments to the other cluster as both clusters see them, and the queue
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
        Id of the backup: its name in the bucket, or C(resource/snapshot) if the remote keeps no list.
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
        This cluster, by the addresses of its controllers. For a received backup, the id of the cluster that shipped it.
        LINSTOR's list of a bucket doesn't tell which cluster made a backup.
      type: str
      returned: always
    remote:
      description: Name of the remote. V(null) for a received backup.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental). V(null) if it isn't known.
      type: str
      returned: always
    base:
      description: Id of the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    chain:
      description: >-
        The ids of its chain, the full one first and itself last. V(null) if one of them is missing. A restore from a
        bucket needs all of them. A received backup is complete by itself.
      type: list
      elements: str
      returned: always
    chain_length:
      description: Number of backups in the chain. V(null) if it isn't known.
      type: int
      returned: always
    complete:
      description: Whether it is complete and can be restored, and its content can be trusted as far as is known.
      type: bool
      returned: always
    problem:
      description: Why it isn't complete, or why a copy can't be trusted. Otherwise V(null).
      type: str
      returned: always
    created:
      description: >-
        The time of its data, in UTC. This is when its snapshot was taken, or when its first shipment began if that is
        earlier. Where that snapshot doesn't exist (any more), it is when the shipment began, as a bucket's list and a
        target cluster tell only this. All modules return the same time for one backup.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    age:
      description: Its age by this host's clock, in seconds.
      type: float
      returned: always
    snapshot:
      description: The snapshot that was shipped.
      type: str
      returned: always
    state_id:
      description: UUID of the snapshot. V(null) if the cluster no longer has the snapshot.
      type: str
      returned: always
    state:
      description: >-
        V(success), V(preparing), V(queued), V(shipping), V(failed), V(aborting), V(aborted), V(lost) (it disappeared
        from the queue) or V(unknown).
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
      description: Total size of the resource's volumes. V(null) if the cluster no longer has the snapshot.
      type: int
      returned: always
    volumes:
      description: The resource's volumes, by number.
      type: list
      elements: dict
      returned: always
      contains:
        number:
          description: Number of the volume in LINSTOR.
          type: int
          returned: always
          sample: 0
        size:
          description: Its size in bytes. V(null) if the snapshot no longer exists in the cluster.
          type: int
          returned: always
          sample: 10737418240
    target:
      description: Name of the resource in the other cluster. V(null) if the module didn't read that cluster.
      type: str
      returned: always
    target_snapshot:
      description: Name of the snapshot in the other cluster. V(null) if the module didn't read that cluster.
      type: str
      returned: always
    bytes_chain:
      description: Size of its whole chain in the bucket.
      type: int
      returned: with O(details=true) or O(id), for a bucket
    bytes_stored:
      description: Its own size in the bucket.
      type: int
      returned: with O(details=true) or O(id), for a bucket
queue:
  description: The queued shipments, the next one first. Empty without O(queue=true).
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
      description: The snapshot that is the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    node:
      description: The node that should ship it, or V(null).
      type: str
      returned: always
    since:
      description: When the shipment was requested, in UTC.
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
    """The request of the task."""
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
