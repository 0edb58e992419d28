# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: volumes have a recent enough backup on a remote, or one of a certain snapshot."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any

from ..common.errors import ConfigError, RemoteError, SnapshipError, UsageError, of_system
from ..common.outcome import Outcome
from ..common.units import FUTURE_TOLERANCE, iso_time, parse_duration, show_duration
from ..common.workers import Workers
from ..local.host import Host
from ..remotes.registry import type_of
from ..repository import identity
from ..repository.access import warn_of_missing
from ..repository.backup_item import from_manifest
from ..repository.snapship_catalog import SnapshipCatalog
from ..shipments.base.choice import Choice, Wish
from ..shipments.context import Request, Run, UnitPlan
from ..shipments.unit import plan_unit, run_unit
from ..snapshots.selection import looking_at, split
from ..streams.codec import lacking

__all__ = ["Plan", "Request", "apply", "plan"]


@dataclasses.dataclass
class Plan:
    """The plan of each unit (a volume or a consistent group), and what they share."""

    run: Run
    units: list[UnitPlan]
    missing_remote: SnapshipError | None = None
    lacking: SnapshipError | None = None  # a library that must be installed first

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome()
        warn_of_missing(outcome, self.missing_remote)
        if self.lacking:
            outcome.warn(f"{self.lacking.msg} A real run would fail unless it is installed first.")
        for unit in self.units:
            outcome.warnings += [text for text in unit.warnings if text not in outcome.warnings]
            if unit.error is not None:
                if unit.error.code not in ("unknown_volume", "unknown_snapshot"):
                    outcome.failures.append(unit.error.as_dict())
                    continue
                outcome.warn(f"{unit.error.msg} A real run would fail unless it is created first.")
            outcome.changed = outcome.changed or not unit.satisfied
            for volume in unit.volumes:
                _preview_volume(outcome, self.run, unit, volume)
        return outcome


def _preview_volume(outcome: Outcome, run: Run, unit: UnitPlan, volume: str) -> None:
    newest = unit.newest.get(volume)
    outcome.before[volume] = {"newest": newest.id if newest else None}
    if unit.satisfied:
        outcome.items.append(from_manifest(unit.satisfied[volume], run.remote_name))
        outcome.after[volume] = outcome.before[volume]
        return
    choice = unit.choices.get(volume) or Choice(None, None, "first backup of this volume on this remote")
    item = _would_ship(run, unit, volume, choice)
    outcome.items.append(item)
    outcome.after[volume] = {"newest": f"(new {item['type']}: {item['reason']})"}


def _would_ship(run: Run, unit: UnitPlan, volume: str, choice: Choice) -> dict[str, Any]:
    """A backup that would be made."""
    snapshot = unit.snapshots.get(volume)
    item: dict[str, Any] = dict.fromkeys(
        ("id", "group", "state_id", "bytes_logical", "bytes_changed", "bytes_stored", "segments")
    )
    item.update(
        provider=unit.providers[volume].name,
        volume=volume,
        origin=run.wish.origin,
        remote=run.remote_name,
        snapshot=snapshot.name if snapshot else run.wish.snapshot,
        type="incremental" if choice.base else "full",
        base=choice.base.id if choice.base else None,
        reason=choice.reason,
        created=iso_time(snapshot.created) if snapshot else None,
        bytes_sent=0,
        seconds=0.0,
        resumed=0,
        encrypted=run.catalog is not None and bool(run.catalog.keyring.writes),
        actions=[],
    )
    return item


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises for options that don't go together. The error of one volume is kept in its unit."""
    wish = _wish(host, request)
    _check_copied(host, request)
    units = split(request.volumes, request.provider, request.consistent, request.recursive)
    run = Run(host, None, wish, request)
    plans = [UnitPlan(members) for members in units]
    spec = request.find(host)
    if isinstance(spec, SnapshipError):
        return Plan(run, plans, missing_remote=spec)
    run.catalog = SnapshipCatalog.open(spec, host)
    run.remote_name = spec.name
    makes = type_of(spec).creates(spec, request.remote_spec is not None)
    run.absent = run.catalog.absent = makes and not run.catalog.store.exists()
    identity.check(run.catalog, host)
    _check_clock(run.catalog, write=False)
    with looking_at(units):
        plan = Plan(run, [plan_unit(run, unit) for unit in plans])
    if any(not unit.satisfied and unit.error is None for unit in plan.units):
        plan.lacking = lacking(spec.compression, spec.encryption_key is not None)
    return plan


