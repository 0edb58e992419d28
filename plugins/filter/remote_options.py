# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The options of one remote of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: remote_options
short_description: The options of one remote of an inventory, for a module
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Finds a remote by its name, and returns what M(snapship.dr.remote), or with O(carrier=linstor) the module for
    remotes of LINSTOR, is to be told of it.
  - Where an S3 remote has neither keys nor a profile, the keys are taken from the controller's environment, that is
    E(SNAPSHIP_ACCESS_KEY), E(SNAPSHIP_SECRET_KEY) and E(SNAPSHIP_SESSION_TOKEN). An encryption key is not, as backups
    must not turn out unencrypted where a variable happens to be missing.
  - The result holds secrets. Use it in options of modules that know them to be secret, and never in a loop.
positional: _input, name
options:
  _input:
    description:
      - The remotes there are, as in C(snapship_remotes).
    type: list
    elements: dict
    required: true
  name:
    description:
      - The remote's name.
    type: str
    required: true
  carrier:
    description:
      - Who is to ship to it, a host itself or a LINSTOR controller.
    type: str
    choices: [native, linstor]
    default: native
"""

EXAMPLES = r"""
- name: There is a backup that is at most one hour old
  snapship.dr.backup:
    remote_spec: "{{ remotes | snapship.dr.remote_options('nas') }}"
    volumes: /srv/db.img
    max_age: 1h
  vars:
    remotes:
      - name: nas
        path: /mnt/nas/backup
"""

RETURN = r"""
_value:
  description: The options that are set.
  type: dict
"""

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.snapship.dr.plugins.plugin_utils._linstor_remotes import linstor_options
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes
from ansible_collections.snapship.dr.plugins.plugin_utils._remotes import read


def remote_options(remotes: Any, name: str, carrier: str = "native") -> dict[str, Any]:
    """The filter."""
    remote = read(remotes, "snapship_remotes", Mistakes()).get(name)
    if remote is None:
        raise AnsibleFilterError(f"remote_options: there is no remote {name!r}.")
    return linstor_options(remote) if carrier == "linstor" else remote.native()


class FilterModule:
    """For Ansible to find it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """By its name."""
        return {"remote_options": remote_options}
