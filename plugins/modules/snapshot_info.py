#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the snapshots of volumes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: List the snapshots of volumes
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the snapshots that M(snapship.dr.snapshot) and M(snapship.dr.backup) have taken of volumes.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._attributes.info
  - snapship.dr._config
  - snapship.dr._volumes
  - snapship.dr._volumes.names
options: {}
seealso:
  - module: snapship.dr.snapshot
"""

EXAMPLES = r"""
- name: List the snapshots of an image
  snapship.dr.snapshot_info:
    volumes: /srv/db.img
  register: taken

- name: Show the name of the newest snapshot
  ansible.builtin.debug:
    msg: "{{ taken.snapshots | map(attribute='name') | first | default('none yet') }}"
"""

RETURN = r"""
snapshots:
  description: The snapshots, newest first.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the snapshot.
      type: str
      returned: always
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    provider:
      description: Storage of the volume, as in O(provider).
      type: str
      returned: always
      sample: file
    state_id:
      description: Id of the content. It stays the same on each remote. For ZFS, the GUID of the snapshot.
      type: str
      returned: always
    group:
      description: Id of its group of snapshots with one point in time. V(null) if it has no group.
      type: str
      returned: always
    created:
      description: Time of the snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    size:
      description: Size of the volume at that time, in bytes.
      type: int
      returned: always
    method:
      description: >-
        How the snapshot was taken. V(thin) by LVM, V(snapshot) by ZFS, V(reflink) for an image file. These are atomic
        and share space with the volume. V(copy) for an image file on a filesystem without reflinks.
      type: str
      returned: always
      sample: thin
    path:
      description: Path or name of the snapshot on the host.
      type: str
      returned: always
    valid:
      description: Whether the snapshot is unchanged since it was taken. An invalid snapshot is never shipped.
      type: bool
      returned: always
    flaw:
      description: Why the snapshot is invalid. V(null) if it is valid.
      type: str
      returned: always
    holds:
      description: Ids of the backups of this snapshot. It is the base of the next incremental on their remotes.
      type: list
      elements: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def listing(host: Host, params: Mapping[str, Any]) -> Outcome:
    """The list that the task asks for."""
    return Outcome(items=snapshot.describe(names(params["volumes"], "volumes"), params["provider"]))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(arguments.config_dir(), arguments.volumes(required=True), arguments.provider()),
        supports_check_mode=True,
    )
    answer(module, listing, "snapshots")


if __name__ == "__main__":
    main()
