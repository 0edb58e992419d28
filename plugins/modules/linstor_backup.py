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
  - Sees to it that resources have a complete backup on a remote of a LINSTOR cluster that is no older than O(max_age),
    or one of a certain O(snapshot). Where they have it, nothing is done.
  - On a remote of type V(s3) that is a backup in the bucket; on one of type V(linstor) a snapshot in the other
    cluster, from which LINSTOR makes or keeps the copy of the resource there. A remote that points back at the same
    cluster ships to another of its nodes and pools.
  - LINSTOR ships by itself, after it was told to. This waits until that has ended, and fails where it has failed. What
    is under way or queued already, whoever has started it, is waited for instead of starting another one.
  - When a resource fails, the others go on. The task then fails, and tells what was shipped in RV(backups) and what
    failed in RV(failures).
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
      - Whether LINSTOR will build on what it should is known only when it has started.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age) a new backup is made when the newest one has become too old, so O(max_age=0s) makes one at
        each run. LINSTOR cannot tell whether a resource has changed since.
options:
  remote:
    description:
      - Name of the remote, as LINSTOR knows it. See M(snapship.dr.linstor_remote).
    type: str
    required: true
  resources:
    description:
      - The resources (resource definitions), a list of names or one name.
      - With O(state=absent) one name, or none.
    type: raw
  max_age:
    description:
      - Make a backup only if the newest complete one on the remote is older than this, as in V(15m), V(6h), V(1d).
        V(0s) makes one now, after what is under way has ended.
      - One of O(max_age) and O(snapshot) is needed with O(state=present).
    type: str
  snapshot:
    description:
      - Name of the snapshot to ship, which M(snapship.dr.linstor_snapshot) has taken. LINSTOR 1.33 or newer is needed.
    type: str
  type:
    description:
      - V(auto) ships an increment where LINSTOR has something to build on. Where that was expected and LINSTOR ships a
        full one instead, which it does without a word, there is a warning with the reason.
      - V(full) always ships a full one. V(incremental) fails where it would have to be a full one, and aborts a full
        one that LINSTOR has begun instead.
    type: str
    choices: [auto, full, incremental]
    default: auto
  max_chain:
    description:
      - How many backups a chain may have, the full one counted. The next one is a full one then. LINSTOR itself sets no
        bound.
      - On a remote of type V(linstor) the chain is counted as far back as its snapshots are there.
    type: int
  source_node:
    description:
      - The node to ship from. LINSTOR takes another one where an increment can't be made there.
    type: str
  target:
    description:
      - Where resources go in the other cluster. For remotes of type V(linstor) only.
    type: dict
    suboptions:
      resource:
        description:
          - What a resource is called there. A pattern with V({resource}) in it for several, as in V({resource}-dr),
            or a dictionary with a name for each. By default it is called the same.
        type: raw
      node:
        description:
          - The node that should receive it.
        type: str
      storage_pool:
        description:
          - The storage pool to put it in.
        type: str
      storage_pool_map:
        description:
          - The storage pool for each of the source's, where there are several.
        type: dict
      resource_group:
        description:
          - The resource group that it should belong to.
        type: str
      force_move_resource_group:
        description:
          - Move it to O(target.resource_group) even if it is deployed there.
        type: bool
        default: false
      net_interface:
        description:
          - The network interface of the receiving node over which to receive, as for a link between sites.
        type: str
      download_only:
        description:
          - Keep what is received as a snapshot only, and make no resource of it.
        type: bool
        default: false
      force_restore:
        description:
          - Delete the resource that is there, and make it anew of what is received. LINSTOR does this only where it
            is not in use and has one replica at most.
        type: bool
        default: false
  wait_timeout:
    description:
      - How long to wait for one resource's shipment, from when it was started or found under way.
    type: str
    default: 6h
  abort_on_timeout:
    description:
      - Abort a shipment that has not ended after O(wait_timeout). Otherwise it goes on, and the next run waits for it.
    type: bool
    default: false
  parallel:
    description:
      - How many shipments may be under way at once. How many there may be on a node is a property of LINSTOR,
        V(BackupShipping/MaxConcurrentBackupsPerNode); beyond it they are queued.
    type: int
    default: 4
  sizes:
    description:
      - Ask LINSTOR how much was stored in the bucket by each new backup, for RV(backups[].bytes_stored). That takes
        one more request for a full one and two for an increment.
    type: bool
    default: true
  state:
    description:
      - V(absent) removes the backup O(id) from a remote of type V(s3).
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - The backup to remove, with O(state=absent). M(snapship.dr.linstor_backup_info) tells the ids.
    type: str
  keep_snapshots:
    description:
      - Keep the snapshots in the cluster that the removed backups were made of. LINSTOR deletes them otherwise.
    type: bool
    default: true
