# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Options of all modules that make and delete backups."""

from __future__ import annotations


class ModuleDocFragment:
    """The options ``full_every`` and ``cascade``."""

    DOCUMENTATION = r"""
options:
  full_every:
    description:
      - Make a full backup if the newest full backup is older than this, such as V(30d).
    type: str
  cascade:
    description:
      - Delete also all incrementals that depend on O(id). With V(false) the task fails if another backup depends on it.
    type: bool
    default: false
"""
