# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: restore a resource from a backup on S3, or from a snapshot received from another cluster.

A resource counts as restored only if it records this backup; that it exists isn't enough. An existing resource is
replaced only after the new state has arrived completely.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable

from ..._engine.common.errors import SnapshipError, UsageError, VolumeError, need
from ..._engine.common.outcome import Outcome
from ..._engine.common.units import iso_time, parse_duration, parse_time
from ..api.cluster import Cluster
from ..api.notes import Notes
from ..restores import points
from ..restores.item import Item, leave_together
from ..restores.run import carry_out
from ..restores.space import fit, without
from ..restores.trust import DAMAGE
from ..state import provenance
from ..state.arrivals import is_unchecked, record
from ..state.backups import mark_broken
from ..state.origins import resolve
from ..state.resources import Deployed, read_definitions
from ..state.s3_list import dated, read_list
from ..state.snapshots import list_snapshots
from ..state.storage_pools import Pool, read_pools

_ADVICE = "Backups on another cluster are restored there: connect to that cluster and set received_from."
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{1,47}")


@dataclasses.dataclass
class Request:
    """The module's options; ``resources`` are pairs of source and target."""

    remote: str | None = None
    received_from: str | None = None
    resources: list[dict[str, str]] = dataclasses.field(default_factory=list)
    backup: str | None = None
    snapshot: str | None = None
    at: str | None = None
    node: str | None = None
    storage_pool_map: dict[str, str] = dataclasses.field(default_factory=dict)
    resource_group: str | None = None
    passphrase: str | None = None
    download_only: bool = False
    allow_doubtful: bool = False
    overwrite: bool = False
    discard_changes: bool = False
    consistent: bool = False
    wait: bool = True
    wait_timeout: str = "1h"
    stall_timeout: str = "15m"
    poll_interval: str = "5s"


@dataclasses.dataclass
class Plan:
    """The resources to restore."""

    request: Request
    items: list[Item]
    warnings: list[str] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(warnings=list(self.warnings))
        for item in self.items:
            _add(self.request, outcome, item, changed=not item.done)
        return outcome


def _add(request: Request, outcome: Outcome, item: Item, changed: bool) -> None:
    for warning in item.warnings:
        outcome.warn(f"{item.target}: {warning}")
    outcome.changed = outcome.changed or (changed and item.error is None) or bool(item.actions)
    if item.error is not None:
        outcome.failures.append(item.error.as_dict())
        if not item.actions:
            return
    point = item.point
    created = iso_time(point.created) if point and point.created else None
    outcome.items.append(
        {
            "source": item.source,
            "target": item.target,
            "provider": "linstor",
            "id": point.id if point else None,
            "snapshot": point.snapshot if point else None,
            "remote": request.remote,
            "origin": point.origin if point else None,
            "created": created,
            "chain": point.chain if point else [],
            "nodes": list(item.there.diskful) if item.there else [],
            "bytes_logical": sum(item.there.sizes.values()) if item.there and item.there.sizes else None,
            "bytes_fetched": item.download if changed else 0,
            "seconds": item.seconds,
            "state": item.state,
            "changed": changed and item.error is None,
            "actions": item.actions,
        }
    )
    wanted = point.id if point else None
    held = item.was.backup if item.was else None
    outcome.before[item.target] = {"backup": held if changed else wanted, "exists": item.existed}
    outcome.after[item.target] = {"backup": wanted, "exists": True}


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only: definitions, resources, and the remote's list or the snapshots.

    If there is something to do, also snapshots, notes of earlier runs, storage pools, and the needs of each download.
    Raises UsageError for options that contradict each other. A resource's own error is in its item.
    """
    when = _check(request)
    plan = Plan(request, [Item(each["source"], each["target"]) for each in request.resources])
    if when is not None and when[1]:
        plan.warnings.append(f"at {request.at!r} has no offset and was taken as UTC.")
    wanted = points.WantedPoint(request.backup, request.snapshot, when[0] if when else None, request.allow_doubtful)
    there = read_definitions(cluster, [item.target for item in plan.items])
    choose = (_on_remote if request.remote is not None else _received)(cluster, request, wanted)
    for item in plan.items:
        item.there = there.get(item.target.lower())
        item.existed = item.there is not None
        item.was = provenance.read(item.there) if item.there is not None else None
        try:
            item.point = choose(item.source)
            deployed = item.there is not None and bool(item.there.diskful)
            item.done = deployed and not request.download_only and item.is_restored()
        except SnapshipError as error:
            item.error = error.about(volume=item.source, remote=request.remote)
    _look_closer(cluster, request, [item for item in plan.items if item.error is None and not item.done])
    _check_room(cluster, plan)
    if request.consistent:
        leave_together(plan.items)
    return plan


def _look_closer(cluster: Cluster, request: Request, items: list[Item]) -> None:
    """Decide what to do for the resources that aren't restored yet."""
    snaps = list_snapshots(cluster, [item.target for item in items]) if items else {}
    notes: Notes | None = None
    for item in items:
        item.snaps = snaps[item.target]
        try:
            if request.remote is not None and item.there is not None and item.was is None and item.point is not None:
                notes = notes or Notes.read(cluster)
                item.begun = notes.kept.get(item.note_key) == item.point.id
            _decide(request, item)
        except SnapshipError as error:
            item.error = error.about(volume=item.source, remote=request.remote)


