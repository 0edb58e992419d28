# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""How to reach a cluster that a host of the inventory stands for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: linstor_access
short_description: How to reach the LINSTOR cluster that a host of the inventory stands for
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Picks C(snapship_linstor_controllers), C(snapship_linstor_auth_token) and so on from a host's variables, and returns
    them as modules for LINSTOR take a cluster on the other side.
  - Only the inventory is needed for that. The host can be down, or outside of C(--limit).
  - The result can hold secrets. Use it in options of modules that know them to be secret, and never in a loop.
options:
  _input:
    description:
      - The host's variables, as in C(hostvars['cluster-b']).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Where is the other cluster?
  ansible.builtin.debug:
    msg: "{{ (there | snapship.dr.linstor_access).controllers }}"
  vars:
    there:
      snapship_linstor_controllers: [linstor://192.0.2.11, linstor://192.0.2.12]
"""

RETURN = r"""
_value:
  description: The options that are set.
  type: dict
"""

from collections.abc import Callable, Mapping
from typing import Any

PREFIX = "snapship_linstor_"
OPTIONS = (
    "controllers",
    "auth_token",
    "username",
    "password",
    "client_cert",
    "client_key",
    "ca_path",
    "validate_certs",
    "timeout",
)


def linstor_access(variables: Mapping[str, Any]) -> dict[str, Any]:
    """The filter."""
    given = {name: variables[PREFIX + name] for name in OPTIONS if PREFIX + name in variables}
    return {name: value for name, value in given.items() if value not in (None, "", [])}


class FilterModule:
    """For Ansible to find it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By its name."""
        return {"linstor_access": linstor_access}
