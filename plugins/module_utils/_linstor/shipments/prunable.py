# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What retention can prune in a LINSTOR cluster and on its S3 remotes, and what it must keep whatever the rules say."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from ..._engine.policy.retention_calendar import Point
from ..api.cluster import Cluster
from ..state.arrivals import doubts
from ..state.backups import (
    RemoteBackup,
    Snaps,
    identity,
    is_ours,
    mark_broken,
    of_snapshot,
    on_s3,
    shipments,
    under_way,
)
from ..state.origins import is_from, source_of
from ..state.s3_list import read_list
from ..state.snapshots import Snap
from .refused import TOO_EARLY, in_mind

#: places: a backup on an S3 remote, a snapshot received here, a snapshot that shipping has left here
REMOTE, RECEIVED, LOCAL = "remote", "received", "local"
_UNDER_WAY = "under way"
_ADVICE = "Backups on another cluster are pruned there: connect to that cluster and set received_from."


@dataclasses.dataclass
class Candidate:
    """A backup or snapshot. ``pinned`` is a reason to keep it whatever the rules say.

    ``needed_here``: its snapshot in this cluster is the base of the next increment.
    """

    id: str
    place: str
    resource: str
    remote: str
    snapshot: str
    created: float | None
    state: str
    complete: bool
    base: str | None = None
    type: str | None = None
    pinned: str = ""
    warning: str = ""
    needed_here: bool = False

    def point(self, consistent: bool) -> Point:
        """The point for the calendar. With ``consistent``, snapshots of the same name are one group."""
        return Point(
            id=self.id,
            time=self.created or 0.0,
            base=self.base,
            complete=self.complete and self.created is not None,
            series=self.resource,
            group=self.snapshot.lower() if consistent and self.snapshot else None,
            pinned=self.pinned or ("" if self.created is not None else "its time isn't known"),
        )


def on_remote(
    cluster: Cluster, remote: str, resources: Iterable[str] | None, snaps: Snaps, other_clusters: bool, now: float
) -> list[Candidate]:
    """The backups on an S3 remote. Two requests."""
    nodes = [str(node.name) for node in cluster.read("node_list", what="listing nodes").nodes]
    listing = read_list(cluster, remote, _ADVICE)
    backups = on_s3(listing, snaps, remote, resources)
    mark_broken(backups)
    here = _needed_here(snaps, now)
    running = [each for each in shipments(_own(snaps), remote) if under_way(each, now)]
    return [
        _of_backup(each, backups, remote, running, here, other_clusters or is_ours(each, nodes), now)
        for each in backups
    ]


def _of_backup(
    backup: RemoteBackup,
    backups: list[RemoteBackup],
    remote: str,
    running: list[RemoteBackup],
    here: set[tuple[str, str]],
    ours: bool,
    now: float,
) -> Candidate:
    candidate = Candidate(
        id=backup.id,
        place=REMOTE,
        resource=backup.resource,
        remote=remote,
        snapshot=backup.snapshot,
        created=backup.created,
        state=backup.state,
        complete=backup.complete and ours,
        base=backup.base,
        type=backup.type,
        needed_here=(backup.resource.lower(), backup.snapshot.lower()) in here,
    )
    if backup.state == "success" and backup.problem:
        candidate.pinned = f"it can't be restored: {backup.problem}"
        candidate.warning = f"backup {backup.id} can't be restored: {backup.problem}. It was kept."
    elif under_way(backup, now):
        candidate.pinned = _UNDER_WAY
    elif backup.state != "success":
        candidate.pinned = "it isn't complete, and LINSTOR can delete only complete backups"
    elif not ours:
        candidate.pinned = "another cluster made it"
        candidate.warning = (
            f"another cluster, or a node that no longer exists, made some backups on {remote}. They are kept."
        )
    else:
        candidate.pinned = _base_of_running(backup, running)
    return candidate


def _base_of_running(backup: RemoteBackup, running: list[RemoteBackup]) -> str:
    for each in running:
        if each.resource.lower() != backup.resource.lower():
            continue
        if not each.base_known or each.base == identity(each.resource, backup.snapshot):
            verb = "is" if each.base_known else "may be"
            return f"it {verb} the base of {each.snapshot}, which is {_UNDER_WAY}"
    return ""


