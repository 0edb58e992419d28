# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups to a bucket and to another cluster in any order, with whatever may go wrong in between.

``SNAPSHIP_SEED`` chooses another walk, ``SNAPSHIP_STEPS`` makes it longer.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import snapshot
from ansible_collections.snapship.dr.tests.linstor_sim.fixtures import connected
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.engine.place import Place
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, S3, Task, access, join, protect

NAMES = ("db", "db2", "web")
SHIPMENTS = ("fail", "cut", "full", "slow", "stuck")
REFUSED = '[{"ret_code":-4611686018427387804,"message":"no"}]'
REPLIES: tuple[dict[str, Any], ...] = (
    {"status": 500, "body": "oops", "content_type": "text/plain"},
    {"status": 200, "body": REFUSED},
    {"status": 403, "body": ""},
    {"status": 404, "body": "[]"},
    {"status": 500, "body": REFUSED},
)


class Walk:
    """``states``: what each snapshot holds, by resource, name and UUID. ``told``: what was done, for who looks into
    a failure."""

    def __init__(self, home: Simulation, away: Simulation, remote: str, seed: int) -> None:
        self.home, self.away, self.remote = home, away, remote
        self.random = random.Random(seed)
        self.states: dict[tuple[str, str, str], bytes] = {}
        self.told: list[str] = []

    def step(self) -> None:
        moves = [self.write, self.wait, self.forget, self.restart, self.backup, self.named, self.troubled]
        move = self.random.choices(moves, [4, 3, 1, 1, 5, 2, 4])[0]
        self.told.append(move.__name__)
        move()
        self.note()

    def write(self) -> None:
        data = self.random.randbytes(self.random.randrange(1, 1 << 16))
        self.home.write(self.random.choice(NAMES), self.random.randrange(60) << 16, data)

    def wait(self) -> None:
        seconds = self.random.choice([3, 60, 1800, 4000, 90000])
        for each in (self.home, self.away):
            each.advance(seconds)

    def forget(self) -> None:
        """Somebody deletes a snapshot."""
        name = self.random.choice(NAMES)
        there = list(self.home.cluster.definitions[name].snapshots)
        with connected(self.home) as lin:
            lin.snapshot_delete(name, self.random.choice(there or ["none"]))

    def restart(self) -> None:
        self.home.restart()
        self.home.unlock()

    def backup(self) -> None:
        self.settle(
            {"resources": self.some(), "max_age": self.random.choice(["0s", "1m", "1h", "1d"]), **self.wishes()}
        )

    def named(self) -> None:
        resources, name = self.some(), f"named-{len(self.told)}"
        Task(self.home, use_case=snapshot, resources=resources, name=name, consistent=self.random.random() < 0.5)()
        self.settle({"resources": resources, "snapshot": name})

    def troubled(self) -> None:
        resources = self.some()
        for _fault in range(self.random.randrange(1, 3)):
            if self.random.random() < 0.5:
                how = self.random.choice(SHIPMENTS)
                self.home.shipment_fault(how, resource=self.random.choice(resources), seconds=2)
                continue
            how = self.random.choice(["reply", "drop", "refuse", "add"])
            what = self.random.choice(REPLIES) if how == "reply" else {}
            method, skip = self.random.choice(["GET", "POST", ".*"]), self.random.randrange(8)
            self.home.request_fault(how, method=method, skip=skip, entries=({"ret_code": 5, "message": "hm"},), **what)
        self.settle({"resources": resources, "max_age": "0s", "wait_timeout": "3s", "abort_on_timeout": True}, True)

    def some(self) -> list[str]:
        return self.random.sample(NAMES, self.random.randrange(1, 4))

    def wishes(self) -> dict[str, Any]:
        one_in = self.random.random
        return {
            **({"type": self.random.choice(["full", "incremental"])} if one_in() < 0.2 else {}),
            **({"max_chain": self.random.randrange(2, 4)} if one_in() < 0.3 else {}),
            **({"full_every": "1h"} if one_in() < 0.2 else {}),
            **({"wait": False} if one_in() < 0.2 else {}),
        }

    def settle(self, request: dict[str, Any], troubled: bool = False) -> None:
        """A check tells what a run does; whatever becomes of it, the next runs get there, and then nothing is done."""
        request["remote"] = self.remote
        if self.remote == DR and self.random.random() < 0.7:
            request["target_cluster"] = access(self.away)
        self.run(request, troubled)
        for each in (self.home, self.away):
            each.cluster.faults.clear()
        self.home.unlock()
        wanted = {**request, "wait": True, "wait_timeout": "20s", "abort_on_timeout": True}
        wanted.pop("type", None)
        if wanted.get("max_age") == "0s":
            wanted["max_age"] = "10m"
        for _try in range(4):
            outcome = self.run(wanted, True)
            if outcome is not None and not outcome.failures:
                break
            self.home.advance(700)
            self.away.advance(700)
        else:
            raise AssertionError("it doesn't get there")
        before = self.writes()
        again = Task(self.home, **wanted)()
        assert (again.changed, again.failures, self.writes()) == (False, [], before)

    def run(self, request: dict[str, Any], troubled: bool) -> Outcome | None:
        self.told.append(str({key: value for key, value in request.items() if key != "target_cluster"}))
        task, before = Task(self.home, **request), self.writes()
        try:
            planned = task(check=True)
            assert troubled or self.writes() == before, "a check has written"
            outcome = task()
        except SnapshipError as error:
            assert troubled, error
            return None
        finally:
            self.note()
        self.told.append(f"{outcome.items} {outcome.failures} {outcome.warnings}")
        assert self.writes() - before <= len(request["resources"]) * (1 + troubled), "something was shipped twice"
        if not troubled and not outcome.failures and not any("queue" in each for each in outcome.warnings):
            assert planned.changed == outcome.changed
            assert [item["type"] for item in planned.items] == [item["type"] for item in outcome.items]
        return outcome

    def writes(self) -> int:
        """How many shipments were asked for. The peers' own requests are none."""
        counts = self.home.counts()
        return sum(counts.get(f"POST /v1/remotes/{{remote}}/backups{end}", 0) for end in ("", "/ship"))

    def note(self) -> None:
        for name in NAMES:
            for snap in self.home.cluster.definitions[name].snapshots.values():
                self.states.setdefault((name, snap.name, snap.uuid), snap.volumes[0].content.read())


