#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Keep backups of volumes on a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Keep backups of volumes on a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that volumes have a complete backup on a remote that is no older than O(max_age), or one of a certain
    O(snapshot). Where they have it, nothing is done.
  - The first backup is a full one. Later ones ship only what has changed since the newest state that both sides have.
  - A run that was killed leaves earlier backups as they were, and nothing that is listed. The next run continues
    where it stopped.
  - When a volume fails, the others go on. The task then fails, and tells what was shipped in RV(backups) and what
    failed in RV(failures).
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._remote
  - snapship.dr._backup
  - snapship.dr._volumes
  - snapship.dr._volumes.point_in_time
  - snapship.dr._volumes.parallel
  - snapship.dr._volumes.lock
attributes:
  check_mode:
    support: full
    details:
      - How much would be sent is not known before it is read, so the sizes are those known without reading.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age) a new backup is made when the newest one has become too old, so O(max_age=0s) makes one at
        each run, unless O(skip_unchanged) is set and nothing has changed.
options:
  volumes:
    description:
      - The volumes, a list of names or one name. That is V(tank/db) for a filesystem or zvol of ZFS, V(vg0/db) for a
        logical volume in a thin pool of LVM, and an absolute path for an image file.
      - A string with a comma in it is one name.
      - With O(state=absent) one name, or none where O(id) is found only once on the remote.
    type: raw
  max_age:
    description:
      - Make a backup only if the newest complete one on the remote is older than this, as in V(15m), V(6h), V(1d).
        V(0s) makes one now.
      - A snapshot that is fresh enough, taken for another remote for instance, is used again.
      - One of O(max_age) and O(snapshot) is needed with O(state=present).
    type: str
  snapshot:
    description:
      - Name of the snapshot to ship, which M(snapship.dr.snapshot) has taken.
    type: str
  type:
    description:
      - V(auto) ships an increment on the newest state that both sides have, and a full one where there is none,
        with the reason for it.
      - V(full) always ships a full one. V(incremental) fails where it would have to be a full one.
    type: str
    choices: [auto, full, incremental]
    default: auto
  skip_unchanged:
    description:
      - Make no backup of a volume that has not changed since the last one.
    type: bool
    default: false
  pool_high:
    description:
      - How full, in percent, the pool of a volume may be before the snapshots in it that are kept as bases for the next
        increments are given up, oldest first. The task warns then. After that the next backup of such a volume
        is a full one, or in ZFS an increment that rests on a bookmark, which takes no space.
      - V(100) keeps them in any case. Snapshots that were taken by M(snapship.dr.snapshot) are always kept.
      - Whatever is set here, no snapshot is taken where the pool's data or metadata is 95 % full.
    type: int
    default: 80
  adopt_origin:
    description:
      - Take over O(origin) although another machine owns it, after that machine was replaced or its service has
        moved here.
    type: bool
    default: false
  state:
    description:
      - V(absent) removes the backup O(id).
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - The backup to remove, with O(state=absent).
    type: str
seealso:
  - module: snapship.dr.backup_info
  - module: snapship.dr.restore
  - module: snapship.dr.verify
"""

EXAMPLES = r"""
- name: There is a backup that is at most one hour old
  snapship.dr.backup:
    remote: offsite
    volumes: /srv/db.img
    max_age: 1h

- name: Two images of one point in time, without a stored remote
  snapship.dr.backup:
    remote_spec:
      path: /mnt/nas/backup
    volumes:
      - /srv/db.img
      - /srv/wal.img
    consistent: true
    max_age: 1d
    full_every: 30d
  register: shipped

- name: Show what was shipped
  ansible.builtin.debug:
    msg: "{{ item.volume }}: {{ item.type }}, {{ item.bytes_sent }} bytes, {{ item.reason }}"
  loop: "{{ shipped.backups }}"
  loop_control:
    label: "{{ item.id }}"

- name: A dataset and all below it, as of one point in time
  snapship.dr.backup:
    remote: offsite
    volumes: tank/home
    recursive: true
    max_age: 1h

