# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Volumes, snapshots, and the work on several of them at once."""

from __future__ import annotations


class ModuleDocFragment:
    """The volumes; further parts are chosen by their names."""

    DOCUMENTATION = r"""
options:
  provider:
    description:
      - What keeps the volumes, image files (V(file)), thin pools of LVM (V(lvm_thin)) or ZFS (V(zfs)).
      - Where it is not set, it follows from the name. An absolute path is an image file. V(vg0/db) is a logical
        volume where there is a volume group V(vg0), and V(tank/db) a dataset where a pool V(tank) is imported. Where
        there are both, this option has to be set.
    type: str
    choices: [file, lvm_thin, zfs]
"""

    NAMES = r"""
options:
  volumes:
    description:
      - The volumes, a list of names or one name. That is V(tank/db) for a filesystem or zvol of ZFS, V(vg0/db) for a
        logical volume in a thin pool of LVM, and an absolute path for an image file.
      - A string with a comma in it is one name.
    type: raw
    required: true
"""

    POINT_IN_TIME = r"""
options:
  consistent:
    description:
      - Treat the volumes as one group, with one point in time and one group id, all or nothing.
      - Datasets of one ZFS pool are of one point in time by nature. Other volumes get their snapshots one right after
        the other, so have what writes to them hold still meanwhile, by O(pre_command) and O(post_command) or by
        O(quiesce). The task warns when one of them was, or may have been, written to meanwhile.
      - Otherwise they are independent of each other, and one that fails does not stop the others.
    type: bool
    default: false
  recursive:
    description:
      - Take along all datasets below each of the volumes. Each volume with what is below it is one group, of one point
        in time, all or nothing. Only ZFS has volumes below volumes.
    type: bool
    default: false
  quiesce:
    description:
      - V(fsfreeze) freezes the filesystems that are mounted from the volumes while the snapshot is made, and thaws them
        after O(hook_timeout) at the latest. Needs root.
      - It is for image files and zvols. A filesystem on a logical volume is frozen by LVM itself while its snapshot is
        made, and must not be before.
    type: str
    choices: [none, fsfreeze]
    default: none
  pre_command:
    description:
      - A program to run before the snapshot is taken, and its arguments, as a list. A string is split into words as
        a shell would do it. No shell is involved.
      - In its environment, E(SNAPSHIP_VOLUME) is the volume, E(SNAPSHIP_VOLUMES) all of a group's volumes as a JSON
        list, and E(SNAPSHIP_SNAPSHOT) the snapshot's name.
      - Where it fails, no snapshot is taken.
    type: raw
  post_command:
    description:
      - A program to run after the snapshot was taken, whether that went well or not, given like O(pre_command).
    type: raw
  hook_timeout:
    description:
      - How long O(pre_command), O(post_command) and a freeze may take each.
    type: str
    default: 60s
"""

    PARALLEL = r"""
options:
  parallel:
    description:
      - How many segments are worked on at the same time. A run's memory is this times some hundred MiB at most.
    type: int
    default: 4
"""

    LOCK = r"""
options:
  lock_timeout:
    description:
      - How long to wait for another run that is at work on the same volume, as in V(90s), V(15m), V(1h).
    type: str
    default: 1h
"""
