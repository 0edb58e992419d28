#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Take or remove snapshots of volumes."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take or remove snapshots of volumes
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that each volume has a snapshot with this O(name), or one that is not older than O(max_age).
  - The snapshot of an image file is a reflink clone. On a filesystem without reflinks it is a sparse copy. A copy is
    torn if the image is written to meanwhile. So pause the writer, for example with O(pre_command) and
    O(post_command).
  - A snapshot in an LVM thin pool is read-only and is not activated automatically.
  - M(snapship.dr.backup) takes its own snapshots. Use this module for further snapshots, for example before an upgrade.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._volumes
  - snapship.dr._volumes.names
  - snapship.dr._volumes.point_in_time
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age) the task takes a new snapshot when the newest one is too old. So O(max_age=0s) takes one at each
        run.
options:
  name:
    description:
      - Name of the snapshot. ZFS and LVM allow only letters, digits and a few other characters. For another character
        the task fails, and the message has the allowed ones.
      - O(state=present) requires O(name) or O(max_age).
    type: str
  max_age:
    description:
      - Maximum age of the newest snapshot, such as V(15m), V(6h) or V(1d). If it is older, the task takes a new
        snapshot. V(0s) takes one now.
    type: str
  state:
    description:
      - Whether the snapshot exists. V(absent) requires O(name).
      - If the removed snapshot is the base of the next incremental (see RV(snapshots[].holds)), the next backup is
        full. The task warns about that.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: snapship.dr.snapshot_info
  - module: snapship.dr.backup
"""

EXAMPLES = r"""
- name: Take a snapshot before an upgrade
  snapship.dr.snapshot:
    volumes: /srv/db.img
    name: before-upgrade

- name: Take snapshots of two images at one point in time, at most once an hour
  snapship.dr.snapshot:
    volumes:
      - /srv/db.img
      - /srv/wal.img
    consistent: true
    max_age: 1h

- name: Take snapshots of a dataset and all datasets below it
  snapship.dr.snapshot:
    volumes: tank/home
    recursive: true
    name: monday

- name: Take snapshots of two logical volumes while their database pauses
  snapship.dr.snapshot:
    volumes: [vg0/db, vg0/wal]
    consistent: true
    max_age: 1h
    pre_command: [/usr/local/sbin/hold, --writes]
    post_command: [/usr/local/sbin/hold, --go-on]

- name: Remove the snapshot after the upgrade
  snapship.dr.snapshot:
    volumes: /srv/db.img
    name: before-upgrade
    state: absent
"""

RETURN = r"""
snapshots:
  description: One snapshot for each volume, taken now, taken earlier, or removed. In check mode, the planned one.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the snapshot.
      type: str
      returned: always
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    provider:
      description: Storage of the volume, as in O(provider).
      type: str
      returned: always
      sample: file
    state_id:
      description: Id of the content. It stays the same on each remote. For ZFS, the GUID of the snapshot.
      type: str
      returned: always
    group:
      description: Id of its group of snapshots with one point in time. V(null) if it has no group.
      type: str
      returned: always
    created:
      description: Time of the snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    size:
      description: Size of the volume at that time, in bytes.
      type: int
      returned: always
    method:
      description: >-
        How the snapshot was taken. V(thin) by LVM, V(snapshot) by ZFS, V(reflink) for an image file. These are atomic
        and share space with the volume. V(copy) for an image file on a filesystem without reflinks.
      type: str
      returned: always
      sample: thin
    path:
      description: Path or name of the snapshot on the host.
      type: str
      returned: always
    valid:
      description: Whether the snapshot is unchanged since it was taken. An invalid snapshot is never shipped.
      type: bool
      returned: always
    flaw:
      description: Why the snapshot is invalid. V(null) if it is valid.
      type: str
      returned: always
    holds:
      description: Ids of the backups of this snapshot. It is the base of the next incremental on their remotes.
      type: list
      elements: str
      returned: always
failures:
  description: One entry for each failure. Empty if nothing failed.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The volume. V(null) if the failure is not about one volume.
      type: str
      returned: always
    remote:
      description: The remote. V(null) if the failure is not about a remote.
      type: str
      returned: always
    code:
      description: Error code for programs. It does not change between releases.
      type: str
      returned: always
      sample: unreachable
    msg:
      description: What failed and why, in one line.
      type: str
      returned: always
    hint:
      description: What to do about the failure. Can be empty.
      type: str
      returned: always
"""

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.words import command, names


def request(params: Mapping[str, Any]) -> snapshot.Request:
    """The request of the task."""
    return snapshot.Request(
        volumes=names(params["volumes"], "volumes"),
        provider=params["provider"],
        name=params["name"],
        max_age=params["max_age"],
        state=params["state"],
        consistent=params["consistent"],
        recursive=params["recursive"],
        quiesce=params["quiesce"],
        pre_command=command(params["pre_command"], "pre_command"),
        post_command=command(params["post_command"], "post_command"),
        hook_timeout=params["hook_timeout"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.volumes(required=True),
            arguments.provider(),
            arguments.point_in_time(),
            {
                "name": {"type": "str"},
                "max_age": {"type": "str"},
                "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            },
        ),
        mutually_exclusive=[("name", "max_age")],
        required_if=[("state", "present", ("name", "max_age"), True), ("state", "absent", ("name",))],
        supports_check_mode=True,
    )
    carry_out(module, snapshot, request, "snapshots")


if __name__ == "__main__":
    main()
