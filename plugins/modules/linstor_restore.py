#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restore resources of a LINSTOR cluster from backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_restore
short_description: Restore resources of a LINSTOR cluster from backups
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that a resource has the content of a backup. The backup is on S3 (O(remote)), or another cluster has
    shipped it to this one (O(received_from)).
  - The module waits until the backup has arrived completely and the resource exists.
  - The module records the backup in properties C(Aux/snapship.dr/restored/...) of the restored resource's definition.
    It decides by these properties whether there is anything to do, not by whether the target exists. To keep a copy at
    a DR site current, run the same task again with O(overwrite).
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._linstor.received
  - snapship.dr._linstor.wait
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - O(backup=latest) restores again if there is a newer backup. Without O(overwrite), it fails then.
options:
  remote:
    description:
      - Name of the S3 remote in this cluster.
    type: str
  source:
    description:
      - Name of the resource in the backup, if there is only one to restore. With O(received_from), the resource of this
        cluster that has received the snapshots. Needs O(target).
    type: str
  target:
    description:
      - The resource to restore into. With O(received_from), it can be O(source) itself.
    type: str
  resources:
    description:
      - The resources to restore, if there are several. It replaces O(source) and O(target).
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - Name of the resource in the backup, or of the received resource.
        type: str
        required: true
      target:
        description:
          - The resource to restore into.
        type: str
        required: true
  backup:
    description:
      - The id of the backup, or V(latest) for the newest one. With O(received_from), the name of the received snapshot.
      - Set at most one of O(backup), O(snapshot) and O(at). Without any of them, the newest backup is restored.
    type: str
  snapshot:
    description:
      - The name of the snapshot that was backed up.
    type: str
  at:
    description:
      - Restore the newest backup from this time or before, as in V(2026-03-09T14:30:00+01:00). Without an offset, the
        time is UTC.
    type: str
  node:
    description:
      - The node to restore to. By default, with O(remote) the node that has all needed storage pools and the most free
        space in them; with O(received_from) all nodes that have the snapshot.
    type: str
  storage_pool_map:
    description:
      - The storage pool to use for each storage pool of the backup. V(*) stands for all others.
    type: dict
    default: {}
  resource_group:
    description:
      - The resource group of a new resource definition. An existing one keeps its group.
    type: str
  passphrase:
    description:
      - The master passphrase of the cluster that made the backup. Needed if it has LUKS volumes.
    type: str
  download_only:
    description:
      - Only download the backup from O(remote) into a snapshot of the target, and don't create a resource from it.
    type: bool
    default: false
  allow_doubtful:
    description:
      - Also restore a copy that can't be trusted, and restore into a storage pool that is full. What the module would
        fail for with the code V(pool_full) becomes a warning. Parts of the data may be missing.
      - A thin pool of LVM that fills up loses what is written to it, and LINSTOR reports success. So the module looks
        at the storage pools before, during and after a download or restore, and records the result in the property
        C(Aux/snapship.dr/arrival) of the downloaded snapshot. M(snapship.dr.linstor_backup) does the same for what it
        ships, if it can read the target cluster.
    type: bool
    default: false
  overwrite:
    description:
      - Allow to replace a deployed target. Its data is lost, but only after the new state has arrived completely. Its
        definition stays, with its properties.
      - A target in use is never replaced. LINSTOR knows only with DRBD whether a resource is in use.
    type: bool
    default: false
  discard_changes:
    description:
      - With O(overwrite), also allow to replace a target that isn't an earlier restore, or that has new snapshots, or
        whose volumes have changed in size or number. LINSTOR doesn't tell whether a volume was written to.
      - A resource that LINSTOR itself created from its first received shipment isn't an earlier restore either.
    type: bool
    default: false
  consistent:
    description:
      - Restore all of the resources or none. If one of them is in use, or has another problem that is known beforehand,
        none is changed.
    type: bool
    default: false
  wait_timeout:
    description:
      - How long to wait.
    type: str
    default: 1h
  stall_timeout:
    description:
      - Give up waiting for a download, with the code C(stalled), if for so long nothing shows that it still goes on.
        The module looks at when the controller was started, whether the node is connected, and whether its free space
        changes.
    type: str
    default: 15m
    version_added: 0.1.0
seealso:
  - module: snapship.dr.linstor_retention
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: Restore the newest backup into a new resource
  snapship.dr.linstor_restore:
    controllers: "{{ linstor_controllers }}"
    remote: offsite
    source: db
    target: db-restored
  delegate_to: localhost
  run_once: true

