# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Restores: which backup, into what, and what is left alone."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import shown
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import restore
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, KIB, MIB, Place


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


@pytest.fixture
def target(place: Place) -> str:
    return str(place.root / "target.img")


def code(place: Place, *arguments: str, **options: Any) -> str:
    """The code with which a restore fails; nothing is written, in check mode neither."""
    before = place.tree()
    said = place.fetch(*arguments, check=True, **options)
    outcome = place.fetch(*arguments, **options)
    assert not outcome.changed
    assert not outcome.items
    assert {path: entry for path, entry in place.tree().items() if "/cfg" not in path} == {
        path: entry for path, entry in before.items() if "/cfg" not in path
    }
    (failure,) = outcome.failures
    if failure["code"] != "unknown_backup":
        assert [each["code"] for each in said.failures] == [failure["code"]]
    return str(failure["code"])


def test_latest_by_id_and_at_a_time(place: Place, image: str, target: str) -> None:
    items, times = [], []
    for number in (1, 2, 3):
        place.write(image, 0, b"%d" % number * MIB)
        items.append(place.one(image))
        times.append(time.time())
        time.sleep(0.01)
    for options, number in (
        ({}, 3),
        ({"backup": "latest"}, 3),
        ({"backup": items[0]["id"]}, 1),
        ({"at": items[1]["created"]}, 2),
        ({"at": items[1]["created"].replace("Z", "+00:00")}, 2),
        ({"at": "2999-01-01"}, 3),
    ):
        outcome = place.fetch(image, target, overwrite=True, **options)
        assert Path(target).read_bytes() == b"%d" % number * MIB
        assert outcome.items[0]["id"] == items[number - 1]["id"]
        assert outcome.items[0]["chain"] == [item["id"] for item in items[:number]]
    before = items[1]["created"][:-7] + "Z"
    assert any("taken as UTC" in text for text in place.fetch(image, target, overwrite=True, at="2999-01-01").warnings)
    assert place.fetch(image, str(place.root / "t2"), at=before, check=True).items[0]["id"] in (None, items[0]["id"])
    assert code(place, image, target, at="1999-01-01T00:00:00Z") == "unknown_backup"
    assert code(place, image, target, backup="20260309T143000.123456Z-0123456789abcdef") == "unknown_backup"
    assert code(place, image, target, backup="nonsense") == "usage"


def test_a_restore_is_a_state(place: Place, image: str, target: str) -> None:
    item = place.one(image)
    before = place.tree()
    said = place.fetch(image, target, check=True)
    assert place.tree() == before
    done = place.fetch(image, target)
    assert said.changed and done.changed
    assert (said.before, said.after) == (done.before, done.after)
    assert done.items[0]["previous"] is None
    before = place.tree()
    for check in (True, False):
        again = place.fetch(image, target, check=check)
        assert not again.changed
        assert again.items[0]["id"] == item["id"]
    assert {path: each for path, each in place.tree().items() if "/locks" not in path} == {
        path: each for path, each in before.items() if "/locks" not in path
    }


def test_what_is_there_is_left_alone_or_kept(place: Place, image: str, target: str) -> None:
    first = place.one(image)
    Path(target).write_bytes(b"precious")
    os.chmod(target, 0o640)
    assert code(place, image, target) == "target_exists"
    outcome = place.fetch(image, target, overwrite=True)
    assert Path(target).read_bytes() == b"1" * MIB
    assert os.stat(target).st_mode & 0o777 == 0o640
    kept = outcome.items[0]["previous"]
    assert kept == f"{target}.before-{first['id']}"
    assert Path(kept).read_bytes() == b"precious"
    # Written since: replaced only on demand, and kept each time under a name of its own.
    names = {kept}
    for number in (1, 2):
        place.write(target, 0, b"work %d" % number)
        assert code(place, image, target) == "target_exists"
        assert code(place, image, target, overwrite=True) == "target_changed"
        outcome = place.fetch(image, target, overwrite=True, discard_changes=True)
        assert Path(target).read_bytes() == b"1" * MIB
        names.add(outcome.items[0]["previous"])
        assert Path(outcome.items[0]["previous"]).read_bytes().startswith(b"work %d" % number)
    assert len(names) == 3
    # An earlier restore that nobody wrote to isn't worth keeping.
    place.write(image, 0, b"2")
    place.one(image)
    outcome = place.fetch(image, target, overwrite=True)
    assert outcome.items[0]["previous"] is None
    assert Path(target).read_bytes()[:1] == b"2"


