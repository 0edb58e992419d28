# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is stored can be had back without this project: by ``zstd`` and ``zfs receive``, or by a few lines of reader."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.kinds import MIB, Filesystem, Thin, Zvol
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.unit.engine.place import Place

MAGIC = 0x24C4F02AAE2E4FA9
DATA, UNMAP, BEGIN, END = 0, 1, 2, 3


def segments(place: Place, backup: str) -> list[Path]:
    """The stored segments of a backup, in the order of the stream."""
    (manifest,) = place.remote.glob(f"backups/*/*/{backup}~*")
    (folder,) = place.remote.glob(f"data/*/*/{backup}")
    body = manifest.read_text().partition("\n")[2]  # behind the line with its digest
    assert json.loads(body)["compression"] == "zstd"
    return sorted(path for path in folder.iterdir() if path.name.isdigit())


def unpacked(paths: list[Path], output: Path) -> Path:
    """``cat SEGMENTS | zstd -d``."""
    program = shutil.which("zstd")
    assert program, "zstd isn't in the lab"
    with output.open("wb") as target, subprocess.Popen(["cat", *paths], stdout=subprocess.PIPE) as cat:
        subprocess.run([program, "-q", "-d", "-c"], stdin=cat.stdout, stdout=target, check=True)
    assert cat.returncode == 0
    return output


def apply(stream: Path, device: Path) -> dict[int, int]:
    """Write a stream of docs/format.md, section 5, onto a device; how many chunks there were of each command."""
    counts = dict.fromkeys((DATA, UNMAP, BEGIN, END), 0)
    with stream.open("rb") as source, device.open("r+b", buffering=0) as target:
        while head := source.read(28):
            magic, offset, length, command = struct.unpack(">QQQI", head)
            assert magic == MAGIC and counts[END] == 0
            assert (counts[BEGIN] == 0) == (command == BEGIN)
            counts[command] += 1
            if command == DATA:
                target.seek(offset)
                assert target.write(source.read(length)) == length
            elif command == UNMAP:
                target.seek(offset)
                assert target.write(bytes(length)) == length
            elif command == END:
                assert length == 24
                stated = struct.unpack(">QQQ", source.read(24))
                assert stated == (sum(counts.values()), counts[DATA], counts[UNMAP])
    assert counts[BEGIN] == counts[END] == 1
    call("blockdev", "--flushbufs", device)
    return counts


def test_a_thin_stream_is_plain_chunks(thin_pool: ThinPool, tmp_path: Path) -> None:
    rng, place, source = random.Random(11), Place(tmp_path), Thin(thin_pool, 64)
    source.write(0, rng.randbytes(3 * MIB))
    source.write(40 * MIB + 512, rng.randbytes(70_000))
    full, states = place.one(source.volume)["id"], [source.state()]
    source.write(MIB, rng.randbytes(100_000))
    call("blkdiscard", "-o", 2 * MIB, "-l", MIB, source.device(source.volume))
    source.grow(8)
    source.write(70 * MIB, rng.randbytes(5_000))
    item = place.one(source.volume)
    states.append(source.state())
    assert item["type"] == "incremental"

    target = thin_pool.volume(64)
    device = source.device(target)
    counts = apply(unpacked(segments(place, full), tmp_path / "full"), device)
    assert counts[DATA] and not counts[UNMAP]
    assert source.state_of(target) == states[0]
    call("lvextend", "-q", "-L", "+8M", target)
    counts = apply(unpacked(segments(place, item["id"]), tmp_path / "increment"), device)
    assert counts[DATA] and counts[UNMAP]
    assert source.state_of(target) == states[1]


@pytest.mark.parametrize("kind", [Filesystem, Zvol])
def test_a_zfs_stream_goes_into_plain_zfs_receive(
    kind: type[Filesystem | Zvol], zpool: Zpool, second_zpool: Zpool, tmp_path: Path
) -> None:
    rng, place, source = random.Random(12), Place(tmp_path), kind(zpool)
    source.write(0, rng.randbytes(3 * MIB))
    full, states = place.one(source.volume)["id"], [source.state()]
    source.change(rng)
    item = place.one(source.volume)
    states.append(source.state())
    assert item["type"] == "incremental"

    target = f"{second_zpool.name}/received"
    for backup, state in zip((full, item["id"]), states):
        stream = unpacked(segments(place, backup), tmp_path / backup)
        with stream.open("rb") as plain:
            subprocess.run(["zfs", "receive", "-u", target], stdin=plain, check=True)
        assert source.state_of(target) == state
        newest = call("zfs", "list", "-H", "-t", "snapshot", "-s", "createtxg", "-o", "name", target).split()[-1]
        call("zfs", "rollback", newest)  # looking at it may have changed it
