# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is to stay, by calendar."""

from __future__ import annotations

import textwrap
from typing import ClassVar

_RULES = r"""
last:
  description:
    - The newest ones.
  type: int
hourly:
  description:
    - The newest of each of the last hours that have one.
  type: int
daily:
  description:
    - The newest of each of the last days that have one.
  type: int
weekly:
  description:
    - The newest of each of the last weeks that have one. Weeks begin on Monday.
  type: int
monthly:
  description:
    - The newest of each of the last months that have one.
  type: int
yearly:
  description:
    - The newest of each of the last years that have one.
  type: int
within:
  description:
    - All that are at most this much older than the newest one, as in V(7d).
  type: str
"""

_SUBOPTIONS = "    type: dict\n    suboptions:\n" + textwrap.indent(_RULES.strip("\n"), " " * 6) + "\n"


class ModuleDocFragment:
    """The rules for a remote, and those for what shipping leaves where it began.

    The annotations tell ansible-test that these are no literals whose lines it could check.
    """

    DOCUMENTATION: ClassVar[str] = (
        """
options:
  keep:
    description:
      - The rules. They add up, so what one of them names stays. V(-1) stands for all there are.
"""
        + _SUBOPTIONS
    )

    LOCAL: ClassVar[str] = (
        """
options:
  local:
    description:
      - Rules for the snapshots in this cluster that were shipped to O(remote). The one that the next increment to any
        remote rests on always stays. Snapshots that were never shipped are not touched.
      - LINSTOR keeps all of them otherwise, unless a schedule of its own says how many.
"""
        + _SUBOPTIONS
    )
