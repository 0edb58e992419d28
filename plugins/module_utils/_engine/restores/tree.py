# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Volumes below a volume, as a backup names them. Whoever can write to the store may have made these names up."""

from __future__ import annotations

from typing import Any

from ..common.errors import CorruptError, UsageError
from ..repository.manifest import Manifest
from ..volumes.provider import Provider
from ..volumes.registry import PROVIDERS


def check_nests(provider: Provider, target: str) -> None:
    """Raises UsageError where no volumes can lie below the target."""
    if not provider.nests:
        raise UsageError(
            f"recursive: target {target!r} (provider {provider.name}) can have no volumes below it.",
            "Restore the volumes of a group with group and a target for each.",
        )


def names_below(backup: Manifest, provider: Provider, target: str) -> list[tuple[str, str]]:
    """The volumes below a backed-up one that are in its group, parents first, each with its place below the target.

    ``provider``: the target's. Raises UsageError where the backed-up volume is of a kind that has none below it, and
    CorruptError for a name that leads elsewhere.
    """
    source, kind = backup.fields["volume"], str(backup.fields.get("provider"))
    if kind not in PROVIDERS or not PROVIDERS[kind].nests:
        raise UsageError(f"recursive: {source} (provider {kind}) has no volumes below it.")
    members = (backup.fields.get("group") or {}).get("members", [])
    found = []
    for member in sorted(each for each in members if each.startswith(source + "/")):
        way = member[len(source) + 1 :]
        place = f"{target}/{way}"
        if {"", ".", ".."} & set(way.split("/")) or not _is_name(provider, place):
            raise CorruptError(
                f"backup {backup.id} of {source} names {member!r} as a volume below it; {place!r} can't be the name of "
                "a volume there. Nothing was changed.",
                "Restore without recursive, or from another backup. Somebody may have forged this one.",
            )
        found.append((member, place))
    return found


def _is_name(provider: Provider, volume: str) -> bool:
    try:
        return provider.normalise(volume) == volume
    except UsageError:
        return False


def own_properties(backup: Manifest) -> dict[str, Any]:
    """Properties that were set on the volume itself, not inherited."""
    found = backup.fields.get("properties", {}).get("properties")
    return found if isinstance(found, dict) else {}
