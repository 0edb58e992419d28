# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remote on the target cluster that points back. Shipping between clusters needs it."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlsplit

from ..._engine.common.errors import UsageError
from ..api.cluster import Cluster
from ..api.notes import Notes
from ..state.remotes import GENERATED, list_remotes, remote_url
from .compare import Request

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def with_target(target: Cluster, request: Request) -> Request:
    """The request, completed with the target's id and the address of its controller."""
    if request.type not in (None, "linstor"):
        raise UsageError(f"target: a remote of type {request.type} has no target cluster.")
    options = dict(request.options)
    given = str(options.get("cluster_id") or target.cluster_id).lower()
    if given != target.cluster_id.lower():
        raise UsageError(
            f"cluster_id is {given}, but the id of {target.name} is {target.cluster_id}.", remote=request.name
        )
    options["cluster_id"] = given
    if "url" not in options:
        options["url"] = _own_url(target, "url")
    return dataclasses.replace(request, type="linstor", options=options)


def reverse(cluster: Cluster, target: Cluster, request: Request) -> Request:
    """The request for the target: the remote that is known to point back here, or a new one."""
    mine = cluster.cluster_id.lower()
    name, url = request.reverse_name, request.reverse_url
    pointing = [key.split("/")[1] for key, value in Notes.read(target).kept.items() if _is_id_of(key, value, mine)]
    there = list_remotes(target)
    found = next((there[each] for each in sorted(pointing) if each in there), None)
    if name is None:
        name = found.name if found is not None else f"from-{mine[:8]}"
    options: dict[str, Any] = {"cluster_id": mine}
    if url is not None:
        options["url"] = url
    elif name.lower() not in there:
        options["url"] = _own_url(cluster, "reverse_url")
    if request.reverse_passphrase is not None:
        options["passphrase"] = request.reverse_passphrase
    return Request(name=name, type="linstor", options=options, update_secret=request.update_secret)


def itself(cluster: Cluster, request: Request) -> Request | None:
    """The request for the remote that LINSTOR generated, if another remote points at this same cluster.

    A cluster answers itself through the first remote, by name, that has its own id. The generated one always says
    localhost:3370. If the controller listens elsewhere, a shipment would wait for the answer forever.
    """
    there = list_remotes(cluster)
    generated = there.get(GENERATED)
    if generated is None or request.name.lower() <= GENERATED:
        return None
    before = there.get(request.name.lower())
    url = request.options.get("url") or (before.options.get("url") if before else None)
    known = generated.options["url"]
    same = url is None or _port(remote_url(url)) == _port(known)
    return Request(name=generated.name, type="linstor", options={"url": known if same else url})


def _port(url: str) -> tuple[str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.port


def _is_id_of(key: str, value: str, cluster_id: str) -> bool:
    parts = key.split("/")
    return len(parts) == 3 and parts[0] == "remotes" and parts[2] == "cluster_id" and value == cluster_id


def _own_url(cluster: Cluster, option: str) -> str:
    url = remote_url(cluster.access.controllers[0], "controllers")
    if urlsplit(url).hostname in _LOOPBACK:
        raise UsageError(
            f"{option}: {url} is the address of {cluster.name} on this host only; another cluster can't reach it.",
            f"Set {option} to an address that the other cluster's controller can reach.",
        )
    return url