def received_here(snaps: Snaps, source: str) -> list[Candidate]:
    """The snapshots received from an origin; see :func:`.origins.resolve`."""
    found: list[Candidate] = []
    for resource, theirs in snaps.items():
        received = [(snap, arrival) for snap in theirs if (arrival := snap.received) is not None]
        busy = any(arrival.under_way for _snap, arrival in received)
        doubtful = doubts(theirs)
        for snap, arrival in received:
            if not is_from(snap, source):
                continue
            candidate = Candidate(
                id=identity(resource, snap.name),
                place=RECEIVED,
                resource=resource,
                remote=source_of(snap) or source,
                snapshot=snap.name,
                created=snap.time,
                state=arrival.state,
                complete=arrival.state == "success" and snap.name not in doubtful,
            )
            if snap.name in doubtful:
                candidate.pinned = f"it can't be trusted: {doubtful[snap.name]}"
                candidate.warning = f"the copy {candidate.id} can't be trusted: {doubtful[snap.name]}. It was kept."
            elif arrival.under_way or arrival.state == "unknown":
                candidate.pinned = _UNDER_WAY if arrival.under_way else "its state isn't known"
            elif busy and candidate.complete:
                candidate.pinned = f"it may be the base of a shipment that is {_UNDER_WAY}"
            found.append(candidate)
    return found


def left_behind(snaps: Snaps, remote: str, taken: Mapping[str, Mapping[str, str]], now: float) -> list[Candidate]:
    """The snapshots here that were shipped to ``remote``. ``taken``: the snapshot that LINSTOR itself took last, by
    resource and remote, which is the base of the next one to a bucket."""
    needed = _needed_here(snaps, now)
    needed |= {(resource, name.lower()) for resource, names in taken.items() for name in names.values()}
    found: list[Candidate] = []
    for resource, theirs in snaps.items():
        for snap in theirs:
            backup = None if snap.received is not None else of_snapshot(resource, snap, remote)
            if backup is None:
                continue
            candidate = Candidate(
                id=identity(resource, snap.name),
                place=LOCAL,
                resource=resource,
                remote=remote,
                snapshot=snap.name,
                created=snap.time,
                state=backup.state,
                complete=backup.state == "success" and snap.taken,
            )
            if any(_goes_on(resource, snap, each, now) for each in snap.shipped_to()):
                candidate.pinned = _UNDER_WAY
            elif in_mind(snap) is not None:
                candidate.pinned = f"LINSTOR may still use it: {TOO_EARLY}"
            elif (resource.lower(), snap.name.lower()) in needed:
                candidate.pinned = "it is the base of the next increment"
            found.append(candidate)
    return found


def _own(snaps: Snaps) -> Snaps:
    """The snapshots that were taken here. A received one still has the shipping properties of its source."""
    return {resource: [snap for snap in theirs if snap.received is None] for resource, theirs in snaps.items()}


def _goes_on(resource: str, snap: Snap, remote: str, now: float) -> bool:
    backup = of_snapshot(resource, snap, remote)
    return backup is not None and under_way(backup, now)


def _needed_here(snaps: Snaps, now: float) -> set[tuple[str, str]]:
    """(resource, snapshot) in lower case of the bases of next increments and of shipments under way."""
    needed: set[tuple[str, str]] = set()
    for resource, theirs in _own(snaps).items():
        for remote in {name for snap in theirs for name in snap.shipped_to()}:
            shipped = [each for each in shipments({resource: theirs}, remote) if each.snap is not None]
            done = [each for each in shipped if each.state == "success"]
            if done:
                newest = max(done, key=lambda each: (each.started or 0.0, each.created or 0.0))
                needed.add((resource.lower(), newest.snapshot.lower()))
            for each in shipped:
                if under_way(each, now):
                    # its own snapshot, and its base
                    needed.add((resource.lower(), each.snapshot.lower()))
                    base = (each.base or "").rpartition("/")[2]
                    needed |= {(resource.lower(), base.lower())} if base else set()
    return needed
