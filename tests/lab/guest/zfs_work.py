# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Work on ZFS volumes through their provider, in one call each."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import (
    ReceiveRequest,
    RestorePlace,
    Snapshot,
    TakeRequest,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.provider import ZfsProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.zfs.stream_target import ZfsStreamTarget
from ansible_collections.snapship.dr.tests.lab.guest.pools import call

KIB, MIB = 1 << 10, 1 << 20
HOLDER = "s3://bucket/prod san1 0123456789abcdef"
_serial = itertools.count(1)


def now() -> float:
    """As the use cases stamp snapshots: whole microseconds."""
    return int(time.time() * 1e6) / 1e6


def take(provider: ZfsProvider, *volumes: str, **options: Any) -> list[Snapshot]:
    fields: dict[str, Any] = {
        "volumes": list(volumes),
        "name": f"s{next(_serial)}",
        "made_by": "snapship",
        "created": now(),
        "group": None,
        "consistency": {"method": "none"},
        "holds": {},
    }
    made, warnings = provider.take(TakeRequest(**{**fields, **options}))
    assert warnings == []
    return made


def stream(
    provider: ZfsProvider, base: Snapshot | None, snapshot: Snapshot, flags: list[str] | None = None
) -> tuple[bytes, list[str]]:
    """The stream of a snapshot, read in odd pieces, and its flags."""
    whole, buffer = bytearray(), memoryview(bytearray(300_001))
    with provider.send(base, snapshot, flags) as source:
        while True:
            count = source.read_into(buffer)
            whole += buffer[:count]
            if count < len(buffer):
                return bytes(whole), source.flags


def request(target: str, properties: dict[str, Any] | None = None, wanted: tuple[str, ...] = ()) -> ReceiveRequest:
    return ReceiveRequest(RestorePlace(target), 0, properties or {}, list(wanted))


def pour(target: ZfsStreamTarget, state: str, data: bytes) -> None:
    """Feed one stream, in odd pieces."""
    with target.receiving(state) as write:
        for start in range(0, len(data), 77_777):
            write(memoryview(data)[start : start + 77_777])


def restore(
    provider: ZfsProvider,
    target: str,
    chain: list[tuple[str, bytes]],
    keep_as: str | None = None,
    **options: Any,
) -> str | None:
    """A chain of (state id, stream) as a restore does it; what was there is kept."""
    provider.recover(RestorePlace(target))
    receiving = provider.receive_streams(request(target, **options))
    done = receiving.has([state for state, _data in chain])
    for state, data in chain[done:]:
        pour(receiving, state, data)
    receiving.sync()
    seen = receiving.witness()
    kept = receiving.commit(keep_as)
    assert provider.target_state(RestorePlace(target)).witness == seen
    return kept


def guid(name: str) -> str:
    return call("zfs", "get", "-Hp", "-o", "value", "guid", name).strip()


def prop(name: str, dataset: str) -> str:
    return call("zfs", "get", "-Hp", "-o", "value", name, dataset).strip()


def names(pool: str, *kinds: str) -> list[str]:
    """All datasets, or other things, of a pool."""
    listed = call("zfs", "list", "-Hp", "-r", "-o", "name", "-t", ",".join(kinds or ("filesystem", "volume")), pool)
    return listed.splitlines()


def bookmarks(pool: str) -> list[str]:
    return names(pool, "bookmark")


def scatter(path: Path, size: int = 2 * MIB, pieces: int = 6) -> None:
    """Write pieces of random data to random places of a device, or of a file that grows."""
    end = _size(path)
    with path.open("r+b" if path.exists() else "w+b", buffering=0) as file:
        for _piece in range(pieces):
            length = size // pieces
            file.seek(int.from_bytes(os.urandom(6), "big") % max(1, end - length) if end > length else end)
            file.write(os.urandom(length))
        os.fsync(file.fileno())


def _size(path: Path) -> int:
    if not path.exists():
        return 0
    with path.open("rb") as file:
        return file.seek(0, os.SEEK_END)


def sparse(path: Path, size: int) -> Path:
    """An empty file of this size, for a pool."""
    with path.open("wb") as file:
        file.truncate(size)
    return path


def digest(path: Path) -> str:
    """Of a file or device, or of all files below a folder with their names."""
    if path.is_dir():
        parts = [f"{each.relative_to(path)} {digest(each)}" for each in sorted(path.rglob("*")) if each.is_file()]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()
    found = hashlib.sha256()
    with path.open("rb") as file:
        while True:
            data = file.read(MIB)
            if not data:
                return found.hexdigest()
            found.update(data)
