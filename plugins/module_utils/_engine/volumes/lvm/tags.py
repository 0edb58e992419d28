# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Notes on LVs, as tags: the record, witness and holds of a snapshot, and the state of a restore.

A tag has at most 1024 characters of ``A-Za-z0-9_+.-/=!:&#`` (lvm(8)); a longer text becomes several tags.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, NamedTuple

from .. import record
from ..provider import Snapshot

PREFIX = "snapship."
_PIECE = 1000
_FORMAT = 1


def named(key: str, value: str) -> str:
    """A short text as one tag."""
    return f"{PREFIX}{key}={value}"


def value_of(tags: Iterable[str], key: str) -> str | None:
    """The text under this key."""
    start = named(key, "")
    return next((tag[len(start) :] for tag in tags if tag.startswith(start)), None)


def packed(key: str, fields: dict[str, Any]) -> list[str]:
    """Fields of any length as tags."""
    text = record.pack(fields)
    pieces = [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]
    return [named(f"{key}.{number}", piece) for number, piece in enumerate(pieces)]


def unpacked(tags: Iterable[str], key: str) -> dict[str, Any] | None:
    """The fields under this key; ``None`` if there are none, or some are missing."""
    pieces: dict[int, str] = {}
    start = f"{PREFIX}{key}."
    for tag in tags:
        number, equals, piece = tag[len(start) :].partition("=")
        if tag.startswith(start) and equals and number.isdigit():
            pieces[int(number)] = piece
    text = "".join(pieces[number] for number in sorted(pieces))
    return record.unpack(text) if text else None


def belonging(tags: Iterable[str], key: str) -> list[str]:
    """All tags of this key."""
    return [tag for tag in tags if tag.startswith((f"{PREFIX}{key}.", f"{PREFIX}{key}="))]


# --- holds


def hold_key(holder: str) -> str:
    """The key of this holder's hold."""
    return "hold." + hashlib.sha256(holder.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def hold_tags(holder: str, backup: str) -> list[str]:
    """The tags of a hold."""
    return packed(hold_key(holder), {"holder": holder, "backup": backup})


def holds_in(tags: list[str]) -> dict[str, str]:
    """All holds, by holder."""
    start = f"{PREFIX}hold."
    keys = {"hold." + tag[len(start) :].partition(".")[0] for tag in tags if tag.startswith(start)}
    found = [unpacked(tags, key) for key in sorted(keys)]
    return {
        fields["holder"]: fields["backup"]
        for fields in found
        if fields is not None and isinstance(fields.get("holder"), str) and isinstance(fields.get("backup"), str)
    }


# --- snapshots


def snapshot_tags(snapshot: Snapshot) -> list[str]:
    """The tags that a snapshot is created with: its state id in plain text, its record and its holds."""
    fields = {
        "format": _FORMAT,
        "name": snapshot.name,
        "volume": snapshot.volume,
        "lineage": snapshot.lineage,
        "state_id": snapshot.state_id,
        **record.fields_of(snapshot),
    }
    tags = [named("state", snapshot.state_id), *packed("record", fields)]
    for holder, backup in snapshot.holds.items():
        tags += hold_tags(holder, backup)
    return tags


class Record(NamedTuple):
    """A snapshot, as its tags describe it."""

    name: str
    volume: str
    lineage: str
    state_id: str
    created: float
    group: dict[str, Any] | None
    made_by: str
    consistency: dict[str, Any]


def record_in(tags: list[str]) -> Record | None:
    """The record of a snapshot of ours; ``None`` for any other LV."""
    fields = unpacked(tags, "record")
    if fields is None or fields.get("format") != _FORMAT:
        return None
    try:
        return Record(
            str(fields["name"]),
            str(fields["volume"]),
            str(fields["lineage"]),
            str(fields["state_id"]),
            record.seconds_of(fields["created"]),
            record.good_group(fields["group"]),
            str(fields["made_by"]),
            dict(fields["consistency"]),
        )
    except (KeyError, TypeError, ValueError):
        return None


class Witness(NamedTuple):
    """Which LV a snapshot is; noted right after it was made."""

    uuid: str
    thin_id: int
    pool_uuid: str
    size: int

    def tag(self) -> str:
        return named("witness", f"{self.uuid}:{self.thin_id}:{self.pool_uuid}:{self.size}")


def witness_in(tags: list[str]) -> Witness | None:
    """The witness; ``None`` for an unfinished snapshot."""
    parts = (value_of(tags, "witness") or "").split(":")
    if len(parts) != 4 or not parts[1].isdigit() or not parts[3].isdigit():
        return None
    return Witness(parts[0], int(parts[1]), parts[2], int(parts[3]))


class Seen(NamedTuple):
    """What the pool's metadata told about a snapshot at the first reading."""

    creation_time: int
    mapped: int

    def tag(self) -> str:
        return named("seen", f"{self.creation_time}:{self.mapped}")


def seen_in(tags: list[str]) -> Seen | None:
    """The result of the first reading; ``None`` before it."""
    parts = (value_of(tags, "seen") or "").split(":")
    return Seen(int(parts[0]), int(parts[1])) if len(parts) == 2 and all(part.isdigit() for part in parts) else None


CHANGED = named("changed", "written")  # on a snapshot that somebody wrote to
