# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Names on a remote: ids, keys, and how any string becomes a safe key component."""

from __future__ import annotations

import datetime
import functools
import hashlib
import re
import secrets
from typing import NamedTuple
from urllib.parse import quote, unquote

from .errors import CorruptError, UsageError, VolumeError
from .units import UTC, iso_time, utc_time

FULL = "full"
ANY = "*"  # in the place of an origin: all of them
COMPONENT_BYTES = 200
_ID = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-[0-9a-f]{16}")
# Of ids. Their times are rounded, shown in other zones and subtracted, which must not lead out of the calendar.
_YEARS = range(1970, 9999)
_SAFE = re.compile(r"[A-Za-z0-9_.%-]+")
_NUMBER = re.compile(r"[0-9]{8}")  # of a segment
_HASHED = re.compile(r"(?P<head>.*)~(?P<digest>[0-9a-f]{64})", re.DOTALL)


def mint_id(created: float) -> str:
    """An id for one shipment: the snapshot's point in time (UTC, microseconds) and 64 random bits.

    Raises VolumeError for a time that no id can have.
    """
    minted = f"{utc_time(created).strftime('%Y%m%dT%H%M%S.%fZ')}-{secrets.token_hex(8)}"
    if not is_id(minted):
        raise VolumeError(
            f"the snapshot's time is {iso_time(created)}; a backup's must be from {_YEARS[0]} to {_YEARS[-1]}.",
            "Set this host's clock, and take a new snapshot.",
        )
    return minted


def is_id(text: str) -> bool:
    """Whether this is an id as :func:`mint_id` makes them, with a time that exists, of the years 1970 to 9998."""
    if not _ID.fullmatch(text) or int(text[:4]) not in _YEARS:
        return False
    try:
        id_time(text)
    except (ValueError, OverflowError):
        return False
    return True


def id_time(backup_id: str) -> float:
    """Seconds since the epoch of the snapshot an id was minted for."""
    stamp = backup_id.split("-", 1)[0]
    return datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()


def encode(name: str) -> str:
    """One safe key component for any string: percent-encoded; over 200 bytes a prefix, ``~`` and its SHA-256.

    Bytes that aren't UTF-8 are written as ``os.fsdecode`` does. Raises UsageError for a string without such bytes.
    """
    if not name:
        raise UsageError("the name is empty.")
    try:
        raw = name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"the name {name!r} isn't valid Unicode.") from None
    text = quote(raw, safe="-_").replace("~", "%7E")
    if text.startswith("."):  # no component is ".", ".." or hidden
        text = "%2E" + text[1:]
    if len(text) > COMPONENT_BYTES:
        digest = hashlib.sha256(raw).hexdigest()
        return re.sub(r"%.?$", "", text[: COMPONENT_BYTES - 65]) + "~" + digest
    return text


@functools.lru_cache(1024)
def is_component(text: str) -> bool:
    """Whether :func:`encode` makes this of some name."""
    hashed = _HASHED.fullmatch(text)
    if hashed is not None:
        return len(text) <= COMPONENT_BYTES and bool(_SAFE.fullmatch(hashed["head"]))
    try:
        return encode(unquote(text, errors="surrogateescape")) == text
    except UsageError:
        return False


def decode(component: str) -> str | None:
    """The name behind a component; ``None`` if the component holds only a hash (the manifest has the name)."""
    if _HASHED.fullmatch(component):
        return None
    return unquote(component, encoding="utf-8", errors="surrogateescape")


class BackupKey(NamedTuple):
    """A manifest's key, taken apart. ``origin`` and ``volume`` are encoded components."""

    origin: str
    volume: str
    id: str
    base: str | None  # None: a full

    @property
    def created(self) -> float:
        return id_time(self.id)

    def _under(self, kind: str) -> str:
        return f"{kind}/{self.origin}/{self.volume}/{self.id}~{self.base or FULL}"

    @property
    def manifest(self) -> str:
        return self._under("backups")

    @property
    def deleted(self) -> str:
        return self._under("deleted")

    @property
    def removed(self) -> str:
        """The key that says that this backup was removed for good; no manifest."""
        return f"deleted/{self.origin}/{self.volume}/{self.id}"

    @property
    def data(self) -> str:
        return data_prefix(self.origin, self.volume, self.id)


def data_prefix(origin: str, volume: str, backup_id: str) -> str:
    """The prefix of a shipment's data, with its trailing slash. Origin and volume encoded."""
    return f"data/{origin}/{volume}/{backup_id}/"


def inflight_key(origin: str, volume: str, backup_id: str) -> str:
    """The key of the record of a running shipment. Origin and volume encoded."""
    return f"inflight/{origin}/{volume}/{backup_id}"


def parse_backup_key(key: str) -> BackupKey | None:
    """The parts of a key under ``backups/`` or ``deleted/``; ``None`` for any other key."""
    parts = key.split("/")
    if len(parts) != 4 or parts[0] not in ("backups", "deleted"):
        return None
    backup_id, tilde, base = parts[3].partition("~")
    if not is_component(parts[1]) or not is_component(parts[2]):
        return None
    if not tilde or not is_id(backup_id) or not (base == FULL or is_id(base)) or base == backup_id:
        return None
    return BackupKey(parts[1], parts[2], backup_id, None if base == FULL else base)


_LISTED = {
    "backups": "the backups",
    "deleted": "the retired backups",
    "inflight": "the shipments",
    "data": "the data",
    "flags": "the flags",
}
_SINGLE = {
    "backups": "the manifest",
    "deleted": "the retired manifest",
    "inflight": "the record of the shipment",
    "flags": "a flag",
}


def shown(key: str) -> str:
    """An object, or what a prefix lists, in words: by volume and time. A key of another form is shown as it is."""
    kind, *parts = key.split("/")
    if kind == "repository":
        return "the identity of the repository"
    if len(parts) < 3 or kind not in _LISTED:
        return key
    volume = decode(parts[1]) or parts[1]
    volume = volume if volume.isprintable() else repr(volume)
    if not parts[2]:  # the prefix of a listing
        return f"{_LISTED[kind]} of {volume}"
    backup_id = parts[2].partition("~")[0]
    if not is_id(backup_id):
        return key
    about = f"{volume} from {iso_time(id_time(backup_id))}"
    if kind == "data":
        name = parts[3] if len(parts) > 3 else ""
        if _NUMBER.fullmatch(name):
            return f"segment {int(name)} of {about}"
        tables = {"index": "the index", "segments": "the table of segments"}
        return f"{tables.get(name.partition('-')[0], 'the data')} of {about}"
    return f"{_SINGLE[kind]} of {about}"


def corrupt(key: str, what: str, hint: str = "", code: str | None = None) -> CorruptError:
    """The error for one object that isn't as it must be. ``what`` is a sentence about it."""
    error = CorruptError(f"{shown(key)}: {what}", hint, code)
    error.key = key
    return error
