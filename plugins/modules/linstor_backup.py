#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Keep backups of a LINSTOR cluster's resources on a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_backup
short_description: Keep backups of a LINSTOR cluster's resources on a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that resources have a complete backup on a remote of a LINSTOR cluster. The backup is no older than
    O(max_age), or it is one of O(snapshot). If there is one already, the module changes nothing.
  - On a remote of type V(s3), the backup is in the bucket. On a remote of type V(linstor), it is a snapshot in the
    other cluster, from which LINSTOR creates or updates a copy of the resource. A remote that points at the same
    cluster ships to other nodes and storage pools of it.
  - LINSTOR ships in the background. The module waits until the shipment has ended, and fails if the shipment fails. If
    a shipment is already under way or queued, the module waits for it instead of starting another one, whoever has
    started it.
  - With O(target_cluster), or if the remote is the same cluster, the module checks whether the target's thin pools have
    the space, and whether one was full while a copy arrived. A copy that can't be trusted is a failure (V(pool_full)),
    and never a base. The result is in the property C(Aux/snapship.dr/arrival) of the received snapshot.
  - If one resource fails, the others go on. The task then fails. RV(backups) has the shipped backups, RV(failures) the
    failures.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.target_cluster
  - snapship.dr._linstor.wait
  - snapship.dr._backup
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
    details:
      - Check mode can't tell whether LINSTOR will ship an increment or a full one. That is known when it has started.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age), the module makes a new backup if the newest one is too old. So O(max_age=0s) makes one at each
        run. LINSTOR can't tell whether a resource has changed since its last backup.
options:
  remote:
    description:
      - Name of the remote in LINSTOR. See M(snapship.dr.linstor_remote).
    type: str
    required: true
  resources:
    description:
      - The resources (resource definitions), a list of names or one name.
      - With O(state=absent), at most one name.
    type: raw
  max_age:
    description:
      - Make a backup only if the newest complete one on the remote is older than this, as in V(15m), V(6h), V(1d).
        V(0s) always makes one, after a shipment under way has ended.
      - With O(state=present), set either O(max_age) or O(snapshot).
    type: str
  snapshot:
    description:
      - Name of an existing snapshot to ship, for example one that M(snapship.dr.linstor_snapshot) has taken. This needs
        LINSTOR 1.33 or newer.
    type: str
  type:
    description:
      - V(auto) ships an increment if LINSTOR finds a base for it, otherwise a full one. LINSTOR itself doesn't report
        that it ships a full one instead of an increment; the module then warns and tells the reason.
      - V(full) always ships a full one. V(incremental) fails if an increment isn't possible, and aborts a full one that
        LINSTOR starts instead.
    type: str
    choices: [auto, full, incremental]
    default: auto
  max_chain:
    description:
      - The maximal number of backups in a chain, including the full one. After that many, the next backup is a full
        one. LINSTOR itself has no such limit.
      - On a remote of type V(linstor), only the existing snapshots of the chain are counted.
    type: int
  source_node:
    description:
      - The node to ship from. LINSTOR uses another node if only that one can ship an increment.
    type: str
  target:
    description:
      - The place of the resources in the other cluster. For remotes of type V(linstor) only.
    type: dict
    suboptions:
      resource:
        description:
          - Name of the resource in the other cluster. For several resources, a pattern such as V({resource}-dr), or a
            dictionary with a name for each. By default, the name stays the same.
        type: raw
      node:
        description:
          - The node that receives it.
        type: str
      storage_pool:
        description:
          - The storage pool for it.
        type: str
      storage_pool_map:
        description:
          - The storage pool for each storage pool of the source, if there are several.
        type: dict
      resource_group:
        description:
          - The resource group for it.
        type: str
      force_move_resource_group:
        description:
          - Move the resource to O(target.resource_group) even if it is already deployed.
        type: bool
        default: false
      net_interface:
        description:
          - The network interface of the receiving node, for example the one of a link between sites.
        type: str
      download_only:
        description:
          - Only keep the received snapshot, and don't create a resource from it.
        type: bool
        default: false
      force_restore:
        description:
          - Delete the existing resource, and create it again from the received snapshot. LINSTOR does this only if the
            resource isn't in use and has at most one replica.
        type: bool
        default: false
  wait_timeout:
    description:
      - How long to wait for the shipment of one resource, from its start, or from when it was found under way.
    type: str
    default: 6h
  stall_timeout:
    description:
      - Give up a shipment, with the code C(stalled), if for so long nothing shows that it still goes on. After a
        restart of the controller, LINSTOR keeps the state Shipping of a shipment that nobody carries any more.
      - The module looks at when the controller was started, whether the node is connected, and, with O(target_cluster),
        what the other cluster has received and whether the free space there changes.
      - LINSTOR doesn't tell how far an upload to a bucket is, nor a shipment to a cluster that the module can't read.
        While the node is connected, such a shipment may also take as long as its data needs at 1 MiB/s, and twice as
        long as the longest earlier one.
      - A backup that is complete in the bucket is a success, whatever state LINSTOR reports.
    type: str
    default: 15m
    version_added: 0.1.0
  abort_on_timeout:
    description:
      - Abort a shipment that hasn't ended after O(wait_timeout), or has stalled for O(stall_timeout). Otherwise LINSTOR
        keeps it, and the next run waits for it.
    type: bool
    default: false
  parallel:
    description:
      - The maximal number of shipments at a time. LINSTOR has its own limit for each node, the property
        V(BackupShipping/MaxConcurrentBackupsPerNode), and queues further shipments.
    type: int
    default: 4
  sizes:
    description:
      - Ask LINSTOR for the size of each new backup in the bucket, for RV(backups[].bytes_stored). This takes one more
        request for a full one, and two for an increment.
    type: bool
    default: true
  state:
    description:
      - V(absent) deletes the backup O(id) from a remote of type V(s3).
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the backup to delete, with O(state=absent). M(snapship.dr.linstor_backup_info) lists the ids.
    type: str
  keep_snapshots:
    description:
      - Keep the cluster's snapshots of the deleted backups. Otherwise, LINSTOR deletes them, too.
    type: bool
    default: true
