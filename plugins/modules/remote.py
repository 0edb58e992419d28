#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Define a remote for backups: an S3 bucket or a directory."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote
short_description: Define a remote for backups, an S3 bucket or a directory
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Stores the definition of a remote on the host, in a file that only its owner can read, and tests the remote.
  - A remote is an S3 bucket (at Amazon or a compatible service) or a directory.
  - With O(layout=linstor), it is a remote that LINSTOR has shipped backups to. They can be restored without LINSTOR.
  - Removing a definition never touches the backups on the remote.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._remote.definition
attributes:
  check_mode:
    support: full
    details:
      - The task tests the remote by reading only.
  diff_mode:
    support: full
    details:
      - For a secret, the diff shows whether it is set and whether it changes, never its value.
  idempotent:
    support: full
requirements:
  - boto3 (for O(type=s3))
  - cryptography (for O(encryption_key))
options:
  name:
    description:
      - Name of the remote, for other tasks and the C(snapship) program.
    type: str
    required: true
  state:
    description:
      - Whether the host has a definition of the remote.
    type: str
    choices: [present, absent]
    default: present
  probe:
    description:
      - When to test that the remote answers and can list, read, write and (unless O(append_only)) delete. V(on_change)
        tests it when the definition changes.
      - If the test fails, the task fails and stores no definition.
    type: str
    choices: [on_change, always, never]
    default: on_change
seealso:
  - module: snapship.dr.remote_info
  - module: snapship.dr.backup
"""

EXAMPLES = r"""
- name: Define a directory, such as a mounted NFS export
  snapship.dr.remote:
    name: nas
    path: /mnt/nas/backup

- name: Define a bucket of an S3-compatible service, with encryption
  snapship.dr.remote:
    name: offsite
    bucket: dr-backups
    prefix: prod
    endpoint_url: "{{ s3_endpoint }}"
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
    encryption_key: "{{ vault_backup_key }}"

- name: Define a bucket with backups of LINSTOR, to restore from
  snapship.dr.remote:
    name: linstor
    layout: linstor
    bucket: dr-backups
    endpoint_url: "{{ s3_endpoint }}"
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"

- name: Remove a remote's definition and keep its backups
  snapship.dr.remote:
    name: nas
    state: absent
"""

RETURN = r"""
remotes:
  description: >-
    The definition of the remote, with every option. In check mode, the definition that a real run would store. For a
    secret, only whether it is set. Empty with O(state=absent).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the remote.
      type: str
      returned: always
    type:
      description: The type of the remote.
      type: str
      returned: always
    layout:
      description: Layout of the backups, V(snapship) or V(linstor).
      type: str
      returned: always
    location:
      description: The place, as a string. Two remotes for the same place have the same string.
      type: str
      returned: always
    capabilities:
      description: >-
        Results of the last test by M(snapship.dr.remote). V(null) if the remote was never tested. A single value is
        V(null) if it was not tested.
      type: dict
      returned: always
      contains:
        list:
          description: Whether objects can be listed.
          type: bool
          returned: always
        read:
          description: Whether objects can be read.
          type: bool
          returned: always
        write:
          description: Whether objects can be written.
          type: bool
          returned: always
        delete:
          description: Whether objects can be deleted.
          type: bool
          returned: always
        conditional_put:
          description: Whether the store can refuse to overwrite an object (conditional put).
          type: bool
          returned: always
        object_lock:
          description: Whether objects can be locked (object lock).
          type: bool
          returned: always
failures:
  description: One entry for each failure. Empty if nothing failed.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The volume. V(null) if the failure is not about one volume.
      type: str
      returned: always
    remote:
      description: The remote. V(null) if the failure is not about a remote.
      type: str
      returned: always
    code:
      description: Error code for programs. It does not change between releases.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What failed and why, in one line.
      type: str
      returned: always
    hint:
      description: What to do about the failure. Can be empty.
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import remote
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_options


def request(params: Mapping[str, Any]) -> remote.Request:
    """The request of the task."""
    return remote.Request(
        name=params["name"], state=params["state"], options=remote_options(params), probe=params["probe"]
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.definition(),
            {
                "name": {"type": "str", "required": True},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "probe": {"type": "str", "choices": ["on_change", "always", "never"], "default": "on_change"},
            },
        ),
        supports_check_mode=True,
    )
    carry_out(module, remote, request, "remotes")


if __name__ == "__main__":
    main()
