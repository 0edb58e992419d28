# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The module options of one remote of an inventory."""

from __future__ import annotations

DOCUMENTATION = r"""
name: remote_options
short_description: Get the module options of one remote of an inventory
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Finds a remote by its name, and returns its options for M(snapship.dr.remote), or with O(carrier=linstor) for
    M(snapship.dr.linstor_remote).
  - If an S3 remote has neither keys nor a profile, the filter takes the keys from the controller's environment, that is
    from E(SNAPSHIP_ACCESS_KEY), E(SNAPSHIP_SECRET_KEY) and E(SNAPSHIP_SESSION_TOKEN). It never takes an encryption key
    from there. Otherwise a missing variable would leave backups unencrypted.
  - The result holds secrets. Use it only in module options that are marked as secret, and never in a loop.
positional: _input, name
options:
  _input:
    description:
      - The remotes of the inventory, as in C(snapship_remotes).
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
      - Which side ships to the remote, the host itself (V(native)) or a LINSTOR cluster (V(linstor)).
    type: str
    choices: [native, linstor]
    default: native
"""

EXAMPLES = r"""
- name: Back up an image, at most once an hour
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
  description: The options of the remote that are set.
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
        raise AnsibleFilterError(f"remote_options: snapship_remotes has no remote {name!r}.")
    return linstor_options(remote) if carrier == "linstor" else remote.native()


class FilterModule:
    """The filter, as Ansible finds it."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """The filter by its name."""
        return {"remote_options": remote_options}
