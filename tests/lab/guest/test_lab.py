# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""That the lab is what it says: real device-mapper thin pools and real OpenZFS."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call

CHUNK = 64 << 10
NEWER_TOOLS = "/opt/tpt1/usr/sbin"


@pytest.mark.parametrize("newer", [False, True], ids=["tools-0.9", "tools-1.x"])
def test_thin_delta_names_the_chunks_that_changed(
    thin_pool: ThinPool, lab: str, newer: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if newer and lab == "guest":
        monkeypatch.setenv("PATH", f"{NEWER_TOOLS}:{os.environ['PATH']}")
        assert call("thin_delta", "--version").strip().startswith("1.")
    volume = thin_pool.volume(64)
    write(Path("/dev") / volume, 0, 8 * CHUNK)
    first = thin_pool.thin_id(thin_pool.snapshot(volume))
    write(Path("/dev") / volume, 3 * CHUNK, CHUNK)
    second = thin_pool.thin_id(thin_pool.snapshot(volume))

    call("dmsetup", "message", thin_pool.mapped, "0", "reserve_metadata_snap")
    try:
        delta = call("thin_delta", "-m", "--snap1", first, "--snap2", second, thin_pool.metadata)
    finally:
        call("dmsetup", "message", thin_pool.mapped, "0", "release_metadata_snap")

    assert [line.strip() for line in delta.splitlines() if "<different" in line] == [
        '<different begin="3" length="1"/>'
    ]


def test_a_zvol_sent_and_received_is_the_same(zpool: Zpool, second_zpool: Zpool) -> None:
    source, target = zpool.zvol(64), f"{second_zpool.name}/copy"
    data = write(zpool.device(source), 1 << 20, 4 << 20)
    call("zfs", "snapshot", f"{source}@one")

    with subprocess.Popen(["zfs", "send", f"{source}@one"], stdout=subprocess.PIPE) as sending:
        subprocess.run(["zfs", "receive", target], stdin=sending.stdout, check=True)

    with second_zpool.device(target).open("rb") as device:
        assert device.read(6 << 20) == bytes(1 << 20) + data + bytes(1 << 20)
    assert guid(f"{source}@one") == guid(f"{target}@one")


def write(device: Path, offset: int, size: int) -> bytes:
    data = os.urandom(size)
    with device.open("r+b", buffering=0) as file:
        file.seek(offset)
        file.write(data)
        os.fsync(file.fileno())
    return data


def guid(snapshot: str) -> str:
    return call("zfs", "get", "-H", "-p", "-o", "value", "guid", snapshot)