def test_a_restore_that_died_before_the_swap_is_finished_by_the_next(
    place: Place, image: str, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.one(image)
    Path(target).write_bytes(b"precious")
    rename = os.rename

    def die(source: str, to: str, **options: Any) -> None:
        if os.path.basename(to) == os.path.basename(target):
            os._exit(9)
        rename(source, to, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        place.killed(lambda: place.fetch(image, target, overwrite=True))
    assert Path(target).read_bytes() == b"precious"
    place.fetch(image, target, overwrite=True)
    assert Path(target).read_bytes() == b"1" * MIB
    others = sorted(path.name for path in place.root.iterdir() if "target" in path.name or "restore" in path.name)
    assert [name.split("-")[0] for name in others] == ["target.img", "target.img.before"]


def test_two_restores_to_one_target_planned_at_once(place: Place, image: str, target: str) -> None:
    place.one(image)
    request = restore.Request(remote_spec=place.options, origin="o", volumes=[{"source": image, "target": target}])
    plans = [restore.plan(place.host, request) for _round in range(2)]
    first, second = (restore.apply(place.host, each) for each in plans)
    assert (first.changed, second.changed) == (True, False)
    assert not second.failures
    plans = [restore.plan(place.host, request)]
    os.unlink(target)
    plans.append(restore.plan(place.host, request))
    Path(target).write_bytes(b"somebody else's")
    outcome = restore.apply(place.host, plans[1])
    assert [each["code"] for each in outcome.failures] == ["target_exists"]
    assert Path(target).read_bytes() == b"somebody else's"


def test_a_target_that_is_open_is_left_alone(place: Place, image: str, target: str) -> None:
    place.one(image)
    with open(target, "wb"):
        assert code(place, image, target, overwrite=True) == "target_busy"
    assert place.fetch(image, target, overwrite=True).changed


@pytest.mark.parametrize("what", ["folder", "fifo", "nowhere", "below a file"])
def test_targets_that_cannot_be(place: Place, image: str, target: str, what: str) -> None:
    place.one(image)
    if what == "folder":
        os.mkdir(target)
    elif what == "fifo":
        os.mkfifo(target)
    else:
        target = f"{place.root}/none/x" if what == "nowhere" else f"{image}/x"
    assert code(place, image, target, overwrite=True) in ("wrong_type", "volume")


def test_a_symbolic_link_as_target_stays_one(place: Place, image: str, target: str) -> None:
    place.one(image)
    real = place.root / "real.img"
    os.symlink(real, target)
    assert place.fetch(image, target).changed
    assert os.path.islink(target)
    assert real.read_bytes() == b"1" * MIB
    assert not place.fetch(image, target).changed


def test_holes_stay_holes(place: Place, target: str) -> None:
    image = place.image("sparse.img", 1 << 30)
    place.write(image, 512 * MIB, b"x" * MIB)
    place.one(image)
    place.punch(image, 512 * MIB, MIB // 2)
    place.one(image)
    outcome = place.fetch(image, target)
    assert outcome.items[0]["bytes_written"] == MIB // 2
    assert os.stat(target).st_blocks * 512 <= MIB


def test_only_what_still_matters_is_fetched(place: Place, target: str) -> None:
    place.options["compression"] = "none"
    image = place.image("a.img", data=os.urandom(MIB))
    for _round in range(3):
        place.write(image, 0, os.urandom(MIB))
        place.one(image)
    assert place.fetch(image, target).items[0]["bytes_fetched"] < MIB + 10 * KIB


def damage(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("how", ["flip", "cut", "remove", "longer"])
@pytest.mark.parametrize("what", ["00000000", "00000001", "index", "manifest"])
def test_damage_is_refused_with_its_key_and_an_older_backup_is_named(
    tmp_path: Path, encrypted: bool, how: str, what: str
) -> None:
    place = Place(tmp_path, **({"encryption_key": KEY} if encrypted else {}))
    image, target = place.image(data=os.urandom(MIB)), str(tmp_path / "target")
    good = place.one(image)
    place.write(image, 0, b"2" * 100_000)
    bad = place.one(image)
    folder = "backups" if what == "manifest" else "data"
    (path,) = place.remote.glob(f"{folder}/*/*/{bad['id']}" + ("~*" if what == "manifest" else f"/{what}"))
    if how == "flip":
        damage(path)
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-1] if what != "manifest" else path.read_bytes()[:-3])
    elif how == "longer":
        path.write_bytes(path.read_bytes() + b"x")
    else:
        path.unlink()
    Path(target).write_bytes(b"precious")
    if (what, how) == ("manifest", "remove"):
        assert place.fetch(image, target, overwrite=True).items[0]["id"] == good["id"]
        return
    outcome = place.fetch(image, target, overwrite=True)
    (failure,) = outcome.failures
    assert failure["code"] == "corrupt"
    assert shown(str(path.relative_to(place.remote))) in failure["msg"]
    assert good["id"] in failure["hint"]
    assert Path(target).read_bytes() == b"precious"
    assert not list(tmp_path.glob(".snapship-restore*"))
    assert place.content(image, good["id"]) != b""


def test_a_backup_from_the_future_is_refused_and_not_the_latest(place: Place, image: str, target: str) -> None:
    good = place.one(image)
    with pytest.MonkeyPatch.context() as patch:
        now = time.time()
        patch.setattr(time, "time", lambda: now + 365 * 86400)
        patch.setattr(
            DirectoryStore, "now", lambda _store, write=False: time.time()
        )  # a file server whose clock was as wrong
        ahead = place.one(image, max_age="0s", type="full")
    found = place.list(image)[0]
    assert (found["id"], found["complete"]) == (ahead["id"], False)
    assert "future" in found["problem"]
    assert code(place, image, target, backup=ahead["id"]) == "corrupt"
    outcome = place.fetch(image, target)
    assert [item["id"] for item in outcome.items] == [good["id"]]
    assert [text for text in outcome.warnings if ahead["id"] in text and "in the future" in text]
    outcome = place.ship(image, max_age="1y")
    assert outcome.changed or outcome.items[0]["id"] == good["id"]
    assert outcome.items[0]["base"] != ahead["id"]


@pytest.mark.parametrize(
    "options",
    [
        {"volumes": []},
        {"volumes": [{"source": "/a"}]},
        {"volumes": [{"source": "", "target": "/b"}]},
        {"volumes": [{"source": "/a", "target": "/t"}, {"source": "/b", "target": "//t"}]},
        {"backup": "latest", "at": "2026-01-01"},
        {"at": "2026-01-01", "group": "20260309T143000.123456Z-0123456789abcdef"},
        {"at": "soon"},
        {"parallel": 0},
        {"volumes": [{"source": "/a", "target": "relative"}]},
        {
            "volumes": [{"source": "/a", "target": "/t"}, {"source": "/b", "target": "/u"}],
            "backup": "20260309T143000.123456Z-0123456789abcdef",
        },
    ],
    ids=str,
)
def test_bad_options_are_refused(place: Place, options: dict[str, Any]) -> None:
    given = {"remote_spec": place.options, "volumes": [{"source": "/a", "target": "/t"}], **options}
    with pytest.raises(UsageError):
        restore.plan(place.host, restore.Request(**given))


def test_what_is_not_there_is_named_with_what_is(place: Place, image: str, target: str) -> None:
    place.one(image)
    for options, words in (({"origin": "p"}, "origins: o"), ({}, image)):
        outcome = place.fetch("/other.img", target, **options)
        (failure,) = outcome.failures
        assert failure["code"] == "unknown_backup"
        assert words in failure["msg"]
    with pytest.raises(SnapshipError) as caught:
        place.fetch(image, target, remote="none", remote_spec=None)
    assert caught.value.code == "unknown_remote"


def test_check_mode_where_nothing_exists_yet(place: Place, target: str) -> None:
    image = str(place.root / "none.img")
    before = place.tree()
    assert place.define(check=True).changed
    assert place.snap(image, max_age="1h", check=True).changed
    assert place.ship(image, remote="off", remote_spec=None, check=True).changed
    said = place.fetch(image, target, remote="off", remote_spec=None, check=True)
    assert said.changed and said.warnings
    assert place.fetch(image, target, check=True).changed
    assert place.tree() == before == {}


def test_several_volumes_one_of_them_bad(place: Place, image: str) -> None:
    place.one(image)
    volumes = [
        {"source": image, "target": str(place.root / "a")},
        {"source": "/none", "target": str(place.root / "b")},
        {"source": image, "target": str(place.root / "c")},
    ]
    outcome = place.fetch("", "", volumes=volumes)
    assert outcome.changed
    assert [item["target"] for item in outcome.items] == [volumes[0]["target"], volumes[2]["target"]]
    assert [failure["volume"] for failure in outcome.failures] == ["/none"]
