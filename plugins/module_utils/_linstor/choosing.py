# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a backup of one resource needs: nothing, to wait for what is under way, an increment, or a full and why."""

from __future__ import annotations

import dataclasses

from .._engine import chains
from .._engine.errors import VolumeError
from .._engine.protection import FUTURE
from .._engine.units import show_duration
from .backups import Backup, newest_first, under_way
from .snapshots import Snap


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is asked of each resource; durations in seconds."""

    kind: str = "auto"  # auto, full, incremental
    max_age: float | None = None
    snapshot: str | None = None
    full_every: float | None = None
    max_chain: int | None = None


@dataclasses.dataclass
class Look:
    """What there is of one resource: its backups and shipments on the remote (newest first), and its snapshots.

    ``listed`` says whether the remote keeps a list of its own, where a base has to be too; ``strangers`` are what is in
    it and may have been made by another cluster.
    """

    resource: str
    backups: list[Backup]
    snaps: list[Snap]
    now: float
    listed: bool
    strangers: list[Backup] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        self.backups = newest_first(self.backups)

    @property
    def bases(self) -> dict[str, str | None]:
        """What each complete backup rests on."""
        return {each.id: each.base for each in self.backups if each.complete and each.base_known}


@dataclasses.dataclass(frozen=True)
class Choice:
    """How a resource is to be backed up: ``full``, or on what LINSTOR should choose, which is ``base``; and why."""

    full: bool
    base: Backup | None
    reason: str


def newest_sound(look: Look) -> Backup | None:
    """The newest complete backup; those that don't count are warned about."""
    for backup in look.backups:
        if backup.state == "success" and backup.problem is not None:
            look.warnings.append(f"backup {backup.id} doesn't count: {backup.problem}.")
        if not backup.complete or backup.created is None:
            continue
        if backup.created - look.now > FUTURE:
            ahead = show_duration(backup.created - look.now)
            look.warnings.append(f"backup {backup.id} doesn't count: it is stamped {ahead} in the future.")
            continue
        return backup
    return None


def satisfying(look: Look, wish: Wish) -> Backup | None:
    """The backup that fulfils the wish already."""
    if wish.snapshot is not None:
        same = (each for each in look.backups if each.snapshot.lower() == wish.snapshot.lower())
        return next((each for each in same if each.complete and (each.snap or not look.snaps)), None)
    newest = newest_sound(look)
    if newest is None or not wish.max_age or wish.kind == "full" and newest.type != "full":
        return None
    return newest if look.now - (newest.created or 0.0) <= wish.max_age else None


def joinable(look: Look, wish: Wish) -> Backup | None:
    """The newest shipment that goes on; of the snapshot that is wanted, where one is named."""
    for backup in look.backups:
        named = wish.snapshot is None or backup.snapshot.lower() == wish.snapshot.lower()
        if named and under_way(backup, look.now):
            return backup
    return None


def would_satisfy(backup: Backup, wish: Wish, now: float) -> bool:
    """Whether a shipment that goes on will do, once it ends well."""
    if wish.snapshot is not None:
        return backup.snapshot.lower() == wish.snapshot.lower()
    if not wish.max_age or wish.kind == "full" and backup.type == "incremental":
        return False
    return backup.created is None or now - backup.created <= wish.max_age


def choose(look: Look, wish: Wish) -> Choice:
    """Full or increment, and why. Raises VolumeError where an increment is demanded and impossible."""
    choice = _choose(look, wish)
    if wish.kind == "incremental" and choice.base is None:
        raise no_base(look.resource, choice.reason)
    return choice


def no_base(resource: str, reason: str) -> VolumeError:
    """An increment is demanded, and isn't possible."""
    return VolumeError(
        f"an incremental backup of {resource} isn't possible: {reason}.",
        "Use type: auto to ship a full one instead.",
        code="no_base",
    )


def _choose(look: Look, wish: Wish) -> Choice:
    if wish.kind == "full":
        return Choice(True, None, "a full was asked for")
    blocked = _blocked(look) if look.listed and wish.snapshot is None else None
    if not any(each.complete for each in look.backups):
        return Choice(blocked is not None, None, "first backup of this resource on this remote")
    newest = next(each for each in look.backups if each.complete)
    due = _full_is_due(look, wish, newest)
    if due is not None:
        return Choice(True, None, due)
    candidates = [each for each in look.backups if each.complete and each.snap is not None]
    if wish.snapshot is not None:
        candidates = [each for each in candidates if not _is_newer(each, look, wish.snapshot)]
    if blocked is not None:
        return Choice(True, None, blocked)
    if not candidates:
        return Choice(False, None, "no snapshot here is of a state that the remote has")
    return Choice(False, candidates[0], f"newest common state is {candidates[0].id}")


def _is_newer(backup: Backup, look: Look, name: str) -> bool:
    """Whether a backup's snapshot was taken after, or is, the one that is to be shipped."""
    wanted = next((snap for snap in look.snaps if snap.name.lower() == name.lower()), None)
    if wanted is None or wanted.created is None or backup.snap is None or backup.snap.created is None:
        return False
    return backup.snap.created >= wanted.created


def _full_is_due(look: Look, wish: Wish, newest: Backup) -> str | None:
    bases = look.bases
    if wish.max_chain is not None and newest.id in bases:
        length = chains.known_length(bases, newest.id)
        if length >= wish.max_chain:
            return f"the chain has {length} backups, max_chain is {wish.max_chain}"
    if wish.full_every is not None:
        root = chains.root(bases, newest.id)
        created = next((each.created for each in look.backups if each.id == root), None)
        if created is not None and look.now - created > wish.full_every:
            return f"the newest full one is older than {show_duration(wish.full_every)}"
    return None


def _blocked(look: Look) -> str | None:
    """Why LINSTOR must not choose a base itself: it builds on what it shipped to a bucket last, whatever became of it,
    and lets the next one wait in the queue for one that has failed, for ever."""
    begun = [each for each in look.backups if each.started is not None and each.snap is not None]
    last = max(begun, key=lambda each: each.started or 0.0, default=None)
    if last is None or last.state == "success" or under_way(last, look.now):
        return None
    return f"LINSTOR would build on what it shipped last, and that ({last.snapshot}) is {last.state}"
