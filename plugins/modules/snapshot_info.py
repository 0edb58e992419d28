#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Tell which snapshots volumes have."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot_info
short_description: Tell which snapshots volumes have
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the snapshots of volumes that were taken by M(snapship.dr.snapshot) and M(snapship.dr.backup).
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
- name: Which snapshots are there?
  snapship.dr.snapshot_info:
    volumes: /srv/db.img
  register: taken

- name: Show the newest one's name
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
      description: What keeps the volume.
      type: str
      returned: always
      sample: file
    state_id:
      description: Identity of the content, which stays with it wherever it is shipped. In ZFS its GUID.
      type: str
      returned: always
    group:
      description: Id of the group of snapshots of one point in time that it belongs to, or V(null).
      type: str
      returned: always
    created:
      description: When it was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    size:
      description: Size of the volume at that time, in bytes.
      type: int
      returned: always
    method:
      description: >-
        How it was made. V(thin) by LVM, V(snapshot) by ZFS, V(reflink) of an image file (all of them atomic, and they
        share their space with the volume), V(copy) of an image file where its filesystem knows no reflinks.
      type: str
      returned: always
      sample: thin
    path:
      description: Where it is kept.
      type: str
      returned: always
    valid:
      description: Whether it still is what it was when it was taken. Nothing is shipped from one that is not.
      type: bool
      returned: always
    flaw:
      description: Why it is not RV(snapshots[].valid), or V(null).
      type: str
      returned: always
    holds:
      description: Ids of the backups that hold its state. The next increment on their remotes is made from it.
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
    """What the task asks to see."""
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
