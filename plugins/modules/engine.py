#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Install the snapship program."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine
short_description: Install the snapship program
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Installs the program C(snapship) on the host as a single file. The program makes, lists, verifies and restores
    backups without Ansible.
  - The module builds the program from its own code. The program therefore always has the version of the collection,
    and nothing is downloaded.
  - The same version of the collection gives the same file on every host, byte for byte.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details:
      - Shows version, SHA-256, size and mode of the program before and after.
  idempotent:
    support: full
options:
  state:
    description:
      - With V(present), the program of this version is at O(path) and has O(mode).
      - With V(absent), no program is at O(path). Remotes, backups and everything in O(config_dir) stay.
    type: str
    choices: [present, absent]
    default: present
  path:
    description:
      - Absolute path of the program. Its folder must exist.
      - The module replaces and removes only a snapship program. It fails if a link, a directory or another file is
        there.
    type: path
    default: /usr/local/bin/snapship
  mode:
    description:
      - Permissions of the program, as four octal digits in quotes, the first of them 0.
    type: str
    default: "0755"
  config_dir:
    description:
      - This module does not use it. The option exists so that it can be set for all modules of the collection with
        C(module_defaults).
      - The environment variable E(SNAPSHIP_CONFIG_DIR) is used where the option is not set.
notes:
  - The program needs Python 3.9 or newer as C(python3) in E(PATH). The module warns if the host has none.
  - The program belongs to the user that the task runs as. C(/usr/local/bin) needs C(become).
  - A program that is running keeps its version until it ends.
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: Install the program
  snapship.dr.engine:
  become: true

- name: Install it in the home of an operator
  snapship.dr.engine:
    path: /home/operator/bin/snapship
    mode: "0700"

- name: Remove the program
  snapship.dr.engine:
    state: absent
  become: true
"""

RETURN = r"""
programs:
  description: >-
    The program as it is installed, or would be in check mode. Empty with O(state=absent).
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Where the program is.
      type: str
      returned: always
      sample: /usr/local/bin/snapship
    state:
      description: Always V(present).
      type: str
      returned: always
      sample: present
    version:
      description: Version of the program, which C(snapship --version) also prints.
      type: str
      returned: always
      sample: 0.1.0
    sha256:
      description: SHA-256 of the file, in hexadecimal digits.
      type: str
      returned: always
    size:
      description: Size of the file in bytes.
      type: int
      returned: always
    mode:
      description: Permissions of the file.
      type: str
      returned: always
      sample: "0755"
    python:
      description: The C(python3) on the host that the program starts with. V(null) where PATH has none.
      type: str
      returned: always
      sample: /usr/bin/python3
failures:
  description: What failed, and how. Empty where nothing did.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: Always V(null).
      type: str
      returned: always
    remote:
      description: Always V(null).
      type: str
      returned: always
    code:
      description: A short word for programs, which stays the same from release to release.
      type: str
      returned: always
      sample: not_snapship
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

# Ansible sends only the files that a module imports, directly or not: these import the whole engine.
# pylint: disable=unused-import
from ansible_collections.snapship.dr.plugins.module_utils._engine import cli  # noqa: F401
from ansible_collections.snapship.dr.plugins.module_utils._engine.policy import (  # noqa: F401
    chains,
    protection,
    retention_calendar,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import engine
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out


def request(params: Mapping[str, Any]) -> engine.Request:
    """What the task asks for."""
    return engine.Request(path=params["path"], state=params["state"], mode=params["mode"])


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            {
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                "path": {"type": "path", "default": "/usr/local/bin/snapship"},
                "mode": {"type": "str", "default": "0755"},
            },
        ),
        supports_check_mode=True,
    )
    carry_out(module, engine, request, "programs")


if __name__ == "__main__":
    main()
