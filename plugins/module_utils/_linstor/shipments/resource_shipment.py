# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One resource of a run of backups: its past, the state of its shipment, and what is to be said of it.

The states follow one another so::

    Satisfied                                       nothing to do
    Waiting -> Starting -> Watched -> Ended         a shipment of its own
    Waiting -> Watched -> Ended                     another run's shipment is joined
    Watched -> Waiting                              the joined one has ended and isn't enough
    Watched -> Stopping -> Ended or Failed          it took too long and is being aborted

Each but Satisfied may become Failed; Ended, too, when the target turns out not to have it.
"""

from __future__ import annotations

import dataclasses
from typing import TypeVar, Union

from ..._engine.common.errors import SnapshipError, need
from ..api.replies import Replies
from ..state.backups import RemoteBackup
from ..state.liveness import Standstill
from .choice import BaseChoice, History


@dataclasses.dataclass(frozen=True)
class Satisfied:
    """There is a backup that meets the demand."""

    backup: RemoteBackup


@dataclasses.dataclass(frozen=True)
class Waiting:
    """It is to be started or, with ``join``, to be watched from another run's start on."""

    join: RemoteBackup | None = None


@dataclasses.dataclass(frozen=True)
class Starting:
    """The request that starts it is on its way. ``began``: seconds since the epoch."""

    began: float


@dataclasses.dataclass(frozen=True)
class Watched:
    """It is under way. Times are by the pace's clock, except ``began``, which is in seconds since the epoch.

    ``snapshot`` is known once the controller has named it. ``doubt``: the error that leaves open whether it was started
    at all. ``seen``: what was last read of it; ``moved``: when a change of it was last seen; ``trace``: what can be
    seen of the data that arrives; ``missing``: since when it can't be seen; ``aborting``: since when somebody else is
    aborting it. ``compared``: whether it is known to be of the right type. ``promised``: another run has claimed it,
    and may not have begun.
    """

    since: float
    began: float | None
    snapshot: str | None
    joined: bool = False
    doubt: SnapshipError | None = None
    seen: RemoteBackup | None = None
    moved: float = 0.0
    trace: tuple[object, ...] = ()
    missing: float | None = None
    aborting: float | None = None
    compared: bool = False
    promised: bool = False


@dataclasses.dataclass(frozen=True)
class Stopping:
    """It took too long, or stood still. LINSTOR was asked at ``asked`` (by the pace's clock) to abort it."""

    watched: Watched
    asked: float
    standstill: Standstill | None = None


@dataclasses.dataclass(frozen=True)
class Ended:
    """What became of it. ``seconds`` it took, if this run waited for it; ``began``: seconds since the epoch."""

    backup: RemoteBackup
    joined: bool = False
    seconds: float | None = None
    began: float | None = None


@dataclasses.dataclass(frozen=True)
class Failed:
    """``seen``: what was last read of it; ``began``: when it was started, in seconds since the epoch."""

    error: SnapshipError
    seen: RemoteBackup | None = None
    began: float | None = None


State = Union[Satisfied, Waiting, Starting, Watched, Stopping, Ended, Failed]
_S = TypeVar("_S", Waiting, Starting, Watched, Stopping, Ended)


