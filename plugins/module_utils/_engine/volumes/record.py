# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The record of a snapshot, packed into a short text that a tag or a property of the storage can hold."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

from ..common.bounded import read_object
from ..common.keys import is_id
from ..common.units import is_time
from .provider import Snapshot, TakeRequest

_LIMIT = 1 << 20  # bytes of an unpacked record; a tag or a property holds far less


def pack(fields: dict[str, Any]) -> str:
    """The fields as letters, digits, ``+``, ``/`` and ``=`` only. Compressed, for long lists of similar names."""
    text = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    return base64.b64encode(zlib.compress(text, 9)).decode()


def unpack(text: str) -> dict[str, Any] | None:
    """The fields of a packed text; ``None`` for any other text."""
    try:
        unfolder = zlib.decompressobj()
        data = unfolder.decompress(base64.b64decode(text, validate=True), _LIMIT)
        return read_object(data, _LIMIT, local=True) if unfolder.eof else None
    except (ValueError, zlib.error):
        return None


def good_group(value: Any) -> dict[str, Any] | None:
    """The group that a record names; ``None`` where it names none, or something else."""
    if not isinstance(value, dict) or not is_id(str(value.get("id"))):
        return None
    members = value.get("members")
    if not isinstance(members, list) or not all(isinstance(each, str) and each for each in members):
        return None
    return value if len(set(members)) == len(members) else None


def seconds_of(value: Any) -> float:
    """The seconds since the epoch that :func:`micros` noted. Raises ValueError for what can't be a time."""
    if not isinstance(value, int) or not is_time(value / 1e6):
        raise ValueError("it isn't a time")
    return value / 1e6


def micros(created: float) -> int:
    """Whole microseconds since the epoch."""
    return round(created * 1e6)


def fields_of(source: Snapshot | TakeRequest) -> dict[str, Any]:
    """The fields that every provider notes on a snapshot. ``created`` in microseconds since the epoch."""
    return {
        "created": micros(source.created),
        "group": source.group,
        "made_by": source.made_by,
        "consistency": source.consistency,
    }
