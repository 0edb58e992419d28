# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups that are written here by docs/format.md alone, sharing no code with the engine, which reads them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ansible_collections.snapship.dr.tests.support.needs import need_program
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place
from ansible_collections.snapship.dr.tests.unit.engine.test_restore_by_hand import script

REMOTE_KEY = bytes(range(32))
MAGIC = 0x24C4F02AAE2E4FA9
IDS = [f"2026030{day}T143000.000000Z-{day:016x}" for day in range(1, 9)]
OPTIONS = [(compression, encrypted) for compression in ("zstd", "none") for encrypted in (False, True)]


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def derive(key: bytes, purpose: bytes) -> bytes:
    return hmac.new(key, b"snapship 1 " + purpose, hashlib.sha256).digest()


def seal(key: bytes, backup: str, name: str, plain: bytes) -> bytes:
    nonce = os.urandom(12)
    return nonce + AESGCM(key).encrypt(nonce, plain, f"snapship 1 {backup} {name}".encode())


class Writer:
    """One shipment of the volume ``v`` of the origin ``o``, and its manifest."""

    def __init__(self, root: Path, backup: str, compression: str, encrypted: bool) -> None:
        self.root, self.id, self.compression = root, backup, compression
        self.data_key = os.urandom(32) if encrypted else None
        self.rows = b""
        self.folder = root / "data" / "o" / "v" / backup
        self.folder.mkdir(parents=True)

    @property
    def fields(self) -> dict[str, Any]:
        """Its description, as an entry of ``sources`` has it."""
        encryption = None
        if self.data_key:
            wrapped = base64.b64encode(seal(derive(REMOTE_KEY, b"wrapping"), self.id, "key", self.data_key)).decode()
            key_id = derive(REMOTE_KEY, b"key id")[:8].hex()
            encryption = {"algorithm": "AES-256-GCM", "key_id": key_id, "wrapped_key": wrapped}
        segments = {"count": len(self.rows) // 80, "digest": "sha256:" + sha256(self.rows).hex()}
        return {"id": self.id, "compression": self.compression, "encryption": encryption, "segments": segments}

    def stored(self, name: str, plain: bytes) -> bytes:
        if self.compression == "zstd":
            # A size that is told is written into the frame.
            command = ["zstd", "-cq", f"--stream-size={len(plain)}"]
            plain = subprocess.run(command, input=plain, stdout=subprocess.PIPE, check=True).stdout
        return seal(derive(self.data_key, b"segments"), self.id, name, plain) if self.data_key else plain

    def digest(self, data: bytes) -> bytes:
        if self.data_key is None:
            return sha256(data)
        return hmac.new(derive(self.data_key, b"digests"), data, hashlib.sha256).digest()

    def segment(self, number: int, frames: list[bytes], content: bytes = bytes(32)) -> list[tuple[int, int]]:
        """Store it; where each frame lies, and its size."""
        pieces, at = [], 0
        for frame, plain in enumerate(frames):
            piece = self.stored(f"{number:08d} {frame} {int(frame == len(frames) - 1)}", plain)
            pieces.append(struct.pack(">I", len(piece)) + piece if self.data_key else piece)
        data = b"".join(pieces)
        size = sum(len(frame) for frame in frames)
        self.rows += struct.pack(">IIIHBB", number, len(data), size, len(frames), 0, 0) + sha256(data) + content
        (self.folder / f"{number:08d}").write_bytes(data)
        places = []
        for piece in pieces:
            places.append((at, len(piece)))
            at += len(piece)
        return places

    def index(self, records: list[bytes], page_size: int = 4096) -> dict[str, Any]:
        """Store it, each page in an object of its own; the manifest's member."""
        pages = [records[at : at + page_size] for at in range(0, len(records), page_size)]
        table, objects = b"", []
        for number, page in enumerate(pages):
            stored = self.stored(f"page {number}", b"".join(page))
            (self.folder / f"index-{number:08d}").write_bytes(stored)
            objects.append([len(stored), "sha256:" + sha256(stored).hex()])
            first = struct.unpack_from(">Q", page[0])[0]
            table += struct.pack(">QIIII", first, number, 0, len(stored), len(page)) + sha256(stored)
        stored = self.stored("index", table)
        (self.folder / "index").write_bytes(stored)
        return {
            "records": len(records),
            "pages": len(pages),
            "digest": "sha256:" + sha256(stored).hex(),
            "size": len(stored),
            "objects": objects,
            "digests": "hmac-sha256" if self.data_key else "sha256",
        }

    def manifest(self, signed: bool, **members: Any) -> Path:
        """Store table and manifest."""
        (self.folder / "segments").write_bytes(self.rows)
        made = {
            "base": None,
            "base_state_id": None,
            "origin": "o",
            "volume": "v",
            "machine_id": "m",
            "provider": "any",
            "snapshot": "s",
            "lineage": "l",
            "state_id": self.id,
            "created": f"2026-03-{self.id[6:8]}T14:30:00.000000Z",
            "group": None,
            "consistency": {"method": "none"},
            "reason": "",
            "properties": {},
            "tool": {},
            "bytes": {"changed": 0, "stored": 0},
            "sources": [],
            **self.fields,
            **members,
        }
        body = json.dumps(made, indent=1).encode()
        line = f"snapship 1 sha256:{sha256(body).hex()}"
        if signed:
            mac = hmac.new(derive(REMOTE_KEY, b"manifest"), body, hashlib.sha256).hexdigest()
            line += f" hmac-sha256:{derive(REMOTE_KEY, b'key id')[:8].hex()}:{mac}"
        path = self.root / "backups" / "o" / "v" / f"{self.id}~{made['base'] or 'full'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(line.encode() + b"\n" + body)
        return path


def framed(chunks: list[tuple[int, bytes]]) -> list[list[tuple[int, bytes]]]:
    """The chunks of each frame: 1 MiB of data and, with BEGIN, 4 KiB of headers at most."""
    frames: list[list[tuple[int, bytes]]] = []
    data = 0
    for chunk in chunks:
        data += len(chunk[1])
        if not frames or data > MIB or len(frames[-1]) == 145:
            frames.append([])
            data = len(chunk[1])
        frames[-1].append(chunk)
    return frames


def blocks(writer: Writer, chunks: list[tuple[int, bytes]]) -> list[bytes]:
    """Store a block stream of these chunks, three frames in a segment; the index records."""
    records = []
    all_frames = framed(chunks)
    groups = [all_frames[at : at + 3] for at in range(0, len(all_frames), 3)]
    for number, group in enumerate(groups):
        frames, found = [], []
        for frame, few in enumerate(group):
            plain = struct.pack(">QQQI", MAGIC, 0, 0, 2) if (number, frame) == (0, 0) else b""
            for offset, data in few:
                plain += struct.pack(">QQQI", MAGIC, offset, len(data), 0)
                found.append((offset, data, frame, len(plain)))
                plain += data
            frames.append(plain)
        places = writer.segment(number, frames)
        for offset, data, frame, place in found:
            last, facts = int(frame == len(frames) - 1), (number, frame, *places[frame], len(frames[frame]), place)
            head = struct.pack(">QQHBBIIIIII", offset, len(data), 0, 0, last, *facts)
            records.append(head + writer.digest(data))
    end = struct.pack(">QQQIQQQ", MAGIC, 0, 24, 3, len(chunks) + 2, len(chunks), 0)
    writer.segment(len(groups), [end])
    return records


def stream(chunks: int) -> dict[str, Any]:
    return {"format": "thin-send-recv", "version": "1.1", "flags": [], "data": chunks, "unmap": 0}


def by_hand(tmp_path: Path, manifest: Path, target: str) -> bytes:
    (tmp_path / "key").write_text(REMOTE_KEY.hex(), encoding="ascii")
    (tmp_path / "restore.py").write_text(script("restore.py"), encoding="utf-8")
    env = dict(os.environ)
    if b" hmac-sha256:" in manifest.read_bytes().partition(b"\n")[0]:
        env["SNAPSHIP_KEY_FILE"] = str(tmp_path / "key")
    command = [sys.executable, str(tmp_path / "restore.py"), str(manifest), target]
    return subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout


def opened(tmp_path: Path, encrypted: bool) -> Place:
    need_program("zstd", "zstd")
    return Place(tmp_path, **({"encryption_key": REMOTE_KEY.hex()} if encrypted else {}))


@pytest.mark.parametrize(("compression", "encrypted"), OPTIONS)
def test_a_block_backup(compression: str, encrypted: bool, tmp_path: Path) -> None:
    """More records than one page has, small chunks in common frames, a hole, several segments."""
    place = opened(tmp_path, encrypted)
    chunks = [(number * 1024, os.urandom(16)) for number in range(4500)]
    chunks += [(offset, bytes([offset >> 20]) * MIB) for offset in range(5 * MIB, 7 * MIB, MIB)]
    writer = Writer(place.remote, IDS[0], compression, encrypted)
    index = writer.index(blocks(writer, chunks))
    assert index["pages"] == 2
    manifest = writer.manifest(encrypted, size=8 * MIB, stream=stream(len(chunks)), index=index)
    expected = bytearray(8 * MIB)
    for offset, data in chunks:
        expected[offset : offset + len(data)] = data
    assert place.content("v", IDS[0]) == expected
    outcome = place.verify("v", mode="data")
    assert not outcome.failures, outcome.failures
    by_hand(tmp_path, manifest, str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == expected


@pytest.mark.parametrize(("compression", "encrypted"), OPTIONS)
def test_a_full_merged_from_others(compression: str, encrypted: bool, tmp_path: Path) -> None:
    """Its index names data of two shipments that aren't listed, and it has none of its own."""
    place = opened(tmp_path, encrypted)
    records, sources, expected = [], [], bytearray(4 * MIB)
    for source in (1, 2):
        writer = Writer(place.remote, IDS[source], compression, encrypted)
        chunks = [(offset, os.urandom(MIB)) for offset in range((source - 1) * 2 * MIB, source * 2 * MIB, MIB)]
        made = blocks(writer, chunks)
        records += [record[:16] + struct.pack(">H", source) + record[18:] for record in made]
        (writer.folder / "segments").write_bytes(writer.rows)
        sources.append(writer.fields)
        for offset, data in chunks:
            expected[offset : offset + len(data)] = data
    merged = Writer(place.remote, IDS[3], "none" if compression == "zstd" else "zstd", encrypted)
    facts = {"size": 4 * MIB, "stream": stream(0), "sources": sources}
    manifest = merged.manifest(encrypted, index=merged.index(records), **facts)
    assert place.content("v", IDS[3]) == expected
    outcome = place.verify("v", mode="data")
    assert not outcome.failures, outcome.failures
    by_hand(tmp_path, manifest, str(tmp_path / "target"))
    assert (tmp_path / "target").read_bytes() == expected


@pytest.mark.parametrize(("compression", "encrypted"), OPTIONS)
def test_a_stream_without_an_index(compression: str, encrypted: bool, tmp_path: Path) -> None:
    """As of ZFS: cut anywhere, the digests of plain bytes in the table."""
    place = opened(tmp_path, encrypted)
    content = os.urandom(2 * MIB) + b"text " * 300_000
    writer = Writer(place.remote, IDS[0], compression, encrypted)
    for number, at in enumerate(range(0, len(content), 2 * MIB)):
        plain = content[at : at + 2 * MIB]
        writer.segment(number, [plain[:MIB], plain[MIB:]] if plain[MIB:] else [plain], writer.digest(plain))
    facts = {"size": len(content), "stream": {"format": "zfs-send", "version": "1", "flags": []}}
    manifest = writer.manifest(encrypted, index=None, **facts)
    outcome = place.verify("v", mode="data")
    assert not outcome.failures, outcome.failures
    assert by_hand(tmp_path, manifest, "-") == content
    if not encrypted:
        assert _by_shell(tmp_path, place, compression) == content


def _by_shell(tmp_path: Path, place: Place, compression: str) -> bytes:
    """What the page's commands give to ``zfs receive``."""
    program = tmp_path / "bin" / "zfs"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\ntest "$1 $2" = "receive -u" && cat > "$3"\n', encoding="ascii")
    program.chmod(0o755)
    commands = script("receive-zfs.sh")
    if compression == "none":
        commands = commands.replace("  zstd -dcq | ", "  ")
    names = {"origin": "o", "volume": "v", "id": IDS[0], "dataset": str(tmp_path / "received")}
    env = {**os.environ, **names, "PATH": f"{program.parent}:{os.environ['PATH']}"}
    subprocess.run(["sh", "-euc", commands], cwd=place.remote, env=env, check=True)
    return (tmp_path / "received").read_bytes()
