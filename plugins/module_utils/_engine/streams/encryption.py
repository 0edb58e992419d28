# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Encryption at the source: AES-256-GCM under a random data key per shipment, wrapped by the remote's key.

HMAC-SHA256 derives from the remote's key (32 bytes): a key for wrapping, a key for the MAC of manifests, and the key's
public id. From a shipment's data key it derives a key for segments and a key for the digests of extents.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
from typing import Any

from ..common.errors import ConfigError, CorruptError, UsageError
from .thin import Readable

NONCE, TAG = 12, 16
ALGORITHM = "AES-256-GCM"


def parse_key(text: str, what: str) -> bytes:
    """32 bytes from base64 or hex. Raises UsageError, which never shows the key."""
    text = text.strip()
    key = b""
    with contextlib.suppress(ValueError, binascii.Error):
        key = bytes.fromhex(text) if len(text) == 64 else base64.b64decode(text, validate=True)
    if len(key) != 32:
        raise UsageError(
            f"{what} isn't a key of 32 bytes in base64 or hex.", "Make one with: openssl rand -base64 32", code="key"
        )
    return key


def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.new(key, b"snapship 1 " + purpose.encode(), hashlib.sha256).digest()


class Key:
    """One key of a remote."""

    def __init__(self, raw: bytes) -> None:
        self.id = _derive(raw, "key id")[:8].hex()
        self._wrapping = _derive(raw, "wrapping")
        self._mac = _derive(raw, "manifest")

    def mac(self, text: bytes) -> str:
        """The MAC of a manifest's canonical text, hex."""
        return hmac.new(self._mac, text, hashlib.sha256).hexdigest()

    def wrap(self, data_key: bytes, backup_id: str) -> str:
        """The data key, encrypted for this shipment, base64."""
        nonce = os.urandom(NONCE)
        sealed = _gcm(self._wrapping).encrypt(nonce, data_key, _context(backup_id, "key"))
        return base64.b64encode(nonce + sealed).decode()

    def unwrap(self, wrapped: str, backup_id: str) -> bytes:
        """The data key. Raises CorruptError where it was changed."""
        sealed = b""
        with contextlib.suppress(ValueError):
            sealed = base64.b64decode(wrapped, validate=True)
        return _open(_gcm(self._wrapping), sealed, _context(backup_id, "key"))


class Keyring:
    """The keys of a remote: the first encrypts, each decrypts. Empty: nothing is encrypted."""

    def __init__(self, keys: list[Key]) -> None:
        self._keys = keys

    @classmethod
    def parse(cls, newest: str | None, older: list[str]) -> Keyring:
        """From the texts of a remote's definition."""
        keys = [Key(parse_key(newest, "encryption_key"))] if newest else []
        return cls(keys + [Key(parse_key(text, "a key of old_encryption_keys")) for text in older])

    @property
    def writes(self) -> Key | None:
        return self._keys[0] if self._keys else None

    def __bool__(self) -> bool:
        return bool(self._keys)

    def find(self, key_id: str) -> Key:
        """The key with this id. Raises ConfigError where the remote doesn't have it."""
        for key in self._keys:
            if key.id == key_id:
                return key
        held = ", ".join(key.id for key in self._keys) or "none"
        raise ConfigError(
            f"the backup is encrypted with key {key_id}; this remote has other keys ({held}).",
            "Set that key as encryption_key or in old_encryption_keys.",
            code="key",
        )


class Cipher:
    """Encrypts and decrypts the objects of one shipment."""

    def __init__(self, data_key: bytes, backup_id: str) -> None:
        self._id = backup_id
        self._key = _derive(data_key, "segments")
        self._gcm = _gcm(self._key)
        self.digest_key = _derive(data_key, "digests")

    def seal(self, name: str, plain: Readable) -> Readable:
        """Nonce, ciphertext and tag of a part of the index; ``name`` is authenticated with it."""
        sealed = memoryview(bytearray(NONCE + len(plain) + TAG))
        self._seal(_context(self._id, name), plain, sealed)
        return sealed

    def open(self, name: str, sealed: Readable) -> bytes:
        """The plain bytes. Raises CorruptError where they aren't what was encrypted."""
        return _open(self._gcm, sealed, _context(self._id, name))

    def seal_frame(self, number: int, frame: int, last: bool, plain: Readable, sealed: memoryview) -> None:
        """Fill ``sealed``, 28 bytes longer than ``plain``, with nonce, ciphertext and tag of a segment's frame.

        Authenticated with it are the numbers of segment and frame, and whether it is the segment's last.
        """
        self._seal(_context(self._id, _frame_name(number, frame, last)), plain, sealed)

    def open_frame(self, number: int, frame: int, last: bool, sealed: Readable) -> bytes:
        """The plain bytes of a frame. Raises CorruptError where they aren't what was encrypted for this place."""
        return _open(self._gcm, sealed, _context(self._id, _frame_name(number, frame, last)))

    def _seal(self, context: bytes, plain: Readable, sealed: memoryview) -> None:
        # Encrypted in place, in one buffer: AESGCM.encrypt would need a second copy to put the nonce in front.
        nonce = os.urandom(NONCE)
        sealed[:NONCE] = nonce
        encryptor = _encryptor(self._key, nonce)
        encryptor.authenticate_additional_data(context)
        encryptor.update_into(plain, sealed[NONCE:])  # needs room for one block more than the data: where the tag goes
        encryptor.finalize()
        sealed[NONCE + len(plain) :] = encryptor.tag


def _frame_name(number: int, frame: int, last: bool) -> str:
    return f"{number:08d} {frame} {last:d}"


def make_data_key() -> bytes:
    """A fresh data key for one shipment."""
    return os.urandom(32)


def describe(key: Key, data_key: bytes, backup_id: str) -> dict[str, Any]:
    """The manifest's ``encryption`` field."""
    return {"algorithm": ALGORITHM, "key_id": key.id, "wrapped_key": key.wrap(data_key, backup_id)}


def require() -> None:
    """Raise ConfigError where this host lacks what encryption needs."""
    _gcm(bytes(32))


def _context(backup_id: str, name: str) -> bytes:
    return f"snapship 1 {backup_id} {name}".encode()


def _open(gcm: Any, sealed: Readable, context: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag

    view = memoryview(sealed)
    try:
        return bytes(gcm.decrypt(bytes(view[:NONCE]), _taken(view[NONCE:]), context))
    except (InvalidTag, ValueError) as error:  # ValueError: too short for a nonce
        raise CorruptError("decryption failed: the data was changed, or belongs to another object.") from error


def _taken(data: memoryview) -> Readable:
    """What AESGCM.decrypt takes: before version 40 of the library only bytes."""
    import cryptography

    return data if int(cryptography.__version__.partition(".")[0]) >= 40 else bytes(data)


def _encryptor(key: bytes, nonce: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import Cipher as AnyCipher
    from cryptography.hazmat.primitives.ciphers import algorithms, modes

    return AnyCipher(algorithms.AES(key), modes.GCM(nonce)).encryptor()


def _gcm(key: bytes) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise ConfigError(
            "encryption_key needs the Python library cryptography, which isn't installed on this host.",
            "Install python3-cryptography, or define the remote without encryption_key.",
            code="library",
        ) from error
    return AESGCM(key)
