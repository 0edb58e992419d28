# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The backup that a restore means: one on an S3 remote, or a snapshot received here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from ..._engine.common.errors import CorruptError, SnapshipError, UnknownError
from ..._engine.common.units import iso_time
from ..._engine.policy import chains
from ..state.arrivals import doubts
from ..state.backups import RemoteBackup
from ..state.origins import is_from, source_of
from ..state.snapshots import ShipmentStatus, Snap


@dataclasses.dataclass(frozen=True)
class WantedPoint:
    """At most one of the first three is set; none means the newest. ``when``: seconds since the epoch.

    ``doubtful``: a copy that can't be trusted will do, too.
    """

    backup: str | None = None
    snapshot: str | None = None
    when: float | None = None
    doubtful: bool = False


@dataclasses.dataclass
class RestorePoint:
    """The backup to restore. ``origin``: the remote, or the cluster that shipped it; ``chain``: the full one first.

    ``held``: the received snapshot, if it is one. ``started``: when its upload began. ``doubt``: why the received
    snapshot can't be trusted.
    """

    id: str
    snapshot: str
    origin: str
    created: float | None
    chain: list[str]
    held: Snap | None = None
    problem: str | None = None
    started: float | None = None
    doubt: str | None = None

    def is_held_by(self, arrival: ShipmentStatus) -> bool:
        """Whether a downloaded snapshot is this backup, by its remote and upload time. LINSTOR records no more."""
        if arrival.remote.lower() != self.origin.lower():
            return False
        return arrival.started is None or self.started is None or abs(arrival.started - self.started) < 1.0


def on_remote(backups: Iterable[RemoteBackup], source: str, remote: str, wanted: WantedPoint) -> RestorePoint:
    """A complete backup of ``source``. Raises UnknownError, or CorruptError for one that can't be restored."""
    complete = [each for each in backups if each.state == "success"]
    own = [each for each in complete if each.resource.lower() == source.lower()]
    if not own:
        there = ", ".join(sorted({each.resource for each in complete})[:20]) or "none"
        raise UnknownError(
            f"{source} has no complete backup on remote {remote}. Resources with backups there: {there}.",
            "Correct source.",
            "unknown_backup",
        )
    by_id = {each.id: each for each in own}
    points = [
        RestorePoint(
            each.id, each.snapshot, remote, each.created, _chain(each, by_id), None, each.problem, each.started
        )
        for each in own
    ]
    return _choose(points, source, f"on remote {remote}", wanted)


def _chain(backup: RemoteBackup, by_id: dict[str, RemoteBackup]) -> list[str]:
    found, _broken = chains.descend({each.id: each.base for each in by_id.values()}, backup.id)
    return found[::-1]


def received(snaps: Iterable[Snap], resource: str, source: str, wanted: WantedPoint) -> RestorePoint:
    """A complete received snapshot of ``resource``."""
    points, found = [], list(snaps)
    doubtful = doubts(found)
    for snap in found:
        arrival = snap.received
        if arrival is None or arrival.state != "success" or not is_from(snap, source):
            continue
        point = RestorePoint(snap.name, snap.name, source_of(snap) or source, snap.time, [snap.name], snap)
        point.doubt = doubtful.get(snap.name)
        points.append(point)
    return _choose(points, resource, "that was received here", wanted)


def _choose(points: list[RestorePoint], source: str, where: str, wanted: WantedPoint) -> RestorePoint:
    points.sort(key=lambda point: (point.created or 0.0, point.id), reverse=True)
    if not points:
        raise UnknownError(f"{source} has no complete backup {where}.", "Correct source.", code="unknown_backup")
    found = next((point for point in points if _meant(point, wanted)), None)
    if found is None:
        raise _none(points, source, where, wanted)
    if found.problem is not None:
        good = next((point.id for point in points if point.problem is None), None)
        advice = f"The newest restorable backup is {good}." if good else "None of its backups can be restored."
        raise CorruptError(f"backup {found.id} of {source} can't be restored: {found.problem}.", advice)
    if found.doubt is not None and not wanted.doubtful:
        good = next((point.id for point in points if point.problem is None and point.doubt is None), None)
        raise CorruptError(
            f"the copy {found.id} of {source} can't be trusted: {found.doubt}. Parts of its data may be missing.",
            (f"The newest copy without such a doubt is {good}." if good else "There is no copy without such a doubt.")
            + " Set allow_doubtful: true to restore it anyway.",
            "pool_full",
        )
    return found


def _meant(point: RestorePoint, wanted: WantedPoint) -> bool:
    if wanted.backup not in (None, "latest"):
        return point.id == str(wanted.backup).removesuffix(".meta")
    if wanted.snapshot is not None:
        return point.snapshot.lower() == wanted.snapshot.lower()
    return wanted.when is None or (point.created is not None and point.created <= wanted.when)


def _none(points: list[RestorePoint], source: str, where: str, wanted: WantedPoint) -> SnapshipError:
    if wanted.when is not None:
        oldest = points[-1].created
        return UnknownError(
            f"{source} has no backup {where} from {iso_time(wanted.when)} or before. "
            f"The oldest is of {iso_time(oldest) if oldest else 'an unknown time'}.",
            code="unknown_backup",
        )
    there = ", ".join(point.snapshot if wanted.snapshot else point.id for point in points[:5])
    return UnknownError(
        f"{source} has no backup {wanted.backup or wanted.snapshot!r} {where}. The newest: {there}.",
        "List them with snapship.dr.linstor_backup_info.",
        code="unknown_backup",
    )
