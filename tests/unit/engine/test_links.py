# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images in folders that other users may write to: nothing foreign is shipped, made, replaced or swept away."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import way
from ansible_collections.snapship.dr.tests.support.needs import need_root
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

ALICE, BOB = 64001, 64002  # users of nobody's; only root can be them
SECRET = b"secret of root"


@pytest.fixture
def place() -> Iterator[Place]:
    """As the others', where each user may go to."""
    root = Path(tempfile.mkdtemp())
    os.chmod(root, 0o755)
    yield Place(root)
    shutil.rmtree(root)


@pytest.fixture
def home(place: Place) -> Path:
    """A folder of Alice's, with an image of hers in it; what the test runs as is root."""
    need_root("another user's folder")
    made = place.root / "alice"
    made.mkdir()
    owned(made, ALICE)
    return made


def owned(path: Path, user: int) -> Path:
    os.chown(path, user, user, follow_symlinks=False)
    return path


def image(folder: Path, name: str = "vm.img", user: int = ALICE) -> str:
    path = folder / name
    path.write_bytes(b"1" * MIB)
    os.chmod(path, 0o600)
    return str(owned(path, user))


def link(path: Path, to: Path, user: int = ALICE) -> Path:
    path.symlink_to(to)
    return owned(path, user)


def refused(work: Callable[[], Any]) -> str:
    """The message with which it is refused, with what the user is to do."""
    try:
        outcome = work()
    except SnapshipError as error:
        assert error.code == "unsafe_path", str(error)
        return str(error)
    (failure,) = outcome.failures
    assert failure["code"] == "unsafe_path", failure
    return f"{failure['msg']} {failure['hint']}"


def as_user(user: int, work: Callable[[], object]) -> None:
    """Do it as another user, in a process of its own. Raises AssertionError where it fails."""
    child = os.fork()
    if not child:
        status = 1
        try:
            os.setgroups([])
            os.setgid(user)
            os.setuid(user)
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


# --- the folder of the snapshots


def test_an_image_in_the_folder_of_a_user_is_backed_up_and_restored(place: Place, home: Path) -> None:
    volume = image(home)
    item = place.one(volume)
    kept = home / ".snapship"
    assert (kept.stat().st_uid, stat.S_IMODE(kept.stat().st_mode)) == (0, 0o700)
    place.write(volume, 0, b"2")
    assert place.one(volume)["type"] == "incremental"
    assert not place.fetch(volume, volume, overwrite=True, backup=item["id"]).failures
    found = os.stat(volume)
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (ALICE, ALICE, 0o600)
    assert Path(volume).read_bytes()[:1] == b"1"


@pytest.mark.parametrize("at", [".snapship", ".snapship/vm.img"])
def test_a_link_in_the_place_of_the_folder_is_never_followed(place: Place, home: Path, at: str) -> None:
    volume = image(home)
    target = place.root / "target"
    target.mkdir(mode=0o700)
    (target / "vm.img").mkdir(mode=0o700)
    for folder in (target, target / "vm.img"):
        (folder / "orphan.img").write_bytes(SECRET)
        (folder / ".taking-0123456789abcdef").write_bytes(SECRET)
    if "/" in at:
        (home / ".snapship").mkdir(mode=0o700)
        (home / ".snapship").chmod(0o700)
    link(home / at, target)
    before = place.tree()
    for work in (lambda: place.snap(volume, name="a"), lambda: place.snap(volume, name="a", check=True)):
        assert f"{home}/{at} isn't used: it is a symbolic link" in refused(work)
    assert {path: was for path, was in place.tree().items() if "target" in path} == {
        path: was for path, was in before.items() if "target" in path
    }


@pytest.mark.parametrize("suffix", [".img", ".json"])
def test_a_link_among_the_snapshots_is_never_followed(place: Place, home: Path, suffix: str) -> None:
    """Such as by a run of old, or by somebody who became root for a moment."""
    volume = image(home)
    made = Path(place.snap(volume, name="a").items[0]["path"])
    secret = place.root / "secret"
    secret.write_bytes(SECRET)
    os.unlink(made.with_suffix(suffix))
    link(made.with_suffix(suffix), secret)
    (failure,) = place.ship(volume, snapshot="a").failures
    assert "symbolic link" in failure["msg"]
    assert not place.remote.exists() or place.list() == []
    assert secret.read_bytes() == SECRET


def test_only_what_is_ours_is_swept_away(place: Place, home: Path) -> None:
    volume = image(home)
    folder = Path(place.snap(volume, name="a").items[0]["path"]).parent
    foreign = [".new-file", ".taking-pictures", "a b.img", "notes.txt"]
    for name in foreign:
        (folder / name).write_bytes(b"x")
    ours = [".new-0123456789abcdef", ".taking-0123456789abcdef", "orphan.img"]
    for name in ours:
        (folder / name).write_bytes(b"x")
    place.snap(volume, name="b")
    assert sorted(set(os.listdir(folder)) & {*foreign, *ours}) == sorted(foreign)


