# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The restores that an inventory asks of a host, as module calls."""

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_plan
short_description: Check the restores of an inventory, and plan them
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Checks the volumes that an inventory, or extra variables, ask to restore, and returns the module calls that restore
    them.
  - Reads the inventory only. It contacts no host and no remote.
  - The role P(snapship.dr.dr_restore#role) uses it.
positional: _input, remotes
options:
  _input:
    description:
      - The volumes to restore, as in C(snapship_restore).
    type: list
    elements: dict
    required: true
  remotes:
    description:
      - The remotes of the inventory, as in C(snapship_remotes).
    type: list
    elements: dict
    required: true
  where:
    description:
      - The name of the variable that holds the restores, for messages.
    type: str
    default: snapship_restore
"""

EXAMPLES = r"""
- name: Check the restores
  ansible.builtin.assert:
    that: (snapship_restore | snapship.dr.restore_plan(snapship_remotes)).mistakes == []
  vars:
    snapship_remotes:
      - name: nas
        path: /mnt/nas/backup
    snapship_restore:
      - remote: nas
        source: /srv/db.img
        target: /srv/db-restored.img
"""

RETURN = r"""
_value:
  description: The mistakes, and the module calls. It holds no secrets.
  type: dict
  contains:
    mistakes:
      description: The mistakes, one line each. Empty if there are none.
      type: list
      elements: str
    native:
      description: What the host itself restores, as a list of the C(remotes) it uses and a list of C(jobs).
      type: dict
    linstor:
      description: What the host's LINSTOR cluster restores, in the same form.
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.snapship.dr.plugins.plugin_utils._restores import plan


def restore_plan(wanted: Any, remotes: Any, where: str = "snapship_restore") -> dict[str, Any]:
    """The filter."""
    return plan(wanted, remotes, where)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"restore_plan": restore_plan}