_Choose = Callable[[str], points.RestorePoint]


def _on_remote(cluster: Cluster, request: Request, wanted: points.WantedPoint) -> _Choose:
    remote = request.remote or ""
    listing = read_list(cluster, remote, _ADVICE)
    backups = dated(cluster, listing, remote, [each["source"] for each in request.resources])
    mark_broken(backups)

    def choose(source: str) -> points.RestorePoint:
        return points.on_remote(backups, source, remote, wanted)

    return choose


def _received(cluster: Cluster, request: Request, wanted: points.WantedPoint) -> _Choose:
    origin = resolve(cluster, request.received_from or "")
    snaps = list_snapshots(cluster, list(dict.fromkeys(each["source"] for each in request.resources)))

    def choose(source: str) -> points.RestorePoint:
        return points.received(snaps[source], source, origin, wanted)

    return choose


def _decide(request: Request, item: Item) -> None:
    """Decide what to do for one resource. Raises VolumeError if that isn't allowed."""
    if item.there is not None and item.there.diskful and not (request.overwrite or request.download_only or item.begun):
        _may_replace(request, item, item.there)
    item.find_held(request.remote is not None, request.allow_doubtful)
    if request.download_only:
        item.place = False
        item.done = item.held is not None
        return
    there = item.there
    if there is not None and there.restoring and item.begun and item.held is not None:
        item.place = False  # it is downloaded, and LINSTOR is about to create the resource
        return
    if there is None or not there.diskful:
        return
    if item.begun and item.held is not None:
        item.place = False  # LINSTOR has restored it; only the record is missing
        return
    item.replaces = True
    if item.begun and (item.arriving or item.doubtful):
        return  # what is there was made by the earlier run
    _may_replace(request, item, there)


def _may_replace(request: Request, item: Item, there: Deployed) -> None:
    changes = _changes(item, there)
    named = f"resource {there.name}"
    origin = f"was restored from {item.was.backup}" if item.was else "already exists, and isn't an earlier restore"
    if not request.overwrite:
        raise VolumeError(
            f"{named} {origin}. It wasn't changed.",
            "Choose another target. Or set overwrite: true; its data is lost as soon as the new state has arrived.",
            code="target_exists",
        )
    if there.in_use:
        raise VolumeError(
            f"{named} is in use on {', '.join(there.in_use)}. It wasn't changed.",
            "Stop what uses it, then run the task again.",
            code="target_busy",
        )
    if changes and not request.discard_changes:
        raise VolumeError(
            f"{named} {origin}, but {' and '.join(changes)}. It wasn't changed."
            if item.was
            else f"{named} {origin}. It wasn't changed.",
            "Set discard_changes: true if its data may be lost.",
            code="target_changed" if item.was else "target_exists",
        )


def _changes(item: Item, there: Deployed) -> list[str]:
    """Signs that somebody uses it. LINSTOR doesn't tell whether a volume was written to."""
    if item.was is None:
        return ["it isn't an earlier restore"]
    found = []
    own = [snap.name for snap in item.snaps if snap.received is None]
    if own:
        found.append(f"snapshots were taken of it since ({', '.join(own[:3])})")
    if not item.was.pending and item.was.volumes not in ("", "-", there.volumes):
        found.append("its volumes changed in size or number since")
    return found


