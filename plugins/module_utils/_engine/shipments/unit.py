# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Carries out a backup under the volume's lock: resume what an earlier run left, plan again, ship, commit."""

from __future__ import annotations

import contextlib
import dataclasses
import time

from ..common.errors import BaseLostError, SnapshipError, UnknownError, of_system
from ..common.outcome import Outcome
from ..common.units import parse_duration
from ..repository.backup_item import from_manifest
from ..repository.manifest import Manifest
from ..snapshots.selection import looking_at, named
from ..snapshots.take import fresh, fresh_group, take
from ..volumes.provider import Snapshot
from .base.choice import Look, check_owner, choose, look, newest_sound, satisfying
from .cleanup import clean_volume, put_back_used
from .context import Run, UnitPlan
from .delivery import Delivery, deliver
from .newest_note import check_newest, forget_removed
from .pool_pressure import relieve
from .resume import resume
from .source import nothing_changed

ATTEMPTS = 3  # how often a shipment is planned again because its base was removed meanwhile


def plan_unit(run: Run, unit: UnitPlan) -> UnitPlan:
    """Look at the remote and the host, and decide. Reads only. An error is kept in ``error``."""
    planned = UnitPlan(unit.providers)
    try:
        _plan(run, planned)
    except (SnapshipError, OSError, MemoryError) as error:
        told = error if isinstance(error, SnapshipError) else of_system(error)
        planned.error = told.about(volume=", ".join(unit.volumes), remote=run.remote_name)
    return planned


def _plan(run: Run, unit: UnitPlan) -> None:
    catalog, wish = run.open_catalog, run.wish
    looks = {
        volume: look(catalog, provider, wish.origin, volume, run.proof(volume))
        for volume, provider in unit.providers.items()
    }
    for volume, found in looks.items():
        removed = check_newest(run.host, catalog, wish.origin, volume, found.chains, wish.accept_lost)
        if removed is not None:
            unit.removed[volume] = removed
        unit.newest[volume] = newest_sound(catalog, found)
        check_owner(run.host, wish, unit.newest[volume])
        unit.warnings += found.warnings
    done = {volume: satisfying(catalog, found, wish, unit.newest[volume]) for volume, found in looks.items()}
    manifests = {volume: manifest for volume, manifest in done.items() if manifest}
    if len(manifests) == len(looks) and _one_point(run, unit, manifests):
        unit.satisfied = manifests
        return
    unit.snapshots = _existing(run, unit, looks)
    for volume, found in looks.items():
        unit.choices[volume] = choose(catalog, found, wish, unit.snapshots.get(volume))
        unit.warnings += [text for text in (*found.warnings, *found.proof.warnings) if text not in unit.warnings]
    if run.request.skip_unchanged and all(_unchanged(unit, volume) for volume in unit.volumes):
        unit.satisfied = {volume: choice.base for volume, choice in unit.choices.items() if choice.base}


def _one_point(run: Run, unit: UnitPlan, manifests: dict[str, Manifest]) -> bool:
    """Whether the backups of a group's volumes are of one point in time."""
    if not run.grouped:
        return True
    groups = {manifest.group for manifest in manifests.values()}
    members = [manifest.fields["group"]["members"] for manifest in manifests.values() if manifest.group]
    return len(groups) == 1 and None not in groups and all(sorted(m) == sorted(unit.volumes) for m in members)


def _existing(run: Run, unit: UnitPlan, looks: dict[str, Look]) -> dict[str, Snapshot]:
    """Existing snapshots that can be shipped: the named one, or one that is fresh enough."""
    wish, now = run.wish, time.time()
    by_volume = {volume: found.snapshots for volume, found in looks.items()}
    if run.grouped:
        group = fresh_group(by_volume, wish.max_age, now, wish.snapshot)
        if group is None and wish.snapshot is not None:
            raise UnknownError(
                f"{', '.join(unit.volumes)} have no consistent snapshot {wish.snapshot!r}.",
                "Take it with the snapshot module and consistent: true.",
                code="unknown_snapshot",
            )
        return {each.volume: each for each in group or []}
    volume = unit.volumes[0]
    if wish.snapshot is not None:
        snapshot = named(unit.providers[volume], volume, wish.snapshot)
        if snapshot.flaw:
            raise UnknownError(
                f"snapshot {wish.snapshot!r} of {volume} can't be shipped: {snapshot.flaw}.",
                "Remove it and take a new one.",
                code="snapshot_changed",
            )
        return {volume: snapshot}
    found = fresh(by_volume[volume], wish.max_age or 0.0, now)
    return {volume: found} if found else {}


