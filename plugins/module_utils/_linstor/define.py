# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: remotes that a cluster is to know, or not; for a LINSTOR remote, the one that points back as well."""

from __future__ import annotations

import functools
from typing import Any, Callable

from .._engine.errors import SnapshipError, UsageError
from .._engine.outcome import Outcome
from .comparing import UPDATES, Plan, Request, compare
from .connection import Cluster, same_version
from .encryption import passphrase_status
from .notes import Notes, keep
from .remotes import KINDS, list_remotes, noted
from .replies import ControllerError, LostReply
from .reverse import reverse, with_target

__all__ = ["Plan", "Request", "about", "apply", "describe", "plan"]


def plan(cluster: Cluster, request: Request) -> Plan:
    """Reads only. Raises UsageError for options that don't go together, or lack something."""
    if request.update_secret not in UPDATES:
        raise UsageError(f"update_secret {request.update_secret!r} isn't one of {', '.join(UPDATES)}.")
    target = Cluster(request.target) if request.target and request.state == "present" else None
    if target is not None:
        request = with_target(target, request)
    made = compare(cluster, request)
    if target is None:
        return made
    made.target = target
    different = same_version(cluster, target)
    if different:
        made.warnings.append(f"{different.msg} {different.hint}")
    if request.options.get("cluster_id") != cluster.cluster_id.lower():
        made.reverse = compare(target, reverse(cluster, target, request))
    return made


def apply(cluster: Cluster, made: Plan) -> Outcome:
    """Make the remote that points back first, so that none is there that can't be shipped to."""
    for each in (made, made.reverse):
        if each is not None and each.locked:
            raise each.locked
    if made.reverse is not None and made.target is not None:
        try:
            _carry_out(made.target, made.reverse)
        except SnapshipError as error:
            error.msg = f"On the target: {error.msg}"
            raise
    try:
        _carry_out(cluster, made)
    except SnapshipError as error:
        if made.reverse is None or not made.reverse.changed:
            raise
        outcome = made.preview()
        outcome.items, outcome.failures = [], [error.about(remote=made.request.name).as_dict()]
        outcome.after = {**outcome.before, "reverse": outcome.after["reverse"]}
        return outcome
    finally:
        if made.target is not None:
            made.target.close()
    return made.preview()


def _carry_out(cluster: Cluster, made: Plan) -> None:
    if not made.step:
        return
    name = made.before.name if made.before else made.request.name
    what = f"{made.step} {made.kind} remote {name!r}"
    hide = [str(made.send[each]) for each in KINDS[made.kind].secret if each in made.send] if made.send else []
    if made.step in ("delete", "recreate"):
        _settled(cluster, functools.partial(cluster.change, "remote_delete", name, what=what), name, gone=True)
    if made.step in ("create", "recreate"):
        create = functools.partial(
            cluster.change, f"remote_create_{made.kind}", made.request.name, what=what, hide=hide, **made.send
        )
        _settled(cluster, create, made.request.name, gone=False)
    if made.step == "modify":
        modify = functools.partial(
            cluster.change, f"remote_modify_{made.kind}", name, what=what, hide=hide, **made.send
        )
        try:
            modify()
        except LostReply:
            modify()  # doing it again does no harm
    keep(cluster, made.notes, made.drop)


def _settled(cluster: Cluster, change: Callable[[], object], name: str, gone: bool) -> None:
    """Create or delete; where the answer is lost, the list of remotes tells whether it was done."""
    try:
        change()
    except LostReply:
        if (name.lower() in list_remotes(cluster)) is not gone:
            return
        try:
            change()
        except ControllerError as error:
            if gone or error.code != "exists":  # it was under way when the list was read
                raise


def describe(cluster: Cluster, name: str | None = None) -> list[dict[str, Any]]:
    """The remotes there are, or one of them (nothing where it isn't there), with what is kept about them."""
    remotes, notes = list_remotes(cluster), Notes.read(cluster)
    shown = []
    for key, remote in sorted(remotes.items()):
        if name is not None and key != name.lower():
            continue
        made_of, known = KINDS[remote.type], noted(notes, remote.name)
        public: dict[str, Any] = {each: remote.options.get(each, known.get(each)) for each in made_of.public}
        if public.get("use_path_style") is not None:
            public["use_path_style"] = public["use_path_style"] == "true"
        secret = {each: each in known for each in made_of.secret}
        shown.append({"name": remote.name, "type": remote.type, **public, "fingerprints": secret})
    return shown


def about(cluster: Cluster) -> dict[str, Any]:
    """What others have to know of the cluster itself."""
    version, rest_version = (".".join(str(each) for each in told) for told in (cluster.version, cluster.rest_version))
    told = {"id": cluster.cluster_id, "version": version, "rest_version": rest_version}
    return {"cluster": {**told, "encryption": passphrase_status(cluster)}}