seealso:
  - module: snapship.dr.linstor_backup_info
  - module: snapship.dr.linstor_remote
  - module: snapship.dr.linstor_protection_info
"""

EXAMPLES = r"""
- name: Back up two resources to a bucket, at most once a day
  snapship.dr.linstor_backup:
    controllers: "{{ controllers }}"
    remote: offsite
    resources: [db, web]
    max_age: 1d
    max_chain: 14
  delegate_to: localhost
  register: shipped

- name: Show the backups
  ansible.builtin.debug:
    msg: "{{ item.volume }}: {{ item.type }}, {{ item.seconds }} s, {{ item.reason }}"
  loop: "{{ shipped.backups }}"
  loop_control:
    label: "{{ item.id }}"

- name: Keep copies in the other cluster that are at most 15 minutes old
  snapship.dr.linstor_backup:
    controllers: "{{ controllers }}"
    remote: dr-site
    resources: [db, web]
    max_age: 15m
    target:
      resource: "{resource}-dr"
      storage_pool: "{{ target_pool }}"
    target_cluster:
      controllers: "{{ target_controllers }}"
    wait_timeout: 2h
    abort_on_timeout: true
  delegate_to: localhost

- name: Keep a copy on the node at the other site of a stretched cluster
  snapship.dr.linstor_backup:
    controllers: "{{ controllers }}"
    remote: myself
    resources: db
    max_age: 1h
    target:
      resource: "{resource}-far"
      node: "{{ far_node }}"
      storage_pool: "{{ far_pool }}"
  delegate_to: localhost

