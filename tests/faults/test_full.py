# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that are full: of the remote, of the restore's target, beside the image, and of the configuration.

Each time: a clear error, nothing partial, all that was there before is as it was; with room again the next run goes on.
"""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.tests.faults import stepping
from ansible_collections.snapship.dr.tests.faults.places import Place, digest_of, directory_options, s3_options
from ansible_collections.snapship.dr.tests.faults.stepping import Actor
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket

MIB = 1 << 20


class Filler:
    """Takes the room on a filesystem, all but so many bytes; and gives it back."""

    def __init__(self, where: Path) -> None:
        self.path = where / "filler"

    def leave(self, room: int) -> None:
        self.release()
        found = os.statvfs(self.path.parent)
        with self.path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(found.f_bavail * found.f_frsize - room, 1))

    def release(self) -> None:
        self.path.unlink(missing_ok=True)


@pytest.fixture
def filler(small_tmpfs: Path) -> Filler:
    return Filler(small_tmpfs)


@pytest.fixture(autouse=True)
def segments(small_segments: None) -> None:
    """Several in a small image."""


def _image(place: Place, size: int) -> str:
    place.write(0, random.Random(size).randbytes(size))
    os.truncate(place.image, size)
    return digest_of(place.image)


def _failure(outcome: Outcome, code: str) -> dict[str, Any]:
    assert len(outcome.failures) == 1, outcome
    failure = outcome.failures[0]
    assert failure["code"] == code, failure
    assert failure["hint"], failure
    assert "\n" not in failure["msg"]
    return failure


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_remote_full(tmp_path: Path, small_tmpfs: Path, filler: Filler, kind: str) -> None:
    place = Place(tmp_path, directory_options(small_tmpfs))
    _image(place, 5 * MIB)
    if kind == "incremental":
        place.ship()
        place.write(MIB, random.Random(1).randbytes(3 * MIB))
    before = {item["id"] for item in place.listing()}
    digest, changed = digest_of(place.image), place.image.stat().st_mtime_ns
    filler.leave(2 * MIB)
    outcome = place.backup()
    place.learn()
    _failure(outcome, "full")
    assert not outcome.items
    assert {item["id"] for item in place.listing()} == before
    place.check()
    assert (digest_of(place.image), place.image.stat().st_mtime_ns) == (digest, changed)
    filler.release()
    outcome = place.backup(max_age="1h" if kind == "full" else "0s")
    assert not outcome.failures
    assert sum(item["resumed"] for item in outcome.items) > 0 or kind == "incremental"
    place.learn()
    assert place.check() > len(before)
    assert [key for key in place.leftovers() if key != "filler"] == []


def test_remote_full_resumes_an_incremental(tmp_path: Path, small_tmpfs: Path, filler: Filler) -> None:
    place = Place(tmp_path, directory_options(small_tmpfs))
    _image(place, 5 * MIB)
    base = place.ship()
    place.write(MIB, random.Random(1).randbytes(3 * MIB))
    filler.leave(2 * MIB)
    _failure(place.backup(), "full")
    place.learn()
    filler.release()
    outcome = place.backup(max_age="1m")
    # The full is fresh enough by itself: nothing was to be done, and what was left stays for the run that needs it.
    assert outcome.items[0]["id"] == base and not outcome.changed
    place.backup(max_age="0s")
    place.learn()
    resumed = [item for item in place.listing() if item["type"] == "incremental"]
    assert resumed
    place.check()


def test_remote_full_at_any_point(tmp_path: Path, small_tmpfs: Path, filler: Filler) -> None:
    """From no room at all to enough: the segments, the index, the record, the manifest may be what doesn't fit."""
    place = Place(tmp_path, directory_options(small_tmpfs))
    _image(place, 2 * MIB)
    place.ship()
    codes = []
    for room in [*range(0, 160 << 10, 4 << 10), 4 * MIB]:
        place.write(room, random.Random(room).randbytes(100_000))
        before = {item["id"] for item in place.listing(details=False)}
        filler.leave(room)
        outcome = place.backup()
        place.learn()
        listed = {item["id"] for item in place.listing(details=False)}
        codes.append(outcome.failures[0]["code"] if outcome.failures else "")
        assert listed >= before
        filler.release()
    assert set(codes) == {"full", ""}, codes
    assert codes[-1] == ""
    place.check()
    later = place.ship()
    assert later
    assert [key for key in place.leftovers() if key != "filler"] == []


