# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: volumes as they were at a backup."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import time
from typing import Any

from .catalog import Catalog, Chains
from .choosing import Wanted, find_chain
from .errors import CorruptError, SnapshipError, UsageError, VolumeError, need
from .host import Host
from .manifest import Manifest
from .names import is_id
from .outcome import Outcome
from .receiving import Assembly
from .streams.pipeline import Workers
from .units import parse_duration, parse_time, show_bytes
from .volumes.providers import provider_for
from .volumes.volume import Provider, Target, TargetState


@dataclasses.dataclass
class Request:
    """As the module's options."""

    remote: str | None = None
    remote_spec: dict[str, Any] | None = None
    origin: str | None = None
    volumes: list[dict[str, str]] = dataclasses.field(default_factory=list)
    provider: str | None = None
    backup: str | None = None
    at: str | None = None
    group: str | None = None
    overwrite: bool = False
    discard_changes: bool = False
    parallel: int = 4
    lock_timeout: Any = "1h"


@dataclasses.dataclass
class Item:
    """One volume to restore: where from, where to, and what was found."""

    source: str
    target: str
    provider: Provider
    chains: Chains | None = None
    manifests: list[Manifest] = dataclasses.field(default_factory=list)
    there: TargetState | None = None
    done: bool = False  # the target is this backup already
    own: bool = False  # what is there is an earlier restore nobody wrote to
    error: SnapshipError | None = None

    @property
    def backup(self) -> Manifest:
        return self.manifests[-1]


@dataclasses.dataclass
class Plan:
    """What is to be restored."""

    request: Request
    host: Host
    origin: str
    catalog: Catalog | None
    items: list[Item]
    remote_name: str = ""
    missing_remote: SnapshipError | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(warnings=list(self.warnings))
        if self.missing_remote:
            outcome.warn(f"{self.missing_remote.msg} A run would fail unless it is defined before.")
        for item in self.items:
            if item.error is not None and item.error.code != "unknown_backup":
                outcome.failures.append(item.error.as_dict())
                continue
            if item.error is not None:
                outcome.warn(f"{item.error.msg} A run would fail unless a backup is made before.")
            outcome.changed = outcome.changed or not item.done
            _show(self, outcome, item, {"changed": not item.done})
        return outcome


def plan(host: Host, request: Request) -> Plan:
    """Reads only. Raises for options that don't go together; what one volume lacks is in its item."""
    when = _check(request)
    items = []
    for each in request.volumes:
        provider = provider_for(each["target"], request.provider)
        items.append(Item(each["source"], provider.normalise(each["target"]), provider))
    targets = [item.target for item in items]
    if len(set(targets)) != len(targets):
        raise UsageError("two volumes are to be restored to one target.")
    made = Plan(request, host, host.origin(request.origin), None, items)
    if when is not None and when[1]:
        made.warnings.append(f"at {request.at!r} has no offset and was taken as UTC.")
    try:
        spec = host.remote(request.remote, request.remote_spec)
    except SnapshipError as error:
        if error.code != "unknown_remote":
            raise
        made.missing_remote = error
        return made
    made.remote_name = spec.name
    made.catalog = catalog = Catalog.open(spec)
    catalog.absent = spec.type == "directory" and not catalog.store.exists()
    wanted = Wanted(request.backup, when[0] if when else None, request.group)
    for item in items:
        try:
            item.chains, item.manifests = find_chain(catalog, made.origin, item.source, wanted)
            _look_at_target(made, item)
        except SnapshipError as error:
            item.error = error.about(volume=item.source, remote=spec.name)
    return made


