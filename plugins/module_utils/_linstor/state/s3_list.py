# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The list of all backups on an S3 remote."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable
from typing import Any

from ..._engine.common.errors import RemoteError, UsageError
from ..api.cluster import Cluster
from ..api.replies import ControllerError
from . import backups
from .backups import RemoteBackup
from .remotes import find_remote
from .snapshots import Snap, list_snapshots

#: seconds for which a refused list is requested again
PATIENCE = 60.0
_BRIEFLY = 6.0
_PAUSE = 2.0
_ELSEWHERE = "cannot parse null string"


class UnlistableError(RemoteError):
    """The list can't be read at the moment."""

    code = "in_use"


def backup_list(cluster: Cluster, remote: str, only: str | None = None, patience: float | None = None) -> Any:
    """The backups in a bucket, as python-linstor returns them; ``only`` those of one resource. One request.

    LINSTOR can't list any bucket while the cluster ships a snapshot to another remote: it expects the start time of a
    shipment to the bucket on that snapshot. So the request is repeated for ``patience`` seconds. Raises
    UnlistableError after that.
    """
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            return cluster.read("backup_list", remote, only, what=f"listing the backups on {remote}", explain=False)
        except ControllerError as error:
            if not any(_ELSEWHERE in reply.details.lower() for reply in error.replies):
                raise cluster.explained(error) from None
            if time.monotonic() >= end:
                raise UnlistableError(
                    f"{cluster.name} can't list the backups on {remote} while it ships a snapshot to another remote.",
                    "This is a limit of LINSTOR (its error: Cannot parse null string). Try again after that shipment.",
                ) from error
        time.sleep(_PAUSE)


class Contents:
    """The complete backups in a bucket, listed when one is asked for, and not again before ``forget``."""

    def __init__(self, cluster: Cluster, remote: str) -> None:
        self._cluster = cluster
        self._remote = remote
        self._found: list[RemoteBackup] | None = None

    def forget(self) -> None:
        """List it again the next time."""
        self._found = None

    def backup(self, resource: str, snap: Snap | None, snapshot: str, started: float | None) -> RemoteBackup | None:
        """The complete backup of a snapshot whose shipment began at ``started`` (seconds since the epoch)."""
        if self._found is None:
            self._found = backups.on_s3(backup_list(self._cluster, self._remote, None, _BRIEFLY), {}, self._remote)
            backups.mark_broken(self._found)
        for each in self._found:
            named = (each.resource.lower(), each.snapshot.lower()) == (resource.lower(), snapshot.lower())
            same = started is None or each.started is None or abs(started - each.started) < 1.0
            if named and same and each.complete:
                return dataclasses.replace(each, resource=resource, snap=snap)
        return None


def read_list(cluster: Cluster, remote: str, advice: str) -> Any:
    """The list, from one request. If LINSTOR refuses it, another request checks the remote and its type.

    Raises UnknownError, UsageError with ``advice`` for a remote that keeps no list, or the controller's own error.
    The controller's filter by resource isn't used: it leaves out backups that are under way.
    """
    try:
        return backup_list(cluster, remote)
    except ControllerError as error:
        if error.code in ("locked", "unauthorized", "denied", "bucket"):
            raise
        kind = find_remote(cluster, remote).type
        if kind != "s3":
            raise UsageError(f"remote {remote!r} is of type {kind}, which keeps no list of backups.", advice) from None
        raise


def dated(cluster: Cluster, listing: Any, remote: str, sources: Iterable[str]) -> list[RemoteBackup]:
    """The listed backups, those of the resources ``sources`` with the times of their snapshots.

    The list tells when shipments began. That is the time of a snapshot that its shipment has taken. If one of them was
    taken before, this takes one request.
    """
    found = backups.on_s3(listing, {}, remote)
    wanted = {source.lower() for source in sources}
    named = {each.resource for each in found if each.resource.lower() in wanted and not backups.took_snapshot(each)}
    return backups.on_s3(listing, list_snapshots(cluster, sorted(named)), remote) if named else found
