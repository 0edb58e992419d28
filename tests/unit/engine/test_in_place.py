# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images without room for a copy are read in place, while a lease shows that nobody can write to them."""

from __future__ import annotations

import mmap
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import BaseLostError, VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import lease as leases
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.lease import (
    IN_PLACE,
    LeasedReader,
    lease,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import TakeRequest
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

LARGE = 36 * MIB  # of the 64 MiB of the filesystem: a second one doesn't fit


def image_of(folder: Path, size: int) -> str:
    path = folder / "vm.img"
    path.write_bytes(random.Random(size).randbytes(size))
    return str(path)


@pytest.fixture
def image(small_ext4: Path) -> str:
    return image_of(small_ext4, LARGE)


def no_room(warnings: list[str]) -> bool:
    return any("was read in place" in text for text in warnings)


def test_nothing_is_written_beside_an_image_without_room(place: Place, image: str) -> None:
    data = Path(image).read_bytes()
    os.chmod(os.path.dirname(image), 0o500)
    for _turn in range(2):
        outcome = place.ship(image)
        assert not outcome.failures
        assert no_room(outcome.warnings)
        assert outcome.items[0]["type"] == "full"
        assert place.content(image, outcome.items[0]["id"]) == data
    assert sorted(os.listdir(os.path.dirname(image))) == ["lost+found", "vm.img"]
    with open(image, "r+b"):  # nobody has a lease any more: this would take its time
        assert not leases_left()


def leases_left() -> int:
    with open("/proc/locks", encoding="ascii") as table:
        return sum(" LEASE " in line and f" {os.getpid()} " in line for line in table)


def test_a_preview_takes_no_lease(place: Place, image: str) -> None:
    assert place.ship(image, check=True).changed
    assert not leases_left()


@pytest.mark.parametrize("options", [{"pre_command": ["true"]}, {"post_command": ["true"]}, {"consistent": True}])
def test_hooks_and_groups_need_a_snapshot(place: Place, image: str, options: dict[str, Any]) -> None:
    outcome = place.ship(image, **options)
    assert [failure["code"] for failure in outcome.failures] == ["no_space"]
    assert not place.stored("backups")
    assert not leases_left()


def test_a_users_snapshot_is_never_in_place(place: Place, image: str) -> None:
    assert [failure["code"] for failure in place.snap(image, name="kept").failures] == ["no_space"]


@pytest.mark.parametrize("how", ["open", "mapped", "loop"])
def test_an_image_that_can_be_written_is_not_read_in_place(place: Place, image: str, how: str) -> None:
    with Writer(image, how):
        outcome = place.ship(image)
        assert [failure["code"] for failure in outcome.failures] == ["no_space"]
    assert not place.stored("backups")
    assert not place.ship(image).failures


class Writer:
    """Keeps an image open for writing."""

    def __init__(self, image: str, how: str) -> None:
        self._end: Callable[[], object]
        if how == "loop":
            device = subprocess.run(
                ["losetup", "--find", "--show", image], check=True, capture_output=True, text=True
            ).stdout.strip()
            self._end = lambda: subprocess.run(["losetup", "-d", device], check=True)
            return
        descriptor = os.open(image, os.O_RDWR)
        self._end = lambda: os.close(descriptor)
        if how == "mapped":
            mapped = mmap.mmap(descriptor, 4096)
            os.close(descriptor)
            self._end = mapped.close

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_exc: object) -> None:
        self._end()


def storing(place: Place) -> bool:
    """Whether a segment is on its way to the remote."""
    try:
        return any(path.stat().st_size > MIB for path in place.remote.glob("tmp/*"))
    except FileNotFoundError:
        return False  # it has just got its name


def while_it_is_read(place: Place, image: str, act: Callable[[], object], **options: Any) -> tuple[Any, float]:
    """Ship an image slowly, and do something when most of it is still to be stored. The outcome, and how many seconds
    that took."""
    place.options["bandwidth_limit"] = "12M"
    took: list[float] = []

    def interfere() -> None:
        while not storing(place):
            time.sleep(0.01)
        started = time.monotonic()
        act()
        took.append(time.monotonic() - started)

    thread = threading.Thread(target=interfere)
    thread.start()
    outcome = place.ship(image, **options)
    thread.join()
    del place.options["bandwidth_limit"]
    return outcome, took[0]


def test_a_writer_that_comes_meanwhile_goes_first(place: Place, image: str) -> None:
    """It waits for a moment only. A snapshot is needed then, for which there is no room: nothing is listed."""
    opened: list[int] = []
    outcome, took = while_it_is_read(place, image, lambda: opened.append(os.open(image, os.O_RDWR)))
    assert took < 30  # the kernel would take the lease away after 45 s
    assert [failure["code"] for failure in outcome.failures] == ["no_space"]
    assert any("was opened for writing, or changed, while it was read" in text for text in outcome.warnings)
    assert (place.stored("backups"), place.records(), place.stored("data")) == ([], [], [])
    assert not leases_left()
    os.pwrite(opened[0], b"written", 0)
    os.close(opened[0])
    item = place.one(image)
    assert place.content(image, item["id"])[:7] == b"written"


