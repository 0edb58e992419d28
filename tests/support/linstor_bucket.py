# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Backups as LINSTOR leaves them in a bucket, written by hand: nothing here is shared with what reads them.

A data object is ``thin_send | zstd``, or ``zfs send | zstd``; a ``.meta`` object says what belongs together.
"""

from __future__ import annotations

import datetime
import json
import struct
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zstandard

KIB, BLOCK = 1 << 10, 64 << 10
CLUSTER = "58066936-6117-4e08-9798-75fc12ebfb59"
MAGIC = {"1.1": 0x24C4F02AAE2E4FA9, "1.0": 0xCA7F00D5DE7EC7ED}
# What LINSTOR's controller has for a time zone: names are in local time, and only the metadata says when that was.
ZONE = datetime.timezone(datetime.timedelta(hours=1))
Chunk = tuple[int, int, bytes]  # command, offset, payload or, of an UNMAP, as many zeros


def zstd(data: bytes) -> bytes:
    """As from a pipe, which is how LINSTOR calls the program: the frame doesn't tell its size."""
    made = zstandard.ZstdCompressor(write_content_size=False, write_checksum=True).compressobj()
    return made.compress(data) + made.flush()


def thin_stream(chunks: Iterable[Chunk], version: str = "1.1") -> bytes:
    """A thin-send-recv stream."""
    magic, out, counts = MAGIC[version], [], [0, 0]
    if version == "1.1":
        out.append(struct.pack(">QQQI", magic, 0, 0, 2))
    for command, offset, payload in chunks:
        out.append(struct.pack(">QQQI", magic, offset, len(payload), command) + (b"" if command else payload))
        counts[command] += 1
    if version == "1.1":
        out.append(struct.pack(">QQQI", magic, 0, 24, 3) + struct.pack(">QQQ", sum(counts) + 2, *counts))
    return b"".join(out)


def full(image: bytes) -> list[Chunk]:
    """What a full has: all blocks that hold something, those beside each other in one chunk."""
    return _joined((at, 0) for at in range(0, len(image), BLOCK) if image[at : at + BLOCK].strip(b"\0")).of(image)


def changes(old: bytes, new: bytes) -> list[Chunk]:
    """What an increment has: blocks that differ, those without anything in them as UNMAP."""
    differ = (at for at in range(0, len(new), BLOCK) if old[at : at + BLOCK] != new[at : at + BLOCK])
    return _joined((at, 0 if new[at : at + BLOCK].strip(b"\0") else 1) for at in differ).of(new)


class _joined:
    def __init__(self, blocks: Iterable[tuple[int, int]]) -> None:
        self.runs: list[list[int]] = []  # command, start, end
        for at, command in blocks:
            if self.runs and self.runs[-1][0] == command and self.runs[-1][2] == at:
                self.runs[-1][2] += BLOCK
            else:
                self.runs.append([command, at, at + BLOCK])

    def of(self, image: bytes) -> list[Chunk]:
        return [(command, start, image[start:end]) for command, start, end in self.runs]


class LinstorBucket:
    """Objects by their keys."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def ship(
        self,
        resource: str,
        streams: dict[int, bytes],
        sizes: dict[int, int],
        moment: str,
        base: str | None = None,
        snapshot: str = "",
        suffix: str = "",
        layers: tuple[str, ...] = ("drbd",),
        kind: str = "lvmThin",
        cluster: str = CLUSTER,
    ) -> str:
        """One backup, as the id that LINSTOR lists it under. ``streams``: plain, by volume number; ``sizes``: in bytes,
        of the devices; ``moment``: as in ``20260309_143000``; ``base``: such an id; ``layers``: those above storage."""
        end = f"back_{moment}{suffix}" + (f"^{snapshot}" if snapshot else "")
        names = {number: f"{resource}_{number:05d}_{end}" for number in streams}
        for number, stream in streams.items():
            self.objects[names[number]] = zstd(stream)
        meta = self.meta(resource, names, sizes, moment, base, layers, kind, cluster)
        self.objects[f"{resource}_{end}.meta"] = json.dumps(meta).encode()
        return f"{resource}_{end}"

    @staticmethod
    def meta(
        resource: str,
        names: dict[int, str],
        sizes: dict[int, int],
        moment: str,
        base: str | None,
        layers: tuple[str, ...],
        kind: str,
        cluster: str,
    ) -> dict[str, Any]:
        """What the metadata object says."""
        start = datetime.datetime.strptime(moment, "%Y%m%d_%H%M%S").replace(tzinfo=ZONE).timestamp()
        below: dict[str, Any] = {
            "kind": "storage",
            "rscNameSuffix": "",
            "children": [],
            "volumeList": [
                {
                    "kind": kind,
                    "vlmNr": number,
                    "allocatedSize": -1,
                    "usableSize": size // KIB,
                    "storPoolApi": {"kind": "storPool", "storPoolName": "pool", "deviceProviderKind": "LVM_THIN"},
                }
                for number, size in sizes.items()
            ],
        }
        for layer in reversed(layers):
            volumes = [{"kind": layer, "vlmNr": number} for number in sizes]
            below = {"kind": layer, "rscNameSuffix": "", "children": [below], "volumeList": volumes}
        # DRBD keeps its own metadata behind the data: the volume is smaller than the device below it.
        net = {number: size - (BLOCK if "drbd" in layers else 0) for number, size in sizes.items()}
        meta = {
            "rscName": resource,
            "nodeName": "alpha",
            "startTimestamp": int(start * 1000),
            "finishTimestamp": int(start * 1000) + 5000,
            "layerData": below,
            "rscDfn": {
                "snapDfnProps": {},
                "rscDfnProps": {"Aux/mail": "a@example.com"},
                "flags": 0,
                "vlmDfns": {
                    str(number): {"snapVlmDfnProps": {}, "vlmDfnProps": {}, "flags": 0, "size": size // KIB}
                    for number, size in net.items()
                },
            },
            "rsc": {
                "snapProps": {},
                "rscProps": {},
                "flags": 0,
                "vlms": {str(number): {"flags": 0} for number in sizes},
            },
            "backups": {
                str(number): [{"name": name, "finishedTimestamp": int(start * 1000) + 4000, "node": "alpha"}]
                for number, name in names.items()
            },
            "clusterId": cluster,
            "snapDfnUuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{resource}{moment}")),
        }
        if base is not None:
            meta["basedOn"] = base + ".meta"
        if "luks" in layers:
            meta["luksInfo"] = {"masterPassword": "AAAA", "masterCryptHash": "AAAA", "masterCryptSalt": "AAAA"}
        return meta

    def change_meta(self, backup: str, **fields: Any) -> None:
        """Tamper with what it says."""
        key = backup + ".meta"
        self.objects[key] = json.dumps({**json.loads(self.objects[key]), **fields}).encode()

    def write_files(self, directory: Path) -> None:
        """The bucket as a directory."""
        directory.mkdir(exist_ok=True)
        for path in directory.rglob("*"):
            if path.is_file() and str(path.relative_to(directory)) not in self.objects:
                path.unlink()
        for key, data in self.objects.items():
            path = directory / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    def put_into(self, client: Any, bucket: str, prefix: str = "") -> None:
        """The bucket as a bucket."""
        for key, data in self.objects.items():
            client.put_object(Bucket=bucket, Key=prefix + key, Body=data)