@pytest.mark.parametrize("below", ["", "vm.img"])
def test_a_folder_that_others_can_write_to_is_not_used(place: Place, home: Path, below: str) -> None:
    volume = image(home)
    place.snap(volume, name="a")
    os.chmod(home / ".snapship" / below, 0o770)
    said = refused(lambda: place.snap(volume, name="b"))
    assert "can be written by others (mode 0770)" in said and "chmod go-w" in said
    os.chmod(home / ".snapship" / below, 0o700)
    assert place.snap(volume, name="b").changed


def test_a_record_of_another_user_is_not_used(place: Place, home: Path) -> None:
    volume = image(home)
    made = Path(place.snap(volume, name="a").items[0]["path"])
    owned(made.with_suffix(".json"), ALICE)
    (failure,) = place.ship(volume, snapshot="a").failures
    assert f"belongs to user {ALICE}" in failure["msg"]


def test_two_users_with_images_in_one_folder(place: Place, home: Path) -> None:
    """Each has a folder of snapshots of their own, whoever comes first; root, too."""
    os.chmod(home, 0o777)
    images = {user: image(home, f"{user}.img", user) for user in (ALICE, BOB)}
    for user, volume in images.items():
        own = Place(place.root, path=str(home / f"remote-{user}"))
        own.host = Host(str(home / f"cfg-{user}"))

        def twice(own: Place = own, volume: str = volume) -> None:
            assert own.one(volume)["type"] == "full"
            own.write(volume, 0, b"2")
            assert own.one(volume)["type"] == "incremental"

        as_user(user, twice)
    found = {name: (home / name).stat().st_uid for name in os.listdir(home) if name.startswith(".snapship")}
    assert found == {".snapship": ALICE, f".snapship-{BOB}": BOB}
    for volume in images.values():
        assert place.one(volume)["type"] == "full"
        assert place.one(volume, skip_unchanged=False)["type"] == "incremental"
    assert (home / ".snapship-0").stat().st_uid == 0
    owned(home / ".snapship-0", BOB)
    assert f"belongs to user {BOB}, not to root" in refused(lambda: place.ship(images[ALICE]))
    shutil.rmtree(home / ".snapship-0")


# --- the image itself


def test_a_link_of_a_user_ships_no_foreign_file(place: Place, home: Path) -> None:
    secret = place.root / "secret"
    secret.write_bytes(SECRET)
    volume = str(link(home / "vm.img", secret))
    for work in (lambda: place.ship(volume), lambda: place.snap(volume, name="a")):
        said = refused(work)
        assert f"the symbolic link {volume}, which belongs to user {ALICE}, leads to it" in said
    assert not (place.root / ".snapship").exists()
    folder = link(home / "images", place.root)
    assert f"{folder}, which belongs to user {ALICE}" in refused(lambda: place.ship(f"{folder}/secret"))


def test_a_link_of_a_user_to_what_is_theirs_and_links_of_root_are_followed(place: Place, home: Path) -> None:
    disk = place.root / "disk"
    disk.mkdir()
    owned(disk, ALICE)
    volume = image(disk)
    assert place.one(str(link(home / "vm.img", Path("../disk/vm.img"))))["type"] == "full"
    assert place.one(str(link(home / "images", disk) / "vm.img"))["type"] in ("full", "incremental")
    assert not place.snap(str(link(place.root / "by-root", Path(volume), 0)), max_age="1h").failures
    assert (disk / ".snapship").exists()


def test_links_that_lead_nowhere_or_in_circles(place: Place, home: Path) -> None:
    link(home / "a", home / "b")
    link(home / "b", home / "a")
    (failure,) = place.ship(str(home / "a")).failures
    assert "levels of symbolic links" in failure["msg"]
    (failure,) = place.ship(str(link(home / "c", home / "none"))).failures
    assert failure["code"] == "unknown_volume"
    (failure,) = place.ship(f"{home}/c/d/e").failures
    assert failure["code"] == "unknown_volume"


