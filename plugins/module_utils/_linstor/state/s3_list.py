# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The list of all backups on an S3 remote."""

from __future__ import annotations

import time
from typing import Any

from ..._engine.common.errors import RemoteError, UsageError
from ..api.cluster import Cluster
from ..api.replies import ControllerError
from .remotes import find_remote

#: seconds for which a list is asked for again
PATIENCE = 60.0
_PAUSE = 2.0
_ELSEWHERE = "cannot parse null string"


class UnlistableError(RemoteError):
    """The list can't be had for the time being."""

    code = "in_use"


def backup_list(cluster: Cluster, remote: str, only: str | None = None, patience: float | None = None) -> Any:
    """What a bucket has, from one request, as python-linstor tells it; ``only`` of one resource.

    LINSTOR fails to list any bucket as long as one of the cluster's snapshots is on its way to another remote: it looks
    there for when its shipping to the bucket has begun. So it is asked again for ``patience`` seconds. Raises
    UnlistableError after them.
    """
    end = time.monotonic() + (PATIENCE if patience is None else patience)
    while True:
        try:
            return cluster.read("backup_list", remote, only, what=f"listing the backups on {remote}")
        except ControllerError as error:
            if not any(_ELSEWHERE in reply.details.lower() for reply in error.replies):
                raise
            if time.monotonic() >= end:
                raise UnlistableError(
                    f"{cluster.name} can't list the backups on {remote} while it ships something to another remote.",
                    "That is how LINSTOR is (it says: Cannot parse null string); try again when that has ended.",
                ) from error
        time.sleep(_PAUSE)


def read_list(cluster: Cluster, remote: str, advice: str) -> Any:
    """The list, from one request. Where that is refused, one more tells whether there is such a remote, and its type.

    Raises UnknownError, UsageError with ``advice`` for a remote that keeps no list, or what the controller says.
    The controller's own filter by resource isn't used: it leaves out that resource's backups that are under way.
    """
    try:
        return backup_list(cluster, remote)
    except ControllerError as error:
        if error.code in ("locked", "unauthorized", "denied"):
            raise
        kind = find_remote(cluster, remote).type
        if kind != "s3":
            raise UsageError(f"remote {remote!r} keeps no list of backups, as it is of type {kind}.", advice) from None
        raise
