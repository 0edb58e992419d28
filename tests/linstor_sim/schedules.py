# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scheduled shipments: where schedules are enabled, and when they run next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from ansible_collections.snapship.dr.tests.linstor_sim import l2l, s3_shipping
from ansible_collections.snapship.dr.tests.linstor_sim.backup_delete import Selection, delete
from ansible_collections.snapship.dr.tests.linstor_sim.backup_list import read_metas
from ansible_collections.snapship.dr.tests.linstor_sim.cluster import CONTROLLER, Cluster
from ansible_collections.snapship.dr.tests.linstor_sim.cron import Cron
from ansible_collections.snapship.dr.tests.linstor_sim.replies import Refused
from ansible_collections.snapship.dr.tests.linstor_sim.s3_layout import local
from ansible_collections.snapship.dr.tests.linstor_sim.shipments import FULL, Shipment, is_busy
from ansible_collections.snapship.dr.tests.linstor_sim.state import SUCCESS, Definition, Props, Remote, new_uuid
from ansible_collections.snapship.dr.tests.linstor_sim.status import status_of

_RETRY_MS = 60_000
_BY_SCHEDULE = "Schedule/BackupShippedBySchedule"
Key = tuple[str, str, str]  # resource, remote, schedule


@dataclass
class Schedule:
    """Keeps and retries are None where they are not limited."""

    name: str
    full: Cron
    incremental: Cron | None = None
    keep_local: int | None = None
    keep_remote: int | None = None
    on_failure: str = "SKIP"
    max_retries: int | None = None
    uuid: str = field(default_factory=new_uuid)

    def next(self, after: int) -> tuple[int, bool]:
        """When after a time, both in milliseconds, and whether it is an increment. A full wins."""
        moment = local(after)
        full = int(self.full.after(moment).timestamp() * 1000)
        if self.incremental is None:
            return full, False
        increment = int(self.incremental.after(moment).timestamp() * 1000)
        return (increment, True) if increment < full else (full, False)


@dataclass
class Task:
    """The next shipment of one resource by one schedule to one remote. ``next`` is -1 while one is under way."""

    next: int
    incremental: bool
    retries: int = 0


def levels(cluster: Cluster, definition: Definition) -> list[Props]:
    """The levels on which a schedule can be enabled, the nearest first."""
    return [definition.props, cluster.groups[definition.group].props, cluster.props]


def setting(cluster: Cluster, definition: Definition, remote: str, schedule: str, name: str) -> str | None:
    key = f"Schedule/{remote}/{schedule}/{name}"
    return next((each[key] for each in levels(cluster, definition) if key in each), None)


def pairs(cluster: Cluster, definition: Definition) -> list[tuple[str, str, bool]]:
    """Remote, schedule and whether it is enabled, for all that any level speaks of."""
    found = {}
    for props in reversed(levels(cluster, definition)):
        for key, value in props.items():
            parts = key.split("/")
            if len(parts) == 4 and parts[0] == "Schedule" and parts[3] == "Enabled":
                found[parts[1], parts[2]] = value == "True"
    return [(remote, schedule, enabled) for (remote, schedule), enabled in sorted(found.items())]


def active(cluster: Cluster) -> Iterator[Key]:
    """The schedules that run: enabled ones of deployed resources."""
    for definition in cluster.definitions.values():
        if definition.resources:
            for remote, schedule, enabled in pairs(cluster, definition):
                if enabled and remote in cluster.remotes and schedule in cluster.schedules:
                    yield definition.name, remote, schedule


def step(cluster: Cluster) -> None:
    """Starts what is due."""
    if not cluster.schedules:
        return
    now = cluster.clock.now
    wanted = set(active(cluster))
    for key in [each for each in cluster.tasks if each not in wanted]:
        del cluster.tasks[key]
    for key in sorted(wanted - cluster.tasks.keys()):
        cluster.tasks[key] = Task(*cluster.schedules[key[2]].next(now))
    for key, task in list(cluster.tasks.items()):
        if 0 <= task.next <= now:
            task.next = -1
            _run(cluster, key, task)


