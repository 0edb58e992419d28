# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What the LINSTOR modules share: the connection options, and the boundary to the control plane."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Callable, NoReturn

from ansible.module_utils.basic import AnsibleModule

from .._engine.common.outcome import Outcome
from .._engine.common.units import parse_duration
from .._linstor.api.cluster import Access, Cluster
from . import boundary
from .arguments import Spec

Params = Mapping[str, Any]


def connection() -> Spec:
    """The connection options; documented in plugins/doc_fragments/_linstor.py."""
    return {
        "controllers": {"type": "list", "elements": "str"},
        "auth_token": {"type": "str", "no_log": True},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "client_cert": {"type": "path"},
        "client_key": {"type": "path", "no_log": False},
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
        "config_file": {"type": "path"},
        "timeout": {"type": "str", "default": "5m"},
    }


def target() -> Spec:
    """The connection options of the target cluster."""
    return {"target": {"type": "dict", "options": connection()}}


def waiting(timeout: str) -> Spec:
    """How long to wait for LINSTOR, and how often to check."""
    return {
        "wait": {"type": "bool", "default": True},
        "wait_timeout": {"type": "str", "default": timeout},
        "poll_interval": {"type": "str", "default": "5s"},
    }


def stored() -> Spec:
    """Backups on a remote, or snapshots received from another cluster; see :data:`ONE_STORE`."""
    return {"remote": {"type": "str"}, "received_from": {"type": "str"}}


#: for mutually_exclusive and required_one_of of a module that takes :func:`stored`
ONE_STORE = [("remote", "received_from")]


def access(params: Params) -> Access:
    """The connection options in the control plane's form."""
    given = {name: params[name] for name in connection() if params.get(name) is not None}
    given["controllers"] = tuple(given.get("controllers", ()))
    given["timeout"] = parse_duration(given["timeout"], "timeout")
    return Access(**given)


@contextmanager
def cluster(params: Params) -> Iterator[Cluster]:
    """A connection to the cluster; it is closed at the end."""
    with Cluster(access(params)) as found:
        yield found


def carry_out(module: AnsibleModule, use_case: Any, request: Callable[[Params], Any], returns: str) -> NoReturn:
    """Plan, then show the plan (check mode) or apply it; exits the module. ``returns`` names the list of results."""

    def work() -> Outcome:
        wanted = request(module.params)
        with cluster(module.params) as found:
            plan = use_case.plan(found, wanted)
            return plan.preview() if module.check_mode else use_case.apply(found, plan)

    boundary.finish(module, work, returns, "resources")


def answer(
    module: AnsibleModule,
    listing: Callable[[Cluster, Params], Outcome],
    returns: str,
    about: Callable[[Cluster], dict[str, Any]] | None = None,
) -> NoReturn:
    """Read and return; exits the module. ``about`` gives further returns by their names."""
    more: dict[str, Any] = {}

    def work() -> Outcome:
        with cluster(module.params) as found:
            outcome = listing(found, module.params)
            more.update(about(found) if about else {})
            return outcome

    boundary.tell(module, work, returns, more)
