# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/format.md and the engine say the same, where that can be compared."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import keys, units
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import index, thin
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Cipher, Key
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

DOC = (Path(__file__).resolve().parents[3] / "docs" / "format.md").read_text(encoding="utf-8")
ID = "20260309T143000.123456Z-0123456789abcdef"


def block(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n```\w+\n(.*?)```", DOC, re.S)
    assert found
    return found.group(1)


def test_the_known_answers() -> None:
    found = dict(line.rsplit(maxsplit=1) for line in block("vectors").splitlines())
    key, cipher = Key(bytes(range(32))), Cipher(bytes(range(100, 132)), ID)
    assert found["key id"] == key.id
    assert found['MAC of "text"'] == key.mac(b"text")
    import base64

    wrapped = base64.b64encode(bytes.fromhex(found["D wrapped"])).decode()
    assert key.unwrap(wrapped, ID) == bytes(range(100, 132))
    assert cipher.open("00000007", bytes.fromhex(found['"segment" as 00000007'])) == b"segment"
    assert found['digest of "data"'] == index.digester(cipher.digest_key)(b"data").hex()


def test_the_canonical_text() -> None:
    text = block("canonical").strip()
    assert manifest.canonical(json.loads(text)).decode() == text
    assert f"`sha256:{hashlib.sha256(text.encode()).hexdigest()}`" in DOC


def test_the_names() -> None:
    rows = re.findall(r"^\| `([^`]*)` \| `([^`]*)` \|$", DOC, re.M)
    assert len(rows) >= 5
    for name, component in rows:
        assert keys.encode(name) == component
    assert keys.encode("a" * 201)[135:] in DOC


def test_the_numbers() -> None:
    assert f"`{thin.MAGIC_1_1:#018X}`".replace("X", "x", 1) in DOC
    assert f"`{thin.MAGIC_1_0:#018X}`".replace("X", "x", 1) in DOC
    for words, value in (
        ("at most 256 MiB", manifest.LIMIT == 256 << 20),
        ("1 to 1,048,576 bytes", index.EXTENT_BYTES == 1_048_576),
        ("at most 1,048,576 records", index.PART_RECORDS == 1_048_576),
        ("records of 56 bytes", index.RECORD.size == 56),
        (
            "64 MiB",
            send_blocks.SEGMENT_DATA + (send_blocks.SEGMENT_CHUNKS + send_blocks.SEGMENT_DATA // 65536 + 1) * 28
            <= 64 << 20,
        ),
        ("blocks of 64 KiB", send_blocks.ZERO_BLOCK == 65536),
        ("more than 300 seconds ahead", units.FUTURE_TOLERANCE == 300),
        ("longer than 200 characters", keys.COMPONENT_BYTES == 200),
    ):
        assert words in DOC and value, words


def test_each_member_of_a_manifest_is_described(place: Place) -> None:
    place.options["encryption_key"] = "0f" * 32
    place.one(place.image(data=b"x" * MIB))
    (key,) = place.stored("backups")
    section = DOC[DOC.index("## 3.") : DOC.index("**Canonical text**")]
    for member in json.loads((place.remote / key).read_bytes()):
        assert f"`{member}`" in section, member


def test_every_key_that_is_put_is_described(place: Place) -> None:
    forms = re.findall(r"^(\w+/<\S+)", DOC[DOC.index("## 2.") :], re.M)
    parts = {
        "<origin>": r"[^/]+",
        "<volume>": r"[^/]+",
        "<id>": r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16}",
        "<base>": r"(full|\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16})",
        "<number>": r"\d{8}",
        "<instance>": r"[0-9a-f]{32}",
    }
    assert len(forms) == 6
    image = place.image(data=b"x" * MIB)
    for _round in range(3):
        item = place.one(image)
    place.remove(item["id"])
    for key in place.stored():
        patterns = []
        for form in forms:
            pattern = re.escape(form)
            for name, expression in parts.items():
                pattern = pattern.replace(re.escape(name), expression)
            patterns.append(pattern)
        assert any(re.fullmatch(pattern, key) for pattern in patterns), key
