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
  - Makes sure that the master passphrase of a cluster is set and entered. LINSTOR encrypts the keys of LUKS volumes and
    the secrets of remotes with it. Without the passphrase, an S3 remote can't be created or used.
  - LINSTOR forgets the passphrase when its controller restarts. It must be entered again then.
  - LINSTOR can't remove a master passphrase.
extends_documentation_fragment:
  - snapship.dr._linstor
  - snapship.dr._attributes
attributes:
  check_mode:
    support: full
    details:
      - Check mode can verify the passphrase only if one is already entered.
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - If a passphrase is already entered, the module enters it again to compare it. This changes nothing.
options:
  passphrase:
    description:
      - The wanted master passphrase.
      - Keep a copy elsewhere. Without the passphrase, LUKS volumes and their backups can't be read.
      - Don't use a word of everyday language. Ansible masks the passphrase wherever it occurs in messages, so that the
        gap in a known message tells it. Only codes and states are returned unmasked.
    type: str
    required: true
  old_passphrase:
    description:
      - The current master passphrase, to change it to O(passphrase). It isn't used if O(passphrase) is already valid.
    type: str
  state:
    description:
      - V(present) sets the passphrase if there is none, enters it if the controller has restarted, and changes it if
        O(old_passphrase) is the current one.
      - V(unlocked) only enters it.
    type: str
    choices: [present, unlocked]
    default: present
seealso:
  - module: snapship.dr.linstor_remote
"""

EXAMPLES = r"""
- name: Set and enter the master passphrase
  snapship.dr.linstor_encryption:
    controllers: "{{ linstor_controllers }}"
    passphrase: "{{ vault_linstor_passphrase }}"
  delegate_to: localhost
  run_once: true

- name: Change the master passphrase
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
      description: V(unlocked) if it is (or would be) entered.
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

from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import encryption
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, linstor


def request(params: Mapping[str, Any]) -> encryption.Request:
    """The request of the task."""
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
