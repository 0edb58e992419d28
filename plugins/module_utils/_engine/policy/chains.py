# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Chains of backups from what each rests on: pure functions over ids."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def chain(bases: Mapping[str, str | None], backup_id: str) -> list[str] | None:
    """All that is needed to restore a backup, the full one first and itself last; ``None`` where one is missing.

    ``bases`` has for each backup the id of what it rests on, ``None`` for a full one. A circle counts as missing.
    """
    found: list[str] = []
    current: str | None = backup_id
    seen = set()
    while current is not None:
        if current in seen or current not in bases:
            return None
        seen.add(current)
        found.append(current)
        current = bases[current]
    return found[::-1]


def known_length(bases: Mapping[str, str | None], backup_id: str) -> int:
    """How long its chain is at least: as far down as it is known."""
    seen: set[str] = set()
    current: str | None = backup_id
    while current is not None and current in bases and current not in seen:
        seen.add(current)
        current = bases[current]
    return len(seen) + (1 if current is not None and current not in seen else 0)


def root(bases: Mapping[str, str | None], backup_id: str) -> str:
    """The lowest one of its chain that is known; it is a full one where the chain is complete."""
    seen = {backup_id}
    current = backup_id
    while True:
        base = bases.get(current)
        if base is None or base not in bases or base in seen:
            return current
        seen.add(base)
        current = base


def dependants(bases: Mapping[str, str | None], backup_id: str) -> list[str]:
    """All that rest on a backup, directly or not, the nearest first."""
    children: dict[str, list[str]] = {}
    for each, base in bases.items():
        if base is not None:
            children.setdefault(base, []).append(each)
    found: list[str] = []
    fresh: Iterable[str] = [backup_id]
    seen = {backup_id}
    while fresh:
        fresh = [each for base in fresh for each in children.get(base, []) if each not in seen]
        seen.update(fresh)
        found += fresh
    return found
