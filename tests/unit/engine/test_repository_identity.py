# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A place is the one a host knows: unmounted, emptied, swapped and copied places; first writers at once."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import (
    RemoteError,
    SnapshipError,
    UsageError,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import identity
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import cat
from ansible_collections.snapship.dr.tests.support.needs import need_root, unavailable
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

ABSENT = "0" * 32


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


@pytest.fixture
def nas(place: Place) -> Iterator[Path]:
    """The mount point of a real filesystem; the remote is a folder in it."""
    need_root("mounting a filesystem")
    point = place.root / "nas"
    point.mkdir()
    mount(point)
    place.remote = point / "backup"
    place.options["path"] = str(place.remote)
    yield point
    while subprocess.run(["umount", str(point)], capture_output=True, check=False).returncode == 0:
        pass


def mount(point: Path) -> None:
    done = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(point)], capture_output=True, text=True, check=False)
    if done.returncode:
        unavailable(done.stderr)


def unmount(point: Path) -> None:
    subprocess.run(["umount", str(point)], check=True)


def ids(place: Place) -> list[str]:
    return sorted(path.name for path in (place.remote / "repository").iterdir())


def refusal(work: Callable[[], Any]) -> SnapshipError:
    with pytest.raises(SnapshipError) as caught:
        work()
    assert caught.value.code == "repository"
    return caught.value


def uses(place: Place, image: str, backup_id: str) -> list[Callable[[], Any]]:
    """Every use case that needs the remote."""
    asked = cat.Request(remote_spec=place.options, origin="o", volume=image)
    return [
        lambda: place.ship(image),
        lambda: place.ship(image, check=True),
        lambda: place.verify(image, mode="metadata"),
        lambda: place.fetch(image, str(place.root / "restored")),
        lambda: cat.read(place.host, asked, lambda data: None),
        place.list,
        lambda: place.remove(backup_id),
        place.define,
        lambda: place.define(check=True),
    ]


def test_an_unmounted_filesystem_is_never_filled_from_below(place: Place, image: str, nas: Path) -> None:
    first = place.one(image)
    (known,) = ids(place)
    unmount(nas)
    before = place.tree()
    for work in uses(place, image, first["id"]):
        error = refusal(work)
        assert known in error.msg and "mounted" in error.hint
    assert place.tree().keys() - before.keys() <= {str(place.root / "cfg/state/lock")}
    assert list(nas.iterdir()) == [], "not one byte below the mount point"


def test_a_swapped_filesystem_is_told_with_both_ids_and_can_be_taken(place: Place, image: str, nas: Path) -> None:
    first = place.one(image)
    (known,) = ids(place)
    unmount(nas)
    mount(nas)
    place.beside("other").one(image)
    (other,) = ids(place)
    stored = place.stored()
    for work in uses(place, image, first["id"]):
        error = refusal(work)
        assert known in error.msg and other in error.msg and f"repository_id: {other}" in error.hint
    assert place.stored() == stored
    place.options["repository_id"] = known
    assert known in refusal(lambda: place.ship(image)).msg
    place.options["repository_id"] = other
    assert place.list() and place.one(image)
    del place.options["repository_id"]
    assert place.one(image), "it was taken"


def test_an_emptied_directory(place: Place, image: str) -> None:
    first = place.one(image)
    (known,) = ids(place)
    shutil.rmtree(place.remote)
    place.remote.mkdir()
    for work in uses(place, image, first["id"]):
        error = refusal(work)
        assert "none found" in error.msg and known in error.msg
    assert list(place.remote.iterdir()) == []


def test_a_reader_without_a_note_takes_what_there_is_and_notes_nothing(place: Place, image: str) -> None:
    item = place.one(image)
    rescue = place.beside("rescue")
    assert [each["id"] for each in rescue.list()] == [item["id"]]
    assert rescue.content(image, item["id"]) == b"1" * MIB
    assert rescue.host.repository(rescue.catalog().store.location) is None
    rescue.options["repository_id"] = ABSENT
    refusal(rescue.list)


def test_check_mode_makes_no_identity_and_no_note(place: Place, image: str) -> None:
    place.remote.mkdir()
    before = place.tree()
    place.define(check=True)
    place.ship(image, check=True)
    assert place.tree() == before


