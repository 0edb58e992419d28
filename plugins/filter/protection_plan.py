# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The backups and copies that an inventory asks of a host, as module calls."""

from __future__ import annotations

DOCUMENTATION = r"""
name: protection_plan
short_description: Check the volumes and remotes of an inventory, and plan the backups
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Checks the protected volumes and the remotes of an inventory, and returns the module calls that protect them.
  - Reads the inventory only. It contacts no host and no remote.
  - The roles P(snapship.dr.dr_backup#role) and P(snapship.dr.dr_sync#role) use it.
positional: _input, remotes
options:
  _input:
    description:
      - The volumes to protect, as in C(snapship_protected).
    type: list
    elements: dict
    required: true
  remotes:
    description:
      - The remotes of the inventory, as in C(snapship_remotes).
    type: list
    elements: dict
    required: true
  use:
    description:
      - Which remotes of each entry to plan for, those for backups (V(backup)) or those for copies that are kept in sync
        (V(sync)).
    type: str
    choices: [backup, sync]
    default: backup
  max_age:
    description:
      - The age to use instead of each entry's C(every).
    type: str
"""

EXAMPLES = r"""
- name: Check the inventory
  ansible.builtin.assert:
    that: (snapship_protected | snapship.dr.protection_plan(snapship_remotes)).mistakes == []
  vars:
    snapship_remotes:
      - name: nas
        path: /mnt/nas/backup
    snapship_protected:
      - name: db
        volumes: /srv/db.img
        remotes:
          - name: nas
            every: 1h
"""

RETURN = r"""
_value:
  description: The mistakes in the inventory, and the module calls. It holds no secrets.
  type: dict
  contains:
    mistakes:
      description: The mistakes in the inventory, one line each. Empty if there are none.
      type: list
      elements: str
    native:
      description: What the host itself ships, as a list of the C(remotes) it uses and a list of C(jobs).
      type: dict
    linstor:
      description: What the host's LINSTOR cluster ships, in the same form.
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.snapship.dr.plugins.plugin_utils._protected import plan


def protection_plan(protected: Any, remotes: Any, use: str = "backup", max_age: str | None = None) -> dict[str, Any]:
    """The filter."""
    if use not in ("backup", "sync"):
        raise AnsibleFilterError(f"protection_plan: use must be backup or sync, not {use!r}.")
    return plan(protected, remotes, use, max_age)


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"protection_plan": protection_plan}