- name: Delete a backup and all increments that depend on it
  snapship.dr.linstor_backup:
    controllers: "{{ controllers }}"
    remote: offsite
    id: "{{ shipped.backups[0].id }}"
    cascade: true
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
backups:
  description: >-
    For each resource the new backup, or the existing one if that is recent enough. With O(state=absent), the deleted
    backups.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: >-
        Id of the backup: its name in the bucket, or C(resource/snapshot) on a remote of type V(linstor), and where
        LINSTOR can't list the bucket.
      type: str
      returned: always
      sample: db_back_20260309_143000^backup-20260309-143000-3f9a2c
    group:
      description: Always V(null).
      type: str
      returned: always
    provider:
      description: Always V(linstor).
      type: str
      returned: always
      sample: linstor
    volume:
      description: The resource.
      type: str
      returned: always
      sample: db
    origin:
      description: The cluster that made it, by the addresses of its controllers.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    target:
      description: Name of the resource in the other cluster. V(null) for a bucket.
      type: str
      returned: always
    snapshot:
      description: >-
        The snapshot that was shipped. Unless O(snapshot) is set, the module names it by the time (UTC); LINSTOR itself
        names it where its schedules ship, and before 1.33 where it goes to another cluster.
      type: str
      returned: always
      sample: backup-20260309-143000-3f9a2c
    target_snapshot:
      description: Name of the snapshot in the other cluster. V(null) if the module didn't read that cluster.
      type: str
      returned: always
    state_id:
      description: UUID of the snapshot. V(null) if the cluster no longer has the snapshot.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental). V(null) if it isn't known, as with LINSTOR before 1.33.
      type: str
      returned: always
      sample: incremental
    base:
      description: Id of the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    reason:
      description: Why it is a full one, or an increment on that base. V(null) for an existing backup.
      type: str
      returned: always
    created:
      description: The time of its data, in UTC, as in RV(snapship.dr.linstor_backup_info#module:backups[].created).
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    state:
      description: >-
        V(success) once it is complete. With O(wait=false) also V(preparing), V(queued), V(shipping) or V(null).
      type: str
      returned: always
      sample: success
    node:
      description: The node that shipped it.
      type: str
      returned: always
    bytes_logical:
      description: Total size of the resource's volumes. V(null) if the cluster no longer has the snapshot.
      type: int
      returned: always
    bytes_changed:
      description: >-
        For a new full backup, the bytes allocated on the node that shipped it. Otherwise V(null), as LINSTOR doesn't
        tell the size of an increment.
      type: int
      returned: always
    bytes_stored:
      description: Size of a new backup in the bucket. V(null) if LINSTOR doesn't tell.
      type: int
      returned: always
    bytes_sent:
      description: Bytes sent in this run. V(0) for an existing backup, V(null) if LINSTOR doesn't tell.
      type: int
      returned: always
    seconds:
      description: Duration of the shipment. V(0) for an existing backup.
      type: float
      returned: always
    segments:
      description: Always V(null).
      type: int
      returned: always
    resumed:
      description: Always V(0). LINSTOR can't resume a shipment.
      type: int
      returned: always
    joined:
      description: Whether the shipment was already under way, and the module waited for it.
      type: bool
      returned: always
    actions:
      description: The changing requests to LINSTOR, in order.
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
      sample: shipment_failed
    msg:
      description: What happened, in one line, with the text of LINSTOR's error reports.
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup, backup_delete
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.linstor_target import (
    destination,
    target_access,
    target_cluster,
)
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def shipment(params: Mapping[str, Any]) -> backup.Request:
    """The request of a task with state=present."""
    return backup.Request(
        remote=params["remote"],
        resources=names(params["resources"], "resources"),
        snapshot=params["snapshot"],
        max_age=params["max_age"],
        type=params["type"],
        full_every=params["full_every"],
        max_chain=params["max_chain"],
        target=destination(params["target"]),
        target_cluster=target_access(params["target_cluster"]),
        source_node=params["source_node"],
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
        poll_interval=params["poll_interval"],
        stall_timeout=params["stall_timeout"],
        abort_on_timeout=params["abort_on_timeout"],
        parallel=params["parallel"],
        sizes=params["sizes"],
    )


def removal(params: Mapping[str, Any]) -> backup_delete.Request:
    """The request of a task with state=absent."""
    return backup_delete.Request(
        remote=params["remote"],
        id=params["id"],
        cascade=params["cascade"],
        keep_snapshots=params["keep_snapshots"],
        resources=names(params["resources"], "resources"),
    )


def target() -> arguments.Spec:
    """The options for the resources in the other cluster."""
    options: arguments.Spec = {
        "resource": {"type": "raw"},
        "node": {"type": "str"},
        "storage_pool": {"type": "str"},
        "storage_pool_map": {"type": "dict"},
        "resource_group": {"type": "str"},
        "force_move_resource_group": {"type": "bool", "default": False},
        "net_interface": {"type": "str"},
        "download_only": {"type": "bool", "default": False},
        "force_restore": {"type": "bool", "default": False},
    }
    return {"target": {"type": "dict", "options": options}}


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            target_cluster(),
            target(),
            arguments.backup(),
            arguments.parallel(),
            linstor.waiting("6h"),
            {
                "remote": {"type": "str", "required": True},
                "resources": {"type": "raw"},
                "max_chain": {"type": "int"},
                "source_node": {"type": "str"},
                "stall_timeout": {"type": "str", "default": "15m"},
                "abort_on_timeout": {"type": "bool", "default": False},
                "sizes": {"type": "bool", "default": True},
                "keep_snapshots": {"type": "bool", "default": True},
            },
        ),
        mutually_exclusive=arguments.ONE_BACKUP,
        required_if=arguments.backup_needs("resources"),
        supports_check_mode=True,
    )
    if module.params["state"] == "present":
        linstor.carry_out(module, backup, shipment, "backups")
    else:
        linstor.carry_out(module, backup_delete, removal, "backups")


if __name__ == "__main__":
    main()
