# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The fields that a manifest must have to be read, and their types; docs/manifest.schema.json says the same.

A digest that matches proves only that a manifest is as it was written, not that somebody sensible wrote it. Fields that
aren't named here may be there or not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Callable

from ..common.keys import is_id
from ..streams.index import PAGE, PAGE_RECORDS

_HEX = re.compile(r"[0-9a-f]{64}")
_LAST = 99_999_999
_SECTOR = 512
_OBJECT = 64 << 20  # bytes of an object of the index, at most
_SLACK = 1 << 20  # what compression and encryption may add to one
_SOURCES = 10_000
_OBJECTS = ("consistency", "properties", "tool")  # where they are there
_TEXTS = ("provider", "lineage", "snapshot", "reason", "machine_id")  # where they are there
_FIRST = ("id", "base", "base_state_id", "origin", "volume", "state_id", "compression", "encryption", "stream")
Test = Callable[[Any], bool]


def flaw(fields: Mapping[str, Any]) -> str | None:
    """Which field isn't as it must be; ``None`` where all are."""
    for name, test in _ALWAYS.items():
        if name not in fields or not test(fields[name]):
            return name
    for name in _OBJECTS:
        if not isinstance(fields.get(name, {}), dict):
            return name
    for name in _TEXTS:
        if name in fields and not isinstance(fields[name], str):
            return name
    if fields["group"] is not None and fields["volume"] not in fields["group"]["members"]:
        return "group"
    if (fields["base"] is None) != (fields["base_state_id"] is None):
        return "base_state_id"
    stream = fields["stream"]
    if stream["format"] == "zfs-send":
        return None if _texts(stream.get("flags")) else "stream"
    if stream["format"] != "thin-send-recv":
        return None
    if not (_count(stream.get("data")) and _count(stream.get("unmap"))):
        return "stream"
    return None if _index(fields.get("index"), fields["size"]) else "index"


def begins(fields: Mapping[str, Any]) -> bool:
    """Whether these can be the first fields of a manifest, as the journal of its shipment has them."""
    if not all(name in fields and _ALWAYS[name](fields[name]) for name in _FIRST):
        return False
    return is_id(fields["id"]) and (fields["base"] is None or is_id(fields["base"]))


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _optional(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_HEX.fullmatch(value))


def _prefixed(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("sha256:") and _digest(value[7:])


def _bytes(value: Any) -> bool:
    return isinstance(value, dict) and _count(value.get("stored"))


def _stream(value: Any) -> bool:
    return isinstance(value, dict) and _text(value.get("format"))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(_text(each) for each in value)


def _group(value: Any) -> bool:
    if not isinstance(value, dict) or not is_id(str(value.get("id"))):
        return False
    members = value.get("members")
    if not isinstance(members, list) or not all(_text(member) for member in members):
        return False
    return bool(members) and len(set(members)) == len(members)


def _encryption(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(value.get(name)) for name in ("algorithm", "key_id", "wrapped_key"))


def _segments(value: Any) -> bool:
    if not isinstance(value, dict) or not _count(value.get("count")) or not _prefixed(value.get("digest")):
        return False
    return bool(value["count"] <= _LAST + 1)


def _index(value: Any, size: int) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("objects"), list):
        return False
    if not all(_count(value.get(name)) for name in ("records", "pages", "size")) or not _prefixed(value.get("digest")):
        return False
    # No extent is smaller than a sector, but for the last of an odd volume.
    fits = value["records"] <= size // _SECTOR + 1 and value["pages"] == -(-value["records"] // PAGE_RECORDS)
    if not fits or value["pages"] * PAGE.size > _OBJECT or value["size"] > _OBJECT + _SLACK:
        return False
    return len(value["objects"]) <= value["pages"] and all(_object(each) for each in value["objects"])


def _object(value: Any) -> bool:
    return (
        isinstance(value, list) and len(value) == 2 and _count(value[0]) and value[0] <= _OBJECT and _prefixed(value[1])
    )


def _sources(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= _SOURCES and all(_source(each) for each in value)


def _source(value: Any) -> bool:
    if not isinstance(value, dict) or not is_id(str(value.get("id"))) or not _segments(value.get("segments")):
        return False
    return _text(value.get("compression")) and (value.get("encryption") is None or _encryption(value["encryption"]))


_ALWAYS: dict[str, Test] = {
    "id": _text,
    "base": _optional(_text),
    "base_state_id": _optional(_text),
    "origin": _text,
    "volume": _text,
    "created": _text,
    "state_id": _text,
    "size": _count,
    "group": _optional(_group),
    "compression": _text,
    "encryption": _optional(_encryption),
    "bytes": _bytes,
    "segments": _segments,
    "sources": _sources,
    "stream": _stream,
}
