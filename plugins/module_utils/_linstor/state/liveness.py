# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether a shipment or download that LINSTOR calls under way still is.

LINSTOR doesn't tell how far one is, and keeps the state "Shipping" of one that nobody carries any more. What can be
known beside the state: whether the controller was restarted since (its satellites end their shipments when they lose
it), whether the node is connected, and whether free space changes where the data arrives.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..._engine.common.errors import RemoteError
from ..._engine.common.units import iso_time, show_duration
from ..api.cluster import Cluster
from .snapshots import Snap, list_snapshots

#: bytes in a second: what is slower counts as standing still
SLOWEST = 1 << 20
#: LINSTOR tells how full a thin pool is in steps of this part of it
_STEP = 1 / 10_000
_LOOKS = 10
_CONNECTED = ("ONLINE", "CONNECTED", "AUTHENTICATED")
_SOURCE_UUID = "Backup/Target/SourceSnapDfnUUID"
_KIB = 1024


@dataclasses.dataclass(frozen=True)
class Course:
    """A shipment or download under way, in its resource ``target`` where the data arrives.

    ``node`` carries it; ``began``: when, by LINSTOR's record, in seconds since the epoch, with ``skew``, the seconds by
    which the clock of that record and the controller's may differ; ``quiet``: for how many seconds no change of it was
    seen; ``source``: the UUID of the snapshot that is shipped to another cluster;
    ``allowed``: the seconds that it may take if its progress can't be seen, ``None`` if nobody knows.
    """

    node: str | None
    began: float | None
    quiet: float
    target: str
    source: str | None = None
    allowed: float | None = None
    skew: float = 0.0


@dataclasses.dataclass(frozen=True)
class Standstill:
    """Nothing has changed since ``since`` (seconds since the epoch); ``facts``: sentences about what is known."""

    since: float
    facts: tuple[str, ...]

    def text(self, what: str, now: float) -> str:
        """What has stalled, and all that is known about it."""
        said = f"no change of {what} was seen since {iso_time(self.since)[:19]}Z ({show_duration(now - self.since)})."
        return " ".join((said, *self.facts))


@dataclasses.dataclass(frozen=True)
class _Room:
    """A storage pool's space, in bytes."""

    node: str
    free: int
    total: int


