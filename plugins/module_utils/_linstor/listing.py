# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The list of all backups on an S3 remote."""

from __future__ import annotations

from typing import Any

from .._engine.errors import UsageError
from .connection import Cluster
from .remotes import find_remote
from .replies import ControllerError


def read_list(cluster: Cluster, remote: str, advice: str) -> Any:
    """The list, from one request. Where that is refused, one more tells whether there is such a remote, and its type.

    Raises UnknownError, UsageError with ``advice`` for a remote that keeps no list, or what the controller says.
    The controller's own filter by resource isn't used: it leaves out that resource's backups that are under way.
    """
    try:
        return cluster.read("backup_list", remote, what=f"listing the backups on {remote}")
    except ControllerError as error:
        if error.code in ("locked", "unauthorized", "denied"):
            raise
        kind = find_remote(cluster, remote).type
        if kind != "s3":
            raise UsageError(f"remote {remote!r} keeps no list of backups, as it is of type {kind}.", advice) from None
        raise
