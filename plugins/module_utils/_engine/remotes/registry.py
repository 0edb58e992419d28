# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors
"""From a remote's definition to the store itself."""

from __future__ import annotations

from .directory.store import DirectoryStore
from .s3.client import open_client
from .s3.store import S3Store
from .spec import RemoteSpec
from .store import ObjectStore


def open_store(spec: RemoteSpec) -> ObjectStore:
    """The store that ``spec`` describes; nothing is asked of it yet.

    Raises RemoteError with code ``library`` where boto3 is needed and missing, ``access_key`` without credentials,
    ``tls`` or ``config`` for a set-up of this host that can't be used.
    """
    if spec.type == "directory":
        return DirectoryStore(spec)
    return S3Store(spec, open_client(spec))