def _check(request: Request) -> tuple[float, bool] | None:
    if not request.volumes:
        raise UsageError("nothing to restore.", "Give source and target, or volumes with a list of them.")
    for each in request.volumes:
        if not each.get("source") or not each.get("target"):
            raise UsageError("each volume to restore needs source and target.")
    given = [name for name in ("backup", "at", "group") if getattr(request, name) is not None]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} can't both be given.")
    if request.backup not in (None, "latest") and len(request.volumes) > 1:
        raise UsageError("a backup's id belongs to one volume.", "Restore several as they were then with at or group.")
    if request.group is not None and not is_id(request.group):
        raise UsageError(f"{request.group!r} is no group id.", "A backup's group is in backup_info with details.")
    if request.parallel < 1:
        raise UsageError("parallel is at least 1.")
    return parse_time(request.at, "at") if request.at is not None else None


def _look_at_target(made: Plan, item: Item) -> None:
    request, backup = made.request, item.backup
    _check_kind(item)
    item.there = there = item.provider.target_state(item.target)
    if not there.exists:
        return
    stamp = made.host.provenance(item.target)
    ours = bool(stamp) and all(there.witness.get(name) == stamp["witness"].get(name) for name in ("device", "inode"))
    item.own = ours and there.witness == stamp["witness"]
    same = ours and (stamp["id"], stamp["state_id"]) == (backup.id, backup.fields["state_id"])
    if same and item.own:
        item.done = True
        return
    if not request.overwrite:
        what = f"was restored from {stamp['id']}" if ours else "is there already"
        raise VolumeError(
            f"target {item.target!r} {what}{' and written since' if ours and not item.own else ''}; it was left alone.",
            "Choose another target, or set overwrite"
            + (" and discard_changes." if ours and not item.own else ": what is there is kept beside it."),
            code="target_exists",
        )
    if ours and not item.own and not request.discard_changes:
        raise VolumeError(
            f"target {item.target!r} was written since it was restored from {stamp['id']}; it was left alone.",
            "Set discard_changes if that may be replaced (it is kept beside it).",
            code="target_changed",
        )
    if there.busy:
        raise VolumeError(
            f"target {item.target!r} is open ({there.busy}); it was left alone.",
            "Stop what uses it.",
            code="target_busy",
        )


def _look_again(made: Plan) -> None:
    """Under the lock: another run may have restored to a target since it was planned."""
    for item in made.items:
        if item.error is None:
            item.done = item.own = False
            try:
                _look_at_target(made, item)
            except SnapshipError as error:
                item.error = error.about(volume=item.source, remote=made.remote_name)


def _check_kind(item: Item) -> None:
    stream = item.backup.fields["stream"]
    if stream["format"] != "thin-send-recv":
        raise VolumeError(
            f"backup {item.backup.id} is a {stream['format']} stream, which doesn't fit target {item.target!r}.",
            code="wrong_type",
        )


def apply(host: Host, made: Plan) -> Outcome:
    """Restore what the plan says. One volume's failure doesn't stop the others, unless they are a group."""
    if made.missing_remote:
        raise made.missing_remote
    catalog = need(made.catalog, "a plan with a remote has opened it")
    outcome = Outcome(warnings=list(made.warnings))
    together = made.request.group is not None
    with contextlib.ExitStack() as stack:
        stack.callback(catalog.store.close)
        workers = stack.enter_context(Workers(made.request.parallel))
        timeout = parse_duration(made.request.lock_timeout, "lock_timeout")
        for target in sorted(item.target for item in made.items):
            stack.enter_context(host.lock(f"target {target}", timeout, "target", target))
        _look_again(made)
        errors = [item.error for item in made.items if item.error is not None]
        if together and errors:
            raise errors[0]
        received = workers.together(made.items, lambda item: _receive_safely(made, item, workers))
        failed = [result.error for result in received if result.error is not None]
        for result in received:
            if together and failed:
                result.abort()
            elif result.error is None:
                result.finish(outcome)
        if together and failed:
            raise failed[0]
        outcome.failures += [error.as_dict() for error in failed]
    return outcome


