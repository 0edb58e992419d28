# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a host is to ship, from an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: protection_plan
short_description: What a host is to ship, from what an inventory says of it
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Checks what an inventory says of volumes and remotes, without asking any host or remote, and turns it into the calls
    of modules to make.
  - The roles P(snapship.dr.dr_backup#role) and P(snapship.dr.dr_sync#role) are made of it.
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
      - The remotes there are, as in C(snapship_remotes).
    type: list
    elements: dict
    required: true
  use:
    description:
      - For which of an entry's remotes, those for backups or those to be kept in sync.
    type: str
    choices: [backup, sync]
    default: backup
  max_age:
    description:
      - What to use instead of each entry's C(every).
    type: str
"""

EXAMPLES = r"""
- name: Is the inventory right?
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

from ansible.errors import AnsibleFilterError

from ansible_collections.snapship.dr.plugins.plugin_utils._protected import plan


def protection_plan(protected: Any, remotes: Any, use: str = "backup", max_age: str | None = None) -> dict[str, Any]:
    """The filter."""
    if use not in ("backup", "sync"):
        raise AnsibleFilterError(f"protection_plan: use is backup or sync, not {use!r}.")
    return plan(protected, remotes, use, max_age)


class FilterModule:
    """For Ansible to find it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By its name."""
        return {"protection_plan": protection_plan}
