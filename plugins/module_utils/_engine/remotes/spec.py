# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The definition of a remote: what a user writes, checked, with its secrets told apart."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping
from typing import Any

from ..common.errors import UsageError
from ..common.units import parse_duration, parse_size

TYPES = ("directory", "s3")
LAYOUTS = ("snapship", "linstor")
SECRETS = ("access_key", "secret_key", "session_token", "encryption_key", "old_encryption_keys")
S3_ONLY = (
    "bucket",
    "prefix",
    "endpoint_url",
    "region",
    "access_key",
    "secret_key",
    "session_token",
    "profile",
    "ca_path",
    "object_lock_days",
    "storage_class",
)


def told_type(options: Mapping[str, Any]) -> str | None:
    """The type that these options say or imply; ``None`` where that isn't clear."""
    given: str | None = options.get("type")
    if given:
        return given
    fitting = [kind for kind, key in (("s3", "bucket"), ("directory", "path")) if options.get(key)]
    return fitting[0] if len(fitting) == 1 else None


@dataclasses.dataclass(frozen=True)
class RemoteSpec:
    """One remote's definition. ``grace_period`` is in seconds, ``bandwidth_limit`` in bytes a second (0: none)."""

    name: str
    type: str
    layout: str = "snapship"  # whose backups lie there
    path: str | None = None
    bucket: str | None = None
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
    encryption_key: str | None = dataclasses.field(default=None, repr=False)
    old_encryption_keys: list[str] = dataclasses.field(default_factory=list, repr=False)
    accept_unencrypted: bool = False
    compression: str = "zstd"
    bandwidth_limit: int = 0
    append_only: bool = False
    grace_period: float = 86400.0

    @classmethod
    def parse(cls, name: str, given: Mapping[str, Any]) -> RemoteSpec:
        """The definition from a user's words; options that are ``None`` count as not given.

        Raises UsageError naming the option that is wrong, missing or doesn't go with the type.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        values = {key: value for key, value in given.items() if value is not None and key != "name"}
        strange = sorted(set(values) - known)
        if strange:
            raise UsageError(
                f"unknown option of a remote: {', '.join(strange)}.", f"Known are {', '.join(sorted(known))}."
            )
        if not isinstance(name, str) or not name:
            raise UsageError("a remote needs a name.")
        kind = values.get("type") or ("s3" if values.get("bucket") else "directory" if values.get("path") else None)
        if kind is None:
            raise UsageError(f"remote {name!r}: it isn't said where it is.", "Give path (a directory) or bucket (S3).")
        if kind not in TYPES:
            raise UsageError(f"remote {name!r}: type is {kind!r}.", f"It is one of {', '.join(TYPES)}.")
        values["type"] = kind
        layout = values.get("layout", "snapship")
        if layout not in LAYOUTS:
            raise UsageError(f"remote {name!r}: layout is {layout!r}.", f"It is one of {', '.join(LAYOUTS)}.")
        empty = [key for key in SECRETS if values.get(key) == ""]
        if empty:  # a variable that came out empty must not switch encryption off
            raise UsageError(f"remote {name!r}: {', '.join(empty)} is empty.", "Give a value, or leave the option out.")
        _check_fields(name, kind, values)
        _convert(name, values)
        return cls(name=name, **values)

    @property
    def read_only(self) -> bool:
        """Whether what lies there is another program's, and only read."""
        return self.layout != "snapship"

    def public(self) -> dict[str, Any]:
        """All that may be shown: secrets replaced by whether they are set."""
        shown = dataclasses.asdict(self)
        for key in SECRETS:
            shown[key] = bool(shown[key])
        return shown

    def to_json(self) -> dict[str, Any]:
        """All of it, secrets too, for the 0600 file."""
        return dataclasses.asdict(self)


def _check_fields(name: str, kind: str, values: dict[str, Any]) -> None:
    if kind == "directory":
        odd = [key for key in S3_ONLY if values.get(key)]
        if odd:
            raise UsageError(f"remote {name!r}: {', '.join(odd)} is for type s3.", "A directory takes path.")
        if not values.get("path"):
            raise UsageError(f"remote {name!r}: a directory needs path.")
        if not os.path.isabs(values["path"]):
            raise UsageError(f"remote {name!r}: path {values['path']!r} is not absolute.")
        values["path"] = os.path.normpath(values["path"])
        return
    if values.get("path"):
        raise UsageError(f"remote {name!r}: path is for type directory.", "Type s3 takes bucket and prefix.")
    if not values.get("bucket"):
        raise UsageError(f"remote {name!r}: type s3 needs bucket.")
    if bool(values.get("access_key")) != bool(values.get("secret_key")):
        raise UsageError(f"remote {name!r}: access_key and secret_key go together.")
    if values.get("session_token") and not values.get("access_key"):
        raise UsageError(f"remote {name!r}: session_token goes with access_key and secret_key.")
    if values.get("addressing_style", "auto") not in ("auto", "path", "virtual"):
        raise UsageError(f"remote {name!r}: addressing_style is auto, path or virtual.")
    endpoint = values.get("endpoint_url")
    if endpoint and not re.match(r"https?://[^/\s]+", endpoint):
        raise UsageError(
            f"remote {name!r}: endpoint_url {endpoint!r} is no http(s) address.", "Write https://host[:port]."
        )
    values["prefix"] = "/".join(part for part in values.get("prefix", "").split("/") if part)
    if any(part in (".", "..") for part in values["prefix"].split("/")):
        raise UsageError(f"remote {name!r}: prefix {values['prefix']!r} has '.' or '..' in it.")


def _convert(name: str, values: dict[str, Any]) -> None:
    if values.get("compression", "zstd") not in ("zstd", "none"):
        raise UsageError(f"remote {name!r}: compression is zstd or none.")
    if "bandwidth_limit" in values:
        values["bandwidth_limit"] = parse_size(values["bandwidth_limit"], f"remote {name!r}: bandwidth_limit")
    if "grace_period" in values:
        values["grace_period"] = parse_duration(values["grace_period"], f"remote {name!r}: grace_period")
    if "object_lock_days" in values and int(values["object_lock_days"]) < 0:
        raise UsageError(f"remote {name!r}: object_lock_days is a number of days, 0 or more.")
    values["old_encryption_keys"] = list(values.get("old_encryption_keys") or [])