@dataclasses.dataclass
class Received:
    """A restore that lies checked beside its target, or the error that stopped it."""

    made: Plan
    item: Item
    target: Target | None = None
    facts: dict[str, Any] = dataclasses.field(default_factory=dict)
    error: SnapshipError | None = None

    def abort(self) -> None:
        """Remove it."""
        if self.target is not None:
            self.target.abort()

    def finish(self, outcome: Outcome) -> None:
        """Stamp it and swap it in."""
        item, made = self.item, self.made
        if self.target is None:
            _show(made, outcome, item, {"changed": False})
            return
        try:
            # the stamp first: it names the new file, so it says nothing of the old one should we die in between
            made.host.stamp(item.target, _stamp(made, item, self.target.witness()))
            previous = self.target.commit(None if item.own else _keep_as(item))
        except SnapshipError as error:
            self.target.abort()
            outcome.failures.append(error.about(volume=item.source, remote=made.remote_name).as_dict())
            return
        outcome.changed = True
        actions = [f"swapped {item.target} in"] + ([f"kept {previous}"] if previous else [])
        _show(made, outcome, item, dict(self.facts, changed=True, previous=previous, actions=actions))


def _stamp(made: Plan, item: Item, witness: dict[str, Any]) -> dict[str, Any]:
    return {
        "target": item.target,
        "id": item.backup.id,
        "state_id": item.backup.fields["state_id"],
        "origin": made.origin,
        "volume": item.source,
        "witness": witness,
    }


def _keep_as(item: Item) -> str:
    name = os.path.basename(item.target)
    suffix = f".before-{item.backup.id}"
    while len((name + suffix).encode("utf-8", "surrogateescape")) > 250:  # room for a number
        name = name[:-1]
    return name + suffix


def _receive_safely(made: Plan, item: Item, workers: Workers) -> Received:
    result = Received(made, item)
    try:
        if item.error is not None:
            raise item.error
        if not item.done:
            _receive(made, item, workers, result)
    except SnapshipError as error:
        result.abort()
        result.error = error.about(volume=item.source, remote=made.remote_name)
    except BaseException:
        result.abort()
        raise
    return result


def _receive(made: Plan, item: Item, workers: Workers, result: Received) -> None:
    catalog = need(made.catalog, "a plan with a remote has opened it")
    free = need(item.there, "plan() has looked").free
    started, done = time.monotonic(), 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        made.host.progress(item.target, done, needed)

    try:
        with Assembly(catalog, item.manifests) as assembly:
            needed = assembly.needed()
            if needed > free:
                raise VolumeError(
                    f"no room to restore {item.target}: {show_bytes(needed)} needed, "
                    f"{show_bytes(free)} free; what is there is untouched.",
                    "Free some space, or restore elsewhere.",
                    code="no_space",
                )
            result.target = target = item.provider.receive(
                item.target, assembly.size, item.backup.fields.get("properties", {})
            )
            assembly.fetch(target, workers, progress)
            target.sync()
            assembly.check(target, workers)
            result.facts = {
                "bytes_written": assembly.written,
                "bytes_fetched": assembly.fetched,
                "seconds": round(time.monotonic() - started, 3),
            }
    except CorruptError as error:
        damaged = next((m.id for m in item.manifests if m.key.data in error.msg), item.backup.id)
        advice = catalog.advice(need(item.chains, "plan() has listed them"), [damaged])
        error.hint = " ".join(filter(None, (error.hint, advice)))
        raise


def _show(made: Plan, outcome: Outcome, item: Item, facts: dict[str, Any]) -> None:
    backup = item.backup if item.manifests else None
    shown: dict[str, Any] = {
        "source": item.source,
        "target": item.target,
        "id": backup.id if backup else None,
        "group": backup.group if backup else None,
        "origin": made.origin,
        "remote": made.remote_name,
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
    stamp = made.host.provenance(item.target) if item.own and not facts["changed"] else {}
    outcome.before[item.target] = {"backup": stamp.get("id"), "exists": bool(item.there and item.there.exists)}
    outcome.after[item.target] = {"backup": shown["id"], "exists": True}
