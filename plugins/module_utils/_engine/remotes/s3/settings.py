# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The options of a remote in S3: as data, checked, and typed."""

from __future__ import annotations

import dataclasses
import re
from typing import Any
from urllib.parse import urlsplit

from ...common.errors import UsageError
from ..spec import RemoteOption, RemoteSpec
from .credentials import sendable

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
    for option in CREDENTIALS:
        if values.get(option) and not sendable(values[option]):
            raise UsageError(
                f"remote {name!r}: {option} contains a line break, a space or another character that no key has.",
                "Files and vaults often end with a line break: cut it off (in a template: | trim).",
            )
    _check_bucket(name, values["bucket"])
    endpoint = values.get("endpoint_url")
    if endpoint:
        _check_endpoint(name, endpoint, values["bucket"])
    values["prefix"] = "/".join(part for part in (values.get("prefix") or "").split("/") if part)
    if any(part in (".", "..") for part in values["prefix"].split("/")):
        raise UsageError(f"remote {name!r}: prefix {values['prefix']!r} contains '.' or '..'.", "Write plain names.")


def _check_bucket(name: str, bucket: str) -> None:
    if re.fullmatch(r"[A-Za-z0-9._-]{1,255}", bucket) or bucket.startswith("arn:") and bucket.isprintable():
        return
    start, cure = f"remote {name!r}: bucket {bucket[:80]!r}", "Write the name of the bucket only."
    plain, _slash, below = bucket.partition("://")[2].partition("/") if "://" in bucket else bucket.partition("/")
    if re.fullmatch(r"[A-Za-z0-9._-]{1,255}", plain) and not bucket.startswith("http"):
        cure = f"Set bucket: {plain}" + (f" and prefix: {below.strip('/')}." if below.strip("/") else ".")
        raise UsageError(f"{start} is more than the name of a bucket.", cure)
    if "@" in bucket:  # an address with a password?
        start = f"remote {name!r}: bucket"
    raise UsageError(f"{start} isn't the name of a bucket.", cure)


def endpoint_flaw(endpoint: str) -> tuple[str, str] | None:
    """What is wrong with an address, as the end of a sentence that doesn't quote it, and what to do."""
    write = "Write https://host[:port]."
    if "@" in endpoint:
        return "contains a user name or a password", f"{write} S3 has no passwords: set access_key and secret_key."
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        good = False
    if not good or not endpoint.isprintable() or " " in endpoint:
        return "isn't an http(s) address", write
    if parts.query or parts.fragment or "?" in endpoint or "#" in endpoint:
        return "has parameters after its host", write
    return None


def _check_endpoint(name: str, endpoint: str, bucket: str) -> None:
    flaw = endpoint_flaw(endpoint)
    if flaw is not None:
        quoted = "" if "@" in endpoint or "?" in endpoint else f" {endpoint[:200]!r}"
        raise UsageError(f"remote {name!r}: endpoint_url{quoted} {flaw[0]}.", flaw[1])
    parts = urlsplit(endpoint)
    host = parts.netloc.lower()
    service = host[len(bucket) + 1 :]
    if host.startswith(f"{bucket.lower()}.") and re.match(r"s3[.-]", service):
        right = f"{parts.scheme}://{service}"
    elif parts.path.rstrip("/").endswith(f"/{bucket}"):
        right = endpoint.rstrip("/")[: -len(bucket) - 1]
    else:
        return
    raise UsageError(
        f"remote {name!r}: endpoint_url {endpoint!r} contains the bucket, which is added to it.",
        f"Set endpoint_url: {right}",
    )
