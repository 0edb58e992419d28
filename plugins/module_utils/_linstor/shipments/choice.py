# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What one resource needs: no backup, waiting for one under way, an increment, or a full; and why."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import VolumeError
from ..._engine.common.units import FUTURE_TOLERANCE, show_duration
from ..._engine.policy import chains
from ..state.backups import RemoteBackup, newest_first, under_way
from ..state.s3_bases import BaseRecord, base_of, own_base
from ..state.snapshots import Snap


@dataclasses.dataclass(frozen=True)
class Demand:
    """What the task demands for each resource; durations in seconds. ``wait``: wait for shipments under way."""

    kind: str = "auto"  # auto, full, incremental
    max_age: float | None = None
    snapshot: str | None = None
    full_every: float | None = None
    max_chain: int | None = None
    wait: bool = True


@dataclasses.dataclass
class History:
    """The past of one resource: its backups and shipments on the remote (newest first), and its snapshots.

    ``listed``: the remote is a bucket with its own list, which must have the base, too. ``strangers``: backups in the
    bucket that another cluster may have made. ``base_record``: what LINSTOR chooses a base by. ``numbers``: those of
    the resource's volumes.
    """

    resource: str
    backups: list[RemoteBackup]
    snaps: list[Snap]
    now: float
    listed: bool
    strangers: list[RemoteBackup] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    base_record: BaseRecord | None = None
    numbers: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.backups = newest_first(self.backups)

    @property
    def bases(self) -> dict[str, str | None]:
        """The base of each complete backup."""
        return {each.id: each.base for each in self.backups if each.complete and each.base_known}

    def snap(self, name: str) -> Snap | None:
        """The snapshot of that name."""
        return next((snap for snap in self.snaps if snap.name.lower() == name.lower()), None)

    def shipped(self, snap: Snap | None) -> RemoteBackup | None:
        """The backup or shipment of this snapshot on the remote."""
        if snap is None:
            return None
        return next((each for each in self.backups if each.snapshot.lower() == snap.name.lower()), None)

    def later(self, ended: RemoteBackup, now: float) -> History:
        """The history after a shipment that was waited for has ended."""
        others = [each for each in self.backups if each.snapshot != ended.snapshot]
        snaps, base_record = self.snaps, self.base_record
        if ended.snap is not None and self.snap(ended.snapshot) is None:
            snaps = [*snaps, ended.snap]
            base_record = base_record and dataclasses.replace(base_record, last=ended.snapshot)
        return dataclasses.replace(self, backups=[*others, ended], snaps=snaps, base_record=base_record, now=now)


@dataclasses.dataclass(frozen=True)
class BaseChoice:
    """How to back up a resource: ``full``, or as an increment on ``base``, which LINSTOR should choose; and why."""

    full: bool
    base: RemoteBackup | None
    reason: str


def newest_sound(history: History) -> RemoteBackup | None:
    """The newest complete backup. Adds a warning for each newer one that doesn't count."""
    for backup in history.backups:
        if backup.state == "success" and backup.problem is not None:
            history.warnings.append(f"backup {backup.id} doesn't count: {backup.problem}.")
        if not backup.complete or backup.created is None:
            continue
        if backup.created - history.now > FUTURE_TOLERANCE:
            ahead = show_duration(backup.created - history.now)
            history.warnings.append(f"backup {backup.id} doesn't count: its time is {ahead} in the future.")
            continue
        return backup
    return None


def satisfying(history: History, demand: Demand) -> RemoteBackup | None:
    """The existing backup that meets the demand."""
    if demand.snapshot is not None:
        same = (each for each in history.backups if each.snapshot.lower() == demand.snapshot.lower())
        return next((each for each in same if each.complete and (each.snap or not history.snaps)), None)
    newest = newest_sound(history)
    if newest is None or not demand.max_age or demand.kind == "full" and newest.type != "full":
        return None
    return newest if history.now - (newest.created or 0.0) <= demand.max_age else None


def joinable(history: History, demand: Demand) -> RemoteBackup | None:
    """The newest shipment under way. If the demand names a snapshot: the shipment of that snapshot or of its base."""
    newest = next((backup.created or 0.0 for backup in history.backups if backup.complete), 0.0)
    going = [backup for backup in history.backups if under_way(backup, history.now)]
    if demand.snapshot is not None:
        names = {demand.snapshot.lower()}
        if history.listed:
            base = _bucket_base(history, demand)[0]
            names |= {base.name.lower()} if base else set()
        going = [backup for backup in going if backup.snapshot.lower() in names]
    else:  # a shipment of an older snapshot than the newest backup is useless
        going = [backup for backup in going if backup.created is None or backup.created >= newest]
    return going[0] if going else None


def would_satisfy(backup: RemoteBackup, demand: Demand, now: float) -> bool:
    """Whether a shipment under way will meet the demand if it succeeds."""
    if demand.snapshot is not None:
        return backup.snapshot.lower() == demand.snapshot.lower()
    if not demand.max_age or demand.kind == "full" and backup.type == "incremental":
        return False
    return backup.created is None or now - backup.created <= demand.max_age


