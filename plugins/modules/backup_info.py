#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Tell which backups lie on a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: Tell which backups lie on a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the backups on a remote, from any host that can read it, whichever host made them.
  - Of a remote with the layout V(linstor) the backups are returned that LINSTOR has shipped there. All of their
    metadata has to be read for that, with O(details=false) too.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._attributes.info
  - snapship.dr._config
  - snapship.dr._remote
options:
  volumes:
    description:
      - Tell only about these volumes, a list of names or one name.
      - A string with a comma in it is one name.
    type: raw
  id:
    description:
      - Tell only about this backup, in detail. It is an error when there is no such backup.
    type: str
  details:
    description:
      - Read the manifest of each backup and return what it says. Without it, the remote is only listed, which is
        quick for thousands of backups.
    type: bool
    default: false
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: What is there of this host?
  snapship.dr.backup_info:
    remote: offsite
  register: there

- name: Show when each volume was backed up last
  ansible.builtin.debug:
    msg: "{{ item }}: {{ (there.backups | selectattr('volume', '==', item) | first).created }}"
  loop: "{{ there.backups | map(attribute='volume') | unique }}"

- name: On a new machine, what is there of the one that burnt down?
  snapship.dr.backup_info:
    remote_spec:
      path: /mnt/nas/backup
    origin: san1
    details: true
"""

RETURN = r"""
backups:
  description: The backups, newest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the backup.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    origin:
      description: Under whose name it lies on the remote.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental).
      type: str
      returned: always
    base:
      description: Id of the backup that an incremental rests on, or V(null).
      type: str
      returned: always
    chain:
      description: >-
        The ids of all backups that are needed to restore it, the full one first and itself last. V(null) where
        one of them is missing, or there are more than 1000.
      type: list
      elements: str
      returned: always
    chain_length:
      description: How many backups are needed to restore it. V(null) where one of them is missing.
      type: int
      returned: always
    complete:
      description: Whether all of its chain is there, so that it can be restored.
      type: bool
      returned: always
    problem:
      description: Why it cannot be restored, or V(null).
      type: str
      returned: always
    created:
      description: When its snapshot was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    age:
      description: How old it is by the remote's clock, in seconds.
      type: float
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    group:
      description: Id of the group of backups of one point in time that it belongs to, or V(null).
      type: str
      returned: with O(details=true) or O(id)
    group_members:
      description: The volumes of that group, or V(null).
      type: list
      elements: str
      returned: with O(details=true) or O(id)
    provider:
      description: What kept the volume.
      type: str
      returned: with O(details=true) or O(id)
    snapshot:
      description: The snapshot that was shipped.
      type: str
      returned: with O(details=true) or O(id)
    state_id:
      description: Identity of the content.
      type: str
      returned: with O(details=true) or O(id)
    reason:
      description: Why it is a full, or an increment on its base.
      type: str
      returned: with O(details=true) or O(id)
    bytes_logical:
      description: Size of the volume.
      type: int
      returned: with O(details=true) or O(id)
    bytes_changed:
      description: How much of it is in this backup, before compression.
      type: int
      returned: with O(details=true) or O(id)
    bytes_stored:
      description: How much of the remote's space it takes.
      type: int
      returned: with O(details=true) or O(id)
    segments:
      description: Of how many segments it is made.
      type: int
      returned: with O(details=true) or O(id)
    encrypted:
      description: Whether it is encrypted.
      type: bool
      returned: with O(details=true) or O(id)
    key_id:
      description: Id of the key that it is encrypted with, or V(null).
      type: str
      returned: with O(details=true) or O(id)
    compression:
      description: How it is compressed.
      type: str
      returned: with O(details=true) or O(id)
    consistency:
      description: How its writer was brought to rest, and how the commands around the snapshot ended.
      type: dict
      returned: with O(details=true) or O(id)
    properties:
      description: Properties of the volume.
      type: dict
      returned: with O(details=true) or O(id)
    tool:
      description: Versions of the programs that wrote it.
      type: dict
      returned: with O(details=true) or O(id)
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup_info as info
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def listing(host: Host, params: Mapping[str, Any]) -> Outcome:
    """What the task asks to see."""
    request = info.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        volumes=names(params["volumes"], "volumes"),
        id=params["id"],
        details=params["details"],
    )
    outcome = Outcome(items=info.listing(host, request))
    if not outcome.items:
        outcome.warn(info.instead(host, request))
    return outcome


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.remote(),
            arguments.volumes(),
            {"id": {"type": "str"}, "details": {"type": "bool", "default": False}},
        ),
        mutually_exclusive=arguments.ONE_REMOTE,
        required_one_of=arguments.ONE_REMOTE,
        supports_check_mode=True,
    )
    answer(module, listing, "backups")


if __name__ == "__main__":
    main()
