# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The time between an accepted shipment or download and its first status: its snapshot has no flags, no properties."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

from ansible_collections.snapship.dr.tests.linstor_sim import codes
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Refused
from ansible_collections.snapship.dr.tests.linstor_sim.state import Definition, Props, Snapshot


@dataclass
class Young:
    """A snapshot that shows nothing until ``due``, in milliseconds; then ``go_on`` is called."""

    definition: Definition
    snapshot: Snapshot
    props: Props
    flags: list[str]
    due: int
    go_on: Callable[[], object]


def begin(cluster: Cluster, definition: Definition, snapshot: Snapshot, go_on: Callable[[], object]) -> bool:
    """Let the snapshot be young for a while, if clusters are that slow. Returns whether they are."""
    if not cluster.options.young_seconds:
        return False
    due = cluster.clock.now + int(cluster.options.young_seconds * 1000)
    cluster.young.append(Young(definition, snapshot, snapshot.props, snapshot.flags, due, go_on))
    snapshot.props, snapshot.flags = {}, []
    return True


def step(cluster: Cluster) -> None:
    """What was young long enough goes on."""
    for each in [each for each in cluster.young if each.due <= cluster.clock.now]:
        cluster.young.remove(each)
        if each.definition.snapshots.get(each.snapshot.name) is not each.snapshot:
            continue
        each.snapshot.props, each.snapshot.flags = {**each.props, **each.snapshot.props}, each.flags
        with contextlib.suppress(Refused):
            each.go_on()


def check(cluster: Cluster, snapshot: Snapshot) -> None:
    """A snapshot that isn't known to be taken can't be shipped."""
    if "SUCCESSFUL" not in snapshot.flags:
        message = f"Snapshot {snapshot.name} is not successful and can therefore not be shipped."
        raise Refused(codes.FAIL_INVLD_BACKUP_CONFIG, message, report=True)


def is_young(cluster: Cluster, snapshot: Snapshot) -> bool:
    """Whether it is in that time now."""
    return any(each.snapshot is snapshot for each in cluster.young)
