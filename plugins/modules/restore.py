#!/usr/bin/python
# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restore volumes from a remote."""

from __future__ import annotations

DOCUMENTATION = r"""
module: restore
short_description: Restore volumes from a remote
version_added: 0.1.0
author:
  - The snapship.dr authors (@snapship)
description:
  - Sees to it that a volume holds what a backup holds. Where it was restored from that backup before, and not
    written to since, nothing is done.
  - The volume is written beside the target, each part is checked, and only then it takes the target's place. What
    was there before is kept.
  - It works on any host that can read the remote, whichever host made the backups.
  - From a remote with the layout V(linstor) it restores what LINSTOR has shipped there, without LINSTOR. Such backups
    have no checksums, and a warning says so.
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
  diff_mode:
    support: full
  idempotent:
    support: full
    details:
      - O(backup=latest) restores again when there is a newer backup, which is refused without O(overwrite).
options:
  source:
    description:
      - The volume as it was backed up, when there is only one to restore. Needs O(target).
    type: str
  target:
    description:
      - The volume to restore into. For an image file its absolute path; the directory must be there. For a dataset the
        one above it must be there.
      - Backups of image files and logical volumes can be restored to each of them, and to a zvol. Those from ZFS can
        be restored to ZFS only.
    type: str
  volumes:
    description:
      - The volumes to restore, when there are several. Instead of O(source) and O(target).
    type: list
    elements: dict
    suboptions:
      source:
        description:
          - The volume as it was backed up.
        type: str
        required: true
      target:
        description:
          - The volume to restore into.
        type: str
        required: true
  backup:
    description:
      - The id of the backup, or V(latest) for the newest one. Where that one is damaged, it is refused, and the message
        names the newest that can be restored.
      - At most one of O(backup), O(at) and O(group) can be given. Without any of them, it is the newest one.
    type: str
  at:
    description:
      - Restore the newest backup that is not younger than this, as in V(2026-03-09T14:30:00+01:00). Without an
        offset it is UTC.
      - Put quotes around it, as YAML has notions of its own about times.
    type: str
  group:
    description:
      - Restore the backups of this group, which are of one point in time.
    type: str
  recursive:
    description:
      - Restore also all volumes below O(source) that were backed up with it at the same point in time, to the same
        places below O(target), all or nothing.
    type: bool
    default: false
  pool:
    description:
      - The thin pool in which a logical volume is made, V(pool0) or V(vg0/pool0), of the target's volume group.
      - By default it is the pool of what is to be replaced, or else the only one of the volume group.
    type: str
  properties:
    description:
      - Names of properties to set on a restored dataset, as they were recorded with the backup, V(compression) for
        instance. V(all) is for all that are safe to set.
      - V(mountpoint) is set only where it is named. In any case a restored dataset is not mounted.
      - Only ZFS has properties, and those are recorded that were set on the dataset itself. With O(recursive) each
        dataset gets those of its own.
      - By default none is set, so that they are inherited from the dataset above.
    type: list
    elements: str
    default: []
  overwrite:
    description:
      - Whether a target that exists may be replaced. It is kept beside it (see RV(restored[].previous)), unless it is
        an earlier restore that nobody has written to.
      - A target that is open is never replaced.
    type: bool
    default: false
  discard_changes:
    description:
      - With O(overwrite), whether that also goes for a target that was written to since it was restored.
    type: bool
    default: false
seealso:
  - module: snapship.dr.backup
  - module: snapship.dr.backup_info
  - module: snapship.dr.verify
"""

EXAMPLES = r"""
- name: The newest backup, into a new image
  snapship.dr.restore:
    remote: offsite
    source: /srv/db.img
    target: /srv/db-restored.img

- name: Two images as they were on Monday at noon, backed up by another host
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

- name: A dataset with all below it
  snapship.dr.restore:
    remote: offsite
    source: tank/home
    target: tank/home-restored
    recursive: true
    properties: [compression, recordsize]

- name: A logical volume, in a pool of one's choice
  snapship.dr.restore:
    remote: offsite
    source: vg0/db
    target: vg0/db-restored
    pool: vg0/pool0

- name: The same logical volume as an image file
  snapship.dr.restore:
    remote: offsite
    source: vg0/db
    target: /srv/db-from-lv.img

- name: Back to the newest backup, whatever was written meanwhile
  snapship.dr.restore:
    remote: offsite
    source: /srv/db.img
    target: /srv/db.img
    overwrite: true
    discard_changes: true
"""

RETURN = r"""
restored:
  description: For each volume what was restored, or found to be there.
  returned: always
  type: list
  elements: dict
  contains:
    source:
      description: The volume as it was backed up.
      type: str
      returned: always
      sample: /srv/db.img
    target:
      description: The volume that was restored into.
      type: str
      returned: always
      sample: /srv/db-yesterday.img
    id:
      description: The backup that was restored.
      type: str
      returned: always
      sample: 20260309T143000Z-0123456789abcdef
    group:
      description: Id of the group of backups of one point in time that it belongs to, or V(null).
      type: str
      returned: always
    origin:
      description: Under whose name it lies on the remote.
      type: str
      returned: always
    remote:
      description: Name of the remote.
      type: str
      returned: always
    provider:
      description: What keeps the target.
      type: str
      returned: always
      sample: file
    created:
      description: When the backup's snapshot was taken, in UTC.
      type: str
      returned: always
      sample: "2026-03-09T14:30:00.000000Z"
    chain:
      description: The backups that were read, the full one first.
      type: list
      elements: str
      returned: always
    bytes_logical:
      description: Size of the volume.
      type: int
      returned: always
    bytes_written:
      description: How much was written to the target.
      type: int
      returned: always
    bytes_fetched:
      description: How much was fetched from the remote.
      type: int
      returned: always
    seconds:
      description: How long that took.
      type: float
      returned: always
    previous:
      description: Where what was at the target before is kept, or V(null).
      type: str
      returned: always
    changed:
      description: Whether the target was (or would be) changed.
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

from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import restore
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments, pairs
from ansible_collections.snapship.dr.plugins.module_utils._module.boundary import carry_out
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_spec


def request(params: Mapping[str, Any]) -> restore.Request:
    """What the task asks for."""
    return restore.Request(
        remote=params["remote"],
        remote_spec=remote_spec(params),
        origin=params["origin"],
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
