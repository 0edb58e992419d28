# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Snapshots of image files: by name or by age, alone or together, and what commands around them may do."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common import processes
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UnknownError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import snapshot
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


@pytest.fixture
def image(place: Place) -> str:
    return place.image(size=4 * MIB, data=b"1" * MIB)


def test_a_named_snapshot_is_a_state(place: Place, image: str) -> None:
    before = place.tree()
    assert place.snap(image, name="monday", check=True).changed
    assert place.tree() == before
    (made,) = place.snap(image, name="monday").items
    before = place.tree()
    for check in (True, False):
        again = place.snap(image, name="monday", check=check)
        assert not again.changed
        assert again.items[0]["state_id"] == made["state_id"]
    assert place.tree() == before
    place.write(image, 0, b"later")
    path = Path(made["path"])
    assert path.read_bytes() == b"1" * MIB + bytes(3 * MIB)
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert path.stat().st_blocks * 512 <= 2 * MIB, "holes stay holes"
    for check in (True, False, True, False):
        assert place.snap(image, name="monday", state="absent", check=check).changed == path.exists() or not check
    assert not path.exists()
    assert not (place.root / ".snapship").exists(), "nothing is left behind"


def test_a_snapshot_by_age(place: Place, image: str) -> None:
    first = place.snap(image, max_age="1h").items[0]
    assert not place.snap(image, max_age="1h").changed
    second = place.snap(image, max_age="0s").items[0]
    assert first["state_id"] != second["state_id"]
    found = snapshot.describe([image])
    assert [each["state_id"] for each in found] == [second["state_id"], first["state_id"]]
    assert all(each["valid"] for each in found)


def test_a_snapshot_that_was_touched_is_not_valid(place: Place, image: str) -> None:
    made = place.snap(image, name="monday").items[0]
    os.chmod(made["path"], 0o600)
    (found,) = snapshot.describe([image])
    assert not found["valid"]
    assert "ctime" in found["flaw"]
    (failure,) = place.ship(image, snapshot="monday").failures
    assert failure["code"] == "snapshot_changed"
    assert place.snap(image, max_age="1h").changed, "it satisfies no age either"


def test_what_a_run_that_died_left_is_swept_away(place: Place, image: str) -> None:
    made = place.snap(image, name="monday").items[0]
    folder = Path(made["path"]).parent
    (folder / ".taking-0123456789abcdef").write_bytes(b"half")
    (folder / "orphan.img").write_bytes(b"no record")
    place.snap(image, name=".new-tuesday")
    place.snap(image, name="wednesday")
    names = {each["name"] for each in snapshot.describe([image])}
    assert names == {"monday", ".new-tuesday", "wednesday"}
    assert not (folder / ".taking-0123456789abcdef").exists() and not (folder / "orphan.img").exists()


@pytest.mark.parametrize("name", ["a b", "é", "$(x)", "%2F", "..", "~", "x" * 200, "new\nline"])
def test_names(place: Place, image: str, name: str) -> None:
    assert place.snap(image, name=name).changed
    assert not place.snap(image, name=name).changed
    assert [each["name"] for each in snapshot.describe([image])] == [name]
    assert place.snap(image, name=name, state="absent").changed
    assert snapshot.describe([image]) == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"name": "a", "max_age": "1h"},
        {"name": "a/b"},
        {"name": "-rf"},
        {"name": "x" * 201},
        {"state": "absent"},
        {"max_age": "12"},
        {"name": "a", "hook_timeout": "0s"},
        {"name": "a", "quiesce": "x"},
        {"name": "a", "post_command": []},
    ],
    ids=str,
)
def test_bad_options(place: Place, image: str, options: dict[str, Any]) -> None:
    before = place.tree()
    with pytest.raises(UsageError):
        place.snap(image, **options)
    assert place.tree() == before


def test_the_command_after_runs_whatever_happens(place: Place, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    after = place.root / "after"
    touch = [sys.executable, "-c", "import pathlib, sys; pathlib.Path(sys.argv[1]).touch()", str(after)]
    slow = [sys.executable, "-c", "import time; time.sleep(3600)"]
    complete = processes.complete

    def patient(command: list[str], timeout: float, **options: Any) -> processes.Completed:
        """Only what never ends may be too slow: a busy machine may need longer for the other command."""
        return complete(command, timeout=timeout if command == slow else None, **options)

    monkeypatch.setattr(processes, "complete", patient)
    for pre, timeout in (
        (["/nonexistent/program"], "60s"),
        ([sys.executable, "-c", "raise SystemExit('no')"], "60s"),
        (slow, "1s"),
    ):
        outcome = place.snap(image, name="monday", pre_command=pre, post_command=touch, hook_timeout=timeout)
        assert [each["code"] for each in outcome.failures] == ["hook"]
        assert not outcome.changed
        assert snapshot.describe([image]) == []
        after.unlink()
    outcome = place.snap(image, name="monday", post_command=[sys.executable, "-c", "raise SystemExit(1)"])
    assert [each["code"] for each in outcome.failures] == ["hook"]
    assert snapshot.describe([image]) == [], "no snapshot is kept"


def test_an_unknown_volume(place: Place) -> None:
    (failure,) = place.snap("/none.img", name="a").failures
    assert failure["code"] == "unknown_volume"
    assert place.snap("/none.img", name="a", check=True).changed, "an earlier task may be about to make it"
    with pytest.raises(UnknownError):
        snapshot.describe(["/none.img"])


def test_a_copy_that_may_be_torn_is_warned_about(place: Place, image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import snapshots

    original = snapshots.clone_or_copy

    def written_meanwhile(*arguments: Any) -> str:
        original(*arguments)
        place.write(image, 0, b"meanwhile")
        return "copy"

    monkeypatch.setattr(snapshots, "clone_or_copy", written_meanwhile)
    assert any("torn" in text for text in place.snap(image, name="a").warnings)
    quiet = place.snap(image, name="b", pre_command=[sys.executable, "-c", "pass"])
    assert not quiet.warnings


def test_a_reflink_is_made_where_it_can_be(reflink_filesystem: Path) -> None:
    place = Place(reflink_filesystem)
    image = place.image(data=os.urandom(8 * MIB))
    assert place.snap(image, name="a").items[0]["method"] == "reflink"
    place.write(image, MIB, b"x" * MIB)
    item = place.one(image)
    assert (item["type"], item["bytes_changed"]) == ("full", 8 * MIB)
    place.write(image, 2 * MIB, b"y" * 4096)
    place.punch(image, 4 * MIB, MIB)
    item = place.one(image)
    assert item["type"] == "incremental"
    assert item["bytes_changed"] == 4096
    assert place.content(image, item["id"]) == Path(image).read_bytes()
