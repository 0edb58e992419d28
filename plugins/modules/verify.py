#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Verify backups."""

from __future__ import annotations

DOCUMENTATION = r"""
module: verify
short_description: Verify that backups are complete and can be restored
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Verifies a backup of each volume, as O(mode) says. A backup that this host has verified within O(max_age) is not
    verified again.
  - The task never changes a volume or a backup. It records the time of each verification on the host, and reports that
    as a change.
  - A backup is verified together with its chain, that is all backups that its restore needs.
  - Backups on a remote with the layout V(linstor) have no checksums. The task warns about that. O(mode=source) does not
    work with this layout, and O(mode=restore) requires O(scratch).
  - A bad backup of one volume does not stop the others. The task then fails. RV(failures) describes the damage and
    names the newest older backup that can still be restored.
extends_documentation_fragment:
  - snapship.dr._attributes
  - snapship.dr._config
  - snapship.dr._remote
  - snapship.dr._remote.as_of
  - snapship.dr._volumes
  - snapship.dr._volumes.parallel
  - snapship.dr._volumes.lock
attributes:
  check_mode:
    support: full
    details:
      - The task returns which backups it would verify. It does not read them.
  diff_mode:
    support: full
  idempotent:
    support: partial
    details:
      - Without O(max_age) the task verifies at each run.
options:
  volumes:
    description:
      - The volumes that were backed up, as one name or a list of names.
      - A string with a comma in it is one name.
    type: raw
    required: true
  backup:
    description:
      - Id of the backup, or V(latest) for the newest one. An id belongs to one volume.
      - A backup with a time in the future is never the latest. The task warns about it.
    type: str
    default: latest
  mode:
    description:
      - V(metadata) checks that all objects of the backup are on the remote and have the right size. It lists the remote
        and reads only manifests.
      - V(data) fetches every stored byte and compares it with the recorded checksums.
      - If an object on the remote is bad, all modes except V(metadata) leave a note of it on the remote (a small object
        under C(flags/)). M(snapship.dr.backup) then makes no incremental on that backup. The note goes when the same
        host verifies the backup again and finds it good.
      - V(source) reads the backup's snapshot on this host, and compares it with the recorded checksums. It fetches no
        data. It finds an incremental that misses a change. It requires the snapshot, which the host keeps for the
        newest backup. A ZFS incremental is compared without its chain, and requires a bookmark of its base, which the
        host keeps, too.
      - V(restore) restores the backup to O(scratch), reads it back, compares it, and removes O(scratch) again.
    type: str
    choices: [metadata, data, source, restore]
    default: metadata
  max_age:
    description:
      - Verify only backups that this host has not verified within this time, such as V(7d). O(mode=data) includes
        O(mode=metadata), and O(mode=restore) includes both.
      - Without it, or with V(0s), the task verifies at each run.
      - It cannot be combined with O(as_of), which says nothing about the remote of today, and is not recorded.
    type: str
  scratch:
    description:
      - The volume to restore to, with O(mode=restore). It must not exist. It can have another kind of storage, such
        as an image file for a logical volume. O(provider) then describes O(scratch). Several volumes use it one after
        the other.
      - The default is the name of the volume with C(-snapship-verify) at its end.
    type: str
  pool:
    description:
      - Thin pool for O(scratch), if it is a logical volume, such as V(pool0) or V(vg0/pool0). The default is the only
        thin pool of the volume group.
    type: str
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.backup_info
  - module: snapship.dr.restore
"""

EXAMPLES = r"""
- name: Check that the newest backup is complete
  snapship.dr.verify:
    remote: offsite
    volumes: /srv/db.img

- name: Check every stored byte, once a week
  snapship.dr.verify:
    remote: offsite
    volumes:
      - /srv/db.img
      - /srv/wal.img
    mode: data
    max_age: 7d
  register: checked

- name: Show the results
  ansible.builtin.debug:
    msg: "{{ item.volume }}: the backup of {{ item.created }} was good at {{ item.verified }}"
  loop: "{{ checked.verified }}"
  loop_control:
    label: "{{ item.id }}"

- name: Compare the backups with their snapshots on this host, once a day
  snapship.dr.verify:
    remote: offsite
    volumes: [vg0/db, tank/home]
    mode: source
    max_age: 1d

- name: Test a restore to an image file on another disk, once a month
  snapship.dr.verify:
    remote: offsite
    volumes: vg0/db
    mode: restore
    scratch: /srv/scratch.img
    max_age: 30d
"""

RETURN = r"""
verified:
  description: One good backup for each volume, verified now or recently. In check mode, the backup to verify.
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
      sample: vg0/db
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
    base:
      description: Id of the base of an incremental backup. V(null) for a full one.
      type: str
      returned: always
    chain:
      description: Ids of all backups that a restore needs, from the full one to this one.
      type: list
      elements: str
      returned: always
    created:
      description: Time of its snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    mode:
      description: How the backup was verified, as in O(mode).
      type: str
      returned: always
      sample: data
    verified:
      description: Time of the verification, in UTC. V(null) in check mode if a real run would verify the backup.
      type: str
      returned: always
      sample: "2026-03-12T04:00:00.000000Z"
    bytes_logical:
      description: Size of the volume in bytes. For a ZFS filesystem, the size of its content without compression.
      type: int
      returned: always
    bytes_stored:
      description: Bytes that the backup takes on the remote, without its chain.
      type: int
      returned: always
    bytes_read:
      description: Bytes read from the snapshot, or written to O(scratch).
      type: int
      returned: always
    bytes_fetched:
      description: Bytes fetched from the remote, without manifests.
      type: int
      returned: always
    seconds:
      description: Duration in seconds.
      type: float
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
      description: >-
        Error code for programs. It does not change between releases. V(corrupt) if the backup is damaged or
        incomplete on the remote, V(source_differs) if it differs from its snapshot, V(no_source) if that snapshot no
        longer exists, V(unknown_backup) if there is no such backup, and others.
      type: str
      returned: always
      sample: corrupt
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import verify
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec
from ansible_collections.snapship.dr.plugins.module_utils._module.words import names


def request(params: Mapping[str, Any]) -> verify.Request:
    """The request of the task."""
    return verify.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        as_of=params["as_of"],
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
            arguments.as_of(),
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
