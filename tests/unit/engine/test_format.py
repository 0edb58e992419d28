# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/format.md and the engine say the same, where that can be compared."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from pathlib import Path

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import keys, units
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import envelope, manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data import index_pages, segment_table
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import send_blocks
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import frames, index, thin
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Cipher, Key, Keyring
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

DOC = (Path(__file__).resolve().parents[3] / "docs" / "format.md").read_text(encoding="utf-8")
ID = "20260309T143000.123456Z-0123456789abcdef"
K = bytes(range(32))
TINY = b"snapship" * 512  # the volume of the page's whole backup


def block(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n```\w+\n(.*?)```", DOC, re.S)
    assert found
    return found.group(1)


def record(marker: str) -> str:
    """The struct of a table whose rows are a field's bytes, its type and its meaning."""
    found = re.search(rf"<!-- {marker} -->\n\| bytes .*\n\| --- .*\n((?:\|.*\n)+)", DOC)
    assert found
    layout, reached = ">", 0
    for row in found.group(1).splitlines():
        first, last, kind = re.match(r"\| (\d+)(?: to (\d+))? \| (\w*)", row).groups()  # type: ignore[union-attr]
        size = int(last or first) - int(first) + 1
        assert int(first) == reached
        sort = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "": f"{size}s"}[kind]
        assert struct.calcsize(">" + sort) == size
        layout, reached = layout + sort, reached + size
    return layout


def objects() -> dict[str, bytes]:
    """What the page's whole backup stores, by name; the volume's data is added."""
    found: dict[str, bytes] = {}
    name = ""
    for line in block("backup").splitlines():
        words = line.split()
        name = words[0] if len(words) == 2 else name
        found[name] = found.get(name, b"") + bytes.fromhex(words[-1])
    found["00000000"] += TINY
    return found


def first_lines() -> list[str]:
    lines = block("first line").splitlines()
    return [lines[0], lines[1] + " " + lines[2].strip()]


def test_the_known_answers() -> None:
    found = dict(line.rsplit(maxsplit=1) for line in block("vectors").splitlines())
    key, cipher = Key(K), Cipher(bytes(range(100, 132)), ID)
    assert found["key id"] == key.id
    assert found['MAC of "text"'] == key.mac(b"text")
    wrapped = base64.b64encode(bytes.fromhex(found["D wrapped"])).decode()
    assert key.unwrap(wrapped, ID) == bytes(range(100, 132))
    frame = bytes.fromhex(found['"frame" as 00000007 2 1, with its length'])
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert cipher.open_frame(7, 2, True, frame[4:]) == b"frame"
    assert cipher.open("page 3", bytes.fromhex(found['"page" as page 3'])) == b"page"
    assert cipher.open("index", bytes.fromhex(found['"table" as index'])) == b"table"
    assert found['digest of "data"'] == index.digester(cipher.digest_key)(b"data").hex()


def test_the_records() -> None:
    assert record("segment record") == segment_table.ROW.format
    assert record("index record") == index.RECORD.format
    assert record("page record") == index.PAGE.format


def test_the_whole_backup_is_what_the_records_and_digests_say() -> None:
    found = objects()
    rows = list(segment_table.unpack(found["segments"]))
    assert [row.name for row in rows] == ["00000000", "00000001"]
    for row in rows:
        segment_table.check_stored(row.name, row, found[row.name])
        assert (row.kind, row.digest) == (1, segment_table.chunks_digest(found[row.name]))
    (extent,) = [index.Extent(*each) for each in index.RECORD.iter_unpack(found["index-00000000"])]
    assert (extent.end, extent.place, extent.digest) == (4096, 56, hashlib.sha256(TINY).digest())
    assert f"`{hashlib.sha256(found['00000000']).hexdigest()}`" in DOC


def test_the_first_lines() -> None:
    body = block("body").encode()
    for line, keyring in zip(first_lines(), (Keyring([]), Keyring([Key(K)]))):
        assert envelope.seal(body, keyring) == line.encode() + b"\n" + body


