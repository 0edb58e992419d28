# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real thin pools and zpools for tests, in a guest of the lab or, with ``LAB=host``, with the host's own LVM and ZFS.

Everything made here has a name of its own and is removed afterwards. The S3 server's fixtures (``bucket``) are those
that all tests share.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call

HOST_DISKS, HOST_DISK_BYTES = 4, 8 << 30
# What runs by default: one proof of each promise. Starting programs is slow in a guest, and all tests take an hour.
ALWAYS = {
    "test_lab.py": ("",),
    "test_shipping.py": ("can_be_had_again", "goes_into", "tree", "mixed"),
    "test_bases.py": ("written_in_between", "impostor", "bookmark_left", "rolled_back[zvol]"),
    "test_full_pools.py": ("thin_pool_that_is_nearly_full", "zpool"),
    "test_kills.py": ("",),
    "test_lvm_reader.py": ("newer", "killed_run_left"),
    "test_lvm_snapshots.py": ("many_volumes", "left_suspended[volume]"),
    "test_lvm_target.py": ("known_until", "does_not_zero", "cut[kept-lvrename-1"),
    "test_zfs_restores.py": ("properties", "undone[kept]"),
    "test_zfs_snapshots.py": ("fifty", "names"),
    "test_zfs_streams.py": ("locked", "never_an_end", "goes_on"),
    "test_streams_by_hand.py": ("chunks", "Zvol"),
    "test_linstor_bucket.py": ("thin_volume[dirty]", "streams_into"),
    "test_examples.py": ("by_hand",),
    "test_programs.py": ("thin", "filesystem"),
    "test_playbooks.py": (),  # twenty minutes: Ansible forks for each task and host
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="all tests, not only those that run by default")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what doesn't run by default, unless tests were chosen."""
    chosen = config.getoption("keyword") or any("::" in word for word in config.args)
    if config.getoption("--all") or chosen:
        return
    kept = [item for item in items if any(word in item.name for word in ALWAYS[item.path.name])]
    left = [item for item in items if item not in kept]
    config.hook.pytest_deselected(items=left)
    items[:] = kept


@pytest.fixture(scope="session", autouse=True)
def lab() -> str:
    """Where this runs: ``guest`` or ``host``."""
    where = os.environ.get("LAB", "")
    if where not in ("guest", "host"):
        pytest.fail("these tests make and destroy pools: run them by `make test-lab`, in a guest", pytrace=False)
    return where


@pytest.fixture(scope="session")
def disks(lab: str) -> Iterator[list[str]]:
    """Empty block devices that tests may overwrite. The pools below use the first four."""
    if lab == "guest":
        yield os.environ["LAB_DISKS"].split()
        return
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="snapship-lab-")))
        devices = []
        for index in range(HOST_DISKS):
            image = directory / f"disk{index}.img"
            with image.open("wb") as file:
                file.truncate(HOST_DISK_BYTES)
            devices.append(call("losetup", "--find", "--show", image).strip())
            stack.callback(call, "losetup", "--detach", devices[-1], check=False)
        yield devices


@pytest.fixture(scope="session")
def make_thin_pool(disks: list[str]) -> Iterator[Callable[..., ThinPool]]:
    """Makes a thin pool: ``make_thin_pool(mib=2048, chunk="64k", metadata_mib=8)``.

    All are in one volume group on the first two disks, and are removed at the end at the latest.
    """
    group, count = f"labvg{secrets.token_hex(3)}", 0

    def make(mib: int = 2048, chunk: str = "64k", metadata_mib: int = 8) -> ThinPool:
        nonlocal count
        if count == 0:
            call("vgcreate", "-q", "-s", "1M", group, *disks[:2])  # so that metadata can be small
        count += 1
        pool = ThinPool(group, f"pool{count}")
        size = ["-L", f"{mib}M", "-c", chunk, f"--poolmetadatasize={metadata_mib}M"]
        call("lvcreate", "-q", *size, "-T", pool.name)
        return pool

    yield make
    if count:
        call("vgremove", "-q", "-f", "-y", group)
        call("pvremove", "-q", "-f", "-y", *disks[:2])


@pytest.fixture(scope="module")
def module_thin_pool(make_thin_pool: Callable[..., ThinPool], request: pytest.FixtureRequest) -> Iterator[ThinPool]:
    pool = make_thin_pool(**getattr(request.module, "THIN_POOL", {}))
    yield pool
    call("lvremove", "-q", "-f", pool.name)


@pytest.fixture
def thin_pool(module_thin_pool: ThinPool) -> Iterator[ThinPool]:
    """A thin pool, empty for each test but made once per module, with what the module's ``THIN_POOL`` says in
    make_thin_pool's words (``THIN_POOL = {"chunk": "256k"}``)."""
    yield module_thin_pool
    module_thin_pool.clear()


@pytest.fixture(scope="session")
def make_zpool() -> Iterator[Callable[..., Zpool]]:
    """Makes a zpool of a device or file: ``make_zpool(device, "-O", "compression=off")``; all are destroyed at the
    end at the latest."""
    made: list[str] = []
    with tempfile.TemporaryDirectory(prefix="snapship-lab-") as directory:

        def make(device: object, *options: str) -> Zpool:
            pool = Zpool(f"labz{secrets.token_hex(3)}")
            call("zpool", "create", "-f", "-O", f"mountpoint={directory}/{pool.name}", *options, pool.name, device)
            made.append(pool.name)
            return pool

        yield make
        for name in made:
            call("zpool", "destroy", "-f", name, check=False)


@pytest.fixture(scope="session")
def session_zpool(make_zpool: Callable[..., Zpool], disks: list[str]) -> Zpool:
    return make_zpool(disks[2])


@pytest.fixture
def zpool(session_zpool: Zpool) -> Iterator[Zpool]:
    """A zpool, empty for each test but made once."""
    yield session_zpool
    session_zpool.clear()


@pytest.fixture(scope="session")
def session_second_zpool(make_zpool: Callable[..., Zpool], disks: list[str]) -> Zpool:
    return make_zpool(disks[3])


@pytest.fixture
def second_zpool(session_second_zpool: Zpool) -> Iterator[Zpool]:
    """Another zpool, empty for each test, to restore into."""
    yield session_second_zpool
    session_second_zpool.clear()
