# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two at work on one volume of one remote: whatever their order, every backup that is listed restores bit for bit.

Driven by pauses before each call to the store, not by luck: points of one run with the whole of the other in it, and
pairs of points where each is stopped once. ``SNAPSHIP_CROSSINGS`` says how many pairs a scenario (0: all); with 100 or
more, each point of a run counts, otherwise every second one.
"""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.tests.faults import stepping
from ansible_collections.snapship.dr.tests.faults.places import Place, digest_of, directory_options, s3_options
from ansible_collections.snapship.dr.tests.faults.stepping import Actor, crossed, within
from ansible_collections.snapship.dr.tests.support.needs import need_machine_id
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

SIZE = 5 << 19
DAYS = 2 * 86400.0
SEED = 4711
CROSSINGS = int(os.environ.get("SNAPSHIP_CROSSINGS", "8"))
STATES: dict[str, str] = {}


class Scene(NamedTuple):
    """Two actors on a place that was made ready, and the backups one of them is to remove."""

    first: Actor
    second: Actor
    doomed: list[str]


Maker = Callable[[Place], Scene]


@pytest.fixture(autouse=True)
def stepped(monkeypatch: pytest.MonkeyPatch, small_segments: None) -> None:
    """Stores are stepped, and the digest of each snapshot is known from the moment it is made."""
    need_machine_id()  # both actors are one machine
    stepping.install(monkeypatch)
    real = FileProvider.take

    def take(self: FileProvider, request: Any) -> Any:
        made, warnings = real(self, request)
        STATES.update({each.state_id: digest_of(each.path) for each in made})
        return made, warnings

    monkeypatch.setattr(FileProvider, "take", take)


# --- scenes


def _ready(place: Place, backups: int) -> list[str]:
    """A full and increments on it; their ids."""
    rng = random.Random(SEED)
    place.write(0, rng.randbytes(SIZE))
    made = []
    for _each in range(backups):
        made.append(place.ship(parallel=1))
        place.scribble(rng, SIZE, 1)
    return made


def _backs_up(place: Place, config: str, at: int, ahead: float = 0.0) -> Actor:
    """Changes some of the image, then backs it up."""

    def work() -> Any:
        for offset in (at, at + 1_000_000, at + 1_500_000):  # with segments of 256 KiB: two
            place.write(offset, random.Random(offset).randbytes(100_000))
        return place.backup(config, parallel=1)

    return Actor(work, ahead=ahead)


def two_fulls(place: Place) -> Scene:
    _ready(place, 0)
    return Scene(_backs_up(place, "a", 0), _backs_up(place, "b", 400_000), [])


def two_increments(place: Place) -> Scene:
    _ready(place, 2)
    return Scene(_backs_up(place, "a", 0), _backs_up(place, "b", 400_000), [])


def increment_and_delete_of_its_base(place: Place) -> Scene:
    made = _ready(place, 2)
    return Scene(_backs_up(place, "a", 0), Actor(lambda: place.delete(made[-1], "b")), made[-1:])


def increment_and_cascading_delete(place: Place) -> Scene:
    made = _ready(place, 3)
    return Scene(_backs_up(place, "a", 0), Actor(lambda: place.delete(made[0], "b", cascade=True)), made)


def increment_and_one_that_thinks_it_dead(place: Place) -> Scene:
    _ready(place, 2)
    return Scene(_backs_up(place, "a", 0), _backs_up(place, "b", 400_000, ahead=DAYS), [])


def increment_and_deleter_that_thinks_it_dead(place: Place) -> Scene:
    made = _ready(place, 2)
    return Scene(_backs_up(place, "a", 0), Actor(lambda: place.delete(made[-1], "b"), ahead=DAYS), made[-1:])


def resumed_and_another(place: Place) -> Scene:
    _ready(place, 2)
    _backs_up(place, "a", 0).dies_at("data", 1).run()
    return Scene(_backs_up(place, "a", 100_000), _backs_up(place, "b", 400_000), [])


def resumed_and_one_that_thinks_it_dead(place: Place) -> Scene:
    _ready(place, 2)
    _backs_up(place, "a", 0).dies_at("data", 1).run()
    return Scene(_backs_up(place, "a", 100_000), _backs_up(place, "b", 400_000, ahead=DAYS), [])


def resumed_after_commit_and_deleter(place: Place) -> Scene:
    """The first finds its own shipment committed but not finished; the second removes that very backup."""
    _ready(place, 2)
    _backs_up(place, "a", 0).dies_after("backups").run()
    newest = place.listing(details=False)[0]["id"]
    return Scene(_backs_up(place, "a", 100_000), Actor(lambda: place.delete(newest, "b")), [newest])


def two_deletes_of_one(place: Place) -> Scene:
    made = _ready(place, 2)
    return Scene(*(Actor(lambda each=each: place.delete(made[-1], each)) for each in "ab"), made[-1:])


def two_cleaners(place: Place) -> Scene:
    """Both find a dead shipment and a removed backup whose grace is over."""
    made = _ready(place, 3)
    place.options["grace_period"] = "1h"
    place.delete(made[-1], "c")
    _backs_up(place, "c", 0).dies_at("data", 1).run()
    return Scene(_backs_up(place, "a", 0, ahead=DAYS), _backs_up(place, "b", 400_000, ahead=DAYS), made[-1:])


def cleaner_and_delete(place: Place) -> Scene:
    made = _ready(place, 3)
    return Scene(_backs_up(place, "a", 0, ahead=DAYS), Actor(lambda: place.delete(made[-1], "b")), made[-1:])


SCENES = [
    two_fulls,
    two_increments,
    increment_and_delete_of_its_base,
    increment_and_cascading_delete,
    increment_and_one_that_thinks_it_dead,
    increment_and_deleter_that_thinks_it_dead,
    resumed_and_another,
    resumed_and_one_that_thinks_it_dead,
    resumed_after_commit_and_deleter,
    two_deletes_of_one,
    two_cleaners,
    cleaner_and_delete,
]
S3_SCENES = [two_increments, increment_and_delete_of_its_base, increment_and_one_that_thinks_it_dead]


# --- what must hold afterwards


def _judge(place: Place, scene: Scene) -> None:
    place.states = STATES
    for actor in (scene.first, scene.second):
        if actor.error is not None:
            assert getattr(actor.error, "code", None) in ("base_in_use", "has_dependants"), repr(actor.error)
        elif actor.result is not None:
            assert not actor.result.failures, actor.result.failures
    place.check()
    listed = {item["id"] for item in place.listing(details=False)}
    for actor in (scene.first, scene.second):
        for item in actor.result.items if actor.result is not None else []:
            if item["actions"] and item["actions"][0].startswith("put"):
                kept = item["base"] not in scene.doomed  # else a cascade may have taken it along
                assert item["id"] in listed or not kept, f"{item['id']} was reported as made and isn't there"
    # What later runs, when all grace is over, leave behind: nothing but backups.
    for config in sorted(path.name[-1] for path in place.root.glob("config-[abc]")):
        later = _backs_up(place, config, 0, ahead=DAYS).run()
        assert later.error is None and not later.result.failures, (later.error, later.result)
    place.intact()
    assert place.leftovers() == []


def _run(place: Place, maker: Maker, what: Callable[[Scene], bool], where: str) -> bool:
    scene = maker(place)
    reached = what(scene)
    try:
        _judge(place, scene)
    except AssertionError as error:
        logs = "\n\n".join("\n".join(actor.log) for actor in (scene.first, scene.second))
        raise AssertionError(f"{where}: {error}\n\n{logs}") from error
    return reached


def _swapped(scene: Scene) -> Scene:
    return Scene(scene.second, scene.first, scene.doomed)


@pytest.mark.parametrize("swap", [False, True], ids=["second-in-first", "first-in-second"])
@pytest.mark.parametrize("maker", SCENES, ids=lambda maker: maker.__name__)
def test_one_run_whole_within_the_other(memory_path: Path, maker: Maker, swap: bool) -> None:
    step = 2 if 0 < CROSSINGS < 100 else 1
    for number in itertools.count(step - 1 if swap else 0, step):
        root = memory_path / str(number)
        root.mkdir()
        place = Place(root, directory_options(root))

        def whole(scene: Scene, number: int = number) -> bool:
            scene = _swapped(scene) if swap else scene
            return within(scene.first, number, scene.second)

        if not _run(place, maker, whole, f"before call {number}"):
            break
    assert number > 4


@pytest.mark.parametrize("maker", SCENES, ids=lambda maker: maker.__name__)
def test_each_stopped_once(memory_path: Path, maker: Maker) -> None:
    """The first up to a point, the second up to a point, the first to its end, the second to its end."""
    probe = Place(memory_path, directory_options(memory_path))
    scene = maker(probe)
    pairs = [
        (at, until, swap)
        for at in range(scene.first.run().calls)
        for until in range(scene.second.run().calls)
        for swap in (False, True)
    ]
    sample = CROSSINGS and random.Random(SEED).sample(pairs, min(CROSSINGS, len(pairs))) or pairs
    for number, (at, until, swap) in enumerate(sample):
        root = memory_path / str(number)
        root.mkdir()

        def cross(scene: Scene, at: int = at, until: int = until, swap: bool = swap) -> bool:
            scene = _swapped(scene) if swap else scene
            return crossed(scene.first, at, scene.second, until)

        _run(Place(root, directory_options(root)), maker, cross, f"{at}, {until}, swapped {swap}")


@pytest.mark.parametrize("maker", S3_SCENES, ids=lambda maker: maker.__name__)
def test_one_run_whole_within_the_other_on_s3(tmp_path: Path, bucket: Bucket, maker: Maker) -> None:
    for number in itertools.count(2, 5):
        root = tmp_path / str(number)
        root.mkdir()
        place = Place(root, s3_options(bucket, prefix=f"at-{number}"))
        if not _run(place, maker, lambda scene, at=number: within(scene.first, at, scene.second), f"at {number}"):
            break


def test_append_only(place: Place, request: pytest.FixtureRequest) -> None:
    """With a key that can't delete, records stay for good; that must not keep a backup from being a base."""
    place.options["append_only"] = True
    if place.options["type"] == "s3":
        bucket: Bucket = request.getfixturevalue("bucket")
        bucket.server.forbid_deleting(bucket.name)
    _ready(place, 3)
    place.states = STATES
    assert [item["type"] for item in place.listing()] == ["incremental", "incremental", "full"]
    _backs_up(place, "a", 0).dies_at("data", 1).run()
    place.ship()
    place.check()