def _check_clock(catalog: SnapshipCatalog, write: bool) -> None:
    """Raises RemoteError while this host's clock is ahead: a backup from the future is never trusted."""
    if catalog.absent:
        return
    ahead = time.time() - catalog.store.now(write)
    if ahead > FUTURE_TOLERANCE:
        raise RemoteError(
            f"this host's clock is {show_duration(ahead)} ahead of the clock of {catalog.store.label}.",
            "Correct the clock (NTP): backups with a time in the future are never trusted.",
            code="clock_skew",
            remote=catalog.spec.name,
        )


def _check_copied(host: Host, request: Request) -> None:
    """Raises ConfigError where the kept origin is that of the machine which this one is a copy of."""
    former, kept = host.copied_from(), host.kept_origin()
    if former is None or kept is None or former == request.adopt_origin_from or request.origin not in (None, kept):
        return
    raise ConfigError(
        f"{host.config_dir} was copied from another machine, or this machine was exchanged: origin {kept!r} was kept "
        f"by the machine {former}. Nothing was shipped.",
        "Set origin to a name of this host's own. If this host takes over from that machine, set "
        f"adopt_origin_from: {former}.",
        code="copied_host",
    )


def _wish(host: Host, request: Request) -> Wish:
    if not request.volumes:
        raise UsageError("volumes is empty.")
    if (request.snapshot is None) == (request.max_age is None):
        raise UsageError("set either snapshot or max_age.", "max_age: 0s ships the current state at each run.")
    if request.type not in ("auto", "full", "incremental"):
        raise UsageError(f"unknown type {request.type!r}.", "Set it to auto, full or incremental.")
    if not 1 <= request.pool_high <= 100:
        raise UsageError("pool_high must be a percentage from 1 to 100.")
    if request.parallel < 1:
        raise UsageError("parallel must be at least 1.")
    request.hooks()
    parse_duration(request.lock_timeout, "lock_timeout")
    return Wish(
        origin=host.origin(request.origin),
        kind=request.type,
        max_age=None if request.max_age is None else parse_duration(request.max_age, "max_age"),
        snapshot=request.snapshot,
        full_every=None if request.full_every is None else parse_duration(request.full_every, "full_every"),
        adopt=request.adopt_origin_from,
        accept_lost=frozenset(request.accept_lost),
        check_every=parse_duration(request.check_every, "check_every"),
    )


def apply(host: Host, plan: Plan) -> Outcome:
    """Ship what is missing. A failed unit doesn't stop the others."""
    for error in (plan.missing_remote, plan.lacking):
        if error is not None:
            raise error
    outcome, run = Outcome(), plan.run
    with contextlib.ExitStack() as stack:
        stack.callback(run.store.close)
        if any(not unit.satisfied and unit.error is None for unit in plan.units):
            run.prepare()
            _check_clock(run.open_catalog, write=True)
        elif not run.absent:
            identity.settle(run.open_catalog, host, put=False)
        run.workers = stack.enter_context(Workers(run.request.parallel))
        for result in run.workers.together(plan.units, lambda unit: _run_safely(run, unit)):
            outcome.changed = outcome.changed or result.changed
            outcome.items += result.items
            outcome.failures += result.failures
            outcome.before.update(result.before)
            outcome.after.update(result.after)
            for text in result.warnings:
                outcome.warn(text)
    return outcome


def _run_safely(run: Run, unit: UnitPlan) -> Outcome:
    outcome = Outcome()
    try:
        run_unit(run, unit, outcome)
    except (SnapshipError, OSError, MemoryError) as error:
        told = error if isinstance(error, SnapshipError) else of_system(error)
        outcome.failures.append(told.about(volume=", ".join(unit.volumes), remote=run.remote_name).as_dict())
    return outcome
