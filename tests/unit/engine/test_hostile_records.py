# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One bad record or file of this host never keeps other volumes from being shipped, and each gets words of its own.

``SNAPSHIP_RECORDS`` says how many random changes there are.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.snapshots import SnapshotStore
from ansible_collections.snapship.dr.tests.support.needs import need_root
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place
from ansible_collections.snapship.dr.tests.unit.engine.test_damaged_records import spoiled

CHANGES = int(os.environ.get("SNAPSHIP_RECORDS", "60"))
GOOD, BAD = "good.img", "bad.img"


@pytest.fixture
def two(place: Place) -> Place:
    """A host with two volumes that were shipped, verified and restored."""
    place.define("off")
    for name in (GOOD, BAD):
        volume = place.image(name, data=os.urandom(MIB))
        place.ship(volume)
        place.verify(volume, mode="data")
        place.fetch(volume, str(place.root / f"restored-{name}"))
    return place


def ship_both(place: Place) -> Outcome:
    """Ships both; the good one always has a new backup."""
    good = str(place.root / GOOD)
    before = len(place.stored("backups"))
    outcome = place.ship(good, str(place.root / BAD))
    assert [item["volume"] for item in outcome.items if item["volume"] == good], outcome
    assert len(place.stored("backups")) > before
    for failure in outcome.failures:
        assert failure["volume"] == str(place.root / BAD), failure
        assert "\n" not in failure["msg"]
        assert failure["msg"].endswith("."), failure
    return outcome


def test_random_changes_of_any_record(two: Place) -> None:
    """Each file below the configuration that belongs to one volume, and the records of its snapshots."""
    source = random.Random(77)
    broken = 0
    for _change in range(CHANGES):
        files = [path for path in two.root.glob("cfg/state/**/*.json") if "repositories" not in path.parts]
        mine = [path for path in files if str(two.root / GOOD) not in path.read_text(encoding="utf-8")]
        path = source.choice(sorted(mine) + sorted(two.root.glob(f".snapship/{BAD}/*.json")))
        kept = path.read_bytes()
        shared = path.parent.name == "whole" or path.parent.name == "verified"  # of either; they can be found out again
        path.write_bytes(spoiled(json.loads(kept), source))
        outcome = ship_both(two)
        broken += bool(outcome.failures or outcome.warnings)
        assert not (shared and outcome.failures), outcome
        if outcome.failures or path.exists():
            path.write_bytes(kept)
    assert broken


OBSTACLES: dict[str, Callable[[Path], object]] = {
    "directory": lambda path: path.mkdir(),
    "link": lambda path: path.symlink_to("/nowhere"),
    "pipe": os.mkfifo,
    "noise": lambda path: path.write_bytes(b"\xff\x00{"),
    "endless": lambda path: (path.touch(), os.truncate(path, 1 << 40)),
}


@pytest.mark.parametrize("kind", OBSTACLES)
@pytest.mark.parametrize("where", ["newest", "shipments", "held", "snapshot"])
def test_something_else_in_the_place_of_a_file(two: Place, where: str, kind: str) -> None:
    if where == "snapshot":
        (path,) = two.root.glob(f".snapship/{BAD}/*.json")
    elif where == "newest":
        (path,) = [
            each
            for each in two.root.glob("cfg/state/newest/*/*.json")
            if json.loads(each.read_text(encoding="utf-8"))["volume"].endswith(BAD)
        ]
    elif where == "held":
        path = two.root / "cfg/state/held.json"
    else:
        location = two.catalog().store.location
        path = Path(two.host.shipment_path(location, "o", str(two.root / BAD)))
        path.parent.mkdir(exist_ok=True)
    if path.exists():
        path.unlink()
    OBSTACLES[kind](path)
    ship_both(two)


@pytest.mark.parametrize("found", ["9999", "", "99991231T235959.999999Z-0123456789abcdef", 5, {}])
def test_a_note_of_the_newest_backup_that_names_none(two: Place, found: object) -> None:
    for path in two.root.glob("cfg/state/newest/*/*.json"):
        fields = json.loads(path.read_text(encoding="utf-8"))
        if fields["volume"].endswith(BAD):
            path.write_text(json.dumps({**fields, "id": found}), encoding="utf-8")
    (failure,) = ship_both(two).failures
    assert "the id in it isn't" in failure["msg"]


def test_what_the_system_refuses_is_told_in_words(two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (PermissionError(13, "Permission denied", "/x/y"), MemoryError(), OSError(5, "Input/output error")):
        load = SnapshotStore.load

        def refused(self: SnapshotStore, error: BaseException = error, load: Callable[..., object] = load) -> object:
            if self.volume.endswith(BAD):
                raise error
            return load(self)

        with monkeypatch.context() as patch:
            patch.setattr(SnapshotStore, "load", refused)
            (failure,) = ship_both(two).failures
        assert "this host" in failure["msg"]


def test_a_folder_that_may_not_be_read(two: Place) -> None:
    need_root("becoming a user for whom something is unreadable")
    folder = two.root / "cfg/remotes"
    folder.chmod(0)
    for parent in (folder.parent, two.root, *two.root.parents):
        if parent.stat().st_uid == 0 and (parent == folder.parent or "pytest" in str(parent)):
            parent.chmod(0o755)
    os.seteuid(65534)
    try:
        for call in (two.host.remote_names, lambda: two.host.remote("off"), lambda: two.host.forget_remote("off")):
            with pytest.raises(ConfigError, match="Permission denied"):
                call()
    finally:
        os.seteuid(0)


def test_another_bad_definition_doesnt_hide_what_is_wrong(two: Place) -> None:
    (two.root / "cfg/remotes/other.json").write_text("{", encoding="utf-8")
    with pytest.raises(SnapshipError, match=r"'none' isn't defined in .* \(defined: off, other\)"):
        two.host.remote("none")
    assert two.host.remote("off").name == "off"


@pytest.mark.parametrize("mode", [0o666, 0o622, 0o660])
def test_a_definition_that_others_can_change(two: Place, mode: int) -> None:
    (two.root / "cfg/remotes/off.json").chmod(mode)
    with pytest.raises(ConfigError, match=f"can be changed by other users .mode {mode:04o}., and isn't trusted"):
        two.host.remote("off")
