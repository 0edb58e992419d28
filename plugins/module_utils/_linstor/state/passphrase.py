# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Whether the cluster's master passphrase is set and entered. LINSTOR encrypts the secrets of remotes with it."""

from __future__ import annotations

from collections.abc import Mapping

from ..._engine.common.errors import RemoteError, SnapshipError
from ..api.cluster import Cluster


def passphrase_status(cluster: Cluster) -> str:
    """``unset``, ``locked`` or ``unlocked``."""
    told = cluster.read("crypt_status", what="reading the state of the master passphrase").data_v1
    first = told[0] if isinstance(told, list) and told else told  # the API's documentation calls it a list
    return str(first.get("status", "unset")).lower() if isinstance(first, Mapping) else "unset"


def locked(cluster: Cluster, why: str) -> SnapshipError | None:
    """The error if the master passphrase isn't entered, or ``None``; ``why`` says what it is needed for."""
    status = passphrase_status(cluster)
    if status == "unlocked":
        return None
    state = "isn't set" if status == "unset" else "wasn't entered after the controller started"
    return RemoteError(
        f"{cluster.name}: the master passphrase {state}. {why}.",
        "Set or enter it with snapship.dr.linstor_encryption.",
        "locked",
    )


def lock(cluster: Cluster) -> SnapshipError | None:
    """The error if the master passphrase isn't set or entered, so that LINSTOR can't read an S3 remote's keys.

    One request. Controllers before REST 1.25 don't tell; with these the first backup fails with the same code.
    """
    if cluster.rest_version < (1, 25):
        return None
    status = getattr(cluster.read("crypt_status", what="reading the state of encryption"), "status", None)
    if status not in ("unset", "locked"):
        return None
    said = "isn't set" if status == "unset" else "wasn't entered after the controller started"
    return RemoteError(
        f"{cluster.name}: the master passphrase {said}. LINSTOR can't read the remote's keys without it.",
        "Set or enter it with snapship.dr.linstor_encryption.",
        "locked",
    )
