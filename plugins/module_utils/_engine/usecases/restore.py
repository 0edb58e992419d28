# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: restore volumes from backups."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
from typing import Any

from ..common.errors import CorruptError, SnapshipError, UsageError, VolumeError, need
from ..common.outcome import Outcome
from ..common.units import parse_duration, parse_time
from ..common.workers import Workers
from ..local.host import Host
from ..repository.access import OnRemoteThen, open_for_reading, warn_of_missing, would_fail
from ..repository.catalog import Catalog, advice
from ..repository.chains import Chains
from ..repository.manifest import Manifest
from ..restores.backup_choice import WantedBackup, find_chain, passed_over
from ..restores.fetch import Fetched, check_kind, explain_damage, fetch
from ..restores.tree import check_nests, names_below, own_properties
from ..volumes.provider import Provider, ReceiveRequest, RestorePlace, TargetState
from ..volumes.registry import provider_for

_NOT_IN_NAMES = r"[^A-Za-z0-9_.^-]"  # the ids of LINSTOR's backups are names of objects: they may have a slash


@dataclasses.dataclass
class Request(OnRemoteThen):
    """As the module's options."""

    volumes: list[dict[str, str]] = dataclasses.field(default_factory=list)
    provider: str | None = None
    backup: str | None = None
    at: str | None = None
    group: str | None = None
    recursive: bool = False
    overwrite: bool = False
    discard_changes: bool = False
    pool: str | None = None
    properties: list[str] = dataclasses.field(default_factory=list)
    parallel: int = 4
    lock_timeout: Any = "1h"


@dataclasses.dataclass
class RestoreItem:
    """One volume to restore: its source, its target, and what was found."""

    source: str
    place: RestorePlace
    provider: Provider
    chains: Chains | None = None
    manifests: list[Manifest] = dataclasses.field(default_factory=list)
    there: TargetState | None = None
    done: bool = False  # the target already is this backup
    own: bool = False  # the target is an earlier restore that nobody wrote to
    error: SnapshipError | None = None

    @property
    def target(self) -> str:
        return self.place.target

    @property
    def backup(self) -> Manifest:
        return self.manifests[-1]


@dataclasses.dataclass
class Plan:
    """The volumes to restore."""

    request: Request
    host: Host
    origin: str
    catalog: Catalog | None
    items: list[RestoreItem]
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
            outcome.changed = outcome.changed or not item.done
            _show(self, outcome, item, {"changed": not item.done})
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises for options that don't go together. The error of one volume is kept in its item."""
    when = _check(request)
    items = [_item(request, each["source"], each["target"]) for each in request.volumes]
    for item in items if request.recursive else ():
        check_nests(item.provider, item.target)
    plan = Plan(request, host, host.origin(request.origin), None, list(items))
    if when is not None and when[1]:
        plan.warnings.append(f"at: {request.at!r} has no UTC offset and was taken as UTC.")
    catalog = open_for_reading(plan, request)
    if catalog is None:
        return plan
    if request.group is not None and not catalog.is_id(request.group):
        raise UsageError(
            f"{request.group!r} isn't a group id.", "backup_info with details shows the group of a backup."
        )
    complete: set[tuple[str, ...]] = set()
    wanted = WantedBackup(request.backup, when[0] if when else None, request.group, complete)
    for item in items:
        with item.provider.looking_at([item.target]):
            _find(plan, item, wanted)
        if request.recursive and item.manifests:
            below = _below(plan, item)
            for each in below:
                _find(plan, each, WantedBackup(None, None, item.backup.group, complete))
            plan.items += below
    if request.recursive:
        _check_properties(plan)
    targets = [item.target for item in plan.items]
    if len(set(targets)) != len(targets):
        raise UsageError("two volumes have the same target.")
    return plan


def _check_properties(plan: Plan) -> None:
    """Raises UsageError for a property that no volume of the tree has set itself."""
    known = {name for item in plan.items if item.manifests for name in own_properties(item.backup)}
    unknown = [name for name in plan.request.properties if name != "all" and name not in known]
    if unknown and all(item.manifests for item in plan.items):
        raise UsageError(
            f"no volume of the tree has set the property {unknown[0]!r} itself (set are: "
            f"{', '.join(sorted(known)) or 'none'})."
        )


def _item(request: Request, source: str, target: str) -> RestoreItem:
    provider = provider_for(target, request.provider)
    return RestoreItem(source, RestorePlace(provider.normalise(target), request.pool), provider)


