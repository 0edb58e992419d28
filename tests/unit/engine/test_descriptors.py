# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""However many volumes there are, a run needs few descriptors: 64 are enough."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import BusyError, VolumeError
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments import delivery, unit
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.target import FileTarget
from ansible_collections.snapship.dr.tests.unit.engine import limited
from ansible_collections.snapship.dr.tests.unit.engine.place import KIB, Place

VOLUMES = int(os.environ.get("SNAPSHIP_VOLUMES", "300"))
CHAIN = 90
GROUP = 200


def make_images(place: Place, count: int) -> list[str]:
    """Images of 64 KiB, each with its own number in it."""
    return [place.image(f"{number}.img", 64 * KIB, b"%d" % number) for number in range(count)]


def check_targets(volumes: list[dict[str, str]]) -> None:
    for number, each in enumerate(volumes):
        data = Path(each["target"]).read_bytes()
        assert (len(data), data.rstrip(b"\0")) == (64 * KIB, b"%d" % number)


def targets(place: Place, images: list[str]) -> list[dict[str, str]]:
    return [{"source": each, "target": f"{place.root}/restored-{os.path.basename(each)}"} for each in images]


def test_any_number_of_volumes_in_one_restore(place: Place) -> None:
    images = make_images(place, VOLUMES)
    shipped = limited.run(place, "ship", *images)
    assert (shipped["done"], shipped["failures"]) == (VOLUMES, [])
    volumes = targets(place, images)
    restored = limited.run(place, "fetch", volumes=volumes)
    assert (restored["done"], restored["failures"]) == (VOLUMES, [])
    check_targets(volumes)
    assert not list(place.root.glob(".snapship-restore-*"))


def test_a_group_of_many_volumes_is_restored_whole(place: Place) -> None:
    images = make_images(place, GROUP)
    shipped = place.ship(*images, consistent=True)
    assert not shipped.failures
    volumes = targets(place, images)
    restored = limited.run(place, "fetch", volumes=volumes, group=shipped.items[0]["group"])
    assert (restored["done"], restored["failures"]) == (GROUP, [])
    check_targets(volumes)


def test_a_chain_of_any_length(place: Place) -> None:
    """More members than descriptors."""
    image = place.image(data=b"0", size=64 * KIB)
    for number in range(CHAIN):
        place.write(image, number % 16 * 4 * KIB, b"%d" % number)
        last = place.one(image)
    assert last["type"] == "incremental"
    volumes = [{"source": image, "target": f"{place.root}/restored.img"}]
    restored = limited.run(place, "fetch", volumes=volumes)
    assert (restored["done"], restored["failures"]) == (1, [])
    assert (place.root / "restored.img").read_bytes() == Path(image).read_bytes()


def test_a_large_group_is_shipped_and_resumed_as_one(place: Place) -> None:
    """The first run of the second state is killed when all is sent and nothing committed."""
    images = make_images(place, 100)
    done = limited.run(place, "ship", *images, consistent=True)
    assert (done["done"], done["failures"], done["warnings"]) == (100, [], [])
    for image in images:
        place.write(image, 0, b"changed")

    def load_only(_run: object, deliveries: list[delivery.Delivery], *_rest: object) -> None:
        for each in deliveries:
            each.load()
        os._exit(9)

    def die() -> None:
        unit.deliver = load_only
        place.ship(*images, consistent=True)

    place.killed(die)
    begun = [key.rsplit("/", 1)[1] for key in place.records()]
    assert len(begun) == 100
    again = limited.run(place, "ship", *images, consistent=True)
    assert (again["done"], again["failures"], again["warnings"]) == (100, [], [])
    assert not place.records()
    resumed = [each for each in place.list(details=True) if each["id"] in begun]
    assert (len(resumed), len({each["group"] for each in resumed})) == (100, 1)
    assert place.content(resumed[7]["volume"], resumed[7]["id"])[:7] == b"changed"


def received(target: Path, data: bytes) -> FileTarget:
    """A file that is received and waits for its commit."""
    made = FileTarget(str(target), len(data))
    made.write(0, memoryview(data))
    made.sync()
    made.release()
    return made


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_a_received_file_waits_without_a_descriptor(tmp_path: Path) -> None:
    before = open_files()
    waiting = [received(tmp_path / f"{number}", b"%d" % number) for number in range(5)]
    assert open_files() == before
    for each in waiting[:4]:
        assert each.witness()["size"] == 1
        assert each.commit(None) is None
    waiting[4].abort()
    assert open_files() == before
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {f"{n}": b"%d" % n for n in range(4)}


def test_a_waiting_file_that_another_run_replaced_is_never_swapped_in(tmp_path: Path) -> None:
    """The other run has another configuration directory, so that no lock kept it away."""
    target = tmp_path / "target"
    target.write_bytes(b"old")
    mine = received(target, b"mine")
    theirs = FileTarget(str(target), 6)
    for step in (mine.witness, lambda: mine.commit(None)):
        with pytest.raises(VolumeError, match="was removed or replaced by another run"):
            step()
    mine.abort()
    theirs.write(0, memoryview(b"theirs"))
    theirs.sync()
    theirs.release()
    mine.abort()
    theirs.commit(None)
    assert [path.name for path in tmp_path.iterdir()] == ["target"]
    assert target.read_bytes() == b"theirs"


def test_a_waiting_file_that_was_written_to_is_never_swapped_in(tmp_path: Path) -> None:
    mine = received(tmp_path / "target", b"mine")
    Path(mine.path).write_bytes(b"evil")
    with pytest.raises(VolumeError, match="was removed or replaced"):
        mine.commit(None)
    assert not (tmp_path / "target").exists()


def test_a_file_about_to_be_swapped_in_keeps_other_runs_away(tmp_path: Path) -> None:
    mine = received(tmp_path / "target", b"mine")
    mine.witness()
    with pytest.raises(BusyError, match="another run is restoring"):
        FileTarget(str(tmp_path / "target"), 1)
    mine.commit(None)
    assert (tmp_path / "target").read_bytes() == b"mine"


def test_a_file_that_is_too_large_for_the_filesystem_leaves_nothing(tmp_path: Path) -> None:
    before = open_files()
    with pytest.raises(VolumeError, match="too large for a file|no space|Invalid argument"):
        FileTarget(str(tmp_path / "target"), (1 << 63) - 1)
    assert not list(tmp_path.iterdir())
    assert open_files() == before
