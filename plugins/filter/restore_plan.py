# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a host is to restore, from an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: restore_plan
short_description: What a host is to restore, from what an inventory says of it
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Checks what an inventory, or extra variables, say of volumes to restore, without asking any host or remote, and
    turns it into the calls of modules to make.
  - The role P(snapship.dr.dr_restore#role) is made of it.
positional: _input, remotes
options:
  _input:
    description:
      - What to restore, as in C(snapship_restore).
    type: list
    elements: dict
    required: true
  remotes:
    description:
      - The remotes there are, as in C(snapship_remotes).
    type: list
    elements: dict
    required: true
  where:
    description:
      - The name of the variable that it came from, for messages.
    type: str
    default: snapship_restore
"""

EXAMPLES = r"""
- name: Is it right?
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
  description: All that is wrong, and what to do. Nothing in it is secret.
  type: dict
  contains:
    mistakes:
      description: What is wrong, a line each. Empty where nothing is.
      type: list
      elements: str
    native:
      description: What the host itself has to do, a list of the C(remotes) it needs and one of C(jobs).
      type: dict
    linstor:
      description: What the host's LINSTOR controller has to do, likewise.
      type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible_collections.snapship.dr.plugins.plugin_utils._restores import plan


def restore_plan(wanted: Any, remotes: Any, where: str = "snapship_restore") -> dict[str, Any]:
    """The filter."""
    return plan(wanted, remotes, where)


class FilterModule:
    """For Ansible to find it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By its name."""
        return {"restore_plan": restore_plan}
