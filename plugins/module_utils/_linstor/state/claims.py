# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Which run ships which resource: noted in LINSTOR's key-value store before the controller is asked to.

For a while after such a request its snapshot shows nothing, and a run that is killed doesn't learn its name. So a run
first notes the name that it will give the snapshot. Of several runs that want the same resource one ships it, the
others join it: the bakery algorithm (Lamport, 1974), as the store only reads and writes. Each run has a note a
resource; the one with the smallest ticket comes first, and a run draws its ticket after it has shown that it does.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ..api import clock
from ..api.cluster import Cluster
from ..api.notes import Notes, keep
from ..api.process import is_alive, this_process

#: seconds for which the note of a run on another host may stay as it is before that run counts as dead
SILENT = 90.0
#: seconds between two notes of a run that is alive
BEAT = 20.0
#: seconds after which a run that draws its ticket counts as dead
_DRAWING = 10.0
#: seconds after which nothing of what a dead run has begun can still be invisible
USELESS = 600
_PAUSE = 0.1
_FOLDER = "shipping"


class Claim(NamedTuple):
    """A note: ``run`` will ship a resource or has begun to, as ``snapshot`` ("" if LINSTOR chooses the name).

    ``ticket`` is 0 until it is drawn; ``beat`` counts up while the run is alive; ``began`` is when it was made, in
    seconds since the epoch; ``holder`` is the run's process.
    """

    resource: str
    run: str
    ticket: int
    beat: int
    began: int
    snapshot: str
    holder: str

    @property
    def text(self) -> str:
        """Its value in the store."""
        return f"{self.ticket} {self.beat} {self.began} {self.snapshot or '-'} {self.holder}"


@dataclasses.dataclass(frozen=True)
class Taken:
    """``ahead``: resources that another run ships, with its claim. ``left``: claims of runs that are dead."""

    ahead: Mapping[str, Claim]
    left: Mapping[str, Claim]


class Claims:
    """The claims of one run on one remote. Resources are in lower case, as LINSTOR ignores case in names."""

    def __init__(self, cluster: Cluster, remote: str) -> None:
        self._cluster = cluster
        self._folder = f"{_FOLDER}/{remote.lower()}"
        self._run = secrets.token_hex(6)
        self._mine: dict[str, Claim] = {}
        self._left: dict[str, list[str]] = {}  # keys of dead runs' claims by resource, to be removed with our own
        self._first_seen: dict[str, tuple[str, float]] = {}  # by key: the value, and since when it has been so
        self._old: list[str] = []
        self._beaten = time.monotonic()

    def take(self, names: Mapping[str, str]) -> Taken:
        """Claim resources, each with the name its snapshot is to get. Four requests, if nobody else wants them."""
        holder, began = this_process(), int(clock.now())
        self._put(
            {name.lower(): Claim(name.lower(), self._run, 0, 0, began, snap, holder) for name, snap in names.items()}
        )
        there = self._read()
        ticket = 1 + max((each.ticket for each in there.values()), default=0)
        wanted = {name.lower() for name in names}
        self._put({name: self._mine[name]._replace(ticket=ticket) for name in wanted})
        deadline = time.monotonic() + _DRAWING
        while True:
            others = {key: each for key, each in self._read().items() if each.resource in wanted}
            living = [each for key, each in others.items() if self._lives(key, each)]
            if all(each.ticket for each in living) or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE)
        ahead: dict[str, Claim] = {}
        for each in sorted(living, key=lambda each: (each.ticket, each.run), reverse=True):
            if each.ticket and (each.ticket, each.run) < (ticket, self._run):
                ahead[each.resource] = each
        left: dict[str, Claim] = {}
        for key, each in sorted(others.items(), key=lambda item: item[1].ticket):
            if each not in living and each.resource not in ahead:
                left[each.resource] = each
                self._left.setdefault(each.resource, []).append(key)
        self.drop(ahead)
        old = began - USELESS
        self._old = [key for key, each in there.items() if each.began < old and not self._lives(key, each)]
        return Taken(ahead, left)

    def claimed(self, resource: str) -> bool:
        """Whether this run holds a claim on it."""
        return resource.lower() in self._mine

    def held_by_others(self, resources: Iterable[str]) -> set[str]:
        """Those of these resources that a living run holds a claim on. One request."""
        wanted = {name.lower() for name in resources}
        return {
            each.resource for key, each in self._read().items() if each.resource in wanted and self._lives(key, each)
        }

    @property
    def is_time(self) -> bool:
        """Whether this run should show that it is alive."""
        return bool(self._mine) and time.monotonic() - self._beaten >= BEAT

    def beat(self) -> None:
        """Show that this run is alive. At most one request."""
        self._put({name: each._replace(beat=each.beat + 1) for name, each in self._mine.items()})

    def drop(self, resources: Iterable[str]) -> None:
        """Give up claims; remove those of dead runs on the same resources, and old ones. At most one request."""
        gone: list[str] = []
        for name in {each.lower() for each in resources}:
            if self._mine.pop(name, None) is not None:
                gone += [self._key(name), *self._left.pop(name, [])]
        if gone:
            gone, self._old = list(dict.fromkeys([*gone, *self._old])), []
        keep(self._cluster, {}, gone)

    def _put(self, claims: Mapping[str, Claim]) -> None:
        keep(self._cluster, {self._key(name): each.text for name, each in claims.items()})
        self._mine.update(claims)
        self._beaten = time.monotonic()

    def _key(self, resource: str) -> str:
        return f"{self._folder}/{resource}/{self._run}"

    def _read(self) -> dict[str, Claim]:
        """All other runs' claims on resources for this remote, by key."""
        found: dict[str, Claim] = {}
        for rest, value in Notes.read(self._cluster).under(self._folder).items():
            resource, _slash, run = rest.rpartition("/")
            claim = _parse(resource, run, value)
            if claim is not None and run != self._run:
                found[f"{self._folder}/{rest}"] = claim
        return found

    def _lives(self, key: str, claim: Claim) -> bool:
        alive = is_alive(claim.holder)
        if alive is not None:
            return alive
        now = time.monotonic()
        text, since = self._first_seen.get(key, ("", now))
        if text != claim.text:
            self._first_seen[key] = (claim.text, now)
            return True
        return now - since < SILENT


def _parse(resource: str, run: str, value: str) -> Claim | None:
    fields = value.split(" ")
    if len(fields) != 5 or not all(each.isdecimal() and len(each) < 16 for each in fields[:3]):
        return None
    ticket, beat, began = (int(each) for each in fields[:3])
    return Claim(resource, run, ticket, beat, began, "" if fields[3] == "-" else fields[3], fields[4])
