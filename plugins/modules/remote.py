#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Define a place to ship backups to."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote
short_description: Define a place to ship backups to
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Keeps the definition of a remote on the host, in a file that only its owner can read, and tries out whether it
    works.
  - A remote is a bucket in S3, or a compatible service, or a directory.
  - With O(layout=linstor) it is one that LINSTOR has shipped backups to, to restore them without LINSTOR.
  - Removing a definition never touches the backups that lie on the remote.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._remote.definition
attributes:
  check_mode:
    support: full
    details:
      - The remote is tried out by reading only.
  diff_mode:
    support: full
    details:
      - Of a secret it shows whether it is set, and that it changes, but never what it is.
  idempotent:
    support: full
requirements:
  - boto3 (for O(type=s3))
  - cryptography (for O(encryption_key))
options:
  name:
    description:
      - Name of the remote, by which other tasks and the C(snapship) program refer to it.
    type: str
    required: true
  state:
    description:
      - Whether the host knows the remote.
    type: str
    choices: [present, absent]
    default: present
  probe:
    description:
      - When to try out that the remote answers and can list, read, write and (unless O(append_only)) delete,
        V(on_change) of its definition, V(always), or V(never).
      - A remote that does not work is not defined.
    type: str
    choices: [on_change, always, never]
    default: on_change
seealso:
  - module: snapship.dr.remote_info
  - module: snapship.dr.backup
"""

EXAMPLES = r"""
- name: Ship to a directory, such as a mounted NFS export
  snapship.dr.remote:
    name: nas
    path: /mnt/nas/backup

- name: Ship to a bucket of an S3-compatible service, encrypted
  snapship.dr.remote:
    name: offsite
    bucket: dr-backups
    prefix: prod
    endpoint_url: "{{ s3_endpoint }}"
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"
    encryption_key: "{{ vault_backup_key }}"

- name: Restore from a bucket that LINSTOR has shipped backups to
  snapship.dr.remote:
    name: linstor
    layout: linstor
    bucket: dr-backups
    endpoint_url: "{{ s3_endpoint }}"
    access_key: "{{ vault_s3_access_key }}"
    secret_key: "{{ vault_s3_secret_key }}"

- name: Forget a remote, leaving its backups where they are
  snapship.dr.remote:
    name: nas
    state: absent
"""

RETURN = r"""
remotes:
  description: >-
    The remote as it is (or would be) defined, with every option; a secret only as whether it is set. Empty with
    O(state=absent).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the remote.
      type: str
      returned: always
    type:
      description: What kind of place it is.
      type: str
      returned: always
    layout:
      description: Whose backups lie there.
      type: str
      returned: always
    location:
      description: The place itself. The same place gives the same string, whatever the remote's name.
      type: str
      returned: always
    capabilities:
      description: >-
        What was found out when the remote was last tried by M(snapship.dr.remote). V(null) where it never was, and so
        is a value that was not tried.
      type: dict
      returned: always
      contains:
        list:
          description: Whether it can be listed.
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
          description: Whether the store refuses to overwrite an object when asked to.
          type: bool
          returned: always
        object_lock:
          description: Whether objects can be locked.
          type: bool
          returned: always
failures:
  description: What failed, and how. Empty where nothing did.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The volume, where it is about one.
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import remote as define
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_options


def request(params: Mapping[str, Any]) -> define.Request:
    """What the task asks for."""
    return define.Request(
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
    carry_out(module, define, request, "remotes")


if __name__ == "__main__":
    main()
