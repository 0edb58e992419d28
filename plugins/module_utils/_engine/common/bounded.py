# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads JSON that others may have written: from a remote, a local record or a user's folder."""

from __future__ import annotations

import json
from typing import Any


class Unreadable(Exception):
    """Why these bytes are refused, in a few words."""


def read_object(data: bytes, limit: int) -> dict[str, Any]:
    """The JSON object of at most ``limit`` bytes. Raises Unreadable."""
    if len(data) > limit:
        raise Unreadable(f"it has more than {limit} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise Unreadable("it isn't JSON") from None
    if not isinstance(value, dict):
        raise Unreadable("it isn't an object")
    return value
