# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The changes that a remote needs: the request compared with LINSTOR's definition and the notes about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..._engine.common.errors import RemoteError, SnapshipError, UsageError
from ..._engine.common.fingerprints import fingerprint, matches
from ..._engine.common.outcome import Outcome
from ..api.cluster import Access, Cluster
from ..api.notes import Notes
from ..state.passphrase import locked
from ..state.remotes import LINSTOR_TYPES, Remote, list_remotes, note_key, noted, remote_url

UPDATES = ("on_change", "always", "never")


@dataclasses.dataclass(frozen=True)
class Request:
    """The module's options; ``options`` has those of the remote itself that are set."""

    name: str
    state: str = "present"
    type: str | None = None
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    update_secret: str = "on_change"
    recreate: bool = False
    target: Access | None = None
    reverse_name: str | None = None
    reverse_url: str | None = None
    reverse_passphrase: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass
class Plan:
    """The existing remote, the wanted one, and the step between: create, modify, recreate, delete, or "" for none.

    ``send``: the options for the request, with secrets. ``notes`` and ``drop``: notes to keep and to remove.
    ``reverse``: the plan for the remote on the ``target`` that points back.
    """

    request: Request
    kind: str = ""
    before: Remote | None = None
    known: Mapping[str, str] = dataclasses.field(default_factory=dict)
    step: str = ""
    send: dict[str, Any] = dataclasses.field(default_factory=dict, repr=False)
    notes: dict[str, str] = dataclasses.field(default_factory=dict)
    drop: list[str] = dataclasses.field(default_factory=list)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    changing: list[str] = dataclasses.field(default_factory=list)
    locked: SnapshipError | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    target: Cluster | None = None
    reverse: Plan | None = None

    @property
    def changed(self) -> bool:
        return bool(self.step) or (self.reverse is not None and self.reverse.changed)

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(self.changed, warnings=list(self.warnings))
        if self.locked:
            outcome.warn(f"{self.locked.msg} A real run would fail unless that is fixed first.")
        outcome.before, outcome.after = self._shown_before(), self._shown_after()
        item = self.item()
        if self.reverse is not None:
            inner = self.reverse.preview()
            outcome.before["reverse"], outcome.after["reverse"] = inner.before, inner.after
            for warning in inner.warnings:
                outcome.warn(warning)
        outcome.items = [item] if item else []
        return outcome

    def item(self) -> dict[str, Any] | None:
        """The wanted remote, or ``None`` if it should be absent."""
        if self.request.state == "absent":
            return None
        made_of = LINSTOR_TYPES[self.kind]
        given = self.request.options
        return {
            "name": self.before.name if self.before and self.step != "recreate" else self.request.name,
            "type": self.kind,
            **{name: self.options.get(name) for name in made_of.public},
            **{name: name in given or name in self.known for name in made_of.secret},
            "reverse": self.reverse.item() if self.reverse else None,
            "actions": self.actions(),
        }

    def actions(self) -> list[str]:
        """The changing requests in words, without secrets."""
        mine = [f"{self.step} {self.kind} remote {self.request.name}"] if self.step else []
        mine += [f"target: {action}" for action in self.reverse.actions()] if self.reverse else []
        return mine

    def _shown_before(self) -> dict[str, Any]:
        if self.before is None:
            return {}
        made_of = LINSTOR_TYPES[self.before.type]
        shown: dict[str, Any] = {"name": self.before.name, "type": self.before.type, **self.before.options}
        shown.update({name: _plain(self.known[name]) for name in made_of.untold if name in self.known})
        shown.update(dict.fromkeys(made_of.secret, "(not told)") if self.before.type != "linstor" else {})
        return shown

    def _shown_after(self) -> dict[str, Any]:
        if self.request.state == "absent":
            return {}
        if not self.step:
            return self._shown_before()
        shown: dict[str, Any] = {"name": self.request.name, "type": self.kind}
        shown.update({name: value for name, value in self.options.items() if value is not None})
        for name in LINSTOR_TYPES[self.kind].secret:
            if name in self.changing:
                shown[name] = "(to be set)"
            elif self.kind != "linstor":
                shown[name] = "(not told)"
        return shown


def compare(cluster: Cluster, request: Request) -> Plan:
    """The plan for one remote on one cluster. Reads only."""
    before = list_remotes(cluster).get(request.name.lower())
    known = noted(Notes.read(cluster), request.name)
    if request.state == "absent":
        drop = [note_key(request.name, option) for option in known]
        return Plan(request, before.type if before else "", before, known, "delete" if before else "", drop=drop)
    kind = _kind(request, before)
    plan = Plan(request, kind, before, known, options=_options(request, kind, before, known))
    if before is not None and before.type != kind:
        _recreate(plan, f"remote {before.name!r} is of type {before.type}, and LINSTOR can't change the type")
    elif before is None:
        plan.step = "create"
    else:
        _compare(plan, before)
    _fill(cluster, plan)
    return plan


