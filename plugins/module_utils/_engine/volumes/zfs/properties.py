# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which recorded properties of a dataset are set on a restored one."""

from __future__ import annotations

from typing import Any

from ...common.errors import UsageError

# Those that shape how data is kept or shown. What says where it is mounted, who may see it, how much room it takes or
# where its key is belongs to a host, not to the data.
_SAFE = frozenset(
    (
        *("aclinherit", "aclmode", "acltype", "atime", "checksum", "compression", "copies", "dnodesize", "logbias"),
        *("nbmand", "primarycache", "recordsize", "redundant_metadata", "relatime", "secondarycache", "snapdir"),
        *("special_small_blocks", "sync", "vscan", "xattr", "exec", "setuid", "devices"),
    )
)
ALL = "all"


def chosen(recorded: dict[str, Any], wanted: list[str], target: str) -> dict[str, str]:
    """What is to be set, by name. ``recorded``: a volume's properties as info() gave them. Raises UsageError for a
    name that wasn't recorded."""
    there = recorded.get("properties")
    known = {str(name): str(value) for name, value in there.items()} if isinstance(there, dict) else {}
    named = [name for name in wanted if name != ALL]
    missing = [name for name in named if name not in known]
    if missing:
        raise UsageError(
            f"target {target!r}: the backup has no property {', '.join(missing)} (it has: "
            f"{', '.join(sorted(known)) or 'none'}).",
            "Only properties that were set on the dataset itself are recorded.",
        )
    names = [name for name in known if name in _SAFE or ":" in name] if ALL in wanted else []
    return {name: known[name] for name in known if name in names or name in named}