def write_at_once(image: str) -> None:
    with open(image, "r+b") as file:
        file.write(b"written")


def truncate(image: str) -> None:
    os.truncate(image, LARGE // 2)


@pytest.mark.parametrize("act", [write_at_once, truncate, lambda image: os.chmod(image, 0o640)])
def test_a_state_that_changed_meanwhile_is_shipped_anew(place: Place, image: str, act: Callable[[str], None]) -> None:
    outcome, took = while_it_is_read(place, image, lambda: act(image))
    assert took < 30
    assert not outcome.failures
    assert any("The backup was planned again." in text for text in outcome.warnings)
    assert len(place.stored("backups")) == 1
    assert place.content(image, outcome.items[0]["id"]) == Path(image).read_bytes()
    assert not leases_left()


def test_data_that_went_unread_meanwhile_is_noticed(place: Place, image: str) -> None:
    """A writer makes a hole of what is still to be read, so that nothing more is read."""
    place.punch(image, 10 * MIB, MIB)
    provider = FileProvider()
    request = TakeRequest([image], "s", "snapship", time.time(), None, {}, {}, in_place=True)
    ((made,), _warnings) = provider.take(request)
    assert made.method == IN_PLACE
    with pytest.raises(BaseLostError), provider.open(made) as reader:
        regions = reader.data()
        first = next(regions)
        assert (first.offset, first.length) == (0, 10 * MIB)
        reader.read_into(0, memoryview(bytearray(first.length)))
        place.punch(image, 11 * MIB, LARGE - 11 * MIB)
        assert list(regions) == []
    assert not leases_left()
    with pytest.raises(VolumeError) as caught, provider.open(made):
        pass
    assert caught.value.code == "snapshot_gone"


def test_a_killed_run_leaves_a_shipment_that_is_begun_anew(place: Place, image: str) -> None:
    def die() -> None:
        while_it_is_read(place, image, lambda: time.sleep(0.5) or os._exit(9))  # type: ignore[func-returns-value]

    place.killed(die)
    place.write(image, LARGE - 3, b"end")
    (begun,) = place.records()
    item = place.one(image)
    assert item["id"] not in begun
    assert (place.records(), len(place.list())) == ([], 1)
    assert place.content(image, item["id"])[-3:] == b"end"


def test_an_incremental_can_be_read_in_place_but_nothing_rests_on_it(place: Place, small_ext4: Path) -> None:
    """The copy of the base is dropped for it, and so there is room for the next one."""
    image = image_of(small_ext4, 20 * MIB)
    made = []
    for number, (kind, without) in enumerate((("full", False), ("incremental", True), ("full", False))):
        place.write(image, number * MIB, b"%d" % number)
        outcome = place.ship(image)
        assert not outcome.failures
        assert (outcome.items[0]["type"], no_room(outcome.warnings)) == (kind, without)
        made.append((outcome.items[0]["id"], Path(image).read_bytes()))
    for backup_id, data in made:
        assert place.content(image, backup_id) == data
    assert place.verify(image, mode="data").items


def test_whatever_is_read_under_a_lost_lease_raises(small_ext4: Path) -> None:
    image = image_of(small_ext4, MIB)
    granted = lease(image)
    assert granted is not None
    reader = LeasedReader(granted)
    data = bytearray(MIB)
    reader.read_into(0, memoryview(data))
    assert data == Path(image).read_bytes()
    granted.check()
    with open(image, "r+b"):
        for _turn in range(2):
            with pytest.raises(BaseLostError):
                reader.read_into(0, memoryview(data))
        assert lease(image) is None
    with pytest.raises(BaseLostError):
        granted.check()
    reader.close()
    granted.close()


def test_a_network_filesystem_has_no_lease(small_ext4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = image_of(small_ext4, MIB)
    monkeypatch.setattr(leases, "filesystem_type", lambda _path: "nfs4")
    assert lease(image) is None


LOOKING = """
import os, sys
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import target
for _turn in range(20000):
    descriptor = os.open(sys.argv[1], os.O_RDONLY)
    target._lease(descriptor)
    os.close(descriptor)
"""
OPENING = "import os, sys\nwhile True: os.close(os.open(sys.argv[1], os.O_RDWR))"


def test_who_opens_a_target_while_it_is_looked_at_does_not_end_the_run(tmp_path: Path) -> None:
    """The kernel sends SIGIO to whoever holds a lease that it breaks; by default that ends a process."""
    target = tmp_path / "target"
    target.write_bytes(b"x")
    with subprocess.Popen([sys.executable, "-c", OPENING, str(target)]) as opening:
        looked = subprocess.run([sys.executable, "-c", LOOKING, str(target)], check=False)
        opening.kill()
    assert looked.returncode == 0
