#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restore resources of a LINSTOR cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_restore
short_description: Restore resources of a LINSTOR cluster
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that a resource holds what a backup holds, be it one on S3 (O(remote)) or one that another cluster has
    shipped to this one (O(received_from)).
  - It waits until all of it has arrived and the resource is there.
  - A restored resource says what it was restored from, in properties C(Aux/snapship.dr/restored/...) of its definition.
    By these it is told whether there is anything to do, not by whether the target exists. So the copy at a DR site is
    kept current by running the same task again, with O(overwrite).
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
      - O(backup=latest) restores again when there is a newer backup, which is refused without O(overwrite).
options:
  remote:
    description:
      - The S3 remote, as this cluster has it.
    type: str
  source:
    description:
      - The resource as it was backed up, when there is only one to restore. With O(received_from), the resource in this
        cluster that the snapshots were received into. Needs O(target).
    type: str
  target:
    description:
      - The resource to restore into. With O(received_from) it can be O(source) itself.
    type: str
  resources:
    description:
      - The resources to restore, when there are several. Instead of O(source) and O(target).
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - The resource as it was backed up, or as it was received.
        type: str
        required: true
      target:
        description:
          - The resource to restore into.
        type: str
        required: true
  backup:
    description:
      - The id of the backup, or V(latest) for the newest one. With O(received_from) it is the name of the snapshot as
        it was received.
      - At most one of O(backup), O(snapshot) and O(at) can be given. Without any of them, it is the newest one.
    type: str
  snapshot:
    description:
      - The name of the snapshot that the backup was made of.
    type: str
  at:
    description:
      - Restore the newest backup that is not younger than this, as in V(2026-03-09T14:30:00+01:00). Without an
        offset it is UTC.
    type: str
  node:
    description:
      - The node to restore to. By default, for O(remote), it is the one that has all pools that are needed and the most
        room in them; for O(received_from), those that have the snapshot.
    type: str
  storage_pool_map:
    description:
      - Storage pools of the backup, and those that take their place. V(*) stands for all that aren't named.
    type: dict
    default: {}
  resource_group:
    description:
      - The resource group of a resource definition that is made. One that is there keeps its group.
    type: str
  passphrase:
    description:
      - The master passphrase of the cluster that made the backup. Needed where its volumes are encrypted with LUKS.
    type: str
  download_only:
    description:
      - Only fetch the backup from O(remote) into a snapshot of the target, and make no resource of it.
    type: bool
    default: false
  overwrite:
    description:
      - Whether a target that is deployed may be replaced. Its data is lost then, but only once the new state has
        arrived in full. Its definition stays, with its properties.
      - A target that is in use is never replaced, as far as LINSTOR knows about it, which is only with DRBD.
    type: bool
    default: false
  discard_changes:
    description:
      - With O(overwrite), whether that also goes for a target that isn't an earlier restore, or of which snapshots were
        taken since, or whose volumes have changed in size or number. LINSTOR does not tell whether a volume was
        written to.
      - What LINSTOR itself has restored, when it received a first shipment that wasn't C(download_only), is no restore
        of this module either.
    type: bool
    default: false
  consistent:
    description:
      - Restore all of the resources or none. Where one of them is in use, or can't be restored for another reason that
        can be told beforehand, none is touched.
    type: bool
    default: false
  wait_timeout:
    description:
      - How long to wait.
    type: str
    default: 1h
seealso:
  - module: snapship.dr.linstor_retention
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: The newest backup, into a new resource
  snapship.dr.linstor_restore:
    controllers: "{{ linstor_controllers }}"
    remote: offsite
    source: db
    target: db-restored
  delegate_to: localhost
  run_once: true

- name: As it was before something happened, on a node and in a pool of one's choice
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

- name: The copy at the DR site holds what was shipped there last
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
  description: For each resource what was restored, or found to be there.
  returned: always
  type: list
  elements: dict
  contains:
    source:
      description: The resource as it was backed up.
      type: str
      returned: always
      sample: db
    target:
      description: The resource that was restored into.
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
      description: The snapshot that it was made of.
      type: str
      returned: always
    remote:
      description: Name of the remote, or V(null) for what was received.
      type: str
      returned: always
    origin:
      description: The remote, or the id of the cluster it was received from.
      type: str
      returned: always
    created:
      description: Of when the backup is, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    chain:
      description: The backups that it is made of, the full one first.
      type: list
      elements: str
      returned: always
    nodes:
      description: The nodes that have it.
      type: list
      elements: str
      returned: always
    bytes_logical:
      description: Size of the volumes, or V(null) where it isn't known yet.
      type: int
      returned: always
    bytes_fetched:
      description: How much was (or would be) downloaded, as LINSTOR tells it beforehand.
      type: int
      returned: always
    seconds:
      description: How long that took.
      type: float
      returned: always
    state:
      description: V(success), V(planned) in check mode, V(shipping) where it wasn't waited for, or V(failed).
      type: str
      returned: always
      sample: success
    changed:
      description: Whether the target was (or would be) changed.
      type: bool
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import restore
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor, pairs


def request(params: Mapping[str, Any]) -> restore.Request:
    """What the task asks for."""
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
        overwrite=params["overwrite"],
        discard_changes=params["discard_changes"],
        consistent=params["consistent"],
        wait=params["wait"],
        wait_timeout=params["wait_timeout"],
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
                "overwrite": {"type": "bool", "default": False},
                "discard_changes": {"type": "bool", "default": False},
                "consistent": {"type": "bool", "default": False},
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