class Liveness:
    """The facts, each read again after a tenth of ``timeout``, at most one of them at a look: one request.

    ``target`` is the cluster where the data arrives, if it can be read. ``clock`` gives seconds.
    """

    def __init__(self, cluster: Cluster, target: Cluster | None, timeout: float, clock: Callable[[], float]) -> None:
        self.timeout = timeout
        self._cluster = cluster
        self._target = target
        self._clock = clock
        self._started: float | None = None
        self._nodes: Mapping[str, str] | None = None
        self._rooms: Sequence[_Room] = ()
        self._there: Mapping[str, list[Snap]] | None = None
        self._read_at: dict[str, float] = {}

    def look(self, targets: Sequence[str]) -> None:
        """Read the fact that was read the longest time ago, if that is due. ``targets``: what is received there."""
        names = ["started", "nodes"]
        if self._target is not None:
            names += ["rooms", "there"] if targets else ["rooms"]
        oldest = min(names, key=lambda name: self._read_at.get(name, float("-inf")))
        now = self._clock()
        if now - self._read_at.get(oldest, float("-inf")) < self.timeout / _LOOKS:
            return
        self._read_at[oldest] = now
        with contextlib.suppress(RemoteError):  # what can't be read stays as it was known
            self._read(oldest, targets)

    def read_nodes(self) -> None:
        """Read the nodes' connection states now. One request."""
        with contextlib.suppress(RemoteError):
            self._read("nodes", ())

    def _read(self, name: str, targets: Sequence[str]) -> None:
        if name == "started":
            self._started = self._cluster.started()
        elif name == "nodes":
            answer = self._cluster.read("node_list", what="listing nodes")
            self._nodes = {str(each["name"]).lower(): str(each.get("connection_status")) for each in _data(answer)}
        elif self._target is not None and name == "rooms":
            self._rooms = [
                _Room(
                    str(each.get("node_name") or "").lower(),
                    int(each["free_capacity"]) * _KIB,
                    int(each.get("total_capacity") or 0) * _KIB,
                )
                for each in _data(self._target.read("storage_pool_list", what="listing storage pools"))
                if each.get("free_capacity") is not None and each.get("provider_kind") != "DISKLESS"
            ]
        elif self._target is not None:
            self._there = list_snapshots(self._target, targets)

    def away(self, node: str | None) -> str | None:
        """What is wrong with a node, as a verb; ``None`` if it is connected, or nothing is known."""
        if node is None or self._nodes is None:
            return None
        state = self._nodes.get(node.lower())
        if state is None:
            return "no longer exists"
        return None if state in _CONNECTED else f"is {state}"

    def arrived(self, course: Course) -> bool:
        """Whether the target has received all of it, whatever the source calls it."""
        received = self._received(course)
        return received is not None and received.received is not None and received.received.state == "success"

    def trace(self, course: Course) -> tuple[object, ...]:
        """What differs as soon as data has arrived. Empty as long as nothing is known."""
        received = self._received(course)
        arrival = received.received if received is not None else None
        node = arrival.node if arrival is not None else course.node if course.source is None else None
        rooms = tuple(room.free for room in self._rooms if not node or room.node == node.lower())
        return (*rooms, *((arrival.state,) if arrival is not None else ()))

    def standstill(self, course: Course, now: float) -> Standstill | None:
        """Whether it has stood still for too long. ``now`` is in seconds since the epoch."""
        needed = {"started", "nodes", *(("rooms",) if self._target is not None else ())}
        if self._target is not None and course.source is not None:
            needed.add("there")
        if not needed <= self._read_at.keys():
            return None
        began, started = course.began, self._started
        facts = [f"It began at {iso_time(began)[:19]}Z."] if began is not None else []
        away = self.away(course.node)
        if course.node is not None and self._nodes is not None:
            facts.append(f"Node {course.node}, which carries it, {away or 'is connected'}.")
        if began is not None and started is not None and started > began + course.skew:
            facts.append(
                f"The controller was started at {iso_time(started)[:19]}Z: the satellites end their shipments when they"
                " lose the controller."
            )
            return Standstill(started, tuple(facts)) if now - started >= self.timeout else None
        lost = self._lost(course)
        patience: float | None = self.timeout
        if lost is not None:
            facts.append(lost)
        elif away is None:
            patience, fact = self._patience(course)
            facts.append(fact)
        if patience is None or course.quiet < patience:
            return None
        return Standstill(now - course.quiet, tuple(facts))

    def _patience(self, course: Course) -> tuple[float | None, str]:
        """For how long it may seem to stand still while its node is connected, and why."""
        if not self._rooms:
            fact = "LINSTOR doesn't tell how far it is; it has taken longer than the size and earlier backups suggest."
            return (None if course.allowed is None else max(self.timeout, course.allowed)), fact
        largest = max(room.total for room in self._rooms)
        return max(self.timeout, largest * _STEP / SLOWEST), "The free space where it arrives hasn't changed."

    def _lost(self, course: Course) -> str | None:
        """What is wrong on the side that receives."""
        if self._target is None or self._there is None or course.source is None:
            return None
        received = self._received(course)
        arrival = received.received if received is not None else None
        if arrival is None:
            return f"The target ({self._target.name}) has no snapshot of it."
        return None if arrival.under_way else f"Its state on the target ({self._target.name}) is {arrival.state}."

    def _received(self, course: Course) -> Snap | None:
        if course.source is None or self._there is None:
            return None
        snaps = next((theirs for name, theirs in self._there.items() if name.lower() == course.target.lower()), [])
        return next((snap for snap in snaps if snap.props.get(_SOURCE_UUID) == course.source), None)


def _data(answer: Any) -> list[Mapping[str, Any]]:
    data = getattr(answer, "data_v1", None)
    return [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
