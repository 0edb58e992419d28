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
from ..state.backups import GRACE, RemoteBackup, of_snapshot
from ..state.snapshots import Snap
from .choice import Demand, choose, would_satisfy
from .order import Order
from .timeouts import ABORTING_FOR, stop, timed_out
from .unit import Unit

#: seconds in which a shipment must appear if its start wasn't confirmed
LOOK_FOR = 30.0
_TELLING = ("incremental", "full backup", "common snapshot")


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges the shipments of one order."""

    cluster: Cluster
    order: Order
    demand: Demand
    pace: Pace

    def may_be_queued(self, unit: Unit, snaps: list[Snap]) -> bool:
        """Whether its state depends on the queue, so that the queue must be read."""
        found = self._find(unit, snaps, frozenset())
        # A snapshot that is shipped again keeps the state of its first shipment until the second one begins.
        again = self.demand.snapshot is not None and not unit.joined
        return found is not None and (found.state == "lost" or again and found.state in ("failed", "aborted"))

    def _find(self, unit: Unit, snaps: list[Snap], queue: frozenset[tuple[str, str]]) -> RemoteBackup | None:
        known = {snap.name.lower() for snap in unit.history.snaps}
        for snap in reversed(snaps):
            named = unit.snapshot is not None and snap.name.lower() == unit.snapshot.lower()
            new = unit.snapshot is None and (unit.joined or snap.name.lower() not in known)
            if not named and not new:
                continue
            backup = of_snapshot(unit.resource, snap, self.order.remote, queue)
            if backup is not None and self._is_of_before(unit, backup):
                continue
            if backup is not None and (named or backup.state in ("preparing", "queued", "shipping") or not unit.joined):
                return backup
        return None

    def _is_of_before(self, unit: Unit, backup: RemoteBackup) -> bool:
        """Whether it is an earlier shipment of the same snapshot, from before this run."""
        if unit.joined or backup.started is None or backup.state not in ("failed", "aborted"):
            return False
        before = (each for each in unit.history.backups if each.snapshot == backup.snapshot)
        return any(each.started == backup.started for each in before)

    def judge(self, unit: Unit, snaps: list[Snap], queue: frozenset[tuple[str, str]]) -> None:
        """Update a unit. ``snaps``: its resource's snapshots now; ``queue``: the queued (resource, snapshot)."""
        backup = self._find(unit, snaps, queue)
        now = self.pace.clock()
        if backup is None or backup.state == "lost":
            unit.missing = now if unit.missing is None else unit.missing
            self._missing(unit, backup, now - unit.missing)
            return
        unit.missing, unit.snapshot, unit.current, unit.unsure = None, backup.snapshot, backup, None
        if not unit.judged and backup.base_known and backup.state != "queued":
            unit.judged = True
            self._check_kind(unit, backup, snaps)
        if unit.error is not None and unit.abort_at is None:
            return
        if backup.state == "success":
            self._succeeded(unit, backup)
        elif backup.state in ("failed", "aborted"):
            self._failed(unit, backup)
        elif backup.state == "aborting" and unit.abort_at is None:
            # Somebody else has aborted it. If LINSTOR has lost track of another shipment, this state never changes.
            unit.aborting = now if unit.aborting is None else unit.aborting
            if now - unit.aborting > ABORTING_FOR:
                self._failed(unit, dataclasses.replace(backup, state="aborted"))
        elif not self.order.wait:
            self._end(unit, backup)

    def _missing(self, unit: Unit, backup: RemoteBackup | None, since: float) -> None:
        """It isn't visible: not yet, or no longer."""
        if unit.abort_at is not None and backup is None:
            self._end(unit, None)  # LINSTOR removes the snapshot of what it has aborted
        elif unit.unsure is not None:
            if since > LOOK_FOR:
                unit.error, unit.started = unit.unsure, False
        elif backup is not None:
            if since > GRACE:
                self._failed(unit, backup)
        elif since > 3 * self.pace.interval:
            msg = f"the snapshot {unit.snapshot} of {unit.resource} disappeared, and its shipment with it."
            self._lost(unit, RemoteError(msg, "Somebody aborted the shipment or deleted the snapshot.", "aborted"))

    def _succeeded(self, unit: Unit, backup: RemoteBackup) -> None:
        if unit.joined and not would_satisfy(backup, self.demand, clock.now()):
            self._start_own(unit, backup)
            return
        self._end(unit, backup)

    def _failed(self, unit: Unit, backup: RemoteBackup) -> None:
        words = {"lost": "was queued, but disappeared from the queue: the controller has lost it"}
        said = words.get(backup.state, f"ended with state {backup.state}")
        where = f" (on node {backup.node})" if backup.node else ""
        self._lost(
            unit,
            RemoteError(
                f"shipping {unit.resource} (snapshot {backup.snapshot}) to {self.order.remote} {said}{where}.",
                "Run the task again. Earlier backups are intact.",
                "aborted" if backup.state == "aborted" else "shipment_failed",
            ),
            backup,
        )

    def _lost(self, unit: Unit, error: SnapshipError, backup: RemoteBackup | None = None) -> None:
        if unit.abort_at is not None:
            self._end(unit, None)
        elif unit.joined and backup is not None:
            unit.warnings.append(f"{error.msg} It was started before this run; this run starts another one.")
            self._start_own(unit, backup)
        else:
            unit.error = error
            unit.current = backup or unit.current

    def _start_own(self, unit: Unit, ended: RemoteBackup) -> None:
        """Start a shipment of its own, as the one waited for doesn't meet the demand."""
        unit.history = unit.history.later(ended, clock.now())
        try:
            unit.choice = choose(unit.history, self.demand)
        except SnapshipError as error:
            unit.error = error
            return
        unit.join, unit.joined, unit.snapshot, unit.current = None, False, None, None
        unit.aborting = None
        unit.again = True

    def _end(self, unit: Unit, backup: RemoteBackup | None) -> None:
        if unit.abort_at is not None and unit.error is None:
            unit.error = timed_out(self.order, unit, "It was aborted, and nothing of it is left.")
            return
        unit.result = backup
        if unit.began is not None and self.order.wait:
            unit.seconds = round(max(clock.now() - unit.began, 0.0), 3)

    def _check_kind(self, unit: Unit, backup: RemoteBackup, snaps: list[Snap]) -> None:
        """Check that LINSTOR ships an increment if it should: it falls back to a full one and doesn't say so."""
        if not unit.started or unit.choice is None:
            return
        unit.reason = unit.choice.reason
        if backup.base is not None:
            if unit.choice.base is None:
                unit.reason = f"LINSTOR used {backup.base} as its base"
            return
        if unit.choice.base is None and self.demand.kind != "incremental":
            return
        why = instead_of_increment(unit.choice.base, snaps, backup.snap, unit.replies)
        unit.reason = f"an increment wasn't possible: {why}"
        if self.demand.kind == "incremental":
            self._stop_full(unit, backup, why)
        else:
            unit.warnings.append(f"{unit.resource}: LINSTOR ships a full one instead of an increment: {why}.")

    def _stop_full(self, unit: Unit, backup: RemoteBackup, why: str) -> None:
        ending = "It is complete and stays on the remote"
        if backup.state != "success":
            asked = stop(self.cluster, self.order, unit)
            ending = "It is being aborted" if asked else "It couldn't be aborted and goes on"
        unit.error = RemoteError(
            f"LINSTOR started a full backup of {unit.resource} although type is incremental: {why}."
            f" {ending} (snapshot {backup.snapshot}).",
            "Set type: auto to allow a full one.",
            "no_base",
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