- name: A logical volume in a thin pool
  snapship.dr.backup:
    remote: offsite
    volumes: vg0/db
    max_age: 1h
    pool_high: 70

- name: Remove a backup and all that rest on it
  snapship.dr.backup:
    remote: offsite
    volumes: /srv/db.img
    id: "{{ old_backup_id }}"
    cascade: true
    state: absent
"""

RETURN = r"""
backups:
  description: >-
    For each volume the backup that was made, or the one that made it unnecessary. With O(state=absent) the backups
    that were removed.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the backup on the remote.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    group:
      description: Id of the group of backups of one point in time that it belongs to, or V(null).
      type: str
      returned: always
    provider:
      description: What keeps the volume.
      type: str
      returned: always
      sample: lvm_thin
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    origin:
      description: Under whose name it lies on the remote.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    snapshot:
      description: The snapshot that was shipped.
      type: str
      returned: always
    state_id:
      description: Identity of the content.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental).
      type: str
      returned: always
      sample: incremental
    base:
      description: Id of the backup that an incremental rests on, or V(null).
      type: str
      returned: always
    reason:
      description: Why it is a full, or an increment on that base.
      type: str
      returned: always
    bytes_logical:
      description: Size of the volume. For a filesystem of ZFS how much its content takes without compression.
      type: int
      returned: always
    bytes_changed:
      description: How much of it is in this backup, before compression. For ZFS the length of its stream.
      type: int
      returned: always
    bytes_stored:
      description: How much of the remote's space it takes.
      type: int
      returned: always
    bytes_sent:
      description: How much was sent to the remote in this run. V(0) for a backup that was there.
      type: int
      returned: always
    seconds:
      description: How long that took.
      type: float
      returned: always
    segments:
      description: Of how many segments it is made.
      type: int
      returned: always
    resumed:
      description: How many of the segments were there already, from an earlier run that broke off.
      type: int
      returned: always
    encrypted:
      description: Whether it is encrypted.
      type: bool
      returned: always
    actions:
      description: What was done that changed something, in order. Secrets are masked.
      type: list
      elements: str
      returned: always
    created:
      description: When its snapshot was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup_delete as delete
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import command, names


def shipment(params: Mapping[str, Any]) -> backup.Request:
    """What a task with state=present asks for."""
    return backup.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        adopt_origin=params["adopt_origin"],
        volumes=names(params["volumes"], "volumes"),
        provider=params["provider"],
        consistent=params["consistent"],
        recursive=params["recursive"],
        snapshot=params["snapshot"],
        max_age=params["max_age"],
        type=params["type"],
        full_every=params["full_every"],
        skip_unchanged=params["skip_unchanged"],
        pool_high=params["pool_high"],
        parallel=params["parallel"],
        quiesce=params["quiesce"],
        pre_command=command(params["pre_command"], "pre_command"),
        post_command=command(params["post_command"], "post_command"),
        hook_timeout=params["hook_timeout"],
        lock_timeout=params["lock_timeout"],
    )


def removal(params: Mapping[str, Any]) -> delete.Request:
    """What a task with state=absent asks for."""
    return delete.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        volumes=names(params["volumes"], "volumes"),
        id=params["id"],
        cascade=params["cascade"],
        lock_timeout=params["lock_timeout"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.remote(),
            arguments.volumes(),
            arguments.provider(),
            arguments.point_in_time(),
            arguments.parallel(),
            arguments.lock_timeout(),
            arguments.backup(),
            {
                "skip_unchanged": {"type": "bool", "default": False},
                "pool_high": {"type": "int", "default": 80},
                "adopt_origin": {"type": "bool", "default": False},
            },
        ),
        mutually_exclusive=[*arguments.ONE_REMOTE, *arguments.ONE_BACKUP],
        required_one_of=arguments.ONE_REMOTE,
        required_if=arguments.backup_needs("volumes"),
        supports_check_mode=True,
    )
    if module.params["state"] == "present":
        carry_out(module, backup, shipment, "backups")
    else:
        carry_out(module, delete, removal, "backups")


if __name__ == "__main__":
    main()
