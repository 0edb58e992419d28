# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encryption against values worked out here from the specification, and against tampering."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    ConfigError,
    CorruptError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import encryption
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.codec import Codec, codec_for
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Cipher, Key, Keyring
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.frames import Frame

ID = "20260309T143000.123456Z-0123456789abcdef"
MASTER = bytes(range(32))
DATA_KEY = bytes(range(100, 132))
NONCE = bytes(range(200, 212))


def derived(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"snapship 1 " + purpose, hashlib.sha256).digest()


@pytest.fixture
def fixed_nonce(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: NONCE[:count])


def test_known_answers(fixed_nonce: None) -> None:
    """Constants, so that the format can't drift with the code."""
    key = Key(MASTER)
    assert key.id == derived(MASTER, b"key id")[:8].hex() == "4203f01ce3b47007"
    assert (
        key.mac(b"text")
        == hmac.new(derived(MASTER, b"manifest"), b"text", hashlib.sha256).hexdigest()
        == "c283489b20441fc20ac42dd7160dbe57040dfc6e0afb657f427ea2d03dc10b5d"
    )
    context = f"snapship 1 {ID} key".encode()
    wrapped = NONCE + AESGCM(derived(MASTER, b"wrapping")).encrypt(NONCE, DATA_KEY, context)
    assert base64.b64decode(key.wrap(DATA_KEY, ID)) == wrapped
    assert wrapped.hex() == (
        "c8c9cacbcccdcecfd0d1d2d3877d03df002da8468832b9c30b152d6e9d4a"
        "2196abe8a16233cafe2f4837e5d7309e9153e59ac9eae83d49a3262581fb"
    )
    context = f"snapship 1 {ID} 00000007".encode()
    sealed = NONCE + AESGCM(derived(DATA_KEY, b"segments")).encrypt(NONCE, b"segment", context)
    assert Cipher(DATA_KEY, ID).seal("00000007", b"segment") == sealed
    assert sealed.hex() == "c8c9cacbcccdcecfd0d1d2d339e69594f984c5042e428852c92595de8729945e3a2b0f"
    codec = Codec("none", Cipher(DATA_KEY, ID))
    assert codec.digest(b"data") == hmac.new(derived(DATA_KEY, b"digests"), b"data", hashlib.sha256).digest()
    assert codec.digest(b"data").hex() == "8f194c71eb74c9e0599ca0c751f0541dfba069220e053c39c3107c92318d4260"


def test_round_trip_with_fresh_nonces() -> None:
    key, cipher = Key(MASTER), Cipher(DATA_KEY, ID)
    assert key.unwrap(key.wrap(DATA_KEY, ID), ID) == DATA_KEY
    seals = {bytes(cipher.seal("00000000", b"x")) for _round in range(100)}
    assert len({sealed[:12] for sealed in seals}) == 100
    assert {cipher.open("00000000", memoryview(sealed)) for sealed in seals} == {b"x"}
    assert len({encryption.make_data_key() for _round in range(100)}) == 100


def test_each_byte_of_what_is_sealed_matters() -> None:
    cipher = Cipher(DATA_KEY, ID)
    sealed = cipher.seal("00000000", b"segment")
    for at in range(len(sealed)):
        broken = bytearray(sealed)
        broken[at] ^= 1
        with pytest.raises(CorruptError):
            cipher.open("00000000", bytes(broken))
    for cut in range(len(sealed)):
        with pytest.raises(CorruptError):
            cipher.open("00000000", sealed[:cut])


def test_a_segment_belongs_to_its_shipment_and_number() -> None:
    sealed = Cipher(DATA_KEY, ID).seal("00000000", b"segment")
    for data_key, backup_id, name in (
        (DATA_KEY, ID, "00000001"),
        (DATA_KEY, ID, "index"),
        (DATA_KEY, ID[:-1] + "0", "00000000"),
        (MASTER, ID, "00000000"),
    ):
        with pytest.raises(CorruptError):
            Cipher(data_key, backup_id).open(name, sealed)


