# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What happens to a segment between the stream and the store: compression, then encryption; and back."""

from __future__ import annotations

import hashlib
from typing import Any

from ..common.errors import ConfigError, CorruptError
from ..common.keys import corrupt
from . import compression, encryption
from .encryption import Cipher, Keyring
from .index import Digest, digester
from .thin import Readable


class Codec:
    """How one shipment's segments and index parts are stored."""

    def __init__(self, compress: str, cipher: Cipher | None) -> None:
        if compress not in ("zstd", "none"):
            raise CorruptError(f"unknown compression {compress!r}.", "Use a newer snapship.", code="version")
        if compress == "zstd":
            compression.require()
        self._compress = compress == "zstd"
        self._cipher = cipher
        self.digest: Digest = digester(cipher.digest_key if cipher else None)

    def encode(self, name: str, plain: Readable) -> Readable:
        """The bytes to store for this segment or index part."""
        stored = compression.compress(plain) if self._compress else plain
        return self._cipher.seal(name, stored) if self._cipher else stored

    @property
    def transparent(self) -> bool:
        """Whether what is stored is the plain stream itself."""
        return not self._compress and self._cipher is None

    def decode(self, key: str, name: str, stored: Readable, sha256: str | None, size: int) -> Readable:
        """The plain bytes of the object ``key``. Raises CorruptError about it if its digest is another.

        Without a digest only the size is checked: for a caller who checks the content in another way.
        """
        if sha256 is not None and hashlib.sha256(stored).hexdigest() != sha256:
            raise corrupt(key, "the stored bytes were changed: the digest doesn't match.")
        try:
            if self._cipher:
                stored = self._cipher.open(name, stored)
            plain = compression.decompress(stored, size) if self._compress else stored
        except CorruptError as error:
            raise corrupt(key, error.msg, error.hint) from error
        if len(plain) != size:
            raise corrupt(key, f"the object holds {len(plain)} bytes, {size} are expected.")
        return plain


def lacking(compress: str, encrypted: bool) -> ConfigError | None:
    """The error for a library that is missing on this host, if compressing or encrypting needs one."""
    try:
        if compress == "zstd":
            compression.require(write=True)
        if encrypted:
            encryption.require()
    except ConfigError as error:
        return error
    return None


def codec_for(fields: dict[str, Any], backup_id: str, keyring: Keyring) -> Codec:
    """The codec that a manifest's fields describe. Raises ConfigError where a key or a library is missing."""
    found = fields.get("encryption")
    if not found:
        return Codec(fields["compression"], None)
    if found.get("algorithm") != "AES-256-GCM":
        raise ConfigError(f"unknown encryption {found.get('algorithm')!r}.", "Use a newer snapship.")
    key = keyring.find(found["key_id"])
    return Codec(fields["compression"], Cipher(key.unwrap(found["wrapped_key"], backup_id), backup_id))
