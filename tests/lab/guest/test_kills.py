# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs killed at random moments: pools stay healthy, earlier backups stay good, the next run completes.

``SNAPSHIP_KILLS`` says how many, ``SNAPSHIP_SEED`` repeats a run.
"""

from __future__ import annotations

import collections
import contextlib
import os
import random
import signal
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.health import check_health, check_nothing_left
from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Kind, Thin, Zvol
from ansible_collections.snapship.dr.tests.unit.engine.place import Place

KILLS = int(os.environ.get("SNAPSHIP_KILLS", "4"))
THIN_POOL = {"mib": 3000, "metadata_mib": 16}
MOST = 6  # backups, so that the whole stays quick


class Victim:
    """A volume whose runs get killed, and what must be true of it."""

    def __init__(self, source: Kind, place: Place, rng: random.Random) -> None:
        self.source, self.place, self.rng = source, place, rng
        self.states: dict[str, object] = {}  # by state id, of backups whose content is known
        self.history: list[object] = []  # all that has ever been in the volume while a run began
        self.seconds: dict[str, float] = collections.defaultdict(lambda: 1.0)
        self.killed: collections.Counter[str] = collections.Counter()

    def ship(self, **options: str) -> None:
        outcome = self.place.ship(self.source.volume, **options)
        assert not outcome.failures, outcome.failures

    def restore(self, target: str) -> None:
        outcome = self.place.fetch(self.source.volume, target, overwrite=True, discard_changes=True)
        assert not outcome.failures, outcome.failures

    def verify(self, mode: str) -> None:
        outcome = self.place.verify(self.source.volume, mode=mode)
        assert not outcome.failures, outcome.failures

    def remove(self, backup: str) -> None:
        outcome = self.place.remove(backup, cascade=True)
        assert not outcome.failures, outcome.failures

    def learn(self) -> None:
        """Note what is in the newest backup, which nobody has written to the volume since."""
        newest = self.place.list(self.source.volume, details=True)[0]
        self.states[newest["state_id"]] = self.source.state()

    def check(self, item: dict[str, object]) -> None:
        """Restore a backup and compare; of one that a killed run began, with all that was ever in the volume."""
        target = self.source.target("look")
        outcome = self.place.fetch(self.source.volume, target, backup=str(item["id"]))
        assert not outcome.failures, outcome.failures
        found, known = self.source.state_of(target), self.states.get(str(item["state_id"]))
        assert found == known if known is not None else found in self.history, f"{item['id']} isn't what it was"
        self.source.remove(target)

    def kill(self, what: str, work: Callable[[], None]) -> None:
        """Do it in a process of its own and kill that, alone or with all it started, somewhere on the way."""
        report = self.place.root / "report"
        report.unlink(missing_ok=True)
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            try:
                work()
            except BaseException:  # noqa: BLE001  # told by the parent
                report.write_text(traceback.format_exc())
            os._exit(0)
        with contextlib.suppress(OSError):  # whichever of the two comes first
            os.setpgid(child, child)
        started = time.monotonic()
        time.sleep(self.rng.uniform(0.0, self.seconds[what] * 1.1))
        (os.killpg if self.rng.random() < 0.5 else os.kill)(child, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert not report.exists(), f"{what}: {report.read_text()}"
        if status:
            self.killed[what] += 1
        else:
            self.seconds[what] = time.monotonic() - started


def make(kind: str, request: pytest.FixtureRequest) -> Kind:
    if kind == "lvm":
        return Thin(request.getfixturevalue("thin_pool"), 48)
    pool = request.getfixturevalue("zpool")
    return Filesystem(pool) if kind == "filesystem" else Zvol(pool, 48)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["lvm", "filesystem"])
def test_kill_at_any_moment(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    seed = int(os.environ.get("SNAPSHIP_SEED", "0")) or random.randrange(1 << 31)
    print(f"SNAPSHIP_SEED={seed}")
    rng = random.Random(seed)
    victim = Victim(make(kind, request), Place(tmp_path, grace_period="0s"), rng)
    _measure(victim)
    for _round in range(10 * KILLS):
        _one_round(victim)
        if victim.killed.total() >= KILLS:
            break
    print(f"killed {dict(victim.killed)}")
    assert victim.killed.total() >= KILLS and len(victim.killed) >= min(4, KILLS // 5)
    _end(victim)


def _measure(victim: Victim) -> None:
    victim.source.write(0, victim.rng.randbytes(12 * MIB))
    victim.history.append(victim.source.state())
    for what, work in (
        ("full", lambda: victim.ship(type="full")),
        ("incremental", victim.ship),
        ("restore", lambda: victim.restore(victim.source.target("back"))),
        ("verify", lambda: victim.verify("source")),
    ):
        started = time.monotonic()
        work()
        victim.seconds[what] = time.monotonic() - started
    victim.learn()


def _one_round(victim: Victim) -> None:
    place, source, rng = victim.place, victim.source, victim.rng
    before = {item["id"] for item in place.list(source.volume)}
    source.change(rng)
    victim.history.append(source.state())
    what = rng.choice(["incremental", "incremental", "full", "restore", "verify", "remove"])
    gone: set[str] = set()
    if what == "remove":
        oldest = place.list(source.volume)[-1]["id"]
        gone = {item["id"] for item in place.list(source.volume) if oldest in (item["chain"] or [])}
        if gone == before:
            return
        victim.kill(what, lambda: victim.remove(oldest))
    elif what == "restore":
        victim.kill(what, lambda: victim.restore(source.target("back")))
    elif what == "verify":
        victim.kill(what, lambda: victim.verify(rng.choice(["source", "restore"])))
    else:
        kind = "full" if what == "full" else "auto"
        victim.kill(what, lambda: victim.ship(type=kind))
    after = {item["id"] for item in place.list(source.volume)}
    assert before - gone <= after, "an earlier backup is gone"
    check_health(source)
    for item in place.list(source.volume, details=True):
        assert item["complete"], item["problem"]
    if rng.random() < 0.3:
        victim.ship()  # completes, with what the killed one left
        victim.learn()
        victim.check(place.list(source.volume, details=True)[0])
    if len(place.list(source.volume)) > MOST:
        victim.ship(type="full")
        victim.learn()
        listed = place.list(source.volume)
        victim.remove([item for item in listed if item["type"] == "full"][-1]["id"])


def _end(victim: Victim) -> None:
    """One more run, and everything that is listed restores; nothing is left of all the dead ones."""
    place, source = victim.place, victim.source
    victim.ship()
    victim.learn()
    for item in place.list(source.volume, details=True):
        victim.check(item)
    victim.restore(source.target("back"))
    victim.verify("source")
    victim.verify("restore")
    check_nothing_left(source)
