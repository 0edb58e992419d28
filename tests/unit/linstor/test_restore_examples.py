# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the modules that restore, prune and schedule in LINSTOR clusters, run against simulated ones."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.target_names import ShipmentTarget
from ansible_collections.snapship.dr.plugins.modules import (
    linstor_restore,
    linstor_retention,
    linstor_schedule,
    linstor_schedule_info,
)
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.linstor_sim.state import Group, Pool
from ansible_collections.snapship.dr.tests.support.examples import of_module
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, Task, join, protect
from ansible_collections.snapship.dr.tests.unit.linstor.test_backup_guide import play

MODULES = (linstor_restore, linstor_retention, linstor_schedule, linstor_schedule_info)


def test_the_modules_examples(two_clusters: tuple[Simulation, Simulation], tmp_path: Path) -> None:
    home, away = two_clusters
    protect(home, "db", "wal", "web", "mail", "scratch")
    join(home, away)
    home.cluster.pools["charlie", "archive"] = Pool("archive", "charlie", "LVM_THIN")
    for name in ("cheap", "protected"):
        home.cluster.groups[name] = Group(name)
    there = Task(
        home, remote=DR, resources=["db", "wal"], max_age="0s", target=ShipmentTarget(resource="{resource}-dr")
    )
    before = 0.0
    for data in (b"one", b"two"):
        home.write("db", 0, data)
        assert Task(home, resources=["db", "wal"], max_age="0s")().changed
        assert there().changed
        before = before or home.cluster.clock.seconds + 1
        home.advance(5)
        away.advance(5)
    tasks = [task for module in MODULES for task in of_module(module)]
    plays = [{"name": "Run the examples", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    times = {"before_it_happened": iso_time(before)}
    assert play(tmp_path, two_clusters, plays, **times, first_time="true") == 6
    assert play(tmp_path, two_clusters, plays, **times) == 0
    assert home.read("db-restored")[:3] == away.read("db-dr")[:3] == b"two"
    assert home.read("db-before")[:3] == b"one"
    assert list(home.cluster.definition("db-before").resources) == ["charlie"]
    assert home.cluster.definition("db-before").group == "cheap"
