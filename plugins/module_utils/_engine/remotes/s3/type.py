# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The type ``s3``: a bucket at Amazon or at a compatible service."""

from __future__ import annotations

from ..spec import RemoteSpec, RemoteType
from ..store import ObjectStore
from .client import open_client
from .settings import CREDENTIALS, OPTIONS, S3Settings, check
from .store import S3Store


def _open(spec: RemoteSpec) -> ObjectStore:
    """Raises RemoteError with code ``library`` where boto3 is missing, ``access_key`` without credentials, ``tls`` or
    ``config`` for a set-up of this host that can't be used."""
    return S3Store(spec, open_client(S3Settings.of(spec)))


def _open_as_of(spec: RemoteSpec, moment: float) -> ObjectStore:
    return S3Store(spec, open_client(S3Settings.of(spec))).as_of(moment)


def _creates(spec: RemoteSpec, _inline: bool) -> bool:
    return S3Settings.of(spec).create_bucket


def _place(location: str) -> str:
    _type, endpoint, bucket, prefix = [*location.split("|", 3), "", "", ""][:4]
    return f"s3://{bucket}/{prefix}".rstrip("/") + f" at {endpoint}"


S3 = RemoteType(
    name="s3",
    title="S3",
    options=OPTIONS,
    telling="bucket",
    check=check,
    open=_open,
    open_as_of=_open_as_of,
    creates=_creates,
    place=_place,
    credentials=CREDENTIALS,
    other_credentials=("profile",),
)