def test_the_whole_backup_is_restored(place: Place) -> None:
    body = json.loads(block("body"))
    folder = f"{keys.encode(body['origin'])}/{keys.encode(body['volume'])}"
    assert f"`backups/{folder}/{ID}~full`" in DOC
    for number, line in enumerate(first_lines()):
        stored = {f"data/{folder}/{ID}/{name}": data for name, data in objects().items()}
        stored[f"backups/{folder}/{ID}~full"] = line.encode() + b"\n" + block("body").encode()
        for key, data in stored.items():
            (place.remote / key).parent.mkdir(parents=True, exist_ok=True)
            (place.remote / key).write_bytes(data)
        target = place.root / f"restored-{number}"
        options = {"remote_spec": {**place.options, "encryption_key": K.hex()}} if number else {}
        outcome = place.fetch(body["volume"], str(target), origin=body["origin"], backup=ID, **options)
        assert not outcome.failures, outcome.failures
        assert target.read_bytes() == TINY


def test_the_names() -> None:
    rows = re.findall(r"^\| `([^`]*)` \| `([^`]*)` \|$", DOC, re.M)
    assert len(rows) >= 5
    for name, component in rows:
        assert keys.encode(name) == component
    assert keys.encode("a" * 201)[135:] in DOC


def test_the_numbers() -> None:
    assert f"`{thin.MAGIC_1_1:#018X}`".replace("X", "x", 1) in DOC
    assert f"`{thin.MAGIC_1_0:#018X}`".replace("X", "x", 1) in DOC
    text = " ".join(DOC.split())
    for words, value in (
        ("A manifest is at most 1 MiB.", manifest.LIMIT == MIB),
        ("has at most 256 bytes with its line feed", len(first_lines()[1]) < 256),
        ("1 to 1,048,576 bytes", index.EXTENT_BYTES == 1_048_576),
        ("A frame has at most 1 MiB (1,048,576 bytes) of volume data", frames.FRAME_BYTES == 1_048_576),
        ("at most 1,052,672 plain bytes in all", frames.FRAME_LIMIT == 1_052_672),
        ("most 64 MiB of plain bytes", segment_table.SEGMENT_PLAIN == 64 * MIB),
        ("at most 66 MiB as stored", segment_table.SEGMENT_STORED == 66 * MIB),
        ("have 838,860 records each", segment_table.ROWS == 838_860),
        ("record of 80 bytes", segment_table.ROW.size == 80),
        ("records of 76 bytes", index.RECORD.size == 76),
        ("has 4,096 records", index.PAGE_RECORDS == 4096),
        ("record of 56 bytes", index.PAGE.size == 56),
        ("an object has at most 64 MiB", index_pages.OBJECT_LIMIT == 64 * MIB),
        ("64 MiB", send_blocks._BUFFER <= segment_table.SEGMENT_PLAIN),
        ("blocks of 64 KiB", send_blocks.ZERO_BLOCK == 65536),
        ("300 seconds ahead", units.FUTURE_TOLERANCE == 300),
        ("longer than 200 characters", keys.COMPONENT_BYTES == 200),
    ):
        assert words in text and value, words


def test_each_member_of_a_manifest_is_described(place: Place) -> None:
    place.options["encryption_key"] = "0f" * 32
    place.one(place.image(data=b"x" * MIB))
    (key,) = place.stored("backups")
    section = DOC[DOC.index("## 3.") : DOC.index("## 4.")]
    for member in json.loads((place.remote / key).read_bytes().partition(b"\n")[2]):
        assert f"`{member}`" in section, member


def test_every_key_that_is_put_is_described(place: Place) -> None:
    forms = re.findall(r"^(\w+/<\S+)", block("keys"), re.M)
    parts = {
        "<origin>": r"[^/]+",
        "<volume>": r"[^/]+",
        "<id>": r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16}",
        "<base>": r"(full|\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16})",
        "<number>": r"\d{8}",
        "<instance>": r"[0-9a-f]{32}",
        "<flag>": r"[0-9a-f]{16}",
        "<repository>": r"[0-9a-f]{32}",
    }
    assert len(forms) == 12
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
