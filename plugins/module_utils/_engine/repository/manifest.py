# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The manifest: what a backup is, its commit point. Written once, checked whenever it is read."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from typing import Any, NamedTuple

from ..common.errors import UsageError
from ..common.keys import BackupKey, corrupt, encode, id_time, shown
from ..common.units import iso_time
from ..streams.encryption import Keyring
from . import manifest_schema

VERSION = 1
LIMIT = 256 << 20  # bytes; 64 TiB of segments fit
_SEALS = ("digest", "mac")


class Segment(NamedTuple):
    """One stored segment: its number, bytes as stored, bytes of stream in it, SHA-256 (hex) of what is stored."""

    number: int
    size: int
    plain: int
    sha256: str

    @property
    def name(self) -> str:
        return f"{self.number:08d}"


class Part(NamedTuple):
    """One stored part of the index: its name, bytes as stored, records in it, SHA-256 (hex) of what is stored."""

    name: str
    size: int
    records: int
    sha256: str


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
    def segments(self) -> list[Segment]:
        return [Segment(int(n), int(size), int(plain), str(sha)) for n, size, plain, sha in self.fields["segments"]]

    @property
    def parts(self) -> list[Part]:
        """Of the index; none for streams that have none."""
        index = self.fields.get("index") or {"parts": []}
        return [Part(p["name"], int(p["size"]), int(p["records"]), p["sha256"]) for p in index["parts"]]

    @property
    def encryption(self) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.fields.get("encryption")
        return found

    @property
    def group(self) -> str | None:
        group = self.fields.get("group")
        return group["id"] if group else None


def canonical(fields: dict[str, Any]) -> bytes:
    """The text that digest and MAC are made over: all fields but these two, sorted, without spaces, ASCII."""
    bare = {name: value for name, value in fields.items() if name not in _SEALS}
    return json.dumps(bare, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode("ascii")


def write(fields: dict[str, Any], keyring: Keyring) -> bytes:
    """The manifest's bytes, sealed with a digest over itself and, where there is a key, a MAC."""
    text = canonical(fields)
    sealed = dict(fields, digest="sha256:" + hashlib.sha256(text).hexdigest())
    if keyring.writes:
        sealed["mac"] = {"key_id": keyring.writes.id, "hmac-sha256": keyring.writes.mac(text)}
    return json.dumps(sealed, sort_keys=True, ensure_ascii=True).encode("ascii") + b"\n"


def read(data: bytes, key: BackupKey, keyring: Keyring, accept_unencrypted: bool = False) -> Manifest:
    """A manifest, checked against its key, its digest and its MAC. Raises CorruptError."""
    where = key.manifest
    try:
        fields = json.loads(data)
    except (ValueError, RecursionError):
        raise corrupt(where, "it is cut short or isn't JSON.") from None
    if not isinstance(fields, dict) or fields.get("format") != "snapship":
        raise corrupt(where, "it isn't a manifest of snapship.")
    version = fields.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or not 1 <= version <= VERSION:
        raise corrupt(
            where,
            f"its format version is {version!r}; this snapship reads versions up to {VERSION}.",
            "Use a newer snapship.",
            code="version",
        )
    text = canonical(fields)
    if fields.get("digest") != "sha256:" + hashlib.sha256(text).hexdigest():
        raise corrupt(where, "it was changed after it was written: its digest doesn't match.")
    _check_mac(fields, text, where, keyring, accept_unencrypted)
    _check_place(fields, key, where)
    return Manifest(key, fields)


def _check_mac(fields: dict[str, Any], text: bytes, where: str, keyring: Keyring, accept_unencrypted: bool) -> None:
    mac = fields.get("mac")
    if mac is None:
        if fields.get("encryption"):
            raise corrupt(where, "it is forged: it claims to be encrypted but has no MAC.")
        if keyring and not accept_unencrypted:
            raise corrupt(
                where,
                "it has no MAC although the remote has an encryption key: it may be forged.",
                "If it was written before the key was set, set accept_unencrypted.",
            )
        return
    if not keyring and not fields.get("encryption"):
        return
    try:
        expected = keyring.find(str(mac["key_id"])).mac(text)
        matches = hmac.compare_digest(expected, str(mac["hmac-sha256"]))
    except (KeyError, TypeError):
        matches = False
    except Exception as error:
        if hasattr(error, "msg"):
            error.msg = f"{shown(where)}: {error.msg}"
        raise
    if not matches:
        raise corrupt(where, "it is forged or was changed: its MAC doesn't match.")


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