def _unchanged(unit: UnitPlan, volume: str) -> bool:
    choice, newest, snapshot = unit.choices[volume], unit.newest[volume], unit.snapshots.get(volume)
    if choice.base is None or choice.base_snapshot is None or newest is None or choice.base.id != newest.id:
        return False
    if snapshot is None:
        return unit.providers[volume].unchanged(choice.base_snapshot)
    return nothing_changed(unit.providers[volume], choice.base_snapshot, snapshot)


def run_unit(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    """Make it so. ``outcome`` gets what was done even where this raises."""
    if unit.error is not None:
        raise unit.error
    outcome.warnings += unit.warnings
    for volume, removed in unit.removed.items():
        forget_removed(run.host, run.open_catalog, run.wish.origin, volume, {removed})
    if unit.satisfied:
        _report(run, unit, outcome, unit.satisfied)
        return
    with contextlib.ExitStack() as stack:
        timeout = parse_duration(run.request.lock_timeout, "lock_timeout")
        where = (run.store.location, run.wish.origin)
        stack.enter_context(run.host.locks([(f"volume {each}", (*where, each)) for each in unit.volumes], timeout))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with looking_at([unit.providers]):
                    _run_locked(run, unit, outcome)
                    _relieve_after(run, unit, outcome)
                break
            except BaseLostError as error:
                if attempt == ATTEMPTS:
                    raise
                outcome.warn(f"{error.msg} The backup was planned again.")
                for volume in unit.volumes:
                    run.proofs.pop(volume, None)
        for volume in unit.volumes:
            try:
                clean_volume(run.host, run.open_catalog, run.wish.origin, volume)
            except SnapshipError as error:
                outcome.warn(f"leftovers on the remote couldn't be removed: {error.msg}")


def _run_locked(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    for volume in unit.volumes:
        put_back_used(run.open_catalog, run.wish.origin, volume)
    resumed = resume(run, unit.providers, outcome)
    again = plan_unit(run, unit)
    if again.error is not None:
        raise again.error
    for volume, removed in again.removed.items():
        forget_removed(run.host, run.open_catalog, run.wish.origin, volume, {removed})
    for text in again.warnings:
        outcome.warn(text)
    for volume in unit.volumes:
        run.proof(volume).keep()
    if again.satisfied:
        _report(run, again, outcome, again.satisfied)
    else:
        _relieve(run, again, outcome)
        _take(run, again, outcome)
        resumed = []
        deliveries = [
            Delivery(run, provider, again.snapshots[volume], again.choices[volume])
            for volume, provider in unit.providers.items()
        ]
        deliver(run, deliveries, outcome, again.newest)
    for delivery in resumed:  # what an earlier run had begun satisfies this one
        outcome.items = [delivery.item if item["id"] == delivery.item["id"] else item for item in outcome.items]


def _take(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    """Take the snapshots to ship, unless they exist."""
    if not unit.snapshots:
        made, warnings = take(unit.providers, None, run.grouped, run.request, run.holder, in_place=True)
        unit.snapshots = {each.volume: each for each in made}
        outcome.warnings += warnings
        outcome.changed = True


def _relieve(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    """Make room in pools that get full, but keep what this run needs."""
    spare = {choice.base_snapshot.state_id for choice in unit.choices.values() if choice.base_snapshot}
    spare |= {snapshot.state_id for snapshot in unit.snapshots.values()}
    for volume, provider in unit.providers.items():
        for text in relieve(provider, volume, run.request.pool_high, spare):
            outcome.warn(text)
            outcome.changed = True


def _relieve_after(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    """Make room after shipping. A failure is only a warning: the backup exists, and the next run tries again."""
    try:
        _relieve(run, dataclasses.replace(unit, choices={}, snapshots={}), outcome)
    except SnapshipError as error:
        outcome.warn(f"base snapshots in a full pool couldn't be removed: {error.msg}")


def _report(run: Run, unit: UnitPlan, outcome: Outcome, manifests: dict[str, Manifest]) -> None:
    for volume in unit.volumes:
        outcome.items.append(from_manifest(manifests[volume], run.remote_name))
        outcome.before.setdefault(volume, {"newest": manifests[volume].id})
        outcome.after[volume] = {"newest": manifests[volume].id}
