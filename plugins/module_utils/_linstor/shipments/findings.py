# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The snapshots and backups of many resources, read at once."""

from __future__ import annotations

import dataclasses

from ..api import clock
from ..api.cluster import Cluster
from ..state import backups
from ..state.backups import RemoteBackup
from ..state.readiness import Survey, survey
from ..state.s3_list import UnlistableError, backup_list
from ..state.snapshots import Snap, list_snapshots
from .choice import History
from .order import Order

#: seconds for which a refused list of the bucket is requested again; after that, the cluster's own records count
_PATIENCE = 6.0


@dataclasses.dataclass
class Findings:
    """What was read, and what is read later if needed."""

    cluster: Cluster
    order: Order
    snaps: dict[str, list[Snap]]
    found: dict[str, list[RemoteBackup]]
    strangers: dict[str, list[RemoteBackup]]
    now: float
    survey: Survey | None = None
    queue: dict[tuple[str, str], str] | None = None
    warning: str | None = None

    def of(self, resource: str) -> History:
        """The history of one resource."""
        found, strangers = self.found.get(resource, []), self.strangers.get(resource, [])
        warnings = [self.warning] if self.warning else []
        return History(resource, found, self.snaps[resource], self.now, self.order.kind == "s3", strangers, warnings)

    def adopt(self, history: History) -> bool:
        """Add the bucket's backups that a node of this cluster made and whose snapshots no longer exist.

        Reads nodes and resources once. Returns whether there were any.
        """
        if not any(each.complete for each in history.strangers):
            return False
        self.survey = self.survey or survey(self.cluster)
        mine = [each for each in history.strangers if backups.is_ours(each, self.survey.nodes)]
        history.backups = backups.newest_first([*history.backups, *mine])
        history.strangers = []
        return bool(mine)

    def settle_queue(self, history: History) -> None:
        """Check which shipments are still in the queue. One request, once, and only if there are doubts."""
        doubtful = [each for each in history.backups if each.state == "lost"]
        if not doubtful:
            return
        if self.queue is None:
            self.queue = backups.read_queue(self.cluster, self.order.remote)
        for each in sorted(doubtful, key=lambda each: each.created or 0.0):
            base = self.queue.get((each.resource.lower(), each.snapshot.lower()))
            if base is not None:
                each.state = "stuck" if _never_ends(history, base) else "queued"


def _never_ends(history: History, name: str) -> bool:
    """Whether the backup of this snapshot has failed, so that a shipment that waits for it waits forever."""
    found = next((each for each in history.backups if each.snapshot.lower() == name.lower()), None)
    if found is None or backups.under_way(found, history.now):
        return False
    return found.state != "success" or found.noted not in (None, "success")


def read_findings(cluster: Cluster, order: Order, resources: list[str], there: Cluster | None, same: bool) -> Findings:
    """Read the snapshots, and the remote's list or the snapshots on the target if these can be read.

    ``there`` is the target cluster; ``same``: the remote is this same cluster.
    """
    every = list_snapshots(cluster, None if same else resources)
    snaps = {name: _of(every, name) for name in resources}
    found = backups.shipments(snaps, order.remote)
    strangers: list[RemoteBackup] = []
    warning = None
    if order.kind == "s3":
        try:
            found, strangers = _on_s3(cluster, order, resources, snaps, found)
        except UnlistableError as error:
            backups.as_listed(found)
            warning = f"{error.msg} The states that the cluster's snapshots record are used instead."
    elif same or there is not None:
        names = [order.target.name_of(name) for name in resources]
        arrived = every if there is None else list_snapshots(there, names)
        theirs = {name: _of(arrived, name) for name in names}
        backups.attach_checked(found, theirs, there or cluster, newest_only=True)
    return Findings(cluster, order, snaps, _by_resource(found), _by_resource(strangers), clock.now(), warning=warning)


def _on_s3(
    cluster: Cluster, order: Order, resources: list[str], snaps: dict[str, list[Snap]], shipped: list[RemoteBackup]
) -> tuple[list[RemoteBackup], list[RemoteBackup]]:
    """The bucket's backups that are surely ours, with the shipments under way; and the other backups."""
    only = resources[0] if len(resources) == 1 else None
    listing = backup_list(cluster, order.remote, only, _PATIENCE)
    listed = backups.on_s3(listing, snaps, order.remote, resources)
    backups.mark_broken(listed)
    there = {backups.identity(each.resource, each.snapshot): each for each in listed if each.state == "success"}
    going = [each for each in shipped if each.state != "success" and each.id not in there]
    for each in going:
        if each.base in there:
            each.base = there[each.base].id
    known = [each for each in listed if each.state == "success" and each.snap is not None]
    strangers = [each for each in listed if each.state == "success" and each.snap is None]
    return [*known, *going], strangers


def _of(every: dict[str, list[Snap]], resource: str) -> list[Snap]:
    if resource in every:
        return every[resource]
    return next((snaps for name, snaps in every.items() if name.lower() == resource.lower()), [])


def _by_resource(found: list[RemoteBackup]) -> dict[str, list[RemoteBackup]]:
    sorted_out: dict[str, list[RemoteBackup]] = {}
    for each in found:
        sorted_out.setdefault(each.resource, []).append(each)
    return sorted_out
