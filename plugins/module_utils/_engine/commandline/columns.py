# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The tables of the command line: their fields, and how a field is shown."""

from __future__ import annotations

from typing import Any, Callable, NamedTuple

from ..common.units import show_bytes
from ..remotes.registry import place_in_words


class Column(NamedTuple):
    """One column; ``show`` makes text of the field's value, ``right`` sets numbers under each other."""

    title: str
    field: str
    show: Callable[[Any], str]
    right: bool = False


Table = tuple[Column, ...]


def plain(value: Any) -> str:
    """Any value on one line, without characters that a terminal would act on."""
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(plain(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(part)}" for key, part in value.items())
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in str(value))


def size(value: Any) -> str:
    """Bytes, in a suitable unit."""
    return "-" if value is None else show_bytes(value)


def seconds(value: Any) -> str:
    """Seconds, to a tenth."""
    return "-" if value is None else f"{value:.1f}"


def moment(value: Any) -> str:
    """A time in UTC, to the second."""
    return plain(value).partition(".")[0].replace("T", " ").rstrip("Z") + "Z" if value else "-"


def place(value: Any) -> str:
    """A remote's location in words."""
    return place_in_words(plain(value))


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


_ID, _VOLUME = Column("ID", "id", plain), Column("VOLUME", "volume", plain)
_ORIGIN, _TYPE = Column("ORIGIN", "origin", plain), Column("TYPE", "type", plain)
_CREATED = Column("CREATED", "created", moment)
_SECONDS = Column("SECONDS", "seconds", seconds, True)

REMOTES: Table = (
    Column("NAME", "name", plain),
    _TYPE,
    Column("LOCATION", "location", place),
    Column("ENCRYPTED", "encryption_key", plain),
    Column("APPEND ONLY", "append_only", plain),
)
SNAPSHOTS: Table = (
    _VOLUME,
    Column("NAME", "name", plain),
    _CREATED,
    Column("SIZE", "size", size, True),
    Column("METHOD", "method", plain),
    Column("VALID", "valid", plain),
)
BACKUPS: Table = (
    _VOLUME,
    _TYPE,
    _ID,
    Column("CHANGED", "bytes_changed", size, True),
    Column("SENT", "bytes_sent", size, True),
    _SECONDS,
    Column("REASON", "reason", plain),
)
LISTED: Table = (_CREATED, _VOLUME, _ORIGIN, _TYPE, _ID, Column("COMPLETE", "complete", plain))
REMOVED: Table = (_VOLUME, _TYPE, _ID, _CREATED)
VERIFIED: Table = (
    _VOLUME,
    _ID,
    _CREATED,
    Column("MODE", "mode", plain),
    Column("VERIFIED", "verified", moment),
    Column("READ", "bytes_read", size, True),
    Column("FETCHED", "bytes_fetched", size, True),
    _SECONDS,
)
RESTORED: Table = (
    Column("SOURCE", "source", plain),
    Column("TARGET", "target", plain),
    _ID,
    _CREATED,
    Column("WRITTEN", "bytes_written", size, True),
    Column("FETCHED", "bytes_fetched", size, True),
    _SECONDS,
    Column("DONE", "changed", plain),
)
