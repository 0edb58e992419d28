# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a backup of one resource needs: nothing, to wait for what is under way, an increment, or a full and why."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import VolumeError
from ..._engine.common.units import FUTURE_TOLERANCE, show_duration
from ..._engine.policy import chains
from ..state.backups import Backup, newest_first, under_way
from ..state.s3_bases import Standing, base_of, own_base
from ..state.snapshots import Snap


@dataclasses.dataclass(frozen=True)
class Wish:
    """What is asked of each resource; durations in seconds. ``wait``: what is under way is waited for."""

    kind: str = "auto"  # auto, full, incremental
    max_age: float | None = None
    snapshot: str | None = None
    full_every: float | None = None
    max_chain: int | None = None
    wait: bool = True


@dataclasses.dataclass
class Look:
    """What there is of one resource: its backups and shipments on the remote (newest first), and its snapshots.

    ``listed`` says whether the remote is a bucket, with a list of its own, where a base has to be too; ``strangers``
    are what is in it and may have been made by another cluster, and ``standing`` is what LINSTOR chooses a base by.
    """

    resource: str
    backups: list[Backup]
    snaps: list[Snap]
    now: float
    listed: bool
    strangers: list[Backup] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    standing: Standing | None = None

    def __post_init__(self) -> None:
        self.backups = newest_first(self.backups)

    @property
    def bases(self) -> dict[str, str | None]:
        """What each complete backup rests on."""
        return {each.id: each.base for each in self.backups if each.complete and each.base_known}

    def snap(self, name: str) -> Snap | None:
        """The snapshot of that name."""
        return next((snap for snap in self.snaps if snap.name.lower() == name.lower()), None)

    def shipped(self, snap: Snap | None) -> Backup | None:
        """What became of this snapshot on the remote."""
        if snap is None:
            return None
        return next((each for each in self.backups if each.snapshot.lower() == snap.name.lower()), None)

    def later(self, ended: Backup, now: float) -> Look:
        """The same, now that a shipment has ended that was waited for."""
        others = [each for each in self.backups if each.snapshot != ended.snapshot]
        snaps, standing = self.snaps, self.standing
        if ended.snap is not None and self.snap(ended.snapshot) is None:
            snaps = [*snaps, ended.snap]
            standing = standing and dataclasses.replace(standing, last=ended.snapshot)
        return dataclasses.replace(self, backups=[*others, ended], snaps=snaps, standing=standing, now=now)


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
        if backup.created - look.now > FUTURE_TOLERANCE:
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
    """The newest shipment that goes on; where a snapshot is named, that of this one or of what it will be built on."""
    newest = next((backup.created or 0.0 for backup in look.backups if backup.complete), 0.0)
    going = [backup for backup in look.backups if under_way(backup, look.now)]
    if wish.snapshot is not None:
        names = {wish.snapshot.lower()}
        if look.listed:
            base = _bucket_base(look, wish)[0]
            names |= {base.name.lower()} if base else set()
        going = [backup for backup in going if backup.snapshot.lower() in names]
    else:  # what holds an older state than there is already brings nothing
        going = [backup for backup in going if backup.created is None or backup.created >= newest]
    return going[0] if going else None


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
    complete = [each for each in look.backups if each.complete]
    choice = _on_bucket(look, wish) if look.listed else _on_cluster(complete)
    if not complete:
        return Choice(choice.full, None, "first backup of this resource on this remote")
    due = _full_is_due(look, wish, choice.base or complete[0])
    return choice if due is None else Choice(True, None, due)


def _on_cluster(complete: list[Backup]) -> Choice:
    """The other cluster tells which of its states are the same as here."""
    base = next((each for each in complete if each.snap is not None), None)
    if base is None:
        return Choice(False, None, "no snapshot here is of a state that the remote has")
    return Choice(False, base, f"newest common state is {base.id}")


def _on_bucket(look: Look, wish: Wish) -> Choice:
    snap, why = _bucket_base(look, wish)
    if snap is None:
        return Choice(False, None, why)
    shipped = look.shipped(snap)
    if shipped is not None and shipped.buildable:
        return Choice(False, shipped, f"newest common state is {shipped.id}")
    own = wish.snapshot is None
    if shipped is not None and under_way(shipped, look.now) and (own or wish.wait):
        return Choice(False, shipped, f"LINSTOR builds it on {shipped.id}, which is {shipped.state}")
    if shipped is not None and (own or shipped.state == "success"):
        # It would rest on what is no good, or wait in the queue for what never ends.
        what = f"is no good: {shipped.problem}" if shipped.problem else f"is {shipped.noted or shipped.state}"
        return Choice(True, None, f"LINSTOR would build on what it shipped last, and that ({shipped.snapshot}) {what}")
    return Choice(False, None, f"LINSTOR would build it on {snap.name}, whose backup isn't on the remote")


def _bucket_base(look: Look, wish: Wish) -> tuple[Snap | None, str]:
    """The snapshot that LINSTOR would take as the base, if its backup is there; or why there is none."""
    wanted = look.snap(wish.snapshot) if wish.snapshot is not None else None
    if wanted is not None:
        return base_of(wanted, look.snaps)
    if look.standing is not None:
        return own_base(look.standing, look.snaps)
    return None, "no snapshot here is of a state that the remote has"


def _full_is_due(look: Look, wish: Wish, base: Backup) -> str | None:
    bases = {**look.bases, base.id: base.base} if base.base_known else look.bases  # it may be on its way
    if wish.max_chain is not None and base.id in bases:
        length = chains.known_length(bases, base.id)
        if length >= wish.max_chain:
            return f"the chain has {length} backups, max_chain is {wish.max_chain}"
    if wish.full_every is not None:
        root = chains.root(bases, base.id)
        created = next((each.created for each in look.backups if each.id == root), None)
        if created is not None and look.now - created > wish.full_every:
            return f"the newest full one is older than {show_duration(wish.full_every)}"
    return None
