# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: set, enter or change the cluster's master passphrase, with which LINSTOR encrypts secrets."""

from __future__ import annotations

import dataclasses

from ..._engine.common.errors import RemoteError, UsageError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Cluster
from ..api.replies import FAIL_INVALID_PASSPHRASE, ControllerError, LostReply
from ..state.passphrase import passphrase_status

STATES = ("present", "unlocked")
_LOST_TRIES = 2
#: LINSTOR reports a wrong passphrase as "missing properties", like an unset one
_WRONG = {FAIL_INVALID_PASSPHRASE, 600}


@dataclasses.dataclass(frozen=True)
class Request:
    """The module's options."""

    passphrase: str = dataclasses.field(repr=False)
    old_passphrase: str | None = dataclasses.field(default=None, repr=False)
    state: str = "present"


@dataclasses.dataclass
class Plan:
    """``status``: the current one. ``steps``: create, enter and modify, in the order in which they are tried."""

    request: Request
    status: str
    steps: list[str] = dataclasses.field(default_factory=list)

    def preview(self) -> Outcome:
        """What would be done."""
        return _outcome(self.status, "unlocked", self.steps)


def plan(cluster: Cluster, request: Request) -> Plan:
    """Changes nothing: while a passphrase is entered, entering one only checks whether it is correct."""
    if request.state not in STATES:
        raise UsageError(f"state: {request.state!r} isn't one of {', '.join(STATES)}.")
    if not request.passphrase:
        raise UsageError("passphrase is empty.")
    status = passphrase_status(cluster)
    plan = Plan(request, status)
    if status == "unset":
        if request.state == "unlocked":
            raise _unset(cluster)
        plan.steps = ["create"]
    elif status == "locked":
        plan.steps = ["enter"]
    elif not _enter(cluster, request.passphrase):
        plan.steps = ["modify"]
        _may_modify(cluster, request)
    return plan


def apply(cluster: Cluster, plan: Plan) -> Outcome:
    """Carry out the steps. Raises RemoteError (code wrong_passphrase) and changes nothing if a passphrase is wrong."""
    request, done = plan.request, list(plan.steps)
    if plan.steps == ["create"]:
        _create(cluster, request.passphrase)
    elif plan.steps == ["enter"] and not _enter(cluster, request.passphrase):
        # The old passphrase is still valid: the controller was restarted before the change.
        _may_modify(cluster, request)
        _modify(cluster, request)
        done = ["modify", "enter"]
    elif plan.steps == ["modify"]:
        _modify(cluster, request)
    return _outcome(plan.status, passphrase_status(cluster) if done else plan.status, done)


def _outcome(before: str, after: str, steps: list[str]) -> Outcome:
    item = {"status": after, "actions": [f"{step} the master passphrase" for step in steps]}
    shown = {"passphrase": "(changed)"} if "modify" in steps else {}
    return Outcome(bool(steps), [item], before={"status": before}, after={"status": after, **shown})


def _create(cluster: Cluster, passphrase: str) -> None:
    try:
        _call(cluster, "crypt_create_passphrase", "setting the master passphrase", passphrase)
    except LostReply:
        if passphrase_status(cluster) == "unset":
            _call(cluster, "crypt_create_passphrase", "setting the master passphrase", passphrase)


def _enter(cluster: Cluster, passphrase: str) -> bool:
    """Enter it; returns whether it is correct. It can be repeated safely."""
    for attempt in range(_LOST_TRIES):
        try:
            _call(cluster, "crypt_enter_passphrase", "entering the master passphrase", passphrase)
        except ControllerError as error:
            if _WRONG & set(error.numbers):
                return False
            raise
        except LostReply:
            if attempt == _LOST_TRIES - 1:
                raise
        else:
            break
    return True


def _modify(cluster: Cluster, request: Request) -> None:
    """Change it, then enter the new one to check it."""
    what, old = "changing the master passphrase", request.old_passphrase or ""
    try:
        _call(cluster, "crypt_modify_passphrase", what, old, request.passphrase)
    except ControllerError as error:
        if _WRONG & set(error.numbers):
            raise _wrong(cluster, "neither passphrase nor old_passphrase is") from None
        raise
    except LostReply:
        if not _enter(cluster, request.passphrase):
            _call(cluster, "crypt_modify_passphrase", what, old, request.passphrase)
    if not _enter(cluster, request.passphrase):
        raise _wrong(cluster, "LINSTOR accepted passphrase, but it still isn't")


def _may_modify(cluster: Cluster, request: Request) -> None:
    if request.old_passphrase is None or request.state == "unlocked":
        raise _wrong(cluster, "passphrase isn't")


def _wrong(cluster: Cluster, which: str) -> RemoteError:
    return RemoteError(
        f"{cluster.name}: {which} the cluster's master passphrase.",
        "To change it, set old_passphrase to the current one, with state: present.",
        "wrong_passphrase",
    )


def _unset(cluster: Cluster) -> RemoteError:
    return RemoteError(f"{cluster.name} has no master passphrase.", "Set one with state: present.", "locked")


def _call(cluster: Cluster, method: str, what: str, *passphrases: str) -> None:
    cluster.change(method, *passphrases, what=what, hide=passphrases)
