#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Set, enter or change the master passphrase of a LINSTOR cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: linstor_encryption
short_description: Set, enter or change the master passphrase of a LINSTOR cluster
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that the master passphrase of a cluster is set and entered. Under it LINSTOR keeps the keys of
    volumes with LUKS, and the secrets of remotes. Without it no remote in S3 can be made or used.
  - LINSTOR forgets it when its controller is started again, so that it has to be entered.
  - LINSTOR offers no way to remove it.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
    details:
      - Whether a passphrase is the right one can be told only while one is entered.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - Where one is entered already, the passphrase is entered again to see whether it is the same. That changes
        nothing.
options:
  passphrase:
    description:
      - The master passphrase as it is to be.
      - Keep a copy elsewhere. Without it neither volumes with LUKS nor their backups can be read.
    type: str
    required: true
  old_passphrase:
    description:
      - The master passphrase there is, to change it to O(passphrase). It is not used where O(passphrase) is in force
        already.
    type: str
  state:
    description:
      - V(present) sets the passphrase where there is none, enters it where it was not entered since the controller was
        started, and changes it where O(old_passphrase) is the one there is.
      - V(unlocked) only enters it.
    type: str
    choices: [present, unlocked]
    default: present
seealso:
  - module: snapship.dr.linstor_remote
"""

EXAMPLES = r"""
- name: Have the master passphrase set and entered
  snapship.dr.linstor_encryption:
    controllers: "{{ linstor_controllers }}"
    passphrase: "{{ vault_linstor_passphrase }}"
  delegate_to: localhost
  run_once: true

- name: Change it
  snapship.dr.linstor_encryption:
    controllers: "{{ linstor_controllers }}"
    passphrase: "{{ vault_linstor_new_passphrase }}"
    old_passphrase: "{{ vault_linstor_passphrase }}"
  delegate_to: localhost
  run_once: true
"""

RETURN = r"""
encryption:
  description: The state of the passphrase, in a list of one.
  returned: always
  type: list
  elements: dict
  contains:
    status:
      description: V(unlocked) where it is (or would be) entered.
      type: str
      returned: always
      sample: unlocked
    actions:
      description: What was (or would be) done.
      type: list
      elements: str
      returned: always
      sample: [enter the master passphrase]
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import encryption
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor


def request(params: Mapping[str, Any]) -> encryption.Request:
    """What the task asks for."""
    return encryption.Request(
        passphrase=params["passphrase"], old_passphrase=params["old_passphrase"], state=params["state"]
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            linstor.connection(),
            {
                "passphrase": {"type": "str", "required": True, "no_log": True},
                "old_passphrase": {"type": "str", "no_log": True},
                "state": {"type": "str", "choices": ["present", "unlocked"], "default": "present"},
            },
        ),
        supports_check_mode=True,
    )
    linstor.carry_out(module, encryption, request, "encryption")


if __name__ == "__main__":
    main()
