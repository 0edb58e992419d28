# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The attributes of modules: check mode, diff mode and idempotence."""

from __future__ import annotations


class ModuleDocFragment:
    """The attributes; INFO is for modules that only read."""

    DOCUMENTATION = r"""
options: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return the planned changes without making them.
  diff_mode:
    description: >-
      Returns the changes in diff mode, or in C(check_mode) the planned ones. They never contain a secret.
  idempotent:
    description:
      - A second run with the same options changes nothing and returns RV(ignore:changed=false), unless something else
        changed the volumes or remotes meanwhile.
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
      - The module only reads.
  diff_mode:
    support: N/A
    details:
      - The module only reads.
  idempotent:
    support: full
    details:
      - The module only reads.
"""