seealso:
  - module: snapship.dr.linstor_backup_info
  - module: snapship.dr.linstor_remote
  - module: snapship.dr.linstor_protection_info
"""

EXAMPLES = r"""
- name: Two resources have a backup in the bucket that is at most one day old
  snapship.dr.linstor_backup:
    controllers: "{{ controllers }}"
    remote: offsite
    resources: [db, web]
    max_age: 1d
    max_chain: 14
  delegate_to: localhost
  register: shipped

- name: Show what was shipped
  ansible.builtin.debug:
    msg: "{{ item.volume }}: {{ item.type }}, {{ item.seconds }} s, {{ item.reason }}"
  loop: "{{ shipped.backups }}"
  loop_control:
    label: "{{ item.id }}"

- name: The other cluster has copies of them that are at most 15 minutes old
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

- name: A stretched cluster keeps a copy on its node at the other site
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

- name: Remove a backup and all that rest on it
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
    For each resource the backup that was made, or the one that made it unnecessary. With O(state=absent) the backups
    that were removed.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: >-
        Identity of the backup: its name in the bucket, or C(resource/snapshot) on a remote of type V(linstor).
      type: str
      returned: always
      sample: db_back_20260309_143000
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
      description: The cluster it is from, by the addresses of its controllers.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    target:
      description: What the resource is called in the other cluster. V(null) for a bucket.
      type: str
      returned: always
    snapshot:
      description: The snapshot that was shipped.
      type: str
      returned: always
      sample: back_20260309_143000
    target_snapshot:
      description: What the snapshot is called in the other cluster, where that was looked at; otherwise V(null).
      type: str
      returned: always
    state_id:
      description: Identity of the snapshot. V(null) where the snapshot is no longer in the cluster.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental). V(null) where it isn't known, as for LINSTOR before 1.33.
      type: str
      returned: always
      sample: incremental
    base:
      description: Id of the backup that an incremental rests on, or V(null).
      type: str
      returned: always
    reason:
      description: Why it is a full, or an increment on that base. V(null) for a backup that was there.
      type: str
      returned: always
    created:
      description: When its snapshot was taken, in UTC.
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
      description: The node that it was shipped from.
      type: str
      returned: always
    bytes_logical:
      description: Size of the resource's volumes together. V(null) where the snapshot is no longer in the cluster.
      type: int
      returned: always
    bytes_changed:
      description: >-
        For a new full one how much was allocated on the node that it was shipped from. V(null) otherwise, as LINSTOR
        doesn't tell how much an increment has.
      type: int
      returned: always
    bytes_stored:
      description: How much of the bucket a new backup takes. V(null) where LINSTOR doesn't tell.
      type: int
      returned: always
    bytes_sent:
      description: How much was sent in this run. V(0) for a backup that was there, V(null) where LINSTOR doesn't tell.
      type: int
      returned: always
    seconds:
      description: How long it took, from the start of the shipment. V(0) for a backup that was there.
      type: float
      returned: always
    segments:
      description: Always V(null).
      type: int
      returned: always
    resumed:
      description: Always V(0). LINSTOR begins again.
      type: int
      returned: always
    joined:
      description: Whether it was under way already, and was waited for.
      type: bool
      returned: always
    actions:
      description: What was asked of LINSTOR that changed something, in order.
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
      sample: shipment_failed
    msg:
      description: What happened, in one line, with what LINSTOR's error reports say.
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import backup, backup_delete
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.linstor_target import (
    destination,
    target_access,
    target_cluster,
)
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def shipment(params: Mapping[str, Any]) -> backup.Request:
    """What a task with state=present asks for."""
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
        abort_on_timeout=params["abort_on_timeout"],
        parallel=params["parallel"],
        sizes=params["sizes"],
    )


def removal(params: Mapping[str, Any]) -> backup_delete.Request:
    """What a task with state=absent asks for."""
    return backup_delete.Request(
        remote=params["remote"],
        id=params["id"],
        cascade=params["cascade"],
        keep_snapshots=params["keep_snapshots"],
        resources=names(params["resources"], "resources"),
    )


def target() -> arguments.Spec:
    """Where resources go in the other cluster."""
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
