#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Back up volumes to a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: backup
short_description: Back up volumes to a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Makes sure that each volume has a complete backup on the remote that is not older than O(max_age), or a backup of
    the given O(snapshot). A volume that has one is left alone.
  - The first backup of a volume is full. Later backups are incremental. They ship only the changes since the newest
    state that the host and the remote have in common.
  - A killed run does not harm earlier backups, and its incomplete backup is not listed. The next run resumes it.
  - A failing volume does not stop the others. The task then fails. RV(backups) has what was shipped, and RV(failures)
    what failed.
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
      - The task does not read the volumes, so it returns only the sizes that are known without reading.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - With O(max_age) the task makes a new backup when the newest one is too old. So O(max_age=0s) makes a backup at
        each run, unless O(skip_unchanged) is set and nothing has changed.
options:
  volumes:
    description:
      - The volumes, as one name or a list of names. A name is V(tank/db) for a ZFS filesystem or zvol, V(vg0/db) for a
        logical volume in an LVM thin pool, or the absolute path of an image file.
      - A string with a comma in it is one name.
      - With O(state=absent), one name. It can be left out if only one volume on the remote has a backup with this
        O(id).
    type: raw
  max_age:
    description:
      - Maximum age of the newest complete backup on the remote, such as V(15m), V(6h) or V(1d). If it is older, the
        task makes a new backup. V(0s) makes one now.
      - The task takes no new snapshot if there is one that is recent enough, for example one for another remote.
      - O(state=present) requires O(max_age) or O(snapshot).
    type: str
  snapshot:
    description:
      - Name of the snapshot to ship. M(snapship.dr.snapshot) takes such snapshots.
    type: str
  type:
    description:
      - V(auto) makes an incremental backup if the host and the remote have a state in common, and a full backup
        otherwise. RV(backups[].reason) has the reason.
      - V(full) always makes a full backup.
      - V(incremental) fails if only a full backup is possible.
    type: str
    choices: [auto, full, incremental]
    default: auto
  skip_unchanged:
    description:
      - Make no backup of a volume that has not changed since its last backup.
    type: bool
    default: false
  check_every:
    description:
      - Before an incremental, the task checks by listing that the remote has all objects of the backup that it is based
        on. If the last check of the whole chain is older than this, it checks the objects of the whole chain. V(0s)
        checks the whole chain at each run.
      - The task passes over a backup that lacks objects, or that M(snapship.dr.verify) found bad, and warns. It then
        takes an older base that the host and the remote have in common, or makes a full backup.
    type: str
    default: 1d
  pool_high:
    description:
      - Fill level of a volume's pool, in percent. Above it, the task removes the base snapshots for the next
        incrementals, oldest first, and warns. The next backup of such a volume is then full. With ZFS it stays
        incremental, and its base is a bookmark, which takes no space.
      - V(100) always keeps base snapshots. Snapshots of M(snapship.dr.snapshot) are never removed.
      - The task never takes a snapshot in a pool whose data or metadata is 95 % full.
    type: int
    default: 80
  adopt_origin_from:
    description:
      - Take over the O(origin) from the machine with this id, after that machine was replaced or its service has moved
        to this host. The message of the refusal tells the id.
    type: str
  accept_lost:
    description:
      - Ids of backups that the remote may have lost. If the newest backup of a volume that this host shipped is neither
        listed nor retired on the remote, and no newer one is listed, the remote went back in time. Then nothing of this
        volume is shipped or deleted, and the task fails with the code C(remote_went_back). Its message tells the id.
      - With this id here, the task goes on from what is there. It can stay here, as it stands for one backup only.
      - A backup that another host deleted leaves no trace when the remote's C(grace_period) is over. If it was the
        newest one, it has to be accepted, too.
    type: list
    elements: str
    default: []
  state:
    description:
      - V(present) makes a backup if one is due. V(absent) deletes the backup with this O(id).
    type: str
    choices: [present, absent]
    default: present
  id:
    description:
      - Id of the backup to delete, with O(state=absent).
    type: str
seealso:
  - module: snapship.dr.backup_info
  - module: snapship.dr.restore
  - module: snapship.dr.verify