@dataclasses.dataclass(eq=False)
class ResourceShipment:
    """``choice`` says how to ship it, ``name`` how the snapshot is to be called ("": LINSTOR chooses); ``resumed``: a
    run that was killed may have asked for that already. ``started``: whether this run started it; ``replies`` are those
    to that request; ``reason``: why it was shipped so; ``allocated``: the bytes of its largest replica, if known.
    """

    history: History
    state: State = dataclasses.field(default_factory=Waiting)
    choice: BaseChoice | None = None
    name: str = ""
    resumed: bool = False
    started: bool = False
    replies: Replies = dataclasses.field(default_factory=Replies)
    reason: str = ""
    allocated: int | None = None
    actions: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def resource(self) -> str:
        """The resource's name."""
        return self.history.resource

    @property
    def over(self) -> bool:
        """Whether nothing more is to be done."""
        return isinstance(self.state, (Satisfied, Ended, Failed))

    @property
    def error(self) -> SnapshipError | None:
        """Why it failed."""
        return self.state.error if isinstance(self.state, Failed) else None

    @property
    def result(self) -> RemoteBackup | None:
        """What became of it, if this run had to do with it."""
        return self.state.backup if isinstance(self.state, Ended) else None

    @property
    def satisfied(self) -> RemoteBackup | None:
        """The backup because of which there is nothing to do."""
        return self.state.backup if isinstance(self.state, Satisfied) else None

    @property
    def join(self) -> RemoteBackup | None:
        """The shipment of another run to wait for, before it is watched."""
        return self.state.join if isinstance(self.state, Waiting) else None

    @property
    def watched(self) -> Watched:
        """What is known of a shipment under way, also while it is being aborted."""
        if isinstance(self.state, Stopping):
            return self.state.watched
        return self._now(Watched)

    # --- transitions

    def wait(self, join: RemoteBackup | None) -> None:
        """Decide to start it or to join another run's."""
        self._now(Waiting)
        self.state = Waiting(join)

    def start(self, began: float) -> None:
        """The request goes out."""
        self._now(Waiting)
        self.state = Starting(began)

    def accepted(self, action: str, replies: Replies, snapshot: str | None, now: float) -> None:
        """The controller has begun it."""
        began = self._now(Starting).began
        self._began(action)
        self.replies = replies
        self.warnings += replies.warnings
        self.state = Watched(now, began, snapshot)

    def unanswered(self, action: str, doubt: SnapshipError, snapshot: str | None, now: float) -> None:
        """The request went out, and nobody knows whether it arrived."""
        began = self._now(Starting).began
        self._began(action)
        self.state = Watched(now, began, snapshot, doubt=doubt)

    def overtaken(self, doubt: SnapshipError, now: float) -> None:
        """Somebody else has just started a shipment of the resource: the controller refused this one."""
        began = self._now(Starting).began
        self.state = Watched(now, began, self.name if self.resumed else None, joined=True, doubt=doubt)

    def promised(self, snapshot: str, began: float, now: float) -> None:
        """Another run has claimed it, to ship it as ``snapshot`` ("" if it can't know the name)."""
        self._now(Waiting)
        self.state = Watched(now, began, snapshot or None, joined=True, promised=True)

    def joined(self, now: float) -> None:
        """Watch the shipment that was waited for."""
        join = need(self._now(Waiting).join, "there is a shipment to join")
        self.state = Watched(now, join.started or join.created, join.snapshot, joined=True)

    def see(self, seen: RemoteBackup, now: float) -> None:
        """It can be seen."""
        before = self.watched.seen
        same = before is not None and (before.state, before.started) == (seen.state, seen.started)
        moved = self.watched.moved if same else now
        self._update(missing=None, snapshot=seen.snapshot, seen=seen, doubt=None, moved=moved)

    def follow(self, trace: tuple[object, ...], now: float) -> None:
        """The data that arrives may have changed."""
        if trace != self.watched.trace:
            self._update(trace=trace, moved=now)

    def lose_sight(self, now: float) -> float:
        """It can't be seen; returns for how many seconds that has been so."""
        since = now if self.watched.missing is None else self.watched.missing
        self._update(missing=since)
        return now - since

    def being_aborted(self, now: float) -> float:
        """Somebody else is aborting it; returns for how many seconds that has been so."""
        since = now if self.watched.aborting is None else self.watched.aborting
        self._update(aborting=since)
        return now - since

    def compared(self) -> None:
        """Its type needs no second look."""
        self._update(compared=True)

    def stop(self, now: float, standstill: Standstill | None = None) -> None:
        """LINSTOR was asked to abort it."""
        self.state = Stopping(self._now(Watched), now, standstill)

    def again(self, history: History, choice: BaseChoice, snapshot: str = "") -> None:
        """The joined shipment isn't enough: another one is to be started, of ``snapshot`` if that is there already."""
        self._now(Watched)
        self.history, self.choice, self.name, self.resumed = history, choice, snapshot, bool(snapshot)
        self.state = Waiting()

    def end(self, backup: RemoteBackup, seconds: float | None = None) -> None:
        """It is over, or goes on without this run."""
        watched = self.watched if isinstance(self.state, (Watched, Stopping)) else None
        joined = watched.joined if watched is not None else self.join is not None
        self.state = Ended(backup, joined, seconds, watched.began if watched is not None else backup.started)

    def confirmed(self, backup: RemoteBackup) -> None:
        """The remote's own record of it."""
        self.state = dataclasses.replace(self._now(Ended), backup=backup)

    def fail(self, error: SnapshipError, seen: RemoteBackup | None = None) -> None:
        """It is over, and there is no backup."""
        state, began = self.state, None
        if isinstance(state, (Watched, Stopping)):
            seen, began = seen or self.watched.seen, self.watched.began
        elif isinstance(state, Starting):
            began = state.began
        elif isinstance(state, Ended):
            seen, began = seen or state.backup, state.began
        self.state = Failed(error, seen, began)

    def never_began(self, error: SnapshipError) -> None:
        """The request never arrived."""
        self.started = False
        self.fail(error)

    def _began(self, action: str) -> None:
        self.started = True
        self.actions.append(action)

    def _update(self, **facts: object) -> None:
        watched = dataclasses.replace(self.watched, **facts)  # type: ignore[arg-type]  # fields by name
        stopping = isinstance(self.state, Stopping)
        self.state = dataclasses.replace(self.state, watched=watched) if stopping else watched  # type: ignore[arg-type]  # as above

    def _now(self, kind: type[_S]) -> _S:
        """The current state, which must be of this kind."""
        if not isinstance(self.state, kind):
            raise TypeError(f"{self.resource}: a shipment can't go on so from {self.state}.")
        return self.state
