# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Chains of backups, from what each is based on. Every chain is walked here: pure functions, whatever the ids are."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from typing import Protocol, TypeVar

Id = TypeVar("Id", bound=Hashable)


class Bases(Protocol[Id]):
    """The base of each backup, ``None`` for a full; KeyError for a backup that isn't known."""

    def __getitem__(self, backup: Id) -> Id | None: ...


def descend(bases: Bases[Id], backup: Id) -> tuple[list[Id], Id | None]:
    """A backup, its base, the base of that one, and so on, as far as they are known.

    The second value is ``None`` where a full was reached, else the id at which the chain breaks: a backup that isn't
    known, or one that is its own base in the end.
    """
    found: dict[Id, None] = {}
    current: Id | None = backup
    while current is not None:
        if current in found:
            return list(found), current
        try:
            base = bases[current]
        except KeyError:
            return list(found), current
        found[current] = None
        current = base
    return list(found), None


def chain(bases: Bases[Id], backup: Id) -> list[Id] | None:
    """All that is needed to restore a backup, the full first and itself last; ``None`` where the chain breaks."""
    found, broken = descend(bases, backup)
    return None if broken is not None else found[::-1]


def length(bases: Bases[Id], backup: Id, known: dict[Id, int | None]) -> int | None:
    """How many backups a chain has; ``None`` where it breaks.

    ``known`` keeps what was found, so that each backup of a listing is looked at once.
    """
    path: list[Id] = []
    current: Id | None = backup
    count: int | None = 0
    while current is not None and current not in known:
        known[current] = None  # also ends a circle
        path.append(current)
        try:
            current = bases[current]
        except KeyError:
            count = None
            break
    if current is not None:
        count = known[current]
    for each in reversed(path):
        count = None if count is None else count + 1
        known[each] = count
    return known[backup]


def known_length(bases: Bases[Id], backup: Id) -> int:
    """How long a chain is at least: as far down as it is known."""
    found, broken = descend(bases, backup)
    return len(found) + (broken is not None and broken not in found)


def root(bases: Bases[Id], backup: Id) -> Id:
    """The lowest backup of a chain that is known; a full where the chain is complete."""
    found, _broken = descend(bases, backup)
    return found[-1] if found else backup


def dependants(bases: Mapping[Id, Id | None], backup: Id) -> list[Id]:
    """All backups that need this one as their base, directly or not, the nearest first."""
    children: dict[Id, list[Id]] = {}
    for each, base in bases.items():
        if base is not None:
            children.setdefault(base, []).append(each)
    found: list[Id] = []
    fresh: Iterable[Id] = [backup]
    seen = {backup}
    while fresh:
        fresh = [each for base in fresh for each in children.get(base, []) if each not in seen]
        seen.update(fresh)
        found += fresh
    return found
