#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the backups on a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_info
short_description: List the backups on a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the backups on a remote. Any host that can read the remote can list the backups of all hosts.
  - On a remote with the layout V(linstor), it returns the backups that LINSTOR has shipped. It then reads the
    metadata of all backups, also with O(details=false).
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._attributes.info
  - snapship.dr._config
  - snapship.dr._remote
  - snapship.dr._remote.as_of
options:
  volumes:
    description:
      - Return only backups of these volumes, as one name or a list of names.
      - A string with a comma in it is one name.
    type: raw
  id:
    description:
      - Return only the backup with this id, with details. The task fails if there is none.
    type: str
  details:
    description:
      - Read the manifest of each backup and return its details. With V(false) the task only lists the remote. That is
        fast, also for thousands of backups.
    type: bool
    default: false
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: List the backups of this host
  snapship.dr.backup_info:
    remote: offsite
  register: there

- name: Show the time of each volume's last backup
  ansible.builtin.debug:
    msg: "{{ item }}: {{ (there.backups | selectattr('volume', '==', item) | first).created }}"
  loop: "{{ there.backups | map(attribute='volume') | unique }}"

- name: List the backups of a lost machine on its replacement
  snapship.dr.backup_info:
    remote_spec:
      path: /mnt/nas/backup
    origin: san1
    details: true

- name: List the backups that a bucket with versioning had before somebody deleted or overwrote them
  snapship.dr.backup_info:
    remote: offsite
    as_of: "2026-03-09T18:00:00Z"
"""

RETURN = r"""
backups:
  description: The backups, newest first.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Id of the backup.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    origin:
      description: The origin, that is the name under which the remote stores the backups of a host.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental).
      type: str
      returned: always
    base:
      description: Id of the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    chain:
      description: >-
        Ids of all backups that a restore needs, from the full one to this one. V(null) if one of them is missing, or if
        there are more than 1000.
      type: list
      elements: str
      returned: always
    chain_length:
      description: Number of backups that a restore needs. V(null) if one of them is missing.
      type: int
      returned: always
    complete:
      description: Whether all backups of its chain exist, so that it can be restored.
      type: bool
      returned: always
    problem:
      description: Why the backup cannot be restored. V(null) if it can be.
      type: str
      returned: always
    created:
      description: Time of its snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    age:
      description: Age of the backup in seconds, by the remote's clock.
      type: float
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    group:
      description: Id of its group of backups with one point in time. V(null) if it has no group.
      type: str
      returned: with O(details=true) or O(id)
    group_members:
      description: The volumes of that group. V(null) if it has no group.
      type: list
      elements: str
      returned: with O(details=true) or O(id)
    provider:
      description: Storage of the volume, as in O(snapship.dr.backup#module:provider).
      type: str
      returned: with O(details=true) or O(id)
    snapshot:
      description: Name of the shipped snapshot.
      type: str
      returned: with O(details=true) or O(id)
    state_id:
      description: Id of the content. Equal ids mean equal content.
      type: str
      returned: with O(details=true) or O(id)
    reason:
      description: Why the backup is full, or incremental with this base.
      type: str
      returned: with O(details=true) or O(id)
    bytes_logical:
      description: Size of the volume in bytes.
      type: int
      returned: with O(details=true) or O(id)
    bytes_changed:
      description: Bytes in this backup, before compression.
      type: int
      returned: with O(details=true) or O(id)
    bytes_stored:
      description: Bytes that the backup takes on the remote.
      type: int
      returned: with O(details=true) or O(id)
    segments:
      description: Number of segments of the backup.
      type: int
      returned: with O(details=true) or O(id)
    encrypted:
      description: Whether the backup is encrypted.
      type: bool
      returned: with O(details=true) or O(id)
    key_id:
      description: Id of the encryption key. V(null) if the backup is not encrypted.
      type: str
      returned: with O(details=true) or O(id)
    compression:
      description: Compression of the backup.
      type: str
      returned: with O(details=true) or O(id)
    consistency:
      description: How writes were paused for the snapshot, and the results of the commands before and after it.
      type: dict
      returned: with O(details=true) or O(id)
    properties:
      description: Properties of the volume.
      type: dict
      returned: with O(details=true) or O(id)
    tool:
      description: Versions of the programs that made the backup.
      type: dict
      returned: with O(details=true) or O(id)
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup_info
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def listing(host: Host, params: Mapping[str, Any]) -> Outcome:
    """The list that the task asks for."""
    request = backup_info.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        as_of=params["as_of"],
        volumes=names(params["volumes"], "volumes"),
        id=params["id"],
        details=params["details"],
    )
    return backup_info.answer(host, request)


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.remote(),
            arguments.as_of(),
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
