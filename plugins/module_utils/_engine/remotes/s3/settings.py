# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The options of a remote in S3: as data, checked, and typed."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

from ...common.errors import UsageError
from ..spec import RemoteOption, RemoteSpec

OPTIONS = (
    RemoteOption("bucket", "the bucket, for a remote in S3"),
    RemoteOption("prefix", "prefix of all keys"),
    RemoteOption("endpoint_url", "address of an S3-compatible service"),
    RemoteOption("region", "region of the bucket"),
    RemoteOption("access_key", "access key id", "secret"),
    RemoteOption("secret_key", "secret access key", "secret"),
    RemoteOption("session_token", "session token of temporary keys", "secret"),
    RemoteOption("profile", "profile in the AWS configuration"),
    RemoteOption("addressing_style", "where the bucket's name goes", "text", ("auto", "path", "virtual"), "auto"),
    RemoteOption("ca_path", "file with the certificate authorities to trust", "path"),
    RemoteOption("validate_certs", "check the endpoint's certificate (default: yes)", "flag", default=True),
    RemoteOption("create_bucket", "create the bucket if it is missing", "flag", default=False),
    RemoteOption("object_lock_days", "lock each object for so many days", "number", default=0),
    RemoteOption("storage_class", "storage class of new objects"),
)
CREDENTIALS = ("access_key", "secret_key", "session_token")


@dataclasses.dataclass(frozen=True)
class S3Settings:
    """The options of one remote; see :data:`OPTIONS`."""

    bucket: str
    prefix: str = ""
    endpoint_url: str | None = None
    region: str | None = None
    access_key: str | None = dataclasses.field(default=None, repr=False)
    secret_key: str | None = dataclasses.field(default=None, repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)
    profile: str | None = None
    addressing_style: str = "auto"
    ca_path: str | None = None
    validate_certs: bool = True
    create_bucket: bool = False
    object_lock_days: int = 0
    storage_class: str | None = None

    @classmethod
    def of(cls, spec: RemoteSpec) -> S3Settings:
        return cls(**spec.options)


def check(name: str, values: dict[str, Any]) -> None:
    """Check and normalise the options of remote ``name``. Raises UsageError."""
    if not values.get("bucket"):
        raise UsageError(f"remote {name!r}: bucket is missing.", "Set bucket to the name of the bucket.")
    if bool(values.get("access_key")) != bool(values.get("secret_key")):
        raise UsageError(f"remote {name!r}: access_key and secret_key go together.", "Set both, or neither.")
    if values.get("session_token") and not values.get("access_key"):
        raise UsageError(f"remote {name!r}: session_token needs access_key and secret_key.", "Set all three.")
    endpoint = values.get("endpoint_url")
    if endpoint and not re.match(r"https?://[^/\s]+", endpoint):
        raise UsageError(
            f"remote {name!r}: endpoint_url {endpoint!r} isn't an http(s) address.", "Write https://host[:port]."
        )
    values["prefix"] = "/".join(part for part in (values.get("prefix") or "").split("/") if part)
    if any(part in (".", "..") for part in values["prefix"].split("/")):
        raise UsageError(f"remote {name!r}: prefix {values['prefix']!r} contains '.' or '..'.", "Write plain names.")
