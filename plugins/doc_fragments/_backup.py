# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Backups that are made and removed, on whatever kind of remote."""

from __future__ import annotations


class ModuleDocFragment:
    """When a full one is due, and what is removed."""

    DOCUMENTATION = r"""
options:
  full_every:
    description:
      - Ship a full one when the newest full one is older than this, as in V(30d).
    type: str
  cascade:
    description:
      - Remove also the increments that rest on O(id). Without it, a backup that others rest on is not removed.
    type: bool
    default: false
"""
