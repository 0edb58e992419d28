#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Tell which remotes a host knows, and what they can do."""

from __future__ import annotations

DOCUMENTATION = r"""
module: remote_info
short_description: Tell which remotes a host knows, and what they can do
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Returns the remotes that are defined on the host, and what was found when they were tried out, by reading only.
  - Secrets are never returned, only whether they are set.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._attributes.info
  - snapship.dr._config
requirements:
  - boto3 (for a remote in S3)
options:
  name:
    description:
      - The remote to tell about. Without it, all of them.
    type: str
  probe:
    description:
      - Whether to try out if the remotes answer and can be read now. Nothing is written to them.
    type: bool
    default: true
seealso:
  - module: snapship.dr.remote
"""

EXAMPLES = r"""
- name: Which remotes are there?
  snapship.dr.remote_info:
  register: known

- name: Show the places
  ansible.builtin.debug:
    msg: "{{ known.remotes | map(attribute='location') }}"
"""

RETURN = r"""
remotes:
  description: The remotes, by name, with every option; a secret only as whether it is set.
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
    reachable:
      description: Whether it answers and can be read now.
      type: bool
      returned: with O(probe=true)
    problem:
      description: Why it is not reachable, or V(null).
      type: str
      returned: with O(probe=true)
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import remote as define
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import answer


def listing(host: Host, params: Mapping[str, Any]) -> Outcome:
    """What the task asks to see."""
    return Outcome(items=define.describe(host, params["name"], params["probe"]))


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
