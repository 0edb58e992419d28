# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which backup is based on which, from keys alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Callable

from ..common.keys import BackupKey
from ..common.units import FUTURE_TOLERANCE, show_duration
from ..policy import chains

Place = tuple[str, str, str]  # origin, volume, id


def _place(key: BackupKey) -> Place:
    return key.origin, key.volume, key.id


def _base(key: BackupKey) -> Place | None:
    return None if key.base is None else (key.origin, key.volume, key.base)


class _Bases(dict[Place, "Place | None"]):
    """The bases of what is listed. Retired backups are asked for once, and only where a base isn't listed."""

    def __init__(self, keys: Iterable[BackupKey], retired: Callable[[], list[BackupKey]]) -> None:
        super().__init__({_place(key): _base(key) for key in keys})
        self._ask = retired
        self._retired: dict[Place, BackupKey] | None = None

    def __missing__(self, place: Place) -> Place | None:
        return _base(self.retired[place])

    @property
    def retired(self) -> dict[Place, BackupKey]:
        if self._retired is None:
            self._retired = {_place(key): key for key in self._ask()}
        return self._retired


class Chains:
    """The backups of a listing, newest first in ``keys``, and their chains."""

    def __init__(self, keys: Iterable[BackupKey], now: float, retired: Callable[[], list[BackupKey]]) -> None:
        """``now`` is the store's time. ``retired`` is asked, once, for keys under ``deleted/``, and only if a base is
        missing."""
        self.keys = sorted(keys, key=lambda key: (key.created, key.id), reverse=True)
        self.now = now
        self._by_place: dict[Place, BackupKey] = {}
        self._twice = set()
        for key in self.keys:
            if _place(key) in self._by_place:
                self._twice.add(_place(key))
            self._by_place[_place(key)] = key
        self._bases = _Bases(self._by_place.values(), retired)
        self._lengths: dict[Place, int | None] = {}

    def _key(self, place: Place) -> BackupKey:
        return self._by_place.get(place) or self._bases.retired[place]

    def chain(self, key: BackupKey) -> list[BackupKey] | None:
        """The full and the incrementals up to this backup; ``None`` where one is missing."""
        found = chains.chain(self._bases, _place(key))
        return None if found is None else [self._key(place) for place in found]

    def breaks_at(self, key: BackupKey) -> tuple[list[BackupKey], str | None]:
        """A backup and all that are known below it, and the id of the base that is missing or closes a circle."""
        found, broken = chains.descend(self._bases, _place(key))
        return [self._key(place) for place in found], broken[2] if broken else None

    def length(self, key: BackupKey) -> int | None:
        """How many backups its chain has; ``None`` where one is missing. Each backup is looked at once."""
        return chains.length(self._bases, _place(key), self._lengths)

    def problem(self, key: BackupKey) -> str | None:
        """Why a backup can't be relied on, by what keys tell."""
        ahead = key.created - self.now
        if ahead > FUTURE_TOLERANCE:
            return f"its time stamp is {show_duration(ahead)} in the future"
        if _place(key) in self._twice:
            return "two manifests have its id"
        if self.length(key) is None:
            return "a backup of its chain is missing"
        return None

    def sound(self) -> list[BackupKey]:
        """All without a problem, newest first."""
        return [key for key in self.keys if self.problem(key) is None]

    def dependants(self, key: BackupKey) -> list[BackupKey]:
        """All that are based on it, directly or not, newest first."""
        found = set(chains.dependants(self._bases, _place(key)))
        return [each for each in self.keys if _place(each) in found]