def choose(history: History, demand: Demand) -> BaseChoice:
    """Full or increment, and why. Raises VolumeError if an increment is demanded, but impossible, or if the demanded
    snapshot can't be shipped again."""
    same = next((each for each in history.backups if each.doubtful and each.snapshot == demand.snapshot), None)
    if same is not None and same.target is not None:
        raise VolumeError(
            f"snapshot {same.snapshot} of {history.resource} was shipped, but {same.problem}.",
            f"{rid_of(same.target)} Then run the task again: it ships the snapshot again.",
            "pool_full",
        )
    choice = _choose(history, demand)
    if demand.kind == "incremental" and choice.base is None:
        raise no_base(history.resource, choice.reason)
    return choice


def no_base(resource: str, reason: str) -> VolumeError:
    """The error if an increment is demanded, but impossible."""
    return VolumeError(
        f"an incremental backup of {resource} isn't possible: {reason}.",
        "Set type: auto to ship a full one instead.",
        code="no_base",
    )


def rid_of(copy: Snap) -> str:
    """What to do about a copy that can't be trusted."""
    return (
        f"Free space in the storage pool, or enlarge it. Delete snapshot {copy.name} of {copy.resource} on the target,"
        " and don't use a resource that was made of it."
    )


def _choose(history: History, demand: Demand) -> BaseChoice:
    if demand.kind == "full":
        return BaseChoice(True, None, "type is full")
    complete = [each for each in history.backups if each.complete]
    doubtful = next((each for each in history.backups if each.doubtful and each.snap is not None), None)
    if doubtful is not None and all((each.created or 0.0) < (doubtful.created or 0.0) for each in complete):
        return BaseChoice(True, None, f"of the base that LINSTOR would choose, {doubtful.id}, {doubtful.problem}")
    choice = _on_bucket(history, demand) if history.listed else _on_cluster(complete)
    if not complete:
        return BaseChoice(choice.full, None, "first backup of this resource on this remote")
    due = _volume_added(history, demand, choice.base) or _full_is_due(history, demand, choice.base or complete[0])
    return choice if due is None else BaseChoice(True, None, due)


def _volume_added(history: History, demand: Demand, base: RemoteBackup | None) -> str | None:
    """LINSTOR compares only the volumes that the base has. An increment on it can't have the others."""
    if base is None or base.snap is None or not base.snap.sizes:
        return None
    wanted = history.snap(demand.snapshot) if demand.snapshot is not None else None
    added = sorted(set(wanted.sizes if wanted else history.numbers) - set(base.snap.sizes))
    if not added:
        return None
    named = f"volume {added[0]} was" if len(added) == 1 else f"volumes {', '.join(map(str, added))} were"
    return f"{named} added after {base.id}"


def _on_cluster(complete: list[RemoteBackup]) -> BaseChoice:
    """For a LINSTOR remote: the base is the newest shipped snapshot that still exists here."""
    base = next((each for each in complete if each.snap is not None), None)
    if base is None:
        return BaseChoice(False, None, "this cluster and the remote have no state in common")
    return BaseChoice(False, base, f"the newest common state is {base.id}")


def _on_bucket(history: History, demand: Demand) -> BaseChoice:
    snap, why = _bucket_base(history, demand)
    if snap is None:
        return BaseChoice(False, None, why)
    shipped = history.shipped(snap)
    if shipped is not None and shipped.buildable:
        return BaseChoice(False, shipped, f"the newest common state is {shipped.id}")
    own = demand.snapshot is None
    if shipped is not None and under_way(shipped, history.now) and (own or demand.wait):
        return BaseChoice(False, shipped, f"its base is {shipped.id}, which is {shipped.state}")
    if shipped is not None and (own or shipped.state == "success"):
        # An increment would have an unusable base, or wait in the queue forever.
        what = f"is unusable: {shipped.problem}" if shipped.problem else f"is {shipped.noted or shipped.state}"
        return BaseChoice(True, None, f"the base that LINSTOR would choose, {shipped.snapshot}, {what}")
    return BaseChoice(False, None, f"the remote has no backup of its base {snap.name}")


def _bucket_base(history: History, demand: Demand) -> tuple[Snap | None, str]:
    """The snapshot that LINSTOR would use as the base if the bucket has its backup; or why there is none."""
    wanted = history.snap(demand.snapshot) if demand.snapshot is not None else None
    if wanted is not None:
        return base_of(wanted, history.snaps)
    if history.base_record is not None:
        return own_base(history.base_record, history.snaps)
    return None, "this cluster and the remote have no state in common"


def _full_is_due(history: History, demand: Demand, base: RemoteBackup) -> str | None:
    bases = {**history.bases, base.id: base.base} if base.base_known else history.bases  # it may be under way
    if demand.max_chain is not None and base.id in bases:
        length = chains.known_length(bases, base.id)
        if length >= demand.max_chain:
            return f"the chain has {length} backups, max_chain is {demand.max_chain}"
    if demand.full_every is not None:
        root = chains.root(bases, base.id)
        created = next((each.created for each in history.backups if each.id == root), None)
        if created is not None and history.now - created > demand.full_every:
            return f"the newest full one is older than {show_duration(demand.full_every)}"
    return None
