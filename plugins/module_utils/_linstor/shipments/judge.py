# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The state of a shipment, from the resource's snapshots: under way, done, failed, or lost."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import RemoteError, SnapshipError
from ..api import clock
from ..api.clock import Pace
from ..api.cluster import Cluster
from ..api.replies import Replies
from ..state.backups import GRACE, RemoteBackup, of_snapshot, young
from ..state.liveness import Liveness
from ..state.s3_list import Contents
from ..state.snapshots import Snap
from .choice import Demand, choose, would_satisfy
from .order import Order
from .resource_shipment import ResourceShipment, Stopping
from .timeouts import ABORTING_FOR, stop, timed_out

#: seconds in which a shipment must appear if its start wasn't confirmed
LOOK_FOR = 30.0
#: seconds for which the snapshot of a shipment may show nothing of it
YOUNG_FOR = 90.0
_TELLING = ("incremental", "full backup", "common snapshot")


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges the shipments of one order."""

    cluster: Cluster
    order: Order
    demand: Demand
    pace: Pace
    liveness: Liveness
    contents: Contents

    def may_be_queued(self, shipment: ResourceShipment, snaps: list[Snap]) -> bool:
        """Whether its state depends on the queue, so that the queue must be read."""
        found = self._find(shipment, snaps, frozenset())
        # A snapshot that is shipped again keeps the state of its first shipment until the second one begins.
        again = self.demand.snapshot is not None and not shipment.watched.joined
        return found is not None and (found.state == "lost" or again and found.state in ("failed", "aborted"))

    def _find(
        self, shipment: ResourceShipment, snaps: list[Snap], queue: frozenset[tuple[str, str]]
    ) -> RemoteBackup | None:
        watched = shipment.watched
        # Of a joined shipment whose name isn't known only what is under way counts.
        going = watched.joined and not watched.promised
        known = {snap.name.lower() for snap in shipment.history.snaps}
        for snap in reversed(snaps):
            named = watched.snapshot is not None and snap.name.lower() == watched.snapshot.lower()
            new = watched.snapshot is None and (going or snap.name.lower() not in known)
            if not named and not new:
                continue
            backup = of_snapshot(shipment.resource, snap, self.order.remote, queue)
            if backup is None and named and snap.received is None and not snap.failed:
                return young(shipment.resource, snap)
            if backup is None or self._is_of_before(shipment, backup):
                continue
            if named or not going or backup.state in ("preparing", "queued", "shipping"):
                return backup
        return None

    def _is_of_before(self, shipment: ResourceShipment, backup: RemoteBackup) -> bool:
        """Whether it is an earlier shipment of the same snapshot, from before this run."""
        if shipment.watched.joined or backup.started is None or backup.state not in ("failed", "aborted"):
            return False
        before = (each for each in shipment.history.backups if each.snapshot == backup.snapshot)
        return any(each.started == backup.started for each in before)

    def judge(
        self, shipment: ResourceShipment, snaps: list[Snap], queue: frozenset[tuple[str, str]], claimed: bool = False
    ) -> None:
        """Update a shipment. ``snaps``: its resource's snapshots now; ``queue``: the queued (resource, snapshot).

        ``claimed``: before these were read, another run still had a claim on it.
        """
        backup = self._find(shipment, snaps, queue)
        now = self.pace.clock()
        stopping = isinstance(shipment.state, Stopping)
        if (backup is None or backup.young) and shipment.watched.promised and not stopping:
            if claimed:
                return
            if backup is None:
                self._take_over(shipment)
                return
        if backup is not None and backup.young:
            self._young(shipment, backup, shipment.lose_sight(now))
            return
        if backup is None or backup.state == "lost":
            self._missing(shipment, backup, shipment.lose_sight(now))
            return
        shipment.see(backup, now)
        if not shipment.watched.compared and backup.base_known and backup.state != "queued":
            shipment.compared()
            self._check_kind(shipment, backup, snaps)
        if shipment.over:
            return
        if backup.state == "success":
            self._succeeded(shipment, backup)
        elif backup.state in ("failed", "aborted"):
            self._failed(shipment, backup)
        elif backup.state == "aborting" and not stopping:
            # Somebody else has aborted it. If LINSTOR has lost track of another shipment, this state never changes.
            if shipment.being_aborted(now) > ABORTING_FOR:
                self._failed(shipment, dataclasses.replace(backup, state="aborted"))
        elif not self.order.wait:
            shipment.end(backup)

    def _take_over(self, shipment: ResourceShipment) -> None:
        """The run that had claimed it has ended without a shipment."""
        try:
            shipment.again(shipment.history, choose(shipment.history, self.demand))
        except SnapshipError as error:
            shipment.fail(error)

    def _young(self, shipment: ResourceShipment, backup: RemoteBackup, since: float) -> None:
        """Its snapshot is there and shows nothing of a shipment: not yet, or the controller has lost it."""
        if isinstance(shipment.state, Stopping):
            return
        if not self.order.wait and not shipment.watched.joined:
            shipment.end(backup)
        elif since > YOUNG_FOR and shipment.watched.joined:
            shipment.warnings.append(
                f"{shipment.resource}: an earlier run has taken snapshot {backup.snapshot} for {self.order.remote}, and"
                " LINSTOR doesn't ship it; this run does."
            )
            self._start_own(shipment, dataclasses.replace(backup, state="lost"), backup.snapshot)
        elif since > YOUNG_FOR:
            msg = (
                f"LINSTOR accepted the shipment of {shipment.resource} to {self.order.remote}, and its snapshot"
                f" {backup.snapshot} is there, but nothing shows within {YOUNG_FOR:.0f} seconds that it is shipped."
            )
            shipment.fail(RemoteError(msg, "See the controller's log. Run the task again.", "shipment_failed"), backup)

    def _missing(self, shipment: ResourceShipment, backup: RemoteBackup | None, since: float) -> None:
        """It isn't visible: not yet, or no longer."""
        if isinstance(shipment.state, Stopping) and backup is None:
            if not self.is_in_bucket(shipment, "aborted"):
                self._stopped(shipment)  # LINSTOR removes the snapshot of what it has aborted
        elif shipment.watched.doubt is not None:
            if since > LOOK_FOR:
                shipment.never_began(shipment.watched.doubt)
        elif backup is not None:
            if since > GRACE:
                self._failed(shipment, backup)
        elif since > (3 * self.pace.interval if shipment.watched.seen else LOOK_FOR):
            self._lost(shipment, self._disappeared(shipment))

    def _disappeared(self, shipment: ResourceShipment) -> SnapshipError:
        """The error of a shipment whose snapshot no longer exists, with what is known of its node."""
        watched = shipment.watched
        msg = f"the snapshot {watched.snapshot} of {shipment.resource} no longer exists, and its shipment has ended."
        node = watched.seen.node if watched.seen else None
        self.liveness.read_nodes()
        away = self.liveness.away(node)
        if away is None:
            hint = (
                "LINSTOR gives no reason. The shipment was aborted, the snapshot was deleted, or the node was lost for"
                " a while. Run the task again."
            )
            return RemoteError(msg, hint, "aborted")
        hint = (
            "LINSTOR aborts the shipments of a node that it loses, and deletes their snapshots. Check the node with:"
            " linstor node list. Then run the task again."
        )
        return RemoteError(f"{msg} Node {node}, which shipped it, {away}.", hint, "aborted")

    def _succeeded(self, shipment: ResourceShipment, backup: RemoteBackup) -> None:
        if shipment.watched.joined and not would_satisfy(backup, self.demand, clock.now()):
            self._start_own(shipment, backup)
            return
        if isinstance(shipment.state, Stopping):
            shipment.warnings.append(f"{shipment.resource}: it was complete before LINSTOR could abort it.")
        took = None
        if shipment.watched.began is not None and self.order.wait:
            took = round(max(clock.now() - shipment.watched.began, 0.0), 3)
        shipment.end(backup, took)

    def _failed(self, shipment: ResourceShipment, backup: RemoteBackup) -> None:
        words = {"lost": "was queued, but disappeared from the queue: the controller has lost it"}
        said = words.get(backup.state, f"ended with state {backup.state}")
        where = f" (on node {backup.node})" if backup.node else ""
        self._lost(
            shipment,
            RemoteError(
                f"shipping {shipment.resource} (snapshot {backup.snapshot}) to {self.order.remote} {said}{where}.",
                "Run the task again. Earlier backups are intact.",
                "aborted" if backup.state == "aborted" else "shipment_failed",
            ),
            backup,
        )

    def is_in_bucket(self, shipment: ResourceShipment, state: str) -> bool:
        """End a shipment whose backup is complete in the bucket, whatever LINSTOR calls it. One list for each look."""
        watched = shipment.watched
        if self.order.kind != "s3" or watched.snapshot is None:
            return False
        snap, started = (watched.seen.snap, watched.seen.started) if watched.seen else (None, None)
        what = f"{shipment.resource} (snapshot {watched.snapshot})"
        try:
            found = self.contents.backup(shipment.resource, snap, watched.snapshot, started)
        except RemoteError as error:
            shipment.warnings.append(
                f"it isn't known whether {self.order.remote} has the backup of {what}: {error.msg}"
            )
            return False
        if found is None:
            return False
        shipment.warnings.append(
            f"LINSTOR calls the shipment of {what} {state}, but the backup is complete in the bucket. LINSTOR won't use"
            " it as a base, so the next backup will be a full one."
        )
        self._succeeded(shipment, found)
        return True

    def _lost(self, shipment: ResourceShipment, error: SnapshipError, backup: RemoteBackup | None = None) -> None:
        if self.is_in_bucket(shipment, backup.state if backup else "aborted"):
            return
        if isinstance(shipment.state, Stopping):
            self._stopped(shipment)
        elif shipment.watched.joined and backup is not None:
            shipment.warnings.append(f"{error.msg} It was started before this run; this run starts another one.")
            self._start_own(shipment, backup)
        else:
            shipment.fail(error, backup)

    def _stopped(self, shipment: ResourceShipment) -> None:
        standstill = shipment.state.standstill if isinstance(shipment.state, Stopping) else None
        shipment.fail(timed_out(self.order, shipment, "It was aborted, and nothing of it is left.", standstill))

    def _start_own(self, shipment: ResourceShipment, ended: RemoteBackup, snapshot: str = "") -> None:
        """Start a shipment of its own, as the one waited for doesn't meet the demand."""
        history = shipment.history.later(ended, clock.now())
        try:
            shipment.again(history, choose(history, self.demand), snapshot)
        except SnapshipError as error:
            shipment.fail(error)

    def _check_kind(self, shipment: ResourceShipment, backup: RemoteBackup, snaps: list[Snap]) -> None:
        """Check that LINSTOR ships an increment if it should: it falls back to a full one and doesn't say so."""
        if not shipment.started or shipment.choice is None:
            return
        shipment.reason = shipment.choice.reason
        if backup.base is not None:
            if shipment.choice.base is None:
                shipment.reason = f"LINSTOR used {backup.base} as its base"
            return
        if shipment.choice.base is None and self.demand.kind != "incremental":
            return
        why = instead_of_increment(shipment.choice.base, snaps, backup.snap, shipment.replies)
        shipment.reason = f"an increment wasn't possible: {why}"
        if self.demand.kind == "incremental":
            self._stop_full(shipment, backup, why)
        else:
            shipment.warnings.append(f"{shipment.resource}: LINSTOR ships a full one instead of an increment: {why}.")

    def _stop_full(self, shipment: ResourceShipment, backup: RemoteBackup, why: str) -> None:
        ending = "It is complete and stays on the remote"
        if backup.state != "success":
            asked = stop(self.cluster, self.order, shipment)
            ending = "It is being aborted" if asked else "It couldn't be aborted and goes on"
        shipment.fail(
            RemoteError(
                f"LINSTOR started a full backup of {shipment.resource} although type is incremental: {why}."
                f" {ending} (snapshot {backup.snapshot}).",
                "Set type: auto to allow a full one.",
                "no_base",
            )
        )


def instead_of_increment(base: RemoteBackup | None, snaps: list[Snap], snap: Snap | None, replies: Replies) -> str:
    """Why LINSTOR ships a full backup instead of an increment: in the controller's words, or from what has changed.

    LINSTOR rarely says so itself.
    """
    said = [reply.text for reply in replies if any(word in reply.message.lower() for word in _TELLING)]
    if said:
        return "; ".join(dict.fromkeys(text.rstrip(".") for text in said))
    if base is None:
        return "there was no base"
    there = next((snap for snap in snaps if snap.name == base.snapshot), None)
    if there is None:
        return f"the snapshot {base.snapshot} of the last backup no longer exists"
    if snap is not None and dict(there.sizes) != dict(snap.sizes):
        return f"the size of its volumes changed after {base.snapshot}"
    return f"LINSTOR didn't use {base.snapshot} as the base; see the controller's log for the reason"