def test_restore_target_full_as_foreseen(tmp_path: Path, small_tmpfs: Path, filler: Filler) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    _image(place, 5 * MIB)
    place.ship()
    target = small_tmpfs / "there.img"
    for existing in (False, True):
        if existing:
            target.write_bytes(b"was there")
        filler.leave(2 * MIB)
        was = target.stat() if existing else None
        failure = _failure(place.restore(target, overwrite=True), "no_space")
        assert "needed" in failure["msg"]
        assert sorted(path.name for path in small_tmpfs.iterdir()) == ["filler"] + ["there.img"] * existing
        if was:
            assert (was.st_ino, was.st_mtime_ns) == (target.stat().st_ino, target.stat().st_mtime_ns)
        filler.release()
    assert not place.restore(target, overwrite=True).failures
    assert digest_of(target) == digest_of(place.image)


@pytest.mark.parametrize("kind", ["directory", "s3"])
def test_restore_target_full_all_of_a_sudden(
    tmp_path: Path, small_tmpfs: Path, filler: Filler, kind: str, request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Somebody else takes the room while it is being restored."""
    options = directory_options(tmp_path) if kind == "directory" else s3_options(request.getfixturevalue("bucket"))
    place = Place(tmp_path, options)
    _image(place, 5 * MIB)
    place.ship()
    target = small_tmpfs / "there.img"
    target.write_bytes(b"was there")
    stepping.install(monkeypatch)

    def hook(_number: int, name: str, args: tuple[Any, ...]) -> None:
        if name == "get" and str(args[0]).endswith("/00000003"):
            filler.leave(0)

    actor = Actor(lambda: place.restore(target, overwrite=True, parallel=1), hook).run()
    assert actor.error is None, actor.error
    _failure(actor.result, "no_space")
    assert sorted(path.name for path in small_tmpfs.iterdir()) == ["filler", "there.img"]
    assert target.read_bytes() == b"was there"
    filler.release()
    assert not place.restore(target, overwrite=True).failures
    assert digest_of(target) == digest_of(place.image)


@pytest.mark.parametrize("room", [0, 4096, 64 << 10, MIB, 3 * MIB, 3 * MIB + 4096])
def test_no_room_for_the_snapshot(tmp_path: Path, small_tmpfs: Path, filler: Filler, room: int) -> None:
    """Where no reflink can be had a snapshot is a copy. The last two: it fits, its record or its folder doesn't."""
    place = Place(small_tmpfs, directory_options(tmp_path))
    digest = _image(place, 3 * MIB)
    (tmp_path / "config").mkdir()
    (small_tmpfs / "config-a").symlink_to(tmp_path / "config")
    filler.leave(room)
    outcome = Actor(place.backup).run()
    assert outcome.error is None, outcome.error
    place.learn()
    if not outcome.result.failures:
        assert room > 3 * MIB
        filler.release()
        assert place.check() == 1
        return
    failure = _failure(outcome.result, "no_space")
    assert str(place.image) in failure["msg"]
    assert digest_of(place.image) == digest
    assert not [path for path in small_tmpfs.rglob("*") if path.name.startswith((".taking", ".new-"))]
    assert place.listing() == []
    filler.release()
    place.ship()
    assert place.check() == 1


@pytest.mark.parametrize("action", ["backup", "restore"])
def test_configuration_full(tmp_path: Path, small_tmpfs: Path, filler: Filler, action: str) -> None:
    """The disk with the configuration is full: a clear error, and nothing is done by halves."""
    place = Place(tmp_path, directory_options(tmp_path))
    _image(place, 3 * MIB)
    first = place.ship()
    (tmp_path / "config-x").symlink_to(small_tmpfs)
    filler.leave(0)
    target = tmp_path / "restored.img"
    actor = Actor(lambda: place.backup("x") if action == "backup" else place.restore(target, config="x")).run()
    if actor.error is not None:
        assert isinstance(actor.error, SnapshipError), repr(actor.error)
        failure = actor.error.as_dict()
    else:
        failure = actor.result.failures[0]
    assert failure["code"] == "config" and "space" in failure["msg"], failure
    assert not target.exists()
    assert [item["id"] for item in place.listing()] == [first]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".snapship-restore")]
    filler.release()
    (place.restore(target, config="x") if action == "restore" else place.backup("x"))
    place.learn()
    place.check()


def test_quota_of_a_bucket_is_told_like_a_full_disk(bucket: Bucket, tmp_path: Path) -> None:
    """What a server says when there is no more room reaches the user as the same code."""
    from ansible_collections.snapship.dr.tests.support.scripted_http import Reply, ScriptedHttp

    def answer(request: Any) -> Reply:
        if request.method == "PUT":
            return Reply.error(507, "InsufficientStorage")
        empty = b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
        return Reply(body=empty, headers={"Content-Type": "application/xml"})

    with ScriptedHttp(answer) as server:
        place = Place(tmp_path, s3_options(bucket, endpoint_url=server.endpoint))
        _image(place, MIB)
        with pytest.raises(RemoteError, match="the remote is full") as caught:
            place.backup()  # it already has no room for the identity of the repository
        assert caught.value.code == "full"
