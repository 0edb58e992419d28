# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: a backup is deleted from a remote.

Its manifest is retired first; the data is deleted when the remote's grace period is over. The base of another backup or
of a running shipment stays.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from ..common.errors import BusyError, SnapshipError, UsageError, need
from ..common.keys import BackupKey, decode, shown
from ..common.outcome import Outcome
from ..common.units import iso_time, parse_duration
from ..local.host import Host
from ..repository import identity
from ..repository import manifest as manifests
from ..repository.access import OnRemote, warn_of_missing
from ..repository.snapship_catalog import SnapshipCatalog
from ..shipments.cleanup import bases_in_use, clean_volume, put_back, retire, sweep_orphans
from ..shipments.newest_note import check_newest, forget_removed


@dataclasses.dataclass
class Request(OnRemote):
    """As the module's options with ``state: absent``."""

    volumes: list[str] = dataclasses.field(default_factory=list)
    id: str = ""
    cascade: bool = False
    accept_lost: list[str] = dataclasses.field(default_factory=list)
    lock_timeout: Any = "1h"


@dataclasses.dataclass
class Plan:
    """The backups to delete, dependants first."""

    request: Request
    origin: str
    catalog: SnapshipCatalog | None
    keys: list[BackupKey]
    missing_remote: SnapshipError | None = None

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(changed=bool(self.keys))
        warn_of_missing(outcome, self.missing_remote)
        _show(self, outcome)
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises UsageError if the backup is the base of others and ``cascade`` isn't set."""
    if not request.id:
        raise UsageError("state: absent needs the id of a backup.")
    if len(request.volumes) > 1:
        raise UsageError("id names the backup of one volume, but several volumes are given.")
    origin = host.origin(request.origin)
    spec = request.find(host)
    if isinstance(spec, SnapshipError):
        return Plan(request, origin, None, [], spec)
    if spec.append_only:
        raise UsageError(
            f"remote {spec.name!r} is append-only: this host deletes nothing there.",
            "Use a remote definition, and a key, that can delete.",
            code="append_only",
        )
    catalog = SnapshipCatalog.open(spec, host)
    catalog.absent = not catalog.store.exists()
    identity.check(catalog, host)
    plan = Plan(request, origin, catalog, _find(catalog, origin, request))
    if plan.keys:
        _check_lost(host, plan, catalog, _volume(catalog, plan.keys))
    return plan


def _volume(catalog: SnapshipCatalog, keys: list[BackupKey]) -> str:
    """The name of their volume."""
    return decode(keys[0].volume) or str(catalog.manifest(keys[0]).fields["volume"])


def _check_lost(host: Host, plan: Plan, catalog: SnapshipCatalog, volume: str) -> str | None:
    chains = catalog.chains(plan.origin, volume)
    return check_newest(host, catalog, plan.origin, volume, chains, plan.request.accept_lost)


def _find(catalog: SnapshipCatalog, origin: str, request: Request) -> list[BackupKey]:
    chains = catalog.chains(origin, request.volumes[0] if request.volumes else None)
    for key in chains.keys:
        if key.id == request.id:
            resting = chains.dependants(key)
            if resting and not request.cascade:
                raise UsageError(
                    f"{len(resting)} backups are based on {key.id}; the newest is {resting[0].id}.",
                    "Set cascade to delete them, too.",
                    code="has_dependants",
                )
            return [*resting, key]
    return []


def apply(host: Host, plan: Plan) -> Outcome:
    """Retire, look again, remove what can go."""
    if plan.missing_remote:
        raise plan.missing_remote
    catalog = need(plan.catalog, "a plan with a remote has opened it")
    outcome = Outcome()
    with contextlib.ExitStack() as stack:
        stack.callback(catalog.store.close)
        if plan.keys:
            identity.settle(catalog, host)
            volume = _volume(catalog, plan.keys)
            timeout = parse_duration(plan.request.lock_timeout, "lock_timeout")
            what = f"volume {volume}"
            stack.enter_context(host.lock(what, timeout, catalog.store.location, plan.origin, volume))
            plan.keys = _find(catalog, plan.origin, plan.request)
            outcome.changed = bool(plan.keys)
            removed = {_check_lost(host, plan, catalog, volume), *(key.id for key in plan.keys)}
            _retire_all(catalog, plan.origin, volume, plan.keys)
            forget_removed(host, catalog, plan.origin, volume, removed)
            clean_volume(host, catalog, plan.origin, volume)
            sweep_orphans(catalog, plan.origin, volume)
        _show(plan, outcome)
    return outcome


def _retire_all(catalog: SnapshipCatalog, origin: str, volume: str, keys: list[BackupKey]) -> None:
    """Retire them, dependants first. If one turns out to be a base, put all back and raise BusyError."""
    ids = {key.id for key in keys}
    _refuse_used(catalog, origin, volume, ids)
    retired: list[tuple[BackupKey, bytes]] = []
    for key in keys:
        data = catalog.store.get(key.manifest, manifests.LIMIT)
        if data is not None:
            retire(catalog, key, data)
            retired.append((key, data))
    try:
        _refuse_used(catalog, origin, volume, ids)
    except BusyError:
        for key, data in reversed(retired):
            put_back(catalog, key, data)
        raise


def _refuse_used(catalog: SnapshipCatalog, origin: str, volume: str, ids: set[str]) -> None:
    """Raise BusyError if one of these is the base of a running shipment, or of a backup that came meanwhile."""
    used = ids & bases_in_use(catalog, origin, volume)
    used |= {
        key.base
        for key in catalog.keys("backups", origin, volume)
        if key.base in ids and key.id not in ids and key.base
    }
    if used:
        raise BusyError(
            f"{', '.join(sorted(used))}: a running or just ended shipment is based on it; nothing was deleted.",
            "Try again when the shipment is over; set cascade to delete its backup, too.",
            code="base_in_use",
        )


def _show(plan: Plan, outcome: Outcome) -> None:
    for key in plan.keys:
        item = {
            "id": key.id,
            "volume": decode(key.volume) or key.volume,
            "origin": plan.origin,
            "remote": plan.catalog.spec.name if plan.catalog else plan.request.remote,
            "type": "incremental" if key.base else "full",
            "base": key.base,
            "created": iso_time(key.created),
            "actions": [f"retired {shown(key.manifest)}"],
        }
        outcome.items.append(item)
    outcome.before = {"backups": [key.id for key in plan.keys]}
    outcome.after = {"backups": []}
