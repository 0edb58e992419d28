# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Shipments of many resources, a few at a time: each is started or joined, and watched to its end."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Iterable

from ..._engine.common.errors import RemoteError, SnapshipError
from ..api import clock
from ..api.clock import Pace, unreachable
from ..api.cluster import Cluster
from ..api.replies import ControllerError, LostReply, Replies
from ..state.backups import new_name, of_snapshot, queued, under_way, young
from ..state.claims import Claim, Claims
from ..state.liveness import Liveness
from ..state.s3_list import Contents
from ..state.snapshots import Snap, list_snapshots
from ..state.storage_pools import PoolWatch
from .choice import Demand
from .judge import Judge
from .order import Order, start
from .resource_shipment import Ended, ResourceShipment, Stopping, Waiting, Watched
from .timeouts import check_progress, check_time, course, give_up, may_stall

#: seconds after which LINSTOR surely generates another name
_NEXT_NAME = 1.1
#: errors that every resource would have
FATAL = ("locked", "version", "unknown_cluster", "unauthorized", "denied")
#: the general number with which LINSTOR passes on errors of the network, in its own words
UNKNOWN_ERROR = 998
AWAY = ("connection refused", "timed out", "no route to host", "network is unreachable", "name or service not known")


class Shipping:
    """A run: at most ``order.parallel`` shipments at once, all watched by one list request at a time.

    ``pools``: the watch over the target's storage pools, if the target can be read.
    """

    def __init__(
        self, cluster: Cluster, order: Order, demand: Demand, pace: Pace, pools: PoolWatch | None = None
    ) -> None:
        self.cluster = cluster
        self.order = order
        self.demand = demand
        self.pace = pace
        self.pools = pools
        self.liveness = Liveness(cluster, pools.cluster if pools else None, order.stall_timeout, pace.clock)
        self.contents = Contents(cluster, order.remote)
        self.judge = Judge(cluster, order, demand, pace, self.liveness, self.contents)
        self.waiting: collections.deque[ResourceShipment] = collections.deque()
        self.running: list[ResourceShipment] = []
        self.starting: dict[concurrent.futures.Future[Replies], ResourceShipment] = {}
        self.fatal: SnapshipError | None = None
        self.claims = Claims(cluster, order.remote)

    def run(self, shipments: Iterable[ResourceShipment]) -> None:
        """Finish each one. A failed one doesn't stop the others."""
        todo = [shipment for shipment in shipments if not shipment.over]
        self.waiting.extend(sorted(todo, key=lambda shipment: shipment.join is None))
        with concurrent.futures.ThreadPoolExecutor(self.order.parallel) as pool:
            while self.waiting or self.starting or self.running:
                self._claim()
                self._fill(pool)
                if self.starting:
                    concurrent.futures.wait(self.starting, self.pace.step(), concurrent.futures.FIRST_COMPLETED)
                elif self.running:
                    self.pace.pause()
                self._harvest()
                if self.running:
                    self._look()
                self._release(todo)
        self._release(todo, at_end=True)

    def _claim(self) -> None:
        """Claim what this run will start. What another run has claimed is joined, whether it has begun or not."""
        fresh = [each for each in self.waiting if each.join is None and not self.claims.claimed(each.resource)]
        if not fresh or self.fatal is not None:
            return
        for each in fresh:
            each.name = self.demand.snapshot or each.name or self._new_name()
        try:
            taken = self.claims.take({each.resource: each.name for each in fresh})
            mine = [each for each in fresh if each.resource.lower() not in taken.ahead]
            snaps = list_snapshots(self.cluster, [each.resource for each in mine]) if mine else {}
        except RemoteError as error:
            for each in fresh:
                self.waiting.remove(each)
                each.fail(error)
            return
        for each in fresh:
            name = each.resource.lower()
            if name in taken.ahead:
                self.waiting.remove(each)
                each.promised(taken.ahead[name].snapshot, clock.now(), self.pace.clock())
                self.running.append(each)
            else:
                self._look_again(each, snaps[each.resource], taken.left.get(name))

    def _new_name(self) -> str:
        """A name for a snapshot that nobody else gives; "" where only LINSTOR can name it."""
        if self.order.kind != "s3" and self.cluster.rest_version < (1, 27):
            return ""
        return new_name(clock.now())

    def _look_again(self, shipment: ResourceShipment, snaps: list[Snap], left: Claim | None) -> None:
        """Join what another run has started since the plan was made, or what a run that was killed has begun."""
        resource, remote = shipment.resource, self.order.remote
        judged = [snap for snap in shipment.history.snaps if of_snapshot(resource, snap, remote) is not None]
        known = {snap.name.lower() for snap in judged}
        for snap in reversed(snaps):
            backup = of_snapshot(resource, snap, remote)
            ours = left is not None and snap.name.lower() == left.snapshot.lower() and not snap.failed
            if ours and backup is None and self.demand.snapshot is None:
                backup = young(resource, snap)
            if backup is None or not backup.young and snap.name.lower() in known:
                continue
            if backup.young or backup.state == "success" or under_way(backup, clock.now()):
                shipment.wait(backup)
                return
        if left is not None and self.demand.snapshot in (None, left.snapshot):
            there = any(snap.name.lower() == left.snapshot.lower() for snap in snaps)
            if left.snapshot and (not there or self.demand.snapshot is not None):
                shipment.name, shipment.resumed = left.snapshot, True

    def _release(self, shipments: Iterable[ResourceShipment], at_end: bool = False) -> None:
        """Give up the claims on what others can see by itself: the snapshot records its shipment, or it is over."""
        if at_end or self.claims.is_time:
            with contextlib.suppress(RemoteError):  # later runs see that this one has ended
                self.claims.drop(each.resource for each in shipments if _is_known(each))
                self.claims.beat()

    def _fill(self, pool: concurrent.futures.Executor) -> None:
        while self.waiting and len(self.starting) + self._busy() < self.order.parallel:
            shipment = self.waiting.popleft()
            if shipment.join is not None:
                shipment.joined(self.pace.clock())
                self.running.append(shipment)
            elif self.fatal is not None:
                shipment.fail(_not_started(self.fatal))
            else:
                shipment.start(clock.now())
                self.starting[pool.submit(self._start, shipment)] = shipment
            self.pace.again()

    def _busy(self) -> int:
        """How many shipments are under way. What another run is yet to start takes none of this run's places."""
        return sum(not each.watched.promised or each.watched.seen is not None for each in self.running)

    def _start(self, shipment: ResourceShipment) -> Replies:
        """Start a shipment, in a worker's thread."""
        if not shipment.name:
            taken = max((snap.time or 0.0 for snap in shipment.history.snaps), default=0.0)
            # LINSTOR names snapshots by the second. With the same name it ships the existing snapshot again.
            if 0.0 <= clock.now() - taken < _NEXT_NAME:
                time.sleep(_NEXT_NAME)
        full = shipment.choice is not None and shipment.choice.full
        try:
            return start(self.cluster, self.order, shipment.resource, full, shipment.name or None)
        except ControllerError as error:
            if error.code != "not_found" or self.order.kind == "s3" or self.demand.snapshot is not None:
                raise
        shipment.name = ""  # a controller that takes a name only for what is there: it chooses the name itself
        return start(self.cluster, self.order, shipment.resource, full, None)

    def _harvest(self) -> None:
        for future in [each for each in self.starting if each.done()]:
            shipment, now = self.starting.pop(future), self.pace.clock()
            action = self.order.describe(shipment.resource)
            try:
                replies = future.result()
            except LostReply as error:
                shipment.unanswered(action, error, shipment.name or None, now)
            except ControllerError as error:
                self._refused(shipment, error)
            except SnapshipError as error:
                shipment.fail(error)
            else:
                shipment.accepted(action, replies, replies.ref("Snapshot") or shipment.name or None, now)
            if not shipment.over:
                self.running.append(shipment)
            self.pace.again()

    def _refused(self, shipment: ResourceShipment, error: ControllerError) -> None:
        if error.code in ("in_use", "exists") or shipment.resumed:
            shipment.overtaken(error, self.pace.clock())
            return
        # For a LINSTOR remote, only encrypted resources need the passphrase.
        alone = error.code == "locked" and self.order.kind != "s3"
        if error.code in FATAL and not alone or peer_is_away(error):
            self.fatal = error
        shipment.fail(error)

    def _look(self) -> None:
        """Check all running shipments once."""
        if self.pools is not None:
            self.pools.glance()
        snaps: dict[str, list[Snap]] | None = None
        trouble: RemoteError | None = None
        queue: frozenset[tuple[str, str]] = frozenset()
        claimed: set[str] = set()
        try:
            promised = [each.resource for each in self.running if each.watched.promised and not each.watched.seen]
            if promised:  # read before the snapshots: without a claim there is a snapshot, or nobody ships it
                claimed = self.claims.held_by_others(promised)
            snaps = list_snapshots(self.cluster, [shipment.resource for shipment in self.running])
            if any(self.judge.may_be_queued(each, snaps[each.resource]) for each in self.running):
                queue = queued(self.cluster, self.order.remote)
        except RemoteError as error:
            if not unreachable(error):
                for shipment in self.running:
                    shipment.fail(error)
                self.running = []
                return
            trouble = error
        watched, self.running = self.running, []
        self.contents.forget()
        slow = [self.order.target.name_of(each.resource) for each in watched if may_stall(self.order, self.pace, each)]
        if slow and trouble is None:
            self.liveness.look(slow)
        for shipment in watched:
            if snaps is not None and trouble is None:
                here = shipment.resource.lower() in claimed
                self.judge.judge(shipment, snaps[shipment.resource], queue, here)
            if isinstance(shipment.state, Waiting):
                self.waiting.append(shipment)
                continue
            if not shipment.over and trouble is None:
                self._check_progress(shipment)
            if not shipment.over:
                check_time(self.cluster, self.order, self.pace, shipment, trouble)
            if not shipment.over:
                self.running.append(shipment)

    def _check_progress(self, shipment: ResourceShipment) -> None:
        """Give up a shipment that has stood still for too long, unless all of it has arrived."""
        standstill = check_progress(self.order, self.pace, shipment, self.liveness)
        seen = shipment.watched.seen
        if standstill is None or seen is None or self.judge.is_in_bucket(shipment, seen.state):
            return
        if self.liveness.arrived(course(self.order, shipment, self.pace.clock())):
            shipment.warnings.append(
                f"the target has received {shipment.resource} (snapshot {seen.snapshot}) completely, but LINSTOR still"
                f" calls its shipment {seen.state} here."
            )
            shipment.end(dataclasses.replace(seen, state="success"))
            return
        give_up(self.cluster, self.order, self.pace, shipment, standstill)


def _is_known(shipment: ResourceShipment) -> bool:
    state = shipment.state
    if isinstance(state, Ended):
        return not state.backup.young
    return shipment.over or isinstance(state, (Watched, Stopping)) and shipment.watched.seen is not None


def peer_is_away(error: ControllerError) -> bool:
    """Whether the controller can't reach the target's controller. Every other resource would wait for that, too."""
    text = error.msg.lower()
    return UNKNOWN_ERROR in error.numbers and any(words in text for words in AWAY)


def _not_started(error: SnapshipError) -> SnapshipError:
    return RemoteError(f"not started, because another resource failed: {error.msg}", error.hint, error.code)