def test_a_wrapped_key_belongs_to_its_shipment() -> None:
    wrapped = Key(MASTER).wrap(DATA_KEY, ID)
    with pytest.raises(CorruptError):
        Key(MASTER).unwrap(wrapped, ID[:-1] + "0")
    with pytest.raises(CorruptError):
        Key(DATA_KEY).unwrap(wrapped, ID)
    for broken in ("", "!!!!", "A", "ü", "AAAA", wrapped[:-4], ("B" if wrapped[0] != "B" else "C") + wrapped[1:]):
        with pytest.raises(CorruptError):
            Key(MASTER).unwrap(broken, ID)


def test_keys_are_read_in_hex_and_base64() -> None:
    for text in (MASTER.hex(), MASTER.hex().upper(), base64.b64encode(MASTER).decode(), f" {MASTER.hex()}\n"):
        assert encryption.parse_key(text, "x") == MASTER


@pytest.mark.parametrize(
    "text", ["", "secret", "0" * 63, "0" * 66, "zz" * 32, "A" * 44, base64.b64encode(bytes(16)).decode()]
)
def test_what_is_no_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError, match="encryption_key") as caught:
        encryption.parse_key(text, "encryption_key")
    assert caught.value.code == "key"
    assert not text or text not in str(caught.value)


def test_the_first_key_writes_and_any_reads() -> None:
    ring = Keyring.parse(MASTER.hex(), [DATA_KEY.hex()])
    assert ring.writes is not None and ring.writes.id == Key(MASTER).id
    assert ring.find(Key(DATA_KEY).id).id == Key(DATA_KEY).id
    with pytest.raises(ConfigError, match=Key(MASTER).id):
        ring.find("0" * 16)
    assert not Keyring.parse(None, [])


def test_a_codec_goes_by_what_the_manifest_says() -> None:
    ring = Keyring.parse(MASTER.hex(), [])
    assert ring.writes is not None
    described = encryption.describe(ring.writes, DATA_KEY, ID)
    fields = {"compression": "zstd", "encryption": described}
    codec = codec_for(fields, ID, ring)
    plain = memoryview(b"plain" * 1000)
    encoded, sizes = codec.encode(3, plain, [(0, 2000), (2000, 5000)])
    stored = memoryview(bytes(encoded))
    assert sum(sizes) == len(stored)
    assert codec_for(fields, ID, ring).segment("k", 3, stored, 5000) == plain
    second = Frame(1, sizes[0], sizes[1], 3000, True)
    assert codec.frame("k", 3, second, stored[sizes[0] :]) == plain[2000:]
    moved = [
        (4, second),
        (3, second._replace(number=0)),
        (3, second._replace(last=False)),
        (3, second._replace(plain=1)),
    ]
    for number, frame in moved:
        with pytest.raises(CorruptError, match="^data/k: "):
            codec.frame("data/k", number, frame, stored[sizes[0] :])
    first = stored[: sizes[0]]
    for number, broken, size in ((4, stored, 5000), (3, stored, 4999), (3, first, 2000), (3, stored[:-1], 5000)):
        with pytest.raises(CorruptError, match="^data/k: "):  # a segment that lacks its end is none
            codec.segment("data/k", number, broken, size)
    page = bytes(codec.encode_page("page 0", b"records"))
    digest = hashlib.sha256(page).digest()
    assert codec.page("k", "page 0", page, digest, 7) == b"records"
    for name, sha256, size in (("page 1", digest, 7), ("page 0", bytes(32), 7), ("page 0", digest, 6)):
        with pytest.raises(CorruptError, match="^data/k: "):
            codec.page("data/k", name, page, sha256, size)
    with pytest.raises(ConfigError, match="unknown encryption"):
        codec_for({**fields, "encryption": {**described, "algorithm": "ROT13"}}, ID, ring)
    with pytest.raises(CorruptError, match="unknown compression"):
        codec_for({**fields, "compression": "lzma"}, ID, ring)


def test_a_missing_library_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)
    with pytest.raises(ConfigError, match="cryptography") as caught:
        encryption.require()
    assert caught.value.code == "library"
