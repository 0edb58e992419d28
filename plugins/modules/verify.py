#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Prove that backups are good."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Prove that backups are good
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that a backup of each volume was verified on this host within O(max_age), in the way that O(mode) says.
    Where it was, nothing is done.
  - It never changes a volume or a backup. When a backup was verified is noted on the host, so verifying
    counts as a change.
  - A backup is verified with all that it rests on.
  - On a remote with the layout V(linstor) there are no checksums to compare with, and a warning says so. O(mode=source)
    does not go with it, and O(mode=restore) needs O(scratch).
  - When the backup of one volume is not good, the others are verified all the same. The task then fails, and tells
    in RV(failures) what is wrong and which older backup can still be restored.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._remote
  - snapship.dr._volumes
  - snapship.dr._volumes.parallel
  - snapship.dr._volumes.lock
attributes:
  check_mode:
    support: full
    details:
      - It says what would be verified, not whether that would go well.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Without O(max_age) it verifies at each run.
options:
  volumes:
    description:
      - The volumes as they were backed up, a list of names or one name.
      - A string with a comma in it is one name.
    type: raw
    required: true
  backup:
    description:
      - The id of the backup, or V(latest) for the newest one. An id belongs to one volume.
    type: str
    default: latest
  mode:
    description:
      - V(metadata) looks whether all that belongs to the backup is on the remote, in the right size. It lists, and
        reads manifests only.
      - V(data) fetches every stored byte and compares it with what was recorded.
      - V(source) reads the snapshot on this host that the backup was made from, and compares it with what was recorded.
        It fetches no data, and it finds an increment that lacks something. It needs that snapshot, which is kept of the
        newest backup. An increment of ZFS is compared by itself, without those that it rests on, and needs a bookmark
        of what it was based on, which is kept, too.
      - V(restore) restores the backup to O(scratch), where it is read back and compared, and removed again.
    type: str
    choices: [metadata, data, source, restore]
    default: metadata
  max_age:
    description:
      - Verify only if this was not done here within that time, as in V(7d). What was verified with O(mode=data) counts
        also for O(mode=metadata), and what was verified with O(mode=restore) for both of these.
      - Without it, or with V(0s), it is verified at each run.
    type: str
  scratch:
    description:
      - The volume to restore to with O(mode=restore), where nothing may be yet. It can be of another kind, an image
        file for a logical volume for instance. O(provider) is about it then. Several volumes take turns in it.
      - By default it is beside the volume, with C(-snapship-verify) at the end of its name.
    type: str
  pool:
    description:
      - The thin pool that O(scratch) is made in, where that is a logical volume, V(pool0) or V(vg0/pool0). By
        default the only one of the volume group.
    type: str
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.backup_info
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: All that belongs to the newest backup is there
  snapship.dr.verify:
    remote: offsite
    volumes: /srv/db.img

- name: Each week every stored byte is read
  snapship.dr.verify:
    remote: offsite
    volumes:
      - /srv/db.img
      - /srv/wal.img
    mode: data
    max_age: 7d
  register: checked

- name: Show what was found
  ansible.builtin.debug:
    msg: "{{ item.volume }}: the backup of {{ item.created }} was good at {{ item.verified }}"
  loop: "{{ checked.verified }}"
  loop_control:
    label: "{{ item.id }}"

- name: What was shipped is what is in the snapshot here
  snapship.dr.verify:
    remote: offsite
    volumes: [vg0/db, tank/home]
    mode: source
    max_age: 1d

- name: Each month the newest backup is restored, as an image file on another disk
  snapship.dr.verify:
    remote: offsite
    volumes: vg0/db
    mode: restore
    scratch: /srv/scratch.img
    max_age: 30d
"""

RETURN = r"""
verified:
  description: For each volume the backup that was verified, or would be, or that is known to be good.
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
      description: What kept the volume.
      type: str
      returned: always
      sample: lvm_thin
    volume:
      description: The volume.
      type: str
      returned: always
      sample: vg0/db
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
    base:
      description: Id of the backup that an incremental rests on, or V(null).
      type: str
      returned: always
    chain:
      description: The backups that restoring it needs, the full one first and itself last.
      type: list
      elements: str
      returned: always
    created:
      description: When its snapshot was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    mode:
      description: How it was verified, as O(mode) says.
      type: str
      returned: always
      sample: data
    verified:
      description: When it was found to be good, in UTC. V(null) in check mode where it would be verified.
      type: str
      returned: always
      sample: "2026-03-12T04:00:00.000000Z"
    bytes_logical:
      description: Size of the volume. For a filesystem of ZFS how much its content takes without compression.
      type: int
      returned: always
    bytes_stored:
      description: How much of the remote's space it takes, without those it rests on.
      type: int
      returned: always
    bytes_read:
      description: How much was read of the snapshot, or written to the scratch volume.
      type: int
      returned: always
    bytes_fetched:
      description: How much was fetched from the remote, manifests aside.
      type: int
      returned: always
    seconds:
      description: How long that took.
      type: float
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
      description: >-
        A short word for programs, which stays the same from release to release. V(corrupt) where something is missing
        on the remote or damaged, V(source_differs) where the backup is not what its source is, V(no_source) where
        the snapshot it was made from is gone, V(unknown_backup) where there is none, and more.
      type: str
      returned: always
      sample: corrupt
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import verify
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> verify.Request:
    """What the task asks for."""
    return verify.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        volumes=names(params["volumes"], "volumes"),
        provider=params["provider"],
        backup=params["backup"],
        mode=params["mode"],
        max_age=params["max_age"],
        scratch=params["scratch"],
        pool=params["pool"],
        parallel=params["parallel"],
        lock_timeout=params["lock_timeout"],
    )


def main() -> None:
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=arguments.merge(
            arguments.config_dir(),
            arguments.remote(),
            arguments.volumes(required=True),
            arguments.provider(),
            arguments.parallel(),
            arguments.lock_timeout(),
            {
                "backup": {"type": "str", "default": "latest"},
                "mode": {"type": "str", "choices": ["metadata", "data", "source", "restore"], "default": "metadata"},
                "max_age": {"type": "str"},
                "scratch": {"type": "str"},
                "pool": {"type": "str"},
            },
        ),
        mutually_exclusive=arguments.ONE_REMOTE,
        required_one_of=arguments.ONE_REMOTE,
        supports_check_mode=True,
    )
    carry_out(module, verify, request, "verified")


if __name__ == "__main__":
    main()
