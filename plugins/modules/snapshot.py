#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Take snapshots of volumes, or remove them."""

from __future__ import annotations

DOCUMENTATION = r"""
module: snapshot
short_description: Take snapshots of volumes, or remove them
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that volumes have a snapshot of a certain O(name), or one that is no older than O(max_age).
  - An image file is cloned by reflink where its filesystem can do that, and copied (holes stay holes) where it
    cannot. A copy of an image that is being written to is torn, so have its writer pause, by O(pre_command) and
    O(post_command) for instance.
  - A snapshot in a thin pool of LVM is read-only and is not activated by itself.
  - M(snapship.dr.backup) takes the snapshots it needs by itself. This module is for snapshots of one's own.
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
      - With O(max_age) a new snapshot is taken when the newest one has become too old, so O(max_age=0s) takes one
        at each run.
options:
  name:
    description:
      - Name of the snapshot. In ZFS and LVM it can hold letters, digits and a few signs only. What they do not take is
        refused, and the message says what they do.
      - One of O(name) and O(max_age) is needed with O(state=present).
    type: str
  max_age:
    description:
      - Take a snapshot only if the newest one is older than this, as in V(15m), V(6h), V(1d). V(0s) takes one now.
    type: str
  state:
    description:
      - Whether the snapshot is there. V(absent) needs O(name).
      - When one is removed that is needed for an increment (see RV(snapshots[].holds)), the next backup will be a
        full one. It warns of that.
    type: str
    choices: [present, absent]
    default: present
seealso:
  - module: snapship.dr.snapshot_info
  - module: snapship.dr.backup
"""

EXAMPLES = r"""
- name: Before an upgrade
  snapship.dr.snapshot:
    volumes: /srv/db.img
    name: before-upgrade

- name: Two images at one point in time, at most an hour old
  snapship.dr.snapshot:
    volumes:
      - /srv/db.img
      - /srv/wal.img
    consistent: true
    max_age: 1h

- name: A dataset and all below it
  snapship.dr.snapshot:
    volumes: tank/home
    recursive: true
    name: monday

- name: Logical volumes at one point in time, while their database holds still
  snapship.dr.snapshot:
    volumes: [vg0/db, vg0/wal]
    consistent: true
    max_age: 1h
    pre_command: [/usr/local/sbin/hold, --writes]
    post_command: [/usr/local/sbin/hold, --go-on]

- name: The upgrade went well
  snapship.dr.snapshot:
    volumes: /srv/db.img
    name: before-upgrade
    state: absent
"""

RETURN = r"""
snapshots:
  description: For each volume the snapshot that is (or would be) there, or was removed.
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
      description: What keeps the volume.
      type: str
      returned: always
      sample: file
    state_id:
      description: Identity of the content, which stays with it wherever it is shipped. In ZFS its GUID.
      type: str
      returned: always
    group:
      description: Id of the group of snapshots of one point in time that it belongs to, or V(null).
      type: str
      returned: always
    created:
      description: When it was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    size:
      description: Size of the volume at that time, in bytes.
      type: int
      returned: always
    method:
      description: >-
        How it was made. V(thin) by LVM, V(snapshot) by ZFS, V(reflink) of an image file (all of them atomic, and they
        share their space with the volume), V(copy) of an image file where its filesystem knows no reflinks.
      type: str
      returned: always
      sample: thin
    path:
      description: Where it is kept.
      type: str
      returned: always
    valid:
      description: Whether it still is what it was when it was taken. Nothing is shipped from one that is not.
      type: bool
      returned: always
    flaw:
      description: Why it is not RV(snapshots[].valid), or V(null).
      type: str
      returned: always
    holds:
      description: Ids of the backups that hold its state. The next increment on their remotes is made from it.
      type: list
      elements: str
      returned: always
failures:
  description: What failed, and how. Empty where nothing did.
  returned: always
  type: list
  elements: dict
  sample: []
  contains:
    volume:
      description: The volume, where it is about one.
      type: str
      returned: always
    remote:
      description: The remote, where it is about one.
      type: str
      returned: always
    code:
      description: A short word for programs, which stays the same from release to release.
      type: str
      returned: always
      sample: unreachable
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.words import command, names


def request(params: Mapping[str, Any]) -> snapshot.Request:
    """What the task asks for."""
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
