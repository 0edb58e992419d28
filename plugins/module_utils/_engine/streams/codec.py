# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What happens to a segment between stream and store: compression, then encryption, frame by frame; and back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ..common.errors import ConfigError, CorruptError
from ..common.keys import corrupt
from . import compression, encryption
from .encryption import Cipher, Keyring
from .frames import STORED_LIMIT, Bounds, Frame
from .index import Digest, digester
from .thin import Readable

_PREFIX = 4  # bytes that tell the length of a sealed frame


class Codec:
    """How one shipment's segments and index are stored."""

    def __init__(self, compress: str, cipher: Cipher | None) -> None:
        if compress not in ("zstd", "none"):
            raise CorruptError(f"unknown compression {compress!r}.", "Use a newer snapship.", code="version")
        if compress == "zstd":
            compression.require()
        self._compress = compress == "zstd"
        self._cipher = cipher
        self.digest: Digest = digester(cipher.digest_key if cipher else None)

    @property
    def transparent(self) -> bool:
        """Whether what is stored is the plain stream itself."""
        return not self._compress and self._cipher is None

    # --- segments

    def encode(self, number: int, plain: memoryview, bounds: Bounds) -> tuple[Readable, list[int]]:
        """The bytes to store for a segment, and the stored size of each of its frames."""
        if self.transparent:
            return plain, [end - start for start, end in bounds]
        pieces: list[Readable] = [plain[start:end] for start, end in bounds]
        if self._compress:
            pieces = [compression.compress(piece) for piece in pieces]
        if self._cipher is None:
            return b"".join(pieces), [len(piece) for piece in pieces]
        sizes = [_PREFIX + encryption.NONCE + len(piece) + encryption.TAG for piece in pieces]
        stored = memoryview(bytearray(sum(sizes)))
        at = 0
        for frame, (piece, size) in enumerate(zip(pieces, sizes)):
            stored[at : at + _PREFIX] = (size - _PREFIX).to_bytes(_PREFIX, "big")
            last = frame == len(pieces) - 1
            self._cipher.seal_frame(number, frame, last, piece, stored[at + _PREFIX : at + size])
            at += size
        return stored, sizes

    def frame(self, key: str, number: int, frame: Frame, stored: memoryview) -> Readable:
        """The plain bytes of one frame of the segment ``key``, whose digest nobody has checked.

        Raises CorruptError about it if that can't be.
        """
        return _told(key, lambda: self._frame(number, frame, stored))

    def _frame(self, number: int, frame: Frame, stored: memoryview) -> Readable:
        plain: Readable = stored
        if self._cipher is not None:
            if int.from_bytes(stored[:_PREFIX], "big") != len(stored) - _PREFIX:
                raise CorruptError(f"frame {frame.number} has another length than the index says.")
            plain = self._cipher.open_frame(number, frame.number, frame.last, stored[_PREFIX:])
        if self._compress:
            plain = compression.decompress(plain, frame.plain)
        if len(plain) != frame.plain:
            raise CorruptError(f"frame {frame.number} holds {len(plain)} bytes, {frame.plain} are expected.")
        return plain

    def segment(self, key: str, number: int, stored: Readable, size: int) -> Readable:
        """All plain bytes of the segment ``key``, ``size`` of them: for a segment without an index.

        Raises CorruptError about it if that can't be.
        """
        return _told(key, lambda: self._segment(number, memoryview(stored), size))

    def _segment(self, number: int, stored: memoryview, size: int) -> Readable:
        plain: Readable = stored
        if self._cipher is not None:
            plain = b"".join(self._opened(self._cipher, number, stored))
        if self._compress:
            plain = compression.decompress_frames(plain, size)
        if len(plain) != size:
            raise CorruptError(f"the segment holds {len(plain)} bytes, {size} are expected.")
        return plain

    def _opened(self, cipher: Cipher, number: int, stored: memoryview) -> list[bytes]:
        opened: list[bytes] = []
        at = 0
        while at < len(stored):
            end = at + _PREFIX + int.from_bytes(stored[at : at + _PREFIX], "big")
            if end > len(stored) or end - at > STORED_LIMIT:
                raise CorruptError("a frame reaches past the end of its segment.")
            opened.append(cipher.open_frame(number, len(opened), end == len(stored), stored[at + _PREFIX : end]))
            at = end
        return opened

    # --- the index

    def encode_page(self, name: str, plain: bytes) -> Readable:
        """The bytes to store for a page of the index, or for the table of its pages."""
        stored = compression.compress(plain) if self._compress else plain
        return self._cipher.seal(name, stored) if self._cipher else stored

    def page(self, key: str, name: str, stored: Readable, sha256: bytes, size: int) -> Readable:
        """The ``size`` plain bytes of a page. Nothing of it is looked at before its digest is checked."""
        if hashlib.sha256(stored).digest() != sha256:
            raise corrupt(key, "the stored bytes were changed: the digest doesn't match.")
        return _told(key, lambda: self._page(name, stored, size))

    def _page(self, name: str, stored: Readable, size: int) -> Readable:
        plain = self._cipher.open(name, stored) if self._cipher else stored
        plain = compression.decompress(plain, size) if self._compress else plain
        if len(plain) != size:
            raise CorruptError(f"{name} of the index holds {len(plain)} bytes, {size} are expected.")
        return plain


def _told(key: str, decode: Callable[[], Readable]) -> Readable:
    try:
        return decode()
    except CorruptError as error:
        raise corrupt(key, error.msg, error.hint) from error


def lacking(compress: str, encrypted: bool, write: bool = True) -> ConfigError | None:
    """The error for a library that is missing on this host, if compressing or encrypting needs one.

    To only read (``write`` false), the program zstd is enough.
    """
    try:
        if compress == "zstd":
            compression.require(write)
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
