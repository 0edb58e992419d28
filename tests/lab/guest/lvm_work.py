# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on thin LVs, and on their snapshots through the provider, in one call each."""

from __future__ import annotations

import itertools
import os
import random
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.lvm.provider import LvmThinProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import (
    ReceiveRequest,
    RestorePlace,
    Snapshot,
    TakeRequest,
    Target,
)
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, call

KIB, MIB = 1 << 10, 1 << 20
HOLDER = "s3://bucket/prod san1 0123456789abcdef"
_serial = itertools.count(1)


@pytest.fixture
def own_pool(make_thin_pool: Callable[..., ThinPool]) -> Iterator[Callable[..., ThinPool]]:
    """Makes pools that are gone after the test."""
    made: list[ThinPool] = []

    def make(**options: Any) -> ThinPool:
        made.append(make_thin_pool(**options))
        return made[-1]

    yield make
    for pool in made:
        call("lvremove", "-q", "-f", pool.name)


def write(volume: str, offset: int, data: bytes) -> None:
    """Durably."""
    with open(f"/dev/{volume}", "r+b", buffering=0) as device:
        device.seek(offset)
        device.write(data)
        os.fsync(device.fileno())


def scatter(volume: str, chance: random.Random, pieces: int = 8) -> None:
    """Writes and discards of odd sizes at random places, some of them over each other."""
    end = size(volume)
    for _piece in range(pieces):
        length = chance.randrange(1, 300 * KIB)
        offset = chance.randrange(0, end - length)
        if chance.random() < 0.3:
            discard(volume, offset // 512 * 512, 512 * KIB)
        else:
            write(volume, offset, chance.randbytes(length))


def discard(volume: str, offset: int, length: int) -> None:
    call("blkdiscard", "-o", offset, "-l", min(length, size(volume) - offset), f"/dev/{volume}")


def size(volume: str) -> int:
    with open(f"/dev/{volume}", "rb", buffering=0) as device:
        return device.seek(0, os.SEEK_END)


def content(volume: str) -> bytes:
    """All of an active LV."""
    return Path(f"/dev/{volume}").read_bytes()


def take(provider: LvmThinProvider, *volumes: str, **options: Any) -> list[Snapshot]:
    fields: dict[str, Any] = {
        "volumes": list(volumes),
        "name": f"s{next(_serial)}",
        "made_by": "snapship",
        "created": int(time.time() * 1e6) / 1e6,
        "group": None,
        "consistency": {"method": "none"},
        "holds": {},
    }
    made, warnings = provider.take(TakeRequest(**{**fields, **options}))
    assert warnings == []
    return made


def full(provider: LvmThinProvider, snapshot: Snapshot) -> bytearray:
    """What a full backup of a snapshot restores to."""
    image = bytearray(snapshot.size)
    with provider.open(snapshot) as reader:
        assert reader.size == snapshot.size
        for change in reader.data():
            assert change.mapped
            reader.read_into(change.offset, memoryview(image)[change.offset : change.offset + change.length])
    return image


def increment(provider: LvmThinProvider, image: bytearray, base: Snapshot, snapshot: Snapshot) -> bytearray:
    """What an incremental makes of the image of its base."""
    image = image[: snapshot.size] + bytes(max(0, snapshot.size - len(image)))
    end = 0
    with provider.changes(base, snapshot) as (reader, changes):
        for change in changes:
            assert change.offset >= end and change.length > 0, "in order, not over each other"
            end = change.offset + change.length
            assert end <= snapshot.size
            if change.mapped:
                reader.read_into(change.offset, memoryview(image)[change.offset : end])
            else:
                image[change.offset : end] = bytes(change.length)
    return image


def differing(provider: LvmThinProvider, base: Snapshot, snapshot: Snapshot) -> list[tuple[int, int, bool]]:
    with provider.changes(base, snapshot) as (_reader, changes):
        return [tuple(change) for change in changes]


def receive(provider: LvmThinProvider, target: str, bytes_: int, pool: str | None = None) -> Target:
    return provider.receive(ReceiveRequest(RestorePlace(target, pool), bytes_, {}, ["all"]))


def restore(provider: LvmThinProvider, target: str, image: bytes, keep_as: str | None = None) -> str | None:
    """As a restore does it."""
    provider.recover(RestorePlace(target))
    received = receive(provider, target, len(image))
    for offset, piece in data_of(image):
        received.write(offset, memoryview(piece))
    received.sync()
    witness = received.witness()
    kept = received.commit(keep_as)
    assert provider.target_state(RestorePlace(target)).witness == witness
    return kept


def data_of(image: bytes, piece: int = 64 * KIB) -> Iterator[tuple[int, bytes]]:
    """Pieces that aren't all zeros."""
    for offset in range(0, len(image), piece):
        data = image[offset : offset + piece]
        if data.strip(b"\0"):
            yield offset, data


def lv(volume: str, field: str) -> str:
    return call("lvs", "--noheadings", "-o", field, volume).strip()


def names(pool: ThinPool) -> list[str]:
    return sorted(call("lvs", "--noheadings", "-o", "lv_name", "-S", f"pool_lv={pool.pool}", pool.vg).split())


def held(pool: ThinPool) -> bool:
    """Whether the pool has a metadata snapshot now."""
    return call("dmsetup", "status", pool.mapped).split()[6] != "-"


def shim(directory: Path, program: str, script: str) -> None:
    """A program of this name that does something of its own: to be put in front in PATH."""
    directory.mkdir(exist_ok=True)
    path = directory / program
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