def _below(plan: Plan, item: RestoreItem) -> list[RestoreItem]:
    """The volumes below this one in its group, parents first. An error is kept in the item."""
    try:
        found = names_below(item.backup, item.provider, item.target)
    except SnapshipError as error:
        item.error = error.about(volume=item.source, remote=plan.remote_name)
        return []
    return [_item(plan.request, source, target) for source, target in found]


def _find(plan: Plan, item: RestoreItem, wanted: WantedBackup) -> None:
    """Find the backup, and look at its target. An error is kept in the item."""
    catalog = need(plan.catalog, "plan() opens it")
    try:
        item.chains, item.manifests = find_chain(catalog, plan.origin, item.source, wanted)
        plan.warnings += passed_over(item.chains, item.backup, wanted)
        _look_at_target(plan, item)
        if not item.done:
            plan.warnings += [text for text in catalog.cautions(item.manifests) if text not in plan.warnings]
    except SnapshipError as error:
        item.error = error.about(volume=item.source, remote=plan.remote_name)


def _check(request: Request) -> tuple[float, bool] | None:
    if not request.volumes:
        raise UsageError("nothing to restore.", "Set source and target, or volumes to a list of them.")
    for each in request.volumes:
        if not each.get("source") or not each.get("target"):
            raise UsageError("each volume to restore needs source and target.")
    given = [name for name in ("backup", "at", "group") if getattr(request, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} can't both be given.")
    if request.backup not in (None, "latest") and len(request.volumes) > 1:
        raise UsageError(
            "backup is the id of one volume's backup, but several volumes are given.", "Use at or group for several."
        )
    if request.parallel < 1:
        raise UsageError("parallel must be at least 1.")
    return parse_time(request.at, "at") if request.at is not None else None


def _look_at_target(plan: Plan, item: RestoreItem) -> None:
    request, backup = plan.request, item.backup
    check_kind(backup, item.provider, item.target)
    item.there = there = item.provider.target_state(item.place)
    if not there.exists:
        return
    stamp = plan.host.provenance(item.target)
    ours = bool(stamp) and there.witness.get("identity") == stamp["witness"].get("identity")
    item.own = ours and there.witness == stamp["witness"]
    same = ours and (stamp["id"], stamp["state_id"]) == (backup.id, backup.fields["state_id"])
    if same and item.own:
        item.done = True
        return
    if not request.overwrite:
        what = f"was restored from {stamp['id']}" if ours else "exists already"
        raise VolumeError(
            f"target {item.target!r} {what}{' and written since' if ours and not item.own else ''}; it wasn't changed.",
            "Choose another target, or set overwrite"
            + (" and discard_changes." if ours and not item.own else ": the existing volume is kept beside it."),
            code="target_exists",
        )
    if ours and not item.own and not request.discard_changes:
        raise VolumeError(
            f"target {item.target!r} was written since it was restored from {stamp['id']}; it wasn't changed.",
            "Set discard_changes to replace it; the existing volume is kept beside it.",
            code="target_changed",
        )
    if there.busy:
        raise VolumeError(
            f"target {item.target!r} is in use ({there.busy}); it wasn't changed.",
            "Stop what uses it.",
            code="target_busy",
        )


def _look_again(plan: Plan) -> None:
    """Look at the targets again, under their locks: another run may have restored to one meanwhile."""
    for item in plan.items:
        if item.error is None:
            item.done = item.own = False
            try:
                with item.provider.looking_at([item.target]):
                    item.provider.recover(item.place)
                    _look_at_target(plan, item)
            except SnapshipError as error:
                item.error = error.about(volume=item.source, remote=plan.remote_name)


def apply(host: Host, plan: Plan) -> Outcome:
    """Restore what the plan says. A failed volume doesn't stop the others, unless they are a group."""
    if plan.missing_remote:
        raise plan.missing_remote
    catalog = need(plan.catalog, "a plan with a remote has opened it")
    outcome = Outcome(warnings=list(plan.warnings))
    together = plan.request.group is not None or plan.request.recursive
    with contextlib.ExitStack() as stack:
        stack.callback(catalog.store.close)
        workers = stack.enter_context(Workers(plan.request.parallel))
        timeout = parse_duration(plan.request.lock_timeout, "lock_timeout")
        targets = [item.target for item in plan.items]
        stack.enter_context(host.locks([(f"target {each}", ("target", each)) for each in targets], timeout))
        _look_again(plan)
        errors = [item.error for item in plan.items if item.error is not None]
        if together and errors:
            raise errors[0]
        received = workers.together(plan.items, lambda item: _receive_safely(plan, item, workers))
        failed = [result.error for result in received if result.error is not None]
        # parents first: volumes below them are swapped into them
        for result in sorted(received, key=lambda each: each.item.target.count("/")):
            if together and failed:
                result.abort()
            elif result.error is None:
                result.finish(outcome)
        if together and failed:
            raise failed[0]
        outcome.failures += [error.as_dict() for error in failed]
        order = [item.target for item in plan.items]
        outcome.items.sort(key=lambda each: order.index(each["target"]))
    return outcome


@dataclasses.dataclass
class Result:
    """A restore that is complete beside its target (``None``: nothing to do), or the error that stopped it."""

    plan: Plan
    item: RestoreItem
    fetched: Fetched | None = None
    error: SnapshipError | None = None

    def abort(self) -> None:
        """Remove it."""
        if self.fetched is not None:
            self.fetched.target.abort()

    def finish(self, outcome: Outcome) -> None:
        """Stamp it and swap it in."""
        item, plan = self.item, self.plan
        if self.fetched is None:
            _show(plan, outcome, item, {"changed": False})
            return
        target = self.fetched.target
        try:
            # the stamp first: it names the new volume, so a kill before the swap leaves no wrong stamp on the old one
            plan.host.stamp(item.target, _stamp(plan, item, target.witness()))
            previous = target.commit(None if item.own and not plan.request.recursive else _keep_as(item))
        except SnapshipError as error:
            target.abort()
            outcome.failures.append(error.about(volume=item.source, remote=plan.remote_name).as_dict())
            return
        outcome.changed = True
        for text in self.fetched.facts.pop("warnings"):
            outcome.warn(text)
        actions = [f"swapped {item.target} in"] + ([f"kept {previous}"] if previous else [])
        _show(plan, outcome, item, dict(self.fetched.facts, changed=True, previous=previous, actions=actions))


def _stamp(plan: Plan, item: RestoreItem, witness: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": item.target,
        "id": item.backup.id,
        "state_id": item.backup.fields["state_id"],
        "origin": item.backup.fields["origin"],
        "volume": item.source,
        "witness": witness,
    }


def _keep_as(item: RestoreItem) -> str:
    name = os.path.basename(item.target)
    suffix = f".before-{re.sub(_NOT_IN_NAMES, '_', item.backup.id)}"
    while len((name + suffix).encode("utf-8", "surrogateescape")) > 250:  # room for a number
        name = name[:-1]
    return name + suffix


def _receive_safely(plan: Plan, item: RestoreItem, workers: Workers) -> Result:
    result = Result(plan, item)
    try:
        if item.error is not None:
            raise item.error
        if not item.done:
            result.fetched = _receive(plan, item, workers)
    except SnapshipError as error:
        result.error = error.about(volume=item.source, remote=plan.remote_name)
    return result


def _receive(plan: Plan, item: RestoreItem, workers: Workers) -> Fetched:
    catalog = need(plan.catalog, "a plan with a remote has opened it")
    backup, request = item.backup, plan.request
    recorded = backup.fields.get("properties", {})
    wanted = [
        name for name in request.properties if not request.recursive or name == "all" or name in own_properties(backup)
    ]
    receive = ReceiveRequest(item.place, backup.size, recorded, wanted)
    there = need(item.there, "plan() has looked")

    def progress(done: int, total: int) -> None:
        plan.host.progress(item.target, done, total)

    try:
        return fetch(catalog, item.manifests, item.provider, receive, there, workers, progress)
    except CorruptError as error:
        chains = need(item.chains, "plan() has listed them")
        explain_damage(error, item.manifests, lambda bad: advice(catalog, chains, bad))
        raise


def _show(plan: Plan, outcome: Outcome, item: RestoreItem, facts: dict[str, Any]) -> None:
    backup = item.backup if item.manifests else None
    shown: dict[str, Any] = {
        "source": item.source,
        "target": item.target,
        "id": backup.id if backup else None,
        "group": backup.group if backup else None,
        "origin": backup.fields["origin"] if backup else plan.origin,
        "remote": plan.remote_name,
        "provider": item.provider.name,
        "created": backup.fields["created"] if backup else None,
        "chain": [manifest.id for manifest in item.manifests],
        "bytes_logical": backup.size if backup else None,
        "bytes_written": 0,
        "bytes_fetched": 0,
        "seconds": 0.0,
        "previous": None,
        "actions": [],
    }
    shown.update(facts)
    outcome.items.append(shown)
    stamp = plan.host.provenance(item.target) if item.own and not facts["changed"] else {}
    outcome.before[item.target] = {"backup": stamp.get("id"), "exists": bool(item.there and item.there.exists)}
    outcome.after[item.target] = {"backup": shown["id"], "exists": True}