def _kind(request: Request, before: Remote | None) -> str:
    kind = request.type
    if kind is None:
        telling = {name: each for each, made_of in LINSTOR_TYPES.items() for name in made_of.telling}
        found = {telling[name] for name in request.options if name in telling}
        if len(found) == 1:
            kind = found.pop()
        elif before is not None and not found:
            kind = before.type
        else:
            raise UsageError(
                f"remote {request.name!r}: its type is ambiguous.", f"Set type to one of: {', '.join(LINSTOR_TYPES)}."
            )
    made_of = LINSTOR_TYPES[kind]
    foreign = sorted(set(request.options) - set(made_of.public) - set(made_of.secret))
    if foreign:
        raise UsageError(f"{', '.join(foreign)}: a remote of type {kind} has no such option.")
    return kind


def _options(request: Request, kind: str, before: Remote | None, known: Mapping[str, str]) -> dict[str, Any]:
    """The wanted public options: those of the request, otherwise the existing ones."""
    there: dict[str, Any] = dict(before.options) if before and before.type == kind else {}
    if before and before.type == kind:
        there.update({name: known[name] for name in LINSTOR_TYPES[kind].untold if name in known})
    wanted = {name: request.options[name] for name in LINSTOR_TYPES[kind].public if name in request.options}
    if "url" in wanted:
        wanted["url"] = remote_url(wanted["url"])
    if "cluster_id" in wanted:
        wanted["cluster_id"] = str(wanted["cluster_id"]).lower()
    options = {name: wanted.get(name, there.get(name)) for name in LINSTOR_TYPES[kind].public}
    return {name: _plain(value) for name, value in options.items()}


def _plain(value: Any) -> Any:
    """A value of a note; booleans are kept as words."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def _compare(plan: Plan, before: Remote) -> None:
    """Find the options to modify in an existing remote."""
    request, made_of = plan.request, LINSTOR_TYPES[plan.kind]
    for name in made_of.public:
        if name not in request.options or name == "use_path_style":
            continue
        there = plan.known.get(name) if name in made_of.untold else before.options.get(name)
        if plan.options[name] != there:
            plan.changing.append(name)
    for name in made_of.secret:
        if name in request.options and _to_send(request, name, plan.known.get(name)):
            plan.changing.append(name)
    if plan.changing:
        plan.step = "modify"
    if "use_path_style" in request.options:
        _compare_path_style(plan)


def _to_send(request: Request, name: str, kept: str | None) -> bool:
    if request.update_secret == "on_change":
        return not matches(str(request.options[name]), kept)
    return request.update_secret == "always"


def _compare_path_style(plan: Plan) -> None:
    kept = plan.known.get("use_path_style")
    wanted = "true" if plan.request.options["use_path_style"] else "false"
    if kept == wanted:
        return
    if kept is not None:
        _recreate(plan, f"remote {plan.request.name!r} has use_path_style: {kept}, and LINSTOR can't change that")
    elif plan.request.recreate:
        _recreate(plan, "")
    else:
        plan.warnings.append(
            f"use_path_style of remote {plan.request.name!r} isn't known: this module didn't create the remote, and "
            "LINSTOR doesn't tell it. It wasn't changed. Set recreate: true to be sure."
        )


def _recreate(plan: Plan, why: str) -> None:
    if not plan.request.recreate:
        raise RemoteError(
            f"{why}.",
            "Set recreate: true to delete the remote and create it again. Its backups stay, but schedules must be "
            "enabled for it again, and the next backup may be a full one.",
            "recreate",
            remote=plan.request.name,
        )
    plan.step = "recreate"


def _fill(cluster: Cluster, plan: Plan) -> None:
    """Fill in the options for the request, and the notes about them."""
    if not plan.step:
        return
    request, made_of = plan.request, LINSTOR_TYPES[plan.kind]
    if plan.step in ("create", "recreate"):
        plan.changing = [name for name in (*made_of.public, *made_of.secret) if name in request.options]
        plan.drop = [note_key(request.name, option) for option in plan.known]
        lacking = [name for name in made_of.required if not _wanted(plan, name)]
        if lacking:
            raise UsageError(
                f"remote {request.name!r} of type {plan.kind} needs {', '.join(lacking)}.",
                remote=request.name,
            )
        plan.send = {name: _wanted(plan, name) for name in (*made_of.public, *made_of.secret)}
        plan.send = {name: value for name, value in plan.send.items() if value is not None}
    else:
        plan.send = {name: _wanted(plan, name) for name in plan.changing}
    for name in plan.send:
        if name in made_of.secret:
            plan.notes[note_key(request.name, name)] = fingerprint(str(plan.send[name]))
        elif name in made_of.untold:
            value = plan.send[name]
            plan.notes[note_key(request.name, name)] = str(value).lower()
    if plan.kind == "s3" and plan.step != "modify":
        plan.notes.setdefault(note_key(request.name, "use_path_style"), "false")
        plan.options["use_path_style"] = bool(plan.options["use_path_style"])
    plan.drop = [key for key in plan.drop if key not in plan.notes]
    # LINSTOR decrypts the keys of an S3 remote at each change. Other types need the passphrase for secrets only.
    if plan.kind == "s3" or any(name in made_of.secret for name in plan.send):
        plan.locked = locked(cluster, "LINSTOR encrypts this remote's secrets with it")


def _wanted(plan: Plan, name: str) -> Any:
    return plan.options[name] if name in plan.options else plan.request.options.get(name)
