#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the snapshots of LINSTOR resources."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_snapshot_info
short_description: List the snapshots of LINSTOR resources
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the snapshots of LINSTOR resources, and the states of their shipments. It only reads. One request is enough
    for any number of resources.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
  - snapship.dr._attributes.info
options:
  resources:
    description:
      - Return the snapshots of these resources only, a list of names or one name.
    type: raw
  name:
    description:
      - Return snapshots with this name only.
    type: str
seealso:
  - module: snapship.dr.linstor_snapshot
"""

EXAMPLES = r"""
- name: List all snapshots of the cluster
  snapship.dr.linstor_snapshot_info:
    controllers: "{{ linstor_controllers }}"
  delegate_to: localhost
  run_once: true

- name: List the snapshots of one resource
  snapship.dr.linstor_snapshot_info:
    controllers: "{{ linstor_controllers }}"
    resources: db
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
snapshots:
  description: The snapshots by resource, the newest of each first.
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
      description: Its UUID in LINSTOR.
      type: str
      returned: always
    created:
      description: >-
        When it was taken, in UTC, or when its first shipment began if that is earlier. For a received snapshot, this is
        the time in the cluster that shipped it.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.123000Z"
    size:
      description: Total size of the resource's volumes, in bytes.
      type: int
      returned: always
    group:
      description: Common name of the snapshots of one point in time, or V(null).
      type: str
      returned: always
    nodes:
      description: The nodes that have it.
      type: list
      elements: str
      returned: always
    valid:
      description: Whether it is complete.
      type: bool
      returned: always
    flaw:
      description: Why it isn't RV(snapshots[].valid), or V(null).
      type: str
      returned: always
    shipments:
      description: The states of its shipments. Empty for a received snapshot.
      type: list
      elements: dict
      returned: always
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
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def listing(cluster: Cluster, params: Mapping[str, Any]) -> Outcome:
    """The snapshots that the task asks for."""
    resources = names(params["resources"], "resources") or None
    return Outcome(items=snapshot.describe(cluster, resources, params["name"]))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(linstor.connection(), {"resources": {"type": "raw"}, "name": {"type": "str"}}),
        supports_check_mode=True,
    )
    linstor.answer(module, listing, "snapshots")


if __name__ == "__main__":
    main()
