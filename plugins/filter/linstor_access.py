# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The connection options of the LINSTOR cluster that a host of the inventory stands for."""

from __future__ import annotations

DOCUMENTATION = r"""
name: linstor_access
short_description: Get the connection options of a host's LINSTOR cluster
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Takes C(snapship_linstor_controllers), C(snapship_linstor_auth_token) and the other C(snapship_linstor_*) variables
    of a host, and returns them as options of the LINSTOR modules.
  - Reads the inventory only. The host can be down, or outside of C(--limit).
  - The result can hold secrets. Use it only in module options that are marked as secret, and never in a loop.
options:
  _input:
    description:
      - The host's variables, as in C(hostvars['cluster-b']).
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Show the controllers of the other cluster
  ansible.builtin.debug:
    msg: "{{ (there | snapship.dr.linstor_access).controllers }}"
  vars:
    there:
      snapship_linstor_controllers: [linstor://192.0.2.11, linstor://192.0.2.12]
"""

RETURN = r"""
_value:
  description: The connection options that are set.
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
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"linstor_access": linstor_access}
