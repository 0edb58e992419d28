# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: backups were verified, recently enough."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from typing import Any

from ..common.errors import CorruptError, SnapshipError, UsageError, need
from ..common.outcome import Outcome
from ..common.units import FUTURE_TOLERANCE, iso_time, parse_duration
from ..common.workers import Workers
from ..local.host import Host
from ..repository.access import OnRemoteThen, open_for_reading, warn_of_missing, would_fail
from ..repository.backup_item import from_manifest
from ..repository.catalog import Catalog, advice
from ..repository.chains import Chains
from ..repository.manifest import Manifest
from ..restores.backup_choice import WantedBackup, find_chain, passed_over
from ..restores.fetch import explain_damage
from ..restores.proofs import PROOFS, Proof, Task

# Which proofs also prove what a weaker one would.
_COVERED_BY = {
    "metadata": ("metadata", "data", "restore"),
    "data": ("data", "restore"),
    "source": ("source",),
    "restore": ("restore",),
}


@dataclasses.dataclass
class Request(OnRemoteThen):
    """As the module's options; durations as users write them."""

    volumes: list[str] = dataclasses.field(default_factory=list)
    provider: str | None = None
    backup: str | None = None
    mode: str = "metadata"
    max_age: Any = None
    scratch: str | None = None
    pool: str | None = None
    parallel: int = 4
    lock_timeout: Any = "1h"


@dataclasses.dataclass
class VerifyItem:
    """One volume's backup, and when it was last verified."""

    volume: str
    chains: Chains | None = None
    chain: list[Manifest] = dataclasses.field(default_factory=list)
    verified: float | None = None  # seconds since the epoch, if recent enough
    error: SnapshipError | None = None

    @property
    def backup(self) -> Manifest:
        return self.chain[-1]


@dataclasses.dataclass
class Plan:
    """The backups to verify."""

    request: Request
    host: Host
    origin: str
    items: list[VerifyItem]
    catalog: Catalog | None = None
    remote_name: str = ""
    missing_remote: SnapshipError | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(warnings=list(self.warnings))
        warn_of_missing(outcome, self.missing_remote)
        for item in self.items:
            if would_fail(outcome, item.error):
                continue
            outcome.changed = outcome.changed or item.verified is None
            _show(self, outcome, item, item.verified, Proof())
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises for options that don't go together. The error of one volume is kept in its item."""
    age = _check(request)
    volumes = list(dict.fromkeys(request.volumes))
    plan = Plan(request, host, host.origin(request.origin), [VerifyItem(volume) for volume in volumes])
    catalog = open_for_reading(plan, request)
    if catalog is None:
        return plan
    for item in plan.items:
        try:
            wanted = WantedBackup(request.backup, None, None)
            item.chains, item.chain = find_chain(catalog, plan.origin, item.volume, wanted)
            plan.warnings += passed_over(item.chains, item.backup, wanted)
            item.verified = _recent(plan, item, age)
        except SnapshipError as error:
            item.error = error.about(volume=item.volume, remote=plan.remote_name)
    return plan


def _check(request: Request) -> float | None:
    if not request.volumes:
        raise UsageError("volumes is empty.")
    if request.mode not in PROOFS:
        raise UsageError(f"unknown mode {request.mode!r}.", f"Set it to one of {', '.join(PROOFS)}.")
    if request.backup not in (None, "latest") and len(request.volumes) > 1:
        raise UsageError("backup is the id of one volume's backup, but several volumes are given.")
    if request.parallel < 1:
        raise UsageError("parallel must be at least 1.")
    if request.as_of is not None and request.max_age is not None:
        raise UsageError("max_age and as_of can't both be given: what a remote was proves nothing about what it is.")
    parse_duration(request.lock_timeout, "lock_timeout")
    return None if request.max_age is None else parse_duration(request.max_age, "max_age")


def _recent(plan: Plan, item: VerifyItem, age: float | None) -> float | None:
    """When the backup was verified in this mode or a stronger one, if within ``age`` seconds."""
    if not age:
        return None
    location = need(plan.catalog, "plan() opens it").store.location
    known = plan.host.verified(location, plan.origin, item.volume).get(item.backup.id, {})
    times = [known[mode] for mode in _COVERED_BY[plan.request.mode] if mode in known]
    now = time.time()
    return max((each for each in times if -FUTURE_TOLERANCE <= now - each <= age), default=None)


def apply(host: Host, plan: Plan) -> Outcome:
    """Verify what the plan says, one volume after the other. A failed volume doesn't stop the others."""
    if plan.missing_remote:
        raise plan.missing_remote
    catalog = need(plan.catalog, "a plan with a remote has opened it")
    outcome = Outcome(warnings=list(plan.warnings))
    with contextlib.ExitStack() as stack:
        stack.callback(catalog.store.close)
        workers = stack.enter_context(Workers(plan.request.parallel))
        for item in plan.items:
            try:
                if item.error is not None:
                    raise item.error
                _verify(plan, catalog, item, workers, outcome)
            except SnapshipError as error:
                outcome.failures.append(error.about(volume=item.volume, remote=plan.remote_name).as_dict())
    return outcome


def _verify(plan: Plan, catalog: Catalog, item: VerifyItem, workers: Workers, outcome: Outcome) -> None:
    if item.verified is not None:
        _show(plan, outcome, item, item.verified, Proof())
        return
    request, host = plan.request, plan.host

    def progress(done: int, total: int) -> None:
        host.progress(item.volume, done, total)

    task = Task(catalog, item.chain, workers, progress, request.provider, request.scratch, request.pool)
    started = time.monotonic()
    timeout = parse_duration(request.lock_timeout, "lock_timeout")
    try:
        with host.lock(f"verifying {item.volume}", timeout, "verify", request.scratch or item.volume):
            proof = PROOFS[request.mode](task)
    except CorruptError as error:
        chains = need(item.chains, "plan() has listed them")
        if error.code == "corrupt":
            explain_damage(error, item.chain, lambda bad: advice(catalog, chains, bad))
        raise
    proof.seconds = round(time.monotonic() - started, 3)
    now = time.time()
    if request.as_of is None:
        host.note_verified(catalog.store.location, plan.origin, item.volume, item.backup.id, request.mode, now)
    outcome.changed = True
    for text in catalog.cautions(item.chain):
        outcome.warn(text)
    _show(plan, outcome, item, now, proof)


def _show(plan: Plan, outcome: Outcome, item: VerifyItem, verified: float | None, proof: Proof) -> None:
    mode = plan.request.mode
    if not item.chain:
        outcome.after[item.volume] = {"mode": mode}
        return
    shown = from_manifest(item.backup, plan.remote_name)
    for name in ("bytes_sent", "resumed", "reason", "segments", "bytes_changed"):
        shown.pop(name)
    shown.update(
        mode=mode,
        chain=[manifest.id for manifest in item.chain],
        verified=iso_time(verified) if verified is not None else None,
        bytes_read=proof.read,
        bytes_fetched=proof.fetched,
        seconds=proof.seconds,
        actions=proof.actions,
    )
    outcome.items.append(shown)
    was = item.verified
    outcome.before[item.volume] = {"backup": item.backup.id, "verified": iso_time(was) if was is not None else None}
    done = "(now)" if was is None else iso_time(was)
    outcome.after[item.volume] = {"backup": item.backup.id, "verified": done}
