# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Retention rules by calendar."""

from __future__ import annotations

import textwrap
from typing import ClassVar

_RULES = r"""
last:
  description:
    - Keep this many of the newest backups.
  type: int
hourly:
  description:
    - Keep the newest backup of each of this many hours. Hours without a backup don't count.
  type: int
daily:
  description:
    - Keep the newest backup of each of this many days. Days without a backup don't count.
  type: int
weekly:
  description:
    - Keep the newest backup of each of this many weeks. Weeks without a backup don't count. Weeks begin on Monday.
  type: int
monthly:
  description:
    - Keep the newest backup of each of this many months. Months without a backup don't count.
  type: int
yearly:
  description:
    - Keep the newest backup of each of this many years. Years without a backup don't count.
  type: int
within:
  description:
    - Keep all backups that are at most this much older than the newest one, as in V(7d).
  type: str
"""

_SUBOPTIONS = "    type: dict\n    suboptions:\n" + textwrap.indent(_RULES.strip("\n"), " " * 6) + "\n"


class ModuleDocFragment:
    """The rules for a remote, and those for the snapshots that shipping leaves in the cluster.

    The annotations tell ansible-test that these aren't literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = (
        """
options:
  keep:
    description:
      - The retention rules. A backup is kept if at least one rule keeps it. V(-1) means without limit.
"""
        + _SUBOPTIONS
    )

    LOCAL: ClassVar[str] = (
        """
options:
  local:
    description:
      - Retention rules for the snapshots in this cluster that were shipped to O(remote). The base of the next increment
        to any remote is always kept. Snapshots that were never shipped aren't changed.
      - Without these rules, LINSTOR keeps all of them, unless one of its schedules limits their number.
"""
        + _SUBOPTIONS
    )