def _run(cluster: Cluster, key: Key, task: Task) -> None:
    resource, remote_name, schedule = key
    definition, remote = cluster.definitions[resource], cluster.remotes[remote_name]
    space = f"Schedule/{remote_name}/{schedule}"
    definition.props[f"{space}/LastBackupTime"] = str(cluster.clock.now)
    definition.props[f"{space}/LastBackupInc"] = str(task.incremental)
    node = setting(cluster, definition, remote_name, schedule, "PrefNode") or ""
    try:
        if remote.kind == "s3":
            s3_shipping.create(cluster, remote_name, resource, "", node, task.incremental, schedule)
        else:
            l2l.ship(cluster, remote_name, _wanted(cluster, definition, remote_name, schedule, node, task), schedule)
    except Refused as refused:
        cluster.report(CONTROLLER, str(refused))
        _again(cluster, key, False)


def _wanted(cluster: Cluster, definition: Definition, remote: str, schedule: str, node: str, task: Task) -> l2l.Wanted:
    space = f"Schedule/{remote}/{schedule}/RenameStorpoolMap/"
    rename = {
        key[len(space) :]: value
        for props in reversed(levels(cluster, definition))
        for key, value in props.items()
        if key.startswith(space)
    }
    target = setting(cluster, definition, remote, schedule, "TargetResourceName") or definition.name
    return l2l.Wanted(
        definition.name,
        target,
        node,
        dst_stor_pool=rename.get("*", ""),
        stor_pool_rename=rename,
        dst_rsc_grp=setting(cluster, definition, remote, schedule, "TargetResourceGroup") or "",
        force_restore=setting(cluster, definition, remote, schedule, "ForceRestore") == "True",
        allow_incremental=task.incremental,
    )


def ended(cluster: Cluster, shipment: Shipment, status: str) -> None:
    """Plan the next shipment after a scheduled one, and prune by keep_local and keep_remote."""
    order = shipment.order
    if not order.schedule or order.schedule not in cluster.schedules:
        return
    if status == SUCCESS:
        _prune(cluster, order.definition, order.remote, cluster.schedules[order.schedule])
    _again(cluster, (order.definition.name, order.remote.name, order.schedule), status == SUCCESS)


def _again(cluster: Cluster, key: Key, success: bool) -> None:
    task, schedule = cluster.tasks.get(key), cluster.schedules.get(key[2])
    if task is None or schedule is None:
        return
    allowed = schedule.max_retries is None or task.retries < schedule.max_retries
    if not success and schedule.on_failure == "RETRY" and allowed:
        task.retries += 1
        task.next = cluster.clock.now + _RETRY_MS
        return
    task.retries = 0
    task.next, task.incremental = schedule.next(cluster.clock.now)


def _prune(cluster: Cluster, definition: Definition, remote: Remote, schedule: Schedule) -> None:
    """Whole chains only, the oldest first."""
    if schedule.keep_local is not None:
        mine = [each for each in definition.snapshots.values() if each.props.get(_BY_SCHEDULE) == schedule.name]
        shipped = [each for each in mine if status_of(each, remote.name) == SUCCESS]
        fulls = list(dict.fromkeys(each.source(remote.name, FULL) for each in sorted(shipped, key=lambda s: s.created)))
        kept = set(fulls[-schedule.keep_local :]) if schedule.keep_local else set()
        for each in mine:
            if each.source(remote.name, FULL) not in kept and not is_busy(cluster, each):
                definition.snapshots.pop(each.name, None)
    if schedule.keep_remote is not None and remote.kind == "s3":
        metas = read_metas(cluster, remote, definition.name)
        full = [key for key, meta in metas.items() if meta["rscName"] == definition.name and not meta.get("basedOn")]
        full.sort(key=lambda key: metas[key]["startTimestamp"])
        for key in full[: -schedule.keep_remote] if schedule.keep_remote else full:
            delete(cluster, remote, Selection(id=key, cascading=True), False, True)
