# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What modules say of check mode, diff mode and idempotence."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes, and what holds for those that only read."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and say what would be done without doing any of it.
  diff_mode:
    description: >-
      Returns what has changed, or would change in C(check_mode), when in diff mode. A secret is never part of it.
  idempotent:
    description:
      - Run again with the same options, it reports RV(ignore:changed=false) and changes nothing,
        as long as what it looks after has not changed meanwhile.
  action_group:
    description: Use C(group/snapship.dr.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - snapship.dr.all
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details:
      - It only reads.
  diff_mode:
    support: N/A
    details:
      - It only reads.
  idempotent:
    support: full
    details:
      - It only reads.
"""