- name: Restore an earlier state to a certain node and storage pool
  snapship.dr.linstor_restore:
    controllers: "{{ linstor_controllers }}"
    remote: offsite
    source: db
    target: db-before
    at: "{{ before_it_happened }}"
    node: charlie
    storage_pool_map:
      thinpool: archive
    resource_group: cheap
  delegate_to: localhost
  run_once: true

- name: Update the copies at the DR site from the newest received snapshots
  snapship.dr.linstor_restore:
    controllers: "{{ dr_controllers }}"
    received_from: any
    resources:
      - source: db-dr
        target: db-dr
      - source: wal-dr
        target: wal-dr
    overwrite: true
    discard_changes: "{{ first_time | default(false) }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
restored:
  description: For each resource the restored backup, also if it had been restored before.
  returned: always
  type: list
  elements: dict
  contains:
    source:
      description: Name of the resource in the backup.
      type: str
      returned: always
      sample: db
    target:
      description: The restored resource.
      type: str
      returned: always
      sample: db-restored
    provider:
      description: Always V(linstor).
      type: str
      returned: always
    id:
      description: The backup that was restored.
      type: str
      returned: always
      sample: db_back_20260309_143000
    snapshot:
      description: The snapshot that was backed up.
      type: str
      returned: always
    remote:
      description: Name of the remote. V(null) for a received snapshot.
      type: str
      returned: always
    origin:
      description: The remote, or the id of the cluster that shipped it.
      type: str
      returned: always
    created:
      description: The time of its data, in UTC, as in RV(snapship.dr.linstor_backup_info#module:backups[].created).
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    chain:
      description: The chain of backups that it needs, the full one first.
      type: list
      elements: str
      returned: always
    nodes:
      description: The nodes that have it.
      type: list
      elements: str
      returned: always
    bytes_logical:
      description: Total size of the volumes. V(null) if it isn't known yet.
      type: int
      returned: always
    bytes_fetched:
      description: The bytes that were (or would be) downloaded, as LINSTOR estimates them.
      type: int
      returned: always
    seconds:
      description: Duration of the restore.
      type: float
      returned: always
    state:
      description: V(success), V(planned) in check mode, V(shipping) with O(wait=false), or V(failed).
      type: str
      returned: always
      sample: success
    changed:
      description: Whether the target was (or would be) changed.
      type: bool
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor, pairs


def request(params: Mapping[str, Any]) -> restore.Request:
    """The request of the task."""
    return restore.Request(
        remote=params["remote"],
        received_from=params["received_from"],
        resources=pairs.given(params, "resources"),
        backup=params["backup"],
        snapshot=params["snapshot"],
        at=params["at"],
        node=params["node"],
        storage_pool_map={str(old): str(new) for old, new in params["storage_pool_map"].items()},
        resource_group=params["resource_group"],
        passphrase=params["passphrase"],
        download_only=params["download_only"],
        allow_doubtful=params["allow_doubtful"],
        overwrite=params["overwrite"],
        discard_changes=params["discard_changes"],
        consistent=params["consistent"],
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
        stall_timeout=params["stall_timeout"],
        poll_interval=params["poll_interval"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            linstor.stored(),
            linstor.waiting("1h"),
            pairs.pairs("resources"),
            {
                "backup": {"type": "str"},
                "snapshot": {"type": "str"},
                "at": {"type": "str"},
                "node": {"type": "str"},
                "storage_pool_map": {"type": "dict", "default": {}},
                "resource_group": {"type": "str"},
                "passphrase": {"type": "str", "no_log": True},
                "download_only": {"type": "bool", "default": False},
                "allow_doubtful": {"type": "bool", "default": False},
                "overwrite": {"type": "bool", "default": False},
                "discard_changes": {"type": "bool", "default": False},
                "consistent": {"type": "bool", "default": False},
                "stall_timeout": {"type": "str", "default": "15m"},
            },
        ),
        mutually_exclusive=[
            *linstor.ONE_STORE,
            ("backup", "snapshot", "at"),
            *pairs.either("resources"),
        ],
        required_one_of=[*linstor.ONE_STORE, ("resources", "source")],
        required_together=pairs.TOGETHER,
        supports_check_mode=True,
    )
    linstor.carry_out(module, restore, request, "restored")


if __name__ == "__main__":
    main()