def _check_room(cluster: Cluster, plan: Plan) -> None:
    """Check that each download fits, and choose its node; and that no received copy is in a pool that is full."""
    request = plan.request
    todo = [item for item in plan.items if item.error is None and not item.done and not item.arriving]
    pools = read_pools(cluster) if todo else []
    for item in todo:
        point = need(item.point, "it was chosen")
        try:
            if not item.needs_download:
                _check_held(request, item, pools)
                continue
            found = fit(
                cluster,
                request.remote or "",
                point.id,
                pools,
                request.node,
                request.storage_pool_map,
                request.passphrase,
            )
            item.node, item.download, item.pools = found.node, found.download, tuple(found.takes)
            pools = without(pools, found)
        except SnapshipError as error:
            item.error = error.about(volume=item.source, remote=request.remote)


def _check_held(request: Request, item: Item, pools: list[Pool]) -> None:
    """Raises VolumeError if the snapshot to restore is in a full pool, unless a doubtful copy will do."""
    held, point = need(item.held, "it is here"), need(item.point, "it was chosen")
    nodes = [request.node] if request.node is not None and request.remote is None else held.nodes
    full = next((pool for pool in pools if pool.is_on(nodes) and pool.is_full), None)
    if point.doubt is not None:
        item.warnings.append(f"the copy {point.id} can't be trusted: {point.doubt}.")
    if full is None:
        return
    unchecked = f" It wasn't checked whether it was full when copy {held.name} arrived." if is_unchecked(held) else ""
    item.suspicion = f"{full.title} was full before anybody had checked the copy" if unchecked else None
    if request.allow_doubtful:
        item.warnings.append(f"{full.title} is full. {DAMAGE}{unchecked}")
        return
    raise VolumeError(
        f"{full.title} is full, so {item.target} wasn't restored. {DAMAGE}{unchecked}",
        "Free space there, or enlarge the pool. Or set allow_doubtful: true to restore anyway.",
        "pool_full",
    )


def _check(request: Request) -> tuple[float, bool] | None:
    if (request.remote is None) == (request.received_from is None):
        raise UsageError(
            "Set either remote or received_from.",
            "remote is for backups on S3, received_from for snapshots that another cluster has shipped to this one.",
        )
    if not request.resources:
        raise UsageError("There is nothing to restore.", "Set source and target, or resources with a list of them.")
    targets = [each["target"].lower() for each in request.resources]
    if len(set(targets)) != len(targets):
        raise UsageError("resources: two of them have the same target.")
    for each in request.resources:
        if not _NAME.fullmatch(each["target"]):
            raise UsageError(
                f"target: {each['target']!r} isn't a valid resource name.",
                "Use 2 to 48 letters, digits, - and _, beginning with a letter or _.",
            )
    given = [name for name in ("backup", "snapshot", "at") if getattr(request, name) is not None]
    if len(given) > 1:
        raise UsageError(f"Set only one of {', '.join(given)}.")
    if request.backup not in (None, "latest") and len(request.resources) > 1:
        raise UsageError(
            "backup: an id belongs to one resource.", "Set at to restore several resources to one point in time."
        )
    if request.received_from is not None and (request.download_only or request.passphrase):
        raise UsageError("download_only and passphrase need remote: received snapshots are already here.")
    if request.discard_changes and not request.overwrite:
        raise UsageError("discard_changes needs overwrite.")
    parse_duration(request.wait_timeout, "wait_timeout")
    parse_duration(request.poll_interval, "poll_interval")
    if parse_duration(request.stall_timeout, "stall_timeout") <= 0:
        raise UsageError("stall_timeout must be more than 0s.")
    return parse_time(request.at, "at") if request.at is not None else None


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Bring each resource there. One's failure doesn't stop the others."""
    request = plan.request
    todo = [item for item in plan.items if item.error is None and not item.done]
    started = time.monotonic()
    for item in plan.items:
        if item.held is not None and item.suspicion is not None:
            record(cluster, item.held, item.suspicion)
    carry_out(cluster, request, todo)
    for item in todo:
        item.seconds = round(item.seconds or time.monotonic() - started, 3)
    outcome = Outcome(warnings=list(plan.warnings))
    for item in plan.items:
        _add(request, outcome, item, changed=item in todo)
    return outcome
