#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Take, remove, copy or roll back to snapshots of LINSTOR resources."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_snapshot
short_description: Take, remove, copy or roll back to snapshots of LINSTOR resources
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that LINSTOR resources have a snapshot with a certain O(name), or one that is no older than O(max_age).
    It can also remove a snapshot.
  - It can restore a snapshot to a new resource of the same cluster, or roll resources back to a snapshot.
  - A snapshot has all volumes of a resource, on all of its nodes, at one point in time.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age), the module takes a new snapshot if the newest one is too old. So O(max_age=0s) takes one at
        each run.
      - O(state=rolled_back) rolls back at each run.
options:
  resources:
    description:
      - The resources, a list of names or one name.
    type: raw
    required: true
  name:
    description:
      - Name of the snapshot, of 2 to 48 letters, digits, underscores and inner dashes.
      - With O(state=present), set either O(name) or O(max_age). Other states need O(name).
    type: str
  max_age:
    description:
      - Take a snapshot only if the newest one is older than this, as in V(15m), V(6h), V(1d). V(0s) takes one now.
      - Received snapshots don't count. With O(consistent), only snapshots that were taken of all O(resources) together
        count.
    type: str
  state:
    description:
      - V(present) takes the snapshot, V(absent) removes it. If the removed snapshot is the base of the next increment,
        the module warns, and the next backup will be a full one.
      - V(restored) creates a new resource O(to_resource) from the snapshot. The module records this on the new
        resource. It never changes a resource of the same name with another origin.
      - V(rolled_back) rolls the resources back to the snapshot. They must not be in use.
    type: str
    choices: [present, absent, restored, rolled_back]
    default: present
  consistent:
    description:
      - Take the snapshots of all resources at one point in time, with one name, all or nothing.
      - Otherwise, they are independent of each other, and a failed one doesn't stop the others.
    type: bool
    default: false
  nodes:
    description:
      - Take or remove the snapshot on these nodes only. With O(state=restored), deploy the new resource on these nodes.
      - By default, all nodes on which the resource has a disk, or all nodes that have the snapshot.
    type: list
    elements: str
  to_resource:
    description:
      - Name of the new resource, for O(state=restored).
    type: str
  resource_group:
    description:
      - Resource group of the new resource, for O(state=restored). The default is the group of the old one.
    type: str
  storage_pools:
    description:
      - The storage pool of the new resource for each storage pool of the snapshot, for O(state=restored).
    type: dict
  discard_changes:
    description:
      - Agree to lose everything written since the snapshot was taken. Needed with O(state=rolled_back).
    type: bool
    default: false
  parallel:
    description:
      - The number of resources to process at the same time, unless they are taken together (O(consistent)).
    type: int
    default: 4
seealso:
  - module: snapship.dr.linstor_snapshot_info
  - module: snapship.dr.snapshot
"""

EXAMPLES = r"""
- name: Take a snapshot before an upgrade
  snapship.dr.linstor_snapshot:
    controllers: "{{ linstor_controllers }}"
    resources: db
    name: before-upgrade
  delegate_to: localhost
  run_once: true

- name: Have a common snapshot of two resources that is at most an hour old
  snapship.dr.linstor_snapshot:
    controllers: "{{ linstor_controllers }}"
    resources: [db, wal]
    consistent: true
    max_age: 1h
  delegate_to: localhost
  run_once: true

- name: Restore the snapshot to a new resource beside the old one
  snapship.dr.linstor_snapshot:
    controllers: "{{ linstor_controllers }}"
    resources: db
    name: before-upgrade
    state: restored
    to_resource: db-before
  delegate_to: localhost
  run_once: true

- name: Roll back after a failed upgrade
  snapship.dr.linstor_snapshot:
    controllers: "{{ linstor_controllers }}"
    resources: db
    name: before-upgrade
    state: rolled_back
    discard_changes: true
  delegate_to: localhost
  run_once: true

- name: Remove the snapshot after a successful upgrade
  snapship.dr.linstor_snapshot:
    controllers: "{{ linstor_controllers }}"
    resources: db
    name: before-upgrade
    state: absent
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
snapshots:
  description: For each resource the snapshot that was (or would be) taken, found, removed, restored or rolled back to.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the snapshot.
      type: str
      returned: always
    volume:
      description: The resource.
      type: str
      returned: always
      sample: db
    provider:
      description: Always V(linstor).
      type: str
      returned: always
      sample: linstor
    state_id:
      description: Its UUID in LINSTOR. V(null) in check mode if it would be taken.
      type: str
      returned: always
    created:
      description: >-
        When it was taken, in UTC, or when its first shipment began if that is earlier. For a received snapshot, this is
        the time in the cluster that shipped it.
      type: str
      returned: unless O(state=rolled_back)
      sample: "2026-03-09T14:30:00.123000Z"
    size:
      description: Total size of the resource's volumes, in bytes.
      type: int
      returned: unless O(state=rolled_back)
    group:
      description: Common name of the snapshots of one point in time, or V(null).
      type: str
      returned: with O(state=present) and O(state=absent)
    nodes:
      description: The nodes that have it.
      type: list
      elements: str
      returned: with O(state=present) and O(state=absent)
    valid:
      description: Whether it is complete.
      type: bool
      returned: with O(state=present) and O(state=absent)
    flaw:
      description: Why it isn't RV(snapshots[].valid), or V(null).
      type: str
      returned: with O(state=present) and O(state=absent)
    shipments:
      description: The states of its shipments. Empty for a received snapshot.
      type: list
      elements: dict
      returned: with O(state=present) and O(state=absent)
      contains:
        remote:
          description: Name of the remote.
          type: str
          returned: always
        state:
          description: >-
            V(preparing), V(shipping), V(success), V(failed), V(aborting), V(aborted), or V(unknown).
          type: str
          returned: always
    received:
      description: Whether this cluster has received it from a remote.
      type: bool
      returned: with O(state=present) and O(state=absent)
    target:
      description: The new resource.
      type: str
      returned: with O(state=restored)
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.snapshots import resource_copy
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> snapshot.Request:
    """The request of the task."""
    return snapshot.Request(
        resources=names(params["resources"], "resources"),
        name=params["name"],
        max_age=params["max_age"],
        state=params["state"],
        consistent=params["consistent"],
        nodes=params["nodes"] or (),
        discard_changes=params["discard_changes"],
        parallel=params["parallel"],
        copy=resource_copy.Options(
            to_resource=params["to_resource"] or "",
            resource_group=params["resource_group"],
            nodes=params["nodes"] or (),
            storage_pools=params["storage_pools"] or {},
        ),
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            arguments.parallel(),
            {
                "resources": {"type": "raw", "required": True},
                "name": {"type": "str"},
                "max_age": {"type": "str"},
                "state": {
                    "type": "str",
                    "choices": ["present", "absent", "restored", "rolled_back"],
                    "default": "present",
                },
                "consistent": {"type": "bool", "default": False},
                "nodes": {"type": "list", "elements": "str"},
                "to_resource": {"type": "str"},
                "resource_group": {"type": "str"},
                "storage_pools": {"type": "dict"},
                "discard_changes": {"type": "bool", "default": False},
            },
        ),
        mutually_exclusive=[("name", "max_age")],
        required_if=[
            ("state", "present", ("name", "max_age"), True),
            ("state", "absent", ("name",)),
            ("state", "restored", ("name", "to_resource")),
            ("state", "rolled_back", ("name",)),
        ],
        supports_check_mode=True,
    )
    linstor.carry_out(module, snapshot, request, "snapshots")


if __name__ == "__main__":
    main()
