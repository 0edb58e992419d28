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

from ..streams.index import part_name

_HEX = re.compile(r"[0-9a-f]{64}")
_LAST = 99_999_999
_OBJECTS = ("bytes", "consistency", "properties", "tool")  # where they are there
Test = Callable[[Any], bool]


def flaw(fields: Mapping[str, Any]) -> str | None:
    """Which field isn't as it must be; ``None`` where all are."""
    for name, test in _ALWAYS.items():
        if name not in fields or not test(fields[name]):
            return name
    for name in _OBJECTS:
        if not isinstance(fields.get(name, {}), dict):
            return name
    if (fields["base"] is None) != (fields["base_state_id"] is None):
        return "base_state_id"
    stream = fields["stream"]
    if stream["format"] == "zfs-send":
        digests = stream.get("digests")
        whole = isinstance(digests, list) and len(digests) == len(fields["segments"]) and all(map(_digest, digests))
        return None if whole and _texts(stream.get("flags")) else "stream"
    if stream["format"] != "thin-send-recv":
        return None
    if not (_count(stream.get("data")) and _count(stream.get("unmap"))):
        return "stream"
    return None if _index(fields.get("index")) else "index"


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _optional(test: Test) -> Test:
    return lambda value: value is None or test(value)


def _digest(value: Any) -> bool:
    return isinstance(value, str) and bool(_HEX.fullmatch(value))


def _stream(value: Any) -> bool:
    return isinstance(value, dict) and _text(value.get("format"))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(_text(each) for each in value)


def _group(value: Any) -> bool:
    if not isinstance(value, dict) or not _text(value.get("id")):
        return False
    members = value.get("members")
    return isinstance(members, list) and bool(members) and all(_text(member) for member in members)


def _encryption(value: Any) -> bool:
    return isinstance(value, dict) and all(_text(value.get(name)) for name in ("algorithm", "key_id", "wrapped_key"))


def _segments(value: Any) -> bool:
    if not isinstance(value, list) or not value:
        return False
    last = -1
    for each in value:
        if not isinstance(each, list) or len(each) != 4:
            return False
        number, size, plain, sha256 = each
        if not (_count(number) and last < number <= _LAST and _count(size) and _count(plain) and _digest(sha256)):
            return False
        last = number
    return True


def _index(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("parts"), list) or not value["parts"]:
        return False
    return all(_part(each, part_name(number)) for number, each in enumerate(value["parts"]))


def _part(value: Any, name: str) -> bool:
    if not isinstance(value, dict) or value.get("name") != name:
        return False
    return _count(value.get("size")) and _count(value.get("records")) and _digest(value.get("sha256"))


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
    "segments": _segments,
    "stream": _stream,
}
