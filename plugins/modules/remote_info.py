#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""List the defined remotes of a host, and test them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_info
short_description: List the defined remotes of a host, and test them
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the remotes that are defined on the host, and tests by reading whether they answer.
  - It never returns a secret, only whether it is set.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._attributes.info
  - snapship.dr._config
requirements:
  - boto3 (for a remote in S3)
options:
  name:
    description:
      - Name of the remote. By default, all remotes.
    type: str
  probe:
    description:
      - Whether to test now that the remotes answer and can be read. The test writes nothing.
    type: bool
    default: true
seealso:
  - module: snapship.dr.remote
"""

EXAMPLES = r"""
- name: List the remotes
  snapship.dr.remote_info:
  register: known

- name: Show their locations
  ansible.builtin.debug:
    msg: "{{ known.remotes | map(attribute='location') }}"
"""

RETURN = r"""
remotes:
  description: The remotes, sorted by name, with every option. For a secret, only whether it is set.
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
    reachable:
      description: Whether the remote answers and can be read now.
      type: bool
      returned: with O(probe=true)
    problem:
      description: Why the remote is not reachable. V(null) if it is.
      type: str
      returned: with O(probe=true)
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import remote
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer


def listing(host: Host, params: Mapping[str, Any]) -> Outcome:
    """The list that the task asks for."""
    return Outcome(items=remote.describe(host, params["name"], params["probe"]))


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            {"name": {"type": "str"}, "probe": {"type": "bool", "default": True}},
        ),
        supports_check_mode=True,
    )
    answer(module, listing, "remotes")


if __name__ == "__main__":
    main()