"""

EXAMPLES = r"""
- name: Back up an image, at most once an hour
  snapship.dr.backup:
    remote: offsite
    volumes: /srv/db.img
    max_age: 1h

- name: Back up two images at one point in time, without a defined remote
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

- name: Back up a dataset and all datasets below it at one point in time
  snapship.dr.backup:
    remote: offsite
    volumes: tank/home
    recursive: true
    max_age: 1h

- name: Back up a logical volume in a thin pool
  snapship.dr.backup:
    remote: offsite
    volumes: vg0/db
    max_age: 1h
    pool_high: 70

- name: Delete a backup and all incrementals that depend on it
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
    One backup for each volume, either the new one or the existing one that is recent enough. With O(state=absent), the
    deleted backups.
  returned: always
  type: list
  elements: dict
  contains:
    id:
      description: Id of the backup on the remote.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    group:
      description: Id of its group of backups with one point in time. V(null) if it has no group.
      type: str
      returned: always
    provider:
      description: Storage of the volume, as in O(provider).
      type: str
      returned: always
      sample: lvm_thin
    volume:
      description: The volume.
      type: str
      returned: always
      sample: /srv/db.img
    origin:
      description: The origin, that is the name under which the remote stores the backups of a host.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    snapshot:
      description: Name of the shipped snapshot.
      type: str
      returned: always
    state_id:
      description: Id of the content. Equal ids mean equal content.
      type: str
      returned: always
    type:
      description: V(full) or V(incremental).
      type: str
      returned: always
      sample: incremental
    base:
      description: Id of the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    reason:
      description: Why the backup is full, or incremental with this base.
      type: str
      returned: always
    bytes_logical:
      description: Size of the volume in bytes. For a ZFS filesystem, the size of its content without compression.
      type: int
      returned: always
    bytes_changed:
      description: Bytes in this backup, before compression. For ZFS, the length of its stream.
      type: int
      returned: always
    bytes_stored:
      description: Bytes that the backup takes on the remote.
      type: int
      returned: always
    bytes_sent:
      description: Bytes sent to the remote in this run. V(0) for an existing backup.
      type: int
      returned: always
    seconds:
      description: Duration in seconds.
      type: float
      returned: always
    segments:
      description: Number of segments of the backup.
      type: int
      returned: always
    resumed:
      description: Number of segments that an interrupted run had already sent.
      type: int
      returned: always
    encrypted:
      description: Whether the backup is encrypted.
      type: bool
      returned: always
    actions:
      description: The steps that changed something, in order. Secrets are masked.
      type: list
      elements: str
      returned: always
    created:
      description: Time of its snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup, backup_delete
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import command, names


def shipment(params: Mapping[str, Any]) -> backup.Request:
    """The request of a task with state=present."""
    return backup.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        adopt_origin_from=params["adopt_origin_from"],
        accept_lost=params["accept_lost"],
        volumes=names(params["volumes"], "volumes"),
        provider=params["provider"],
        consistent=params["consistent"],
        recursive=params["recursive"],
        snapshot=params["snapshot"],
        max_age=params["max_age"],
        type=params["type"],
        full_every=params["full_every"],
        check_every=params["check_every"],
        skip_unchanged=params["skip_unchanged"],
        pool_high=params["pool_high"],
        parallel=params["parallel"],
        quiesce=params["quiesce"],
        pre_command=command(params["pre_command"], "pre_command"),
        post_command=command(params["post_command"], "post_command"),
        hook_timeout=params["hook_timeout"],
        lock_timeout=params["lock_timeout"],
    )


def removal(params: Mapping[str, Any]) -> backup_delete.Request:
    """The request of a task with state=absent."""
    return backup_delete.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        volumes=names(params["volumes"], "volumes"),
        id=params["id"],
        cascade=params["cascade"],
        accept_lost=params["accept_lost"],
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
                "check_every": {"type": "str", "default": "1d"},
                "pool_high": {"type": "int", "default": 80},
                "adopt_origin_from": {"type": "str"},
                "accept_lost": {"type": "list", "elements": "str", "default": []},
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
        carry_out(module, backup_delete, removal, "backups")


if __name__ == "__main__":
    main()
