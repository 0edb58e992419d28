# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Options for volumes, for snapshots of them, and for parallel work."""

from __future__ import annotations


class ModuleDocFragment:
    """The option ``provider``; further parts are NAMES, POINT_IN_TIME, PARALLEL and LOCK."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - Storage of the volumes, which is image files (V(file)), LVM thin pools (V(lvm_thin)) or ZFS (V(zfs)).
      - By default the name decides. An absolute path is an image file. V(vg0/db) is a logical volume if there is a
        volume group V(vg0). V(tank/db) is a dataset if a ZFS pool V(tank) is imported. If there are both, set this
        option.
    type: str
    choices: [file, lvm_thin, zfs]
"""

    NAMES = r"""
options:
  volumes:
    description:
      - The volumes, as one name or a list of names. A name is V(tank/db) for a ZFS filesystem or zvol, V(vg0/db) for a
        logical volume in an LVM thin pool, or the absolute path of an image file.
      - A string with a comma in it is one name.
    type: raw
    required: true
"""

    POINT_IN_TIME = r"""
options:
  consistent:
    description:
      - With V(true) the volumes are one group. They get one point in time and one group id, all or nothing.
      - ZFS takes the snapshots of all datasets in a pool at the same moment. Other volumes get their snapshots one
        right after the other. So pause their writers, with O(pre_command) and O(post_command) or with O(quiesce). The
        task warns if a volume was, or may have been, written to meanwhile.
      - With V(false) the volumes are independent. A failing volume does not stop the others.
    type: bool
    default: false
  recursive:
    description:
      - Include all datasets below each volume. A volume and the datasets below it are one group with one point in time,
        all or nothing. For ZFS only.
    type: bool
    default: false
  quiesce:
    description:
      - V(fsfreeze) freezes the filesystems that are mounted from the volumes during the snapshot, and thaws them after
        O(hook_timeout) at the latest. It requires root.
      - It is for image files and zvols. LVM itself freezes a filesystem on a logical volume during the snapshot, and
        that filesystem must not be frozen before.
    type: str
    choices: [none, fsfreeze]
    default: none
  pre_command:
    description:
      - A program and its arguments, to run before the snapshot. Give a list, or a string that is split into words
        like a shell does. No shell runs.
      - Its environment has the volume (E(SNAPSHIP_VOLUME)), all volumes of a group as a JSON list
        (E(SNAPSHIP_VOLUMES)), and the snapshot's name (E(SNAPSHIP_SNAPSHOT)). Keys and tokens in C(SNAPSHIP_*) and
        C(AWS_*) variables are left out.
      - If the program fails, the task takes no snapshot.
    type: raw
  post_command:
    description:
      - A program and its arguments, to run after the snapshot, also after a failed one. Give it like O(pre_command).
    type: raw
  hook_timeout:
    description:
      - Time limit for O(pre_command), for O(post_command) and for the freeze, such as V(60s).
    type: str
    default: 60s
"""

    PARALLEL = r"""
options:
  parallel:
    description:
      - Number of segments to process at the same time. A run uses at most some hundred MiB of memory for each of them.
    type: int
    default: 4
"""

    LOCK = r"""
options:
  lock_timeout:
    description:
      - How long to wait for another run that works on the same volume, such as V(90s), V(15m) or V(1h).
    type: str
    default: 1h
"""