@pytest.mark.timeout(3600)  # only ends what hangs
@pytest.mark.parametrize("remote", [S3, DR])
def test_a_random_walk(
    two_clusters: tuple[Simulation, Simulation], remote: str, bucket_directory: Path, tmp_path: Path
) -> None:
    home, away = two_clusters
    seed = int(os.environ.get("SNAPSHIP_SEED", "4"))
    protect(home, *NAMES)
    join(home, away)
    walk = Walk(home, away, remote, seed)
    try:
        for _step in range(int(os.environ.get("SNAPSHIP_STEPS", "12"))):
            walk.step()
    except BaseException:
        print("\n".join(walk.told[-20:]))
        raise
    if remote == S3:
        all_is_as_it_was(walk, Place(tmp_path, layout="linstor", path=str(bucket_directory / "backups")))
    else:
        for resource, definition in away.cluster.definitions.items():
            for snap in definition.snapshots.values():
                states = [
                    state
                    for (name, taken, _uuid), state in walk.states.items()
                    if name == resource and snap.name.startswith(taken)
                ]
                assert snap.restoring or snap.volumes[0].content.read() in states


def all_is_as_it_was(walk: Walk, place: Place) -> None:
    """Each backup that is listed can be restored, and is one of a state that there was."""
    target = place.root / "out.img"
    for item in place.list(origin=None):
        assert item["complete"], item
        outcome = place.fetch(item["volume"], str(target), origin=None, backup=item["id"], overwrite=True)
        assert not outcome.failures, outcome.failures
        states = [
            state
            for (name, taken, _uuid), state in walk.states.items()
            if name == item["volume"] and item["id"].endswith(taken)
        ]
        assert target.read_bytes() in states
