#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restore volumes from a backup."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore volumes from a backup
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Restores volumes from their backups. A target that was restored from the same backup, and not written to since, is
    left alone.
  - The module writes the volume beside the target and checks each part. Then the restored volume takes the target's
    place. The old target is kept.
  - It works on any host that can read the remote, also with the backups of another host.
  - From a remote with the layout V(linstor), it restores backups that LINSTOR has shipped, without LINSTOR. These
    backups have no checksums. The task warns about that.
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
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - O(backup=latest) restores again if there is a newer backup. Without O(overwrite) the task then fails.
options:
  source:
    description:
      - The volume that was backed up, if there is one volume to restore. Requires O(target).
    type: str
  target:
    description:
      - The volume to restore to. For an image file, the absolute path. Its directory must exist. For a dataset, its
        parent dataset must exist.
      - A backup of an image file or a logical volume can be restored to an image file, a logical volume or a zvol. A
        backup from ZFS can be restored to ZFS only.
    type: str
  volumes:
    description:
      - The volumes to restore, if there are several. Replaces O(source) and O(target).
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - The volume that was backed up.
        type: str
        required: true
      target:
        description:
          - The volume to restore to.
        type: str
        required: true
  backup:
    description:
      - Id of the backup, or V(latest) for the newest one. If that backup is damaged, the task fails, and the message
        names the newest good backup.
      - A backup with a time in the future is never the latest. The task warns about it.
      - O(backup), O(at) and O(group) exclude each other. Without all of them, the newest backup is restored.
    type: str
  at:
    description:
      - Restore the newest backup that was taken at or before this time, such as V(2026-03-09T14:30:00+01:00). A time
        without an offset is UTC.
      - Put quotes around it. Otherwise YAML can change it.
    type: str
  group:
    description:
      - Restore the backups of this group. They have the same point in time.
    type: str
  recursive:
    description:
      - Also restore all volumes below O(source) that were backed up with it at the same point in time. They go to the
        same places below O(target), all or nothing. For ZFS only.
    type: bool
    default: false
  pool:
    description:
      - Thin pool for a restored logical volume, such as V(pool0) or V(vg0/pool0). It must be in the target's volume
        group.
      - The default is the pool of the replaced volume, or else the only thin pool of the volume group.
    type: str
  properties:
    description:
      - Names of ZFS properties to restore on a dataset, such as V(compression). Their values come from the backup.
        V(all) restores all that are safe to set.
      - V(mountpoint) is restored only if it is named. A restored dataset is never mounted.
      - A backup has the properties that were set on the dataset itself. With O(recursive) each dataset gets its own.
      - By default no property is set, so a restored dataset inherits them from its parent.
    type: list
    elements: str
    default: []
  overwrite:
    description:
      - Whether to replace an existing target. The old target is kept under the name RV(restored[].previous), unless
        it is an unchanged earlier restore.
      - A target that is in use is never replaced.
      - An image file that is replaced passes its owner and mode on. A new one gets those of the backed-up image.
    type: bool
    default: false
  discard_changes:
    description:
      - With O(overwrite), whether to replace also a target that was written to since its last restore.
    type: bool
    default: false
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.backup_info
  - module: snapship.dr.verify
"""

EXAMPLES = r"""
- name: Restore the newest backup to a new image
  snapship.dr.restore:
    remote: offsite
    source: /srv/db.img
    target: /srv/db-restored.img

- name: Restore two images of another host as of Monday noon
  snapship.dr.restore:
    remote_spec:
      path: /mnt/nas/backup
    origin: san1
    at: "2026-03-09T12:00:00Z"
    volumes:
      - source: /srv/db.img
        target: /srv/monday/db.img
      - source: /srv/wal.img
        target: /srv/monday/wal.img

- name: Restore a dataset and all datasets below it
  snapship.dr.restore:
    remote: offsite
    source: tank/home
    target: tank/home-restored
    recursive: true
    properties: [compression, recordsize]

- name: Restore a logical volume to a chosen pool
  snapship.dr.restore:
    remote: offsite
    source: vg0/db
    target: vg0/db-restored
    pool: vg0/pool0

- name: Restore the same logical volume to an image file
  snapship.dr.restore:
    remote: offsite
    source: vg0/db
    target: /srv/db-from-lv.img

- name: Restore from a bucket with versioning as it was before somebody overwrote its objects
  snapship.dr.restore:
    remote: offsite
    as_of: "2026-03-09T18:00:00Z"
    source: /srv/db.img
    target: /srv/db-from-before.img

- name: Return to the newest backup and discard later changes
  snapship.dr.restore:
    remote: offsite
    source: /srv/db.img
    target: /srv/db.img
    overwrite: true
    discard_changes: true
"""

RETURN = r"""
restored:
  description: One entry for each volume, restored now or earlier.
  returned: always
  type: list
  elements: dict
  contains:
    source:
      description: The volume that was backed up.
      type: str
      returned: always
      sample: /srv/db.img
    target:
      description: The volume that was restored to.
      type: str
      returned: always
      sample: /srv/db-yesterday.img
    id:
      description: Id of the restored backup.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    group:
      description: Id of its group of backups with one point in time. V(null) if it has no group.
      type: str
      returned: always
    origin:
      description: The origin, that is the name under which the remote stores the backups of a host.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    provider:
      description: Storage of the target, as in O(provider).
      type: str
      returned: always
      sample: file
    created:
      description: Time of the backup's snapshot, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    chain:
      description: Ids of the backups that the restore reads, the full one first.
      type: list
      elements: str
      returned: always
    bytes_logical:
      description: Size of the volume in bytes.
      type: int
      returned: always
    bytes_written:
      description: Bytes written to the target.
      type: int
      returned: always
    bytes_fetched:
      description: Bytes fetched from the remote.
      type: int
      returned: always
    seconds:
      description: Duration in seconds.
      type: float
      returned: always
    previous:
      description: Name under which the old target is kept. V(null) if there was none.
      type: str
      returned: always
    changed:
      description: Whether the target was changed, or in check mode would be.
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import restore
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, pairs
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec


def request(params: Mapping[str, Any]) -> restore.Request:
    """The request of the task."""
    return restore.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
        as_of=params["as_of"],
        volumes=pairs.given(params, "volumes"),
        provider=params["provider"],
        backup=params["backup"],
        at=params["at"],
        group=params["group"],
        overwrite=params["overwrite"],
        discard_changes=params["discard_changes"],
        recursive=params["recursive"],
        pool=params["pool"],
        properties=params["properties"],
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
            arguments.provider(),
            arguments.parallel(),
            arguments.lock_timeout(),
            pairs.pairs("volumes"),
            {
                "backup": {"type": "str"},
                "at": {"type": "str"},
                "group": {"type": "str"},
                "overwrite": {"type": "bool", "default": False},
                "discard_changes": {"type": "bool", "default": False},
                "recursive": {"type": "bool", "default": False},
                "pool": {"type": "str"},
                "properties": {"type": "list", "elements": "str", "default": []},
            },
        ),
        mutually_exclusive=[
            *arguments.ONE_REMOTE,
            ("backup", "at", "group"),
            *pairs.either("volumes"),
        ],
        required_one_of=[*arguments.ONE_REMOTE, ("volumes", "source")],
        required_together=pairs.TOGETHER,
        supports_check_mode=True,
    )
    carry_out(module, restore, request, "restored")


if __name__ == "__main__":
    main()
