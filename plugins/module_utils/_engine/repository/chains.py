# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which backup is based on which, from keys alone; manifests are only read where two have one id."""

from __future__ import annotations

import concurrent.futures
import enum
from collections.abc import Iterable
from typing import Callable

from ..common.keys import BackupKey, parse_backup_key
from ..common.units import FUTURE_TOLERANCE, show_duration
from ..policy import chains
from ..remotes.store import Entry

Place = tuple[str, str, str]  # origin, volume, id
_READERS = 8


class ListedKey(BackupKey):
    """The key of a manifest as the store lists it; equal to the key without that."""

    size: int  # bytes
    received: float  # when the store got it, in seconds since the epoch

    @classmethod
    def parse(cls, entry: Entry) -> ListedKey | None:
        """``None`` for what isn't the key of a manifest."""
        parts = parse_backup_key(entry.key)
        if parts is None:
            return None
        key = cls(*parts)
        key.size, key.received = entry.size, entry.modified
        return key


class Standing(enum.IntEnum):
    """How far a manifest can be trusted to be the one that was written for its key."""

    FALSE = 0  # damaged, forged, or written for another key
    UNKNOWN = 1  # it can't be read here: it needs another key, or a newer version
    PLAUSIBLE = 2  # whole, but anybody could have written it
    PROVED = 3  # whole, by a key


def tell_twins(
    listed: Iterable[ListedKey], judge: Callable[[ListedKey], Standing]
) -> tuple[list[ListedKey], list[ListedKey]]:
    """The one manifest of each id that counts, and the others.

    Anybody who may write can put another manifest of an id. The best proved one counts; among those the one that the
    store received first, and then the smaller key. Only manifests that share their id are judged, and of those as few
    as tell.
    """
    by_place: dict[Place, list[ListedKey]] = {}
    for key in listed:
        by_place.setdefault(_place(key), []).append(key)
    twins = [keys for keys in by_place.values() if len(keys) > 1]
    if not twins:
        return [keys[0] for keys in by_place.values()], []
    false: list[ListedKey] = []
    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        for keys, true in zip(twins, pool.map(lambda keys: _true_one(keys, judge), twins)):
            by_place[_place(true)] = [true]
            false += [key for key in keys if key is not true]
    return [keys[0] for keys in by_place.values()], false


def _true_one(keys: list[ListedKey], judge: Callable[[ListedKey], Standing]) -> ListedKey:
    best: tuple[Standing, ListedKey] | None = None
    for key in sorted(keys, key=lambda key: (key.received, key.manifest)):
        standing = judge(key)
        if best is None or standing > best[0]:
            best = standing, key
        if standing is Standing.PROVED:
            break
    return best[1] if best else keys[0]


def _place(key: BackupKey) -> Place:
    return key.origin, key.volume, key.id


def _base(key: BackupKey) -> Place | None:
    return None if key.base is None else (key.origin, key.volume, key.base)


class _Bases(dict[Place, "Place | None"]):
    """The bases of what is listed. Retired backups are asked for once, and only where a base isn't listed."""

    def __init__(self, keys: Iterable[BackupKey], retired: Callable[[], Iterable[BackupKey]]) -> None:
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

    def __init__(
        self,
        keys: Iterable[BackupKey],
        now: float,
        retired: Callable[[], Iterable[BackupKey]],
        false: Iterable[BackupKey] = (),
    ) -> None:
        """One key for each id. ``now`` is the store's time. ``retired`` is asked, once, for keys under ``deleted/``,
        and only if a base is missing. ``false`` are manifests that don't count, as another one has their id."""
        self.keys = sorted(keys, key=lambda key: (key.created, key.id), reverse=True)
        self.now = now
        self.false = list(false)
        self._by_place: dict[Place, BackupKey] = {_place(key): key for key in self.keys}
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

    def premature(self, key: BackupKey) -> bool:
        """Whether its time stamp is in the future, so that it is never the latest."""
        return key.created - self.now > FUTURE_TOLERANCE

    def problem(self, key: BackupKey) -> str | None:
        """Why a backup can't be relied on, by what keys tell."""
        if self.premature(key):
            return f"its time stamp is {show_duration(key.created - self.now)} in the future"
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
