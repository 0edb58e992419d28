# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: a remote is defined on this host, or not."""

from __future__ import annotations

import dataclasses
import secrets
from typing import Any

from ..common.errors import SnapshipError, UnknownError, UsageError
from ..common.fingerprints import digest
from ..common.outcome import Outcome
from ..local.host import Host
from ..remotes.registry import open_store, parse_remote, public, refuse_definition, secret_options, type_of
from ..remotes.spec import RemoteSpec
from ..remotes.store import Capabilities
from ..repository import identity
from ..repository.access import open_catalog
from ..repository.catalog import Catalog
from ..shipments.holds import release_all
from ..streams.codec import lacking

PROBES = ("on_change", "always", "never")


@dataclasses.dataclass
class Request:
    """As the module's options; those of the remote itself in ``options``."""

    name: str
    state: str = "present"
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    probe: str = "on_change"


@dataclasses.dataclass
class Plan:
    """The definition before and after."""

    request: Request
    before: RemoteSpec | None
    after: RemoteSpec | None
    create: bool = False  # create the directory or bucket
    lacking: SnapshipError | None = None  # a library that must be installed first
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.before != self.after or self.create

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(self.changed, warnings=list(self.warnings))
        if self.lacking:
            outcome.warn(f"{self.lacking.msg} A real run would fail unless it is installed first.")
        outcome.before, outcome.after = _diff(self.before, self.after)
        if self.create:
            outcome.before["exists"], outcome.after["exists"] = False, True
        if self.after is not None:
            outcome.items = [_shown(self.after, None)]
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only: checks the definition, and asks the remote whether it exists."""
    if request.state not in ("present", "absent"):
        raise UsageError(f"unknown state {request.state!r}.", "Set it to present or absent.")
    if request.probe not in PROBES:
        raise UsageError(f"unknown probe {request.probe!r}.", f"Set it to one of {', '.join(PROBES)}.")
    before = host.find_remote(request.name)
    if request.state == "absent":
        return Plan(request, before, None)
    after = parse_remote(request.name, request.options)
    plan = Plan(request, before, after)
    if request.probe == "always" or (request.probe == "on_change" and before != after):
        plan.lacking = lacking(after.compression, after.encryption_key is not None, not after.read_only)
        catalog = open_catalog(after, host)
        try:
            plan.create = _missing(host, catalog)
            if not plan.create:
                catalog.store.probe(False, False)
        finally:
            catalog.store.close()
    elif type_of(after).local:
        catalog = open_catalog(after, host)
        try:
            plan.create = _missing(host, catalog)
        finally:
            catalog.store.close()
    return plan


def _missing(host: Host, catalog: Catalog) -> bool:
    """Whether the place is missing and will be created. Raises RemoteError where it isn't the one this host knows."""
    creates = type_of(catalog.spec).creates(catalog.spec, True) and not catalog.spec.read_only
    asks = creates or type_of(catalog.spec).local
    catalog.absent = asks and not catalog.store.exists()
    identity.check(catalog, host)
    return creates and catalog.absent


def apply(host: Host, plan: Plan) -> Outcome:
    """Create what is missing, try the remote, and only then save the definition."""
    if plan.lacking:
        raise plan.lacking
    outcome = plan.preview()
    if plan.after is None:
        if plan.before is not None:
            release_all(host, open_store(plan.before).location)
            host.forget_remote(plan.request.name)
        return outcome
    found: Capabilities | None = None
    probe = plan.request.probe
    probing = probe == "always" or probe == "on_change" and plan.changed
    catalog = open_catalog(plan.after, host)
    try:
        if plan.create:
            catalog.store.create()
        elif probing:
            identity.check(catalog, host)
        if probing:
            writes = not plan.after.read_only
            found = catalog.store.probe(writes, writes and not plan.after.append_only)
            if writes:
                identity.settle(catalog, host)
    finally:
        catalog.store.close()
    if plan.before != plan.after:
        host.save_remote(plan.after)
        _remember(host, plan.after, found)
    outcome.items = [_shown(plan.after, found or _remembered(host, plan.after))]
    return outcome


def _remember(host: Host, spec: RemoteSpec, found: Capabilities | None) -> None:
    host.remember_capabilities(spec.name, dict(found._asdict()) if found else None)


def _remembered(host: Host, spec: RemoteSpec) -> Capabilities | None:
    stored = host.capabilities(spec.name)
    if stored is None or set(stored) != set(Capabilities._fields):
        return None  # of another version
    return Capabilities(**{name: value if isinstance(value, bool) else None for name, value in stored.items()})


def _shown(spec: RemoteSpec, found: Capabilities | None) -> dict[str, Any]:
    shown = public(spec)
    shown["location"] = open_store(spec).location
    shown["capabilities"] = dict(found._asdict()) if found else None
    return shown


def _diff(before: RemoteSpec | None, after: RemoteSpec | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """For --diff: secrets as fingerprints. Their salt is thrown away, so they only tell whether secrets differ."""
    salt = secrets.token_bytes(16)
    return _fingerprinted(before, salt), _fingerprinted(after, salt)


def _fingerprinted(spec: RemoteSpec | None, salt: bytes) -> dict[str, Any]:
    if spec is None:
        return {}
    shown = public(spec)
    values = spec.to_json()
    for name in secret_options():
        if shown[name]:
            shown[name] = f"(set, fingerprint {digest(repr(values[name]), salt, 4, cost=1024).hex()})"
        else:
            shown[name] = None
    return shown


def describe(host: Host, name: str | None = None, probe: bool = False) -> list[dict[str, Any]]:
    """The remotes defined on this host, or one of them, with their capabilities; never a secret."""
    refuse_definition(name or "")
    names = host.remote_names()
    if name is not None and name not in names:
        raise host_unknown(host, name)
    shown = []
    for each in [name] if name is not None else names:
        spec = host.find_remote(each)
        if spec is None:
            continue
        item = _shown(spec, _remembered(host, spec))
        if probe:
            item.update(_tried(host, spec))
        shown.append(item)
    return shown


def host_unknown(host: Host, name: str) -> SnapshipError:
    """The error for a remote that isn't defined."""
    try:
        host.remote(name)
    except SnapshipError as error:
        return error
    return UnknownError(f"remote {name!r} isn't defined.", code="unknown_remote")


def _tried(host: Host, spec: RemoteSpec) -> dict[str, Any]:
    """Whether the remote answers now; reads only."""
    catalog = open_catalog(spec, host)
    try:
        catalog.store.probe(False, False)
        identity.check(catalog, host)
    except SnapshipError as error:
        return {"reachable": False, "problem": str(error)}
    finally:
        catalog.store.close()
    return {"reachable": True, "problem": None}
