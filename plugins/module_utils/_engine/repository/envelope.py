# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The first line of a manifest, and of other records that must be trusted: version, digest and MAC of what follows.

Both are over the raw bytes, so that nothing is parsed before it was checked.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import NamedTuple

from ..common.errors import SnapshipError
from ..common.keys import corrupt, shown
from ..streams.encryption import Key, Keyring

VERSION = 1
_FIRST_LINE = 256  # bytes at most
_LINE = re.compile(
    rb"snapship (?P<version>\d{1,9}) sha256:(?P<digest>[0-9a-f]{64})"
    rb"(?: hmac-sha256:(?P<key>[0-9a-f]{16}):(?P<mac>[0-9a-f]{64}))?"
)
_ANY_VERSION = re.compile(rb"snapship (\d{1,9})( .*)?")


class Unsealed(NamedTuple):
    """The bytes after the first line, as they were written. ``proved``: with a MAC of a key that this remote has."""

    body: bytes
    signed: bool
    proved: bool


def seal(body: bytes, keyring: Keyring) -> bytes:
    """The body behind its first line."""
    line = f"snapship {VERSION} sha256:{hashlib.sha256(body).hexdigest()}"
    if keyring.writes:
        line += f" hmac-sha256:{keyring.writes.id}:{keyring.writes.mac(body)}"
    return line.encode("ascii") + b"\n" + body


def open_envelope(data: bytes, where: str, keyring: Keyring, accept_unencrypted: bool = False) -> Unsealed:
    """The body of the object ``where``, checked. Raises CorruptError, and ConfigError for an unknown key."""
    line, newline, body = data[:_FIRST_LINE].partition(b"\n")
    body = data[len(line) + 1 :]
    version = _ANY_VERSION.fullmatch(line)
    if not newline or version is None:
        raise corrupt(where, "it is cut short, or wasn't written by snapship.")
    if int(version.group(1)) != VERSION:
        raise corrupt(
            where,
            f"its format version is {int(version.group(1))}; this snapship reads version {VERSION}.",
            "Use a newer snapship.",
            code="version",
        )
    found = _LINE.fullmatch(line)
    if found is None:
        raise corrupt(where, "its first line was changed.")
    if hashlib.sha256(body).hexdigest().encode() != found["digest"]:
        raise corrupt(where, "it was changed after it was written: its digest doesn't match.")
    return Unsealed(body, found["mac"] is not None, _proved(body, found, where, keyring, accept_unencrypted))


def find_key(keyring: Keyring, key_id: str, where: str) -> Key:
    """The key that the object ``where`` needs. Raises ConfigError about it where the remote doesn't have it."""
    try:
        return keyring.find(key_id)
    except SnapshipError as error:
        error.msg = f"{shown(where)}: {error.msg}"
        raise


def _proved(body: bytes, found: re.Match[bytes], where: str, keyring: Keyring, accept_unencrypted: bool) -> bool:
    if found["mac"] is None:
        if keyring and not accept_unencrypted:
            raise corrupt(
                where,
                "it has no MAC although the remote has an encryption key: it may be forged.",
                "If it was written before the key was set, set accept_unencrypted.",
            )
        return False
    if not keyring:
        return False
    expected = find_key(keyring, found["key"].decode(), where).mac(body)
    if not hmac.compare_digest(expected.encode(), found["mac"]):
        raise corrupt(where, "it is forged or was changed: its MAC doesn't match.")
    return True
