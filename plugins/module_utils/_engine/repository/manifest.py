# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Manifests: what a backup is. Written last, so that a backup exists when its manifest does."""

from __future__ import annotations

import dataclasses
import json
from typing import Any, NamedTuple

from ..common.bounded import Unreadable, read_object
from ..common.errors import UsageError, VolumeError
from ..common.keys import BackupKey, corrupt, data_prefix, encode, id_time
from ..common.units import iso_time
from ..streams.encryption import Keyring
from . import manifest_schema
from .envelope import find_key, open_envelope, seal

LIMIT = 1 << 20  # bytes; what grows with the volume stands in tables


class DataSource(NamedTuple):
    """A shipment whose data a backup uses. ``fields`` has ``compression``, ``encryption`` and ``segments``."""

    id: str
    prefix: str  # of the keys of its data
    fields: dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A checked manifest. ``fields`` is all of it, with what this version doesn't know."""

    key: BackupKey
    fields: dict[str, Any]

    @property
    def id(self) -> str:
        return self.key.id

    @property
    def size(self) -> int:
        """Bytes of the volume."""
        return int(self.fields["size"])

    @property
    def segments(self) -> int:
        """How many segments this shipment stored."""
        return int(self.fields["segments"]["count"])

    @property
    def stored(self) -> int:
        """Bytes of all segments as stored."""
        return int(self.fields["bytes"]["stored"])

    @property
    def index(self) -> dict[str, Any] | None:
        """What the manifest says of its index; ``None`` for streams that have none."""
        found: dict[str, Any] | None = self.fields.get("index")
        return found

    @property
    def sources(self) -> list[DataSource]:
        """The shipments whose data its index names: itself, then those it was merged from."""
        own = DataSource(self.id, self.key.data, self.fields)
        merged = self.fields.get("sources", [])
        return [own, *(DataSource(s["id"], data_prefix(self.key.origin, self.key.volume, s["id"]), s) for s in merged)]

    @property
    def encryption(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.fields.get("encryption")
        return found

    @property
    def group(self) -> str | None:
        group = self.fields.get("group")
        return group["id"] if group else None


def write(fields: dict[str, Any], keyring: Keyring) -> bytes:
    """The manifest's bytes. Raises VolumeError where it would be larger than readers accept."""
    body = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii") + b"\n"
    sealed = seal(body, keyring)
    if len(sealed) > LIMIT:
        raise VolumeError(
            f"the manifest would have {len(sealed)} bytes; at most {LIMIT} are allowed.",
            "Ship fewer volumes as one consistency group.",
            code="too_large",
        )
    return sealed


def read(data: bytes, key: BackupKey, keyring: Keyring, accept_unencrypted: bool = False) -> Manifest:
    """A manifest, checked against its digest, its MAC and its key. Raises CorruptError."""
    where = key.manifest
    opened = open_envelope(data, where, keyring, accept_unencrypted)
    try:
        fields = read_object(opened.body, LIMIT)
    except Unreadable as error:
        raise corrupt(where, f"it isn't a manifest: {error}.") from None
    if fields.get("encryption") and not opened.signed:
        raise corrupt(where, "it is forged: it claims to be encrypted but has no MAC.")
    _check_place(fields, key, where)
    if fields["encryption"] and not opened.proved:
        find_key(keyring, fields["encryption"]["key_id"], where)
    return Manifest(key, fields)


def _check_place(fields: dict[str, Any], key: BackupKey, where: str) -> None:
    """Refuse a genuine manifest under another key: it is as wrong as a forged one."""
    flaw = manifest_schema.flaw(fields)
    if flaw is not None:
        raise corrupt(where, f"its field {flaw} is missing or invalid.")
    try:
        found = (encode(fields["origin"]), encode(fields["volume"]), fields["id"], fields["base"])
    except UsageError as error:
        raise corrupt(where, error.msg) from None
    if found != (key.origin, key.volume, key.id, key.base):
        raise corrupt(where, "it was written for another backup.")
    if fields["created"] != iso_time(id_time(key.id)):
        raise corrupt(where, "its time differs from that of its id.")