def test_a_hard_link_to_a_foreign_file(place: Place, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the kernel lets users make them (fs.protected_hardlinks=0)."""
    secret = place.root / "secret"
    secret.write_bytes(SECRET)
    volume = str(home / "vm.img")
    os.link(secret, volume)
    monkeypatch.setattr(way, "_hard_links_protected", lambda: False)
    assert "2 names (hard links)" in refused(lambda: place.ship(volume))
    owned(secret, ALICE)
    assert place.one(volume)["type"] == "full"


# --- what is restored to


@pytest.mark.parametrize("there", [True, False])
def test_a_restore_follows_no_link_of_a_user(place: Place, home: Path, there: bool) -> None:
    volume = place.image(data=b"1" * MIB)
    place.one(volume)
    etc = place.root / "etc"
    etc.mkdir()
    if there:
        (etc / "shadow").write_bytes(SECRET)
    target = link(home / "vm.img", etc / "shadow")
    assert f"the symbolic link {target}" in refused(lambda: place.fetch(volume, str(target), overwrite=True))
    folder = link(home / "images", etc)
    assert f"the symbolic link {folder}" in refused(lambda: place.fetch(volume, f"{folder}/shadow", overwrite=True))
    assert [path.name for path in etc.iterdir()] == (["shadow"] if there else [])
    assert not there or (etc / "shadow").read_bytes() == SECRET


def test_a_link_put_there_meanwhile_is_replaced_or_refused(
    place: Place, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file import target as targets

    volume, target = place.image(data=b"1" * MIB), home / "vm.img"
    place.one(volume)
    etc = place.root / "etc"
    etc.mkdir()
    (etc / "shadow").write_bytes(SECRET)
    sync = targets.FileTarget.sync

    def swapped(self: Any) -> None:
        sync(self)
        link(target, etc / "shadow")

    monkeypatch.setattr(targets.FileTarget, "sync", swapped)
    (failure,) = place.fetch(volume, str(target)).failures
    assert "is a symbolic link now" in failure["msg"]
    assert (etc / "shadow").read_bytes() == SECRET
    assert [path.name for path in home.iterdir()] == ["vm.img"]


# --- owner and mode


def test_a_new_target_gets_owner_and_mode_back(place: Place, home: Path) -> None:
    volume = image(home)
    os.chown(volume, ALICE, BOB)
    os.chmod(volume, 0o4640)
    place.one(volume)
    target = place.root / "restored.img"
    assert not place.fetch(volume, str(target)).failures
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (ALICE, BOB, 0o640)


def test_a_replaced_target_keeps_its_owner_and_mode(place: Place, home: Path) -> None:
    volume, target = image(home), Path(image(place.root, "target.img", BOB))
    os.chmod(target, 0o440)
    place.one(volume)
    assert not place.fetch(volume, str(target), overwrite=True).failures
    found = target.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (BOB, BOB, 0o440)


def test_a_user_who_cannot_give_a_file_away_keeps_it_to_themselves(place: Place, home: Path) -> None:
    volume = image(home)
    os.chmod(volume, 0o660)
    place.one(volume)
    os.chmod(place.root, 0o777)
    for path in (place.remote, *place.remote.rglob("*")):
        os.chmod(path, 0o777)
    folder = place.root / "bob"
    folder.mkdir()
    owned(folder, BOB)
    own = place.beside("bob/cfg")

    def restored() -> None:
        assert not own.fetch(volume, str(folder / "vm.img")).failures

    as_user(BOB, restored)
    found = (folder / "vm.img").stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (BOB, BOB, 0o600)


@pytest.mark.parametrize("recorded", [{}, {"uid": -1, "gid": 0, "mode": 0}, {"uid": "0", "gid": 0, "mode": 0o600}])
def test_nonsense_in_a_manifest_gives_a_file_to_nobody(tmp_path: Path, recorded: dict[str, Any]) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.target import FileTarget

    made = FileTarget(str(tmp_path / "x"), 1, recorded)
    made.write(0, memoryview(b"x"))
    made.commit(None)
    found = (tmp_path / "x").stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (os.geteuid(), 0o600)


# --- while it is looked at


def swap_for_ever(home: Path, target: Path) -> None:
    """Exchange our folder and a link, and the image and a link, again and again."""
    while True:
        for name, to in ((".snapship", target), ("vm.img", target / "secret")):
            with contextlib.suppress(OSError):
                os.rename(home / name, home / f"{name}.away")
                os.symlink(to, home / name)
                os.unlink(home / name)
                os.rename(home / f"{name}.away", home / name)


def test_nothing_foreign_is_touched_whatever_is_swapped_at_which_moment(place: Place, home: Path) -> None:
    volume = image(home)
    target = place.root / "target"
    (target / "vm.img").mkdir(mode=0o700, parents=True)
    for folder in (target, target / "vm.img"):
        for name in ("orphan.img", "secret", ".taking-0123456789abcdef"):
            (folder / name).write_bytes(SECRET * 1000)
    before = {path: was for path, was in place.tree().items() if path.startswith(str(target))}
    child = os.fork()
    if not child:
        try:
            os.setgroups([])
            os.setgid(ALICE)
            os.setuid(ALICE)
            swap_for_ever(home, target)
        finally:
            os._exit(1)
    try:
        for number in range(300):
            with contextlib.suppress(SnapshipError):
                place.snap(volume, name=f"s{number}")
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert {path: was for path, was in place.tree().items() if path.startswith(str(target))} == before
    kept = [path for path in home.rglob("*.img") if path.is_file() and path.name != "vm.img"]
    assert all(SECRET not in path.read_bytes() for path in kept)