def test_two_first_writers_leave_two_ids_and_both_hold(
    place: Place, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other host looks when this one has looked and put nothing yet."""
    other = place.beside("other")
    place.remote.mkdir()
    real, calls = identity._found, []

    def found(store: Any) -> list[str]:
        there = real(store)
        calls.append(1)
        if len(calls) == 1:
            other.one(image, origin="p")
        return there

    monkeypatch.setattr(identity, "_found", found)
    place.one(image)
    assert len(ids(place)) == 2
    for host in (place, other):
        for _run in range(2):
            host.one(image, origin="o" if host is place else "p")
    assert len(ids(place)) == 2


def test_a_copy_is_the_same_repository(place: Place, image: str) -> None:
    place.one(image)
    shutil.copytree(place.remote, place.root / "copy")
    unchanged = ids(place)
    copy = place.beside("cfg", path=str(place.root / "copy"))
    copy.remote = place.root / "copy"
    copy.one(image)
    assert ids(copy) == unchanged
    shutil.rmtree(place.remote)
    shutil.copytree(copy.remote, place.remote)
    place.one(image)


def test_defining_a_remote_notes_it_for_inline_definitions_too(place: Place, image: str) -> None:
    place.define()
    (known,) = ids(place)
    shutil.rmtree(place.remote)
    assert known in refusal(lambda: place.ship(image)).msg
    assert not place.remote.exists()


@pytest.mark.parametrize("wrong", ["x", "", ABSENT[:-1], ABSENT.replace("0", "A")])
def test_an_id_has_32_hex_digits(place: Place, wrong: str) -> None:
    place.options["repository_id"] = wrong
    with pytest.raises(UsageError, match="32 hex digits"):
        place.list()


def test_a_bucket_that_is_emptied_or_gone(place: Place, image: str, bucket: Bucket) -> None:
    """A bucket that is missing isn't made anew, and one that only reads is accepted without a note."""
    place.options = {
        "type": "s3",
        "bucket": bucket.name,
        "endpoint_url": bucket.endpoint,
        "access_key": bucket.rw.access_key,
        "secret_key": bucket.rw.secret_key,
        "create_bucket": True,
    }
    first = place.one(image)
    (key,) = bucket.keys("repository/")
    keys = {"access_key": bucket.ro.access_key, "secret_key": bucket.ro.secret_key}
    assert place.beside("rescue", **keys).list()
    for stored in bucket.objects():
        bucket.client.delete_object(Bucket=bucket.name, Key=stored)
    for work in uses(place, image, first["id"]):
        assert key.removeprefix("repository/") in refusal(work).msg
    assert bucket.keys() == []
    bucket.client.delete_bucket(Bucket=bucket.name)
    for work in uses(place, image, first["id"]):
        fresh = refusal(work).hint.rpartition(" ")[2].rstrip(".")
    bucket.client.create_bucket(Bucket=bucket.name)
    bucket.client.put_object(Bucket=bucket.name, Key=f"repository/{fresh}")  # as the hint says
    assert place.beside("cfg", repository_id=fresh).one(image)


# --- a directory is opened once


@pytest.mark.parametrize("how", ["unmounted", "mounted over"])
def test_what_changes_in_the_middle_of_a_run_gets_nothing(
    place: Place, image: str, nas: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The mount goes, or another comes, when the first object of the second backup is put."""
    place.one(image)
    real, done = DirectoryStore.put, []

    def put(store: DirectoryStore, key: str, *arguments: Any, **more: Any) -> None:
        if key.startswith("data/") and not done:
            done.append(key)
            if how == "unmounted":
                subprocess.run(["umount", "--lazy", str(nas)], check=True)
            else:
                mount(nas)
        real(store, key, *arguments, **more)

    monkeypatch.setattr(DirectoryStore, "put", put)
    place.write(image, 0, b"2")
    place.ship(image)
    assert done and list(nas.iterdir()) == []


def test_a_directory_that_is_removed_meanwhile_is_told(place: Place, image: str) -> None:
    place.one(image)
    store = place.catalog().store
    assert list(store.list("backups/"))
    shutil.rmtree(place.remote)
    place.remote.mkdir()
    for work in (lambda: list(store.list("")), lambda: store.put("a", b""), lambda: store.get("a", 1)):
        with pytest.raises(RemoteError, match="vanished") as caught:
            work()
        assert caught.value.code == "missing"
    assert list(place.remote.iterdir()) == []
    store.close()
    assert list(store.list("")) == []


def test_a_mount_point_must_be_one(place: Place, image: str, nas: Path) -> None:
    place.options["mount_point"] = str(nas)
    unmount(nas)
    for work in uses(place, image, ABSENT):
        with pytest.raises(SnapshipError, match="nothing is mounted") as caught:
            work()
        assert caught.value.code == "not_mounted"
    assert list(nas.iterdir()) == []
    mount(nas)
    assert place.one(image) and place.list()
    place.remote.rename(nas / "moved")
    (place.root / "elsewhere").mkdir()
    place.remote.symlink_to(place.root / "elsewhere")
    with pytest.raises(SnapshipError, match="doesn't lie in"):
        place.list()


@pytest.mark.parametrize("point", ["relative", "/somewhere/else"])
def test_a_mount_point_holds_the_path(place: Place, point: str) -> None:
    place.options["mount_point"] = point
    with pytest.raises(UsageError, match="mount_point"):
        place.list()
