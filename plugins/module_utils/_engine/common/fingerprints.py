# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Salted fingerprints of secrets: they tell whether a secret changed, but not what it is."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_KEPT = "scrypt"


def digest(value: str, salt: bytes, length: int, cost: int = 1 << 14) -> bytes:
    """``length`` bytes derived from ``value`` and ``salt``. A higher cost makes guessing slower."""
    return hashlib.scrypt(value.encode(), salt=salt, n=cost, r=8, p=1, dklen=length, maxmem=64 << 20)


def fingerprint(value: str) -> str:
    """A fingerprint to keep, with its salt: ``scrypt:<salt>:<digest>`` in hexadecimal."""
    salt = secrets.token_bytes(16)
    return f"{_KEPT}:{salt.hex()}:{digest(value, salt, 16).hex()}"


def matches(value: str, kept: str | None) -> bool:
    """Whether ``kept`` is a fingerprint of ``value``; false for none, or one of another kind."""
    try:
        kind, salt, told = (kept or "").split(":")
        found = digest(value, bytes.fromhex(salt), len(told) // 2) if kind == _KEPT and told else b""
    except ValueError:
        return False
    return bool(found) and hmac.compare_digest(found.hex(), told)
