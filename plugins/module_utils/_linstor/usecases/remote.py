# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: define or remove a cluster's remote; for a LINSTOR remote also the one that points back."""

from __future__ import annotations

import functools
from typing import Any, Callable

from ..._engine.common.errors import RemoteError, SnapshipError, UsageError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster, same_version
from ..api.notes import Notes, keep
from ..api.replies import DELETED, MODIFIED, ControllerError, LostReply, Replies
from ..remotes.compare import UPDATES, Plan, Request, compare
from ..remotes.reverse import itself, reverse, with_target
from ..state.passphrase import passphrase_status
from ..state.remotes import LINSTOR_TYPES, list_remotes, noted
from ..state.target_names import is_same_cluster

__all__ = ["Plan", "Request", "about", "apply", "describe", "plan"]


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only. Raises UsageError for options that are missing or contradict each other."""
    if request.update_secret not in UPDATES:
        raise UsageError(f"update_secret: {request.update_secret!r} isn't one of {', '.join(UPDATES)}.")
    if not request.name:
        raise UsageError("name is empty.")
    target = Cluster(request.target) if request.target and request.state == "present" else None
    if target is not None:
        request = with_target(target, request)
    elif is_same_cluster(cluster, request.options.get("url")):
        request = with_target(cluster, request)
    plan = compare(cluster, request)
    plan.target = target
    if target is not None:
        different = same_version(cluster, target)
        if different:
            plan.warnings.append(f"{different.msg} {different.hint}")
    if plan.kind == "linstor" and request.state == "present":
        plan.reverse = _reverse(cluster, request, target)
    return plan


def _reverse(cluster: Cluster, request: Request, target: Cluster | None) -> Plan | None:
    """The plan for the remote that points back."""
    if target is not None and request.options["cluster_id"] != cluster.cluster_id.lower():
        return compare(target, reverse(cluster, target, request))
    if target is not None or is_same_cluster(cluster, request.options.get("url")):
        wanted = itself(cluster, request)
        return compare(cluster, wanted) if wanted else None
    return None


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Apply the plan. The remote that points back comes first, as shipping fails without it."""
    for each in (plan, plan.reverse):
        if each is not None and each.locked:
            raise each.locked
    if plan.reverse is not None:
        try:
            _carry_out(plan.target or cluster, plan.reverse)
        except SnapshipError as error:
            error.msg = f"On the target: {error.msg}"
            raise
    try:
        _carry_out(cluster, plan)
    except SnapshipError as error:
        if plan.reverse is None or not plan.reverse.changed:
            raise
        outcome = plan.preview()
        outcome.items, outcome.failures = [], [error.about(remote=plan.request.name).as_dict()]
        outcome.after = {**outcome.before, "reverse": outcome.after["reverse"]}
        return outcome
    finally:
        if plan.target is not None:
            plan.target.close()
    return plan.preview()


def _carry_out(cluster: Cluster, plan: Plan) -> None:
    if not plan.step:
        return
    name = plan.before.name if plan.before else plan.request.name
    what = f"{plan.step} {plan.kind} remote {name!r}"
    hide = [str(plan.send[each]) for each in LINSTOR_TYPES[plan.kind].secret if each in plan.send] if plan.send else []
    if plan.step in ("delete", "recreate"):
        said = _settled(cluster, functools.partial(cluster.change, "remote_delete", name, what=what), name, gone=True)
        _note_waiting(plan, name, said)
    if plan.step in ("create", "recreate"):
        create = functools.partial(
            cluster.change, f"remote_create_{plan.kind}", plan.request.name, what=what, hide=hide, **plan.send
        )
        _settled(cluster, create, plan.request.name, gone=False)
    if plan.step == "modify":
        modify = functools.partial(
            cluster.change, f"remote_modify_{plan.kind}", name, what=what, hide=hide, **plan.send
        )
        try:
            modify()
        except LostReply:
            modify()  # it can be repeated safely
    keep(cluster, plan.notes, plan.drop)


def _note_waiting(plan: Plan, name: str, said: Replies | None) -> None:
    """Tell that a remote in use isn't deleted yet, although LINSTOR has accepted the request."""
    if said is None or said.has(DELETED) or not said.has(MODIFIED):
        return
    waits = f"remote {name!r} still exists: LINSTOR deletes it when no shipment to it is left"
    if plan.step == "recreate":
        raise RemoteError(f"{waits}.", "Run the task again then.", "in_use", remote=name)
    plan.warnings.append(
        f"{waits}. If none is under way, the target refused one or never answered: restart the controller, then delete "
        "the remote again."
    )


def _settled(cluster: Cluster, change: Callable[[], Replies], name: str, gone: bool) -> Replies | None:
    """Create or delete. If the answer is lost, the list of remotes tells whether it was done."""
    try:
        return change()
    except LostReply:
        if (name.lower() in list_remotes(cluster)) is not gone:
            return None
        try:
            return change()
        except ControllerError as error:
            if gone or error.code != "exists":  # it was under way when the list was read
                raise
    return None


def describe(cluster: Cluster, name: str | None = None) -> list[dict[str, Any]]:
    """All remotes, or the named one if it exists, with the notes about them."""
    remotes, notes = list_remotes(cluster), Notes.read(cluster)
    shown = []
    for key, remote in sorted(remotes.items()):
        if name is not None and key != name.lower():
            continue
        made_of, known = LINSTOR_TYPES[remote.type], noted(notes, remote.name)
        public: dict[str, Any] = {each: remote.options.get(each, known.get(each)) for each in made_of.public}
        if public.get("use_path_style") is not None:
            public["use_path_style"] = public["use_path_style"] == "true"
        secret = {each: each in known for each in made_of.secret}
        shown.append({"name": remote.name, "type": remote.type, **public, "fingerprints": secret})
    return shown


def about(cluster: Cluster) -> dict[str, Any]:
    """The cluster's own id, versions and state of the master passphrase."""
    version, rest_version = cluster.version_texts
    told = {"id": cluster.cluster_id, "version": version, "rest_version": rest_version}
    return {"cluster": {**told, "encryption": passphrase_status(cluster)}}
