# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Shipments of many resources, a few at a time, each to its outcome: started or joined, watched, judged."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Iterable

from .._engine.errors import BusyError, RemoteError, SnapshipError
from .._engine.units import show_duration
from . import waiting
from .backups import GRACE, PREPARING_FOR, Backup, of_snapshot, queued
from .choosing import Choice, Look, Wish, choose, would_satisfy
from .connection import Cluster
from .falling_back import instead_of_increment
from .replies import ControllerError, LostReply, Replies
from .snapshots import Snap, list_snapshots
from .starting import Order, abort, start
from .waiting import Pace, unreachable

#: seconds for which a shipment is looked for whose start wasn't confirmed
LOOK_FOR = 30.0
#: seconds for which LINSTOR may take to abort
ABORTING_FOR = 60.0
#: seconds after which LINSTOR gives another name for sure
_NEXT_NAME = 1.1
#: errors that every resource would meet
FATAL = ("locked", "version", "unknown_cluster", "unauthorized", "denied")
#: LINSTOR passes on in its own words what the network says, with a number that says nothing
UNKNOWN_ERROR = 998
AWAY = ("connection refused", "timed out", "no route to host", "network is unreachable", "name or service not known")


@dataclasses.dataclass(eq=False)
class Unit:
    """One resource on its way. ``choice`` says how it is shipped where ``join`` isn't what is waited for.

    ``snapshot`` is known once the controller has named it. Times are those of the pace's clock, except ``began``,
    which is in seconds since the epoch. In the end there is ``result`` or ``error``.
    """

    look: Look
    choice: Choice | None = None
    join: Backup | None = None
    satisfied: Backup | None = None
    error: SnapshipError | None = None
    result: Backup | None = None
    snapshot: str | None = None
    started: bool = False
    joined: bool = False
    began: float | None = None
    watched: float = 0.0
    seconds: float | None = None
    missing: float | None = None
    abort_at: float | None = None
    unsure: SnapshipError | None = None
    current: Backup | None = None
    judged: bool = False
    reason: str = ""
    replies: Replies = dataclasses.field(default_factory=Replies)
    actions: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def resource(self) -> str:
        """Its name."""
        return self.look.resource

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to wait for."""
        return self.satisfied is not None or self.result is not None or self.error is not None


class Shipping:
    """A run: at most ``order.parallel`` shipments at once, all watched with one list request at a time."""

    def __init__(self, cluster: Cluster, order: Order, wish: Wish, pace: Pace) -> None:
        self.cluster = cluster
        self.order = order
        self.wish = wish
        self.pace = pace
        self.waiting: collections.deque[Unit] = collections.deque()
        self.running: list[Unit] = []
        self.starting: dict[concurrent.futures.Future[Replies], Unit] = {}
        self.fatal: SnapshipError | None = None

    def run(self, units: Iterable[Unit]) -> None:
        """Bring each unit to its end; one's failure doesn't stop the others."""
        todo = [unit for unit in units if not unit.ended]
        self.waiting.extend(sorted(todo, key=lambda unit: unit.join is None))
        with concurrent.futures.ThreadPoolExecutor(self.order.parallel) as pool:
            while self.waiting or self.starting or self.running:
                self._fill(pool)
                if self.starting:
                    concurrent.futures.wait(self.starting, self.pace.step(), concurrent.futures.FIRST_COMPLETED)
                elif self.running:
                    self.pace.pause()
                self._harvest()
                if self.running:
                    self._look()

    def _fill(self, pool: concurrent.futures.Executor) -> None:
        while self.waiting and len(self.starting) + len(self.running) < self.order.parallel:
            unit = self.waiting.popleft()
            if unit.join is not None:
                self._watch(unit, unit.join.snapshot, joined=True)
                unit.began = unit.join.started or unit.join.created
            elif self.fatal is not None:
                unit.error = _not_started(self.fatal)
            else:
                unit.began = waiting.now()
                self.starting[pool.submit(self._start, unit)] = unit
            self.pace.again()

    def _start(self, unit: Unit) -> Replies:
        """In a worker's thread."""
        if self.wish.snapshot is None:
            taken = max((snap.created or 0.0 for snap in unit.look.snaps), default=0.0)
            # LINSTOR names snapshots by the second; of one name it ships again what it has, not what is there now.
            if 0.0 <= waiting.now() - taken < _NEXT_NAME:
                time.sleep(_NEXT_NAME)
        full = unit.choice is not None and unit.choice.full
        return start(self.cluster, self.order, unit.resource, full, self.wish.snapshot)

    def _watch(self, unit: Unit, snapshot: str | None, joined: bool = False) -> None:
        unit.snapshot, unit.joined, unit.watched = snapshot, joined, self.pace.clock()
        unit.missing, unit.judged = None, False
        self.running.append(unit)

    def _harvest(self) -> None:
        for future in [each for each in self.starting if each.done()]:
            unit = self.starting.pop(future)
            try:
                unit.replies = future.result()
            except LostReply as error:
                unit.unsure = error
                unit.started = True
                unit.actions.append(self.order.describe(unit.resource))
                self._watch(unit, self.wish.snapshot)
            except ControllerError as error:
                self._refused(unit, error)
            except SnapshipError as error:
                unit.error = error
            else:
                unit.started = True
                unit.actions.append(self.order.describe(unit.resource))
                unit.warnings += unit.replies.warnings
                self._watch(unit, unit.replies.ref("Snapshot") or self.wish.snapshot)
            self.pace.again()

    def _refused(self, unit: Unit, error: ControllerError) -> None:
        if error.code == "in_use" and not unit.joined:
            # Somebody else has just started one.
            unit.unsure = error
            self._watch(unit, None, joined=True)
            return
        # To another cluster only what is encrypted needs the passphrase.
        alone = error.code == "locked" and self.order.kind != "s3"
        if error.code in FATAL and not alone or peer_is_away(error):
            self.fatal = error
        unit.error = error

    def _look(self) -> None:
        """One look at all that runs."""
        snaps: dict[str, list[Snap]] | None = None
        trouble: RemoteError | None = None
        queue: frozenset[tuple[str, str]] = frozenset()
        try:
            snaps = list_snapshots(self.cluster, [unit.resource for unit in self.running])
            if any(self._may_be_queued(unit, snaps[unit.resource]) for unit in self.running):
                queue = queued(self.cluster, self.order.remote)
        except RemoteError as error:
            if not unreachable(error):
                for unit in self.running:
                    unit.error = error
                self.running = []
                return
            trouble = error
        watched, self.running = self.running, []
        for unit in watched:
            if snaps is not None and trouble is None:
                self._judge(unit, snaps[unit.resource], queue)
            if not unit.ended and unit not in self.waiting:
                self._check_time(unit, trouble)
            if not unit.ended and unit not in self.waiting:
                self.running.append(unit)

    def _may_be_queued(self, unit: Unit, snaps: list[Snap]) -> bool:
        found = self._find(unit, snaps, frozenset())
        # A snapshot that is shipped once more keeps what became of it the first time until it is its turn.
        again = self.wish.snapshot is not None and not unit.joined
        return found is not None and (found.state == "lost" or again and found.state in ("failed", "aborted"))

    def _find(self, unit: Unit, snaps: list[Snap], queue: frozenset[tuple[str, str]]) -> Backup | None:
        known = {snap.name.lower() for snap in unit.look.snaps}
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

    def _is_of_before(self, unit: Unit, backup: Backup) -> bool:
        """Whether it is what became of the same snapshot before this run had it shipped."""
        if unit.joined or backup.started is None or backup.state not in ("failed", "aborted"):
            return False
        before = (each for each in unit.look.backups if each.snapshot == backup.snapshot)
        return any(each.started == backup.started for each in before)

    def _judge(self, unit: Unit, snaps: list[Snap], queue: frozenset[tuple[str, str]]) -> None:
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
        elif not self.order.wait:
            self._end(unit, backup)

    def _missing(self, unit: Unit, backup: Backup | None, since: float) -> None:
        """It can't be seen: not yet, or not any more."""
        if unit.abort_at is not None and backup is None:
            self._end(unit, None)  # LINSTOR removes the snapshot of what it has aborted
        elif unit.unsure is not None:
            if since > LOOK_FOR:
                unit.error, unit.started = unit.unsure, False
        elif backup is not None:
            if since > GRACE:
                self._failed(unit, backup)
        elif since > 3 * self.pace.interval:
            gone = f"the snapshot {unit.snapshot} of {unit.resource} is gone, and with it what was shipped of it"
            self._lost(unit, RemoteError(f"{gone}.", "Somebody has aborted or deleted it.", "aborted"))

    def _succeeded(self, unit: Unit, backup: Backup) -> None:
        if unit.joined and not would_satisfy(backup, self.wish, waiting.now()):
            self._start_own(unit, backup)
            return
        self._end(unit, backup)

    def _failed(self, unit: Unit, backup: Backup) -> None:
        words = {"lost": "was queued, and isn't any more: the controller has lost it"}
        said = words.get(backup.state, f"ended {backup.state}")
        where = f" (on node {backup.node})" if backup.node else ""
        self._lost(
            unit,
            RemoteError(
                f"shipping {unit.resource} (snapshot {backup.snapshot}) to {self.order.remote} {said}{where}.",
                "Run it again; nothing of earlier backups is lost.",
                "aborted" if backup.state == "aborted" else "shipment_failed",
            ),
            backup,
        )

    def _lost(self, unit: Unit, error: SnapshipError, backup: Backup | None = None) -> None:
        if unit.abort_at is not None:
            self._end(unit, None)
        elif unit.joined and backup is not None:
            unit.warnings.append(f"{error.msg} It had been started before; another one was started.")
            self._start_own(unit, backup)
        else:
            unit.error = error
            unit.current = backup or unit.current

    def _start_own(self, unit: Unit, ended: Backup) -> None:
        """What was waited for didn't bring what is wanted."""
        unit.look = unit.look.later(ended, waiting.now())
        try:
            unit.choice = choose(unit.look, self.wish)
        except SnapshipError as error:
            unit.error = error
            return
        unit.join, unit.joined, unit.snapshot, unit.current = None, False, None, None
        self.waiting.append(unit)

    def _end(self, unit: Unit, backup: Backup | None) -> None:
        if unit.abort_at is not None and unit.error is None:
            unit.error = self._timeout(unit, "It was aborted; nothing of it is left.")
            return
        unit.result = backup
        if unit.began is not None and self.order.wait:
            unit.seconds = round(max(waiting.now() - unit.began, 0.0), 3)

    def _check_kind(self, unit: Unit, backup: Backup, snaps: list[Snap]) -> None:
        """Whether LINSTOR ships what it should: it falls back to a full one without a word."""
        if not unit.started or unit.choice is None:
            return
        unit.reason = unit.choice.reason
        if backup.base is not None:
            if unit.choice.base is None:
                unit.reason = f"LINSTOR has built it on {backup.base}"
            return
        if unit.choice.base is None and self.wish.kind != "incremental":
            return
        why = instead_of_increment(unit.choice.base, snaps, backup.snap, unit.replies)
        unit.reason = f"an increment wasn't possible: {why}"
        if self.wish.kind == "incremental":
            self._stop_full(unit, backup, why)
        else:
            unit.warnings.append(f"{unit.resource}: LINSTOR ships a full one instead of an increment: {why}.")

    def _stop_full(self, unit: Unit, backup: Backup, why: str) -> None:
        ending = "it is complete, and stays"
        if backup.state != "success":
            ending = "it is being aborted" if self._abort(unit) else "it couldn't be aborted, and goes on"
        unit.error = RemoteError(
            f"LINSTOR has started a full one of {unit.resource} although an increment was demanded: {why};"
            f" {ending} (snapshot {backup.snapshot}).",
            "Use type: auto to ship a full one.",
            "no_base",
        )

    def _check_time(self, unit: Unit, trouble: RemoteError | None) -> None:
        now = self.pace.clock()
        if unit.abort_at is not None:
            if now > unit.abort_at + ABORTING_FOR:
                unit.error = self._timeout(unit, "LINSTOR was asked to abort it, and hasn't ended it yet.")
            return
        if now - unit.watched <= self._patience(unit):
            return
        if self.order.abort_on_timeout and unit.snapshot is not None and self._abort(unit):
            unit.abort_at = now
            self.pace.again()
            return
        ending = "LINSTOR goes on by itself; the next run joins it."
        if trouble is not None:
            ending = f"The controller doesn't answer: {trouble.msg}"
        unit.error = unit.unsure or self._timeout(unit, ending)

    def _patience(self, unit: Unit) -> float:
        """How many seconds to wait in the state that it is in."""
        stuck = unit.current is not None and unit.current.state == "preparing"
        return min(self.order.wait_timeout, PREPARING_FOR) if stuck else self.order.wait_timeout

    def _timeout(self, unit: Unit, ending: str) -> SnapshipError:
        state = f" It is {unit.current.state}." if unit.current else ""
        return BusyError(
            f"shipping {unit.resource} to {self.order.remote} (snapshot {unit.snapshot}) hasn't ended within"
            f" {show_duration(self._patience(unit))}.{state} {ending}",
            "The target hasn't begun to receive it: see its controller's log. A remote that is the cluster itself needs"
            " its own cluster_id."
            if unit.current is not None and unit.current.state == "preparing"
            else "Set a longer wait_timeout where that is how long it takes.",
            code="timeout",
        )

    def _abort(self, unit: Unit) -> bool:
        """Ask LINSTOR to end it. What becomes of it is seen in the next lists."""
        if unit.snapshot is None:
            return False
        with contextlib.suppress(LostReply):
            try:
                abort(self.cluster, self.order, unit.resource, unit.snapshot)
            except RemoteError as error:
                unit.warnings.append(f"{unit.resource}: {error.msg}")
                return False
        unit.actions.append(f"abort {unit.resource} (snapshot {unit.snapshot}) to {self.order.remote}")
        return True


def peer_is_away(error: ControllerError) -> bool:
    """Whether the controller says that it can't reach the other cluster's; every resource would wait for that again."""
    text = error.msg.lower()
    return UNKNOWN_ERROR in error.numbers and any(words in text for words in AWAY)


def _not_started(error: SnapshipError) -> SnapshipError:
    return RemoteError(f"not started, as another one has failed with: {error.msg}", error.hint, error.code)
