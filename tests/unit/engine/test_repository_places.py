# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places that come and go: a NAS that returns, an emptied bucket, notes that are damaged or missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import ConfigError, RemoteError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.store import S3Store
from ansible_collections.snapship.dr.tests.support.needs import (
    SEARCH,
    need_machine_id,
    need_program,
    need_root,
    unavailable,
)
from ansible_collections.snapship.dr.tests.support.s3_fixtures import Bucket
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place


class Nas:
    """A filesystem at the place's remote, mounted from a folder that keeps its content meanwhile."""

    def __init__(self, point: Path, content: Path) -> None:
        self.point, self.content = point, content
        point.mkdir()
        content.mkdir()
        self.mount()

    def mount(self) -> None:
        self._run("mount", "--bind", str(self.content), str(self.point))

    def unmount(self) -> None:
        self._run("umount", str(self.point))

    @staticmethod
    def _run(*command: str) -> None:
        environment = {**os.environ, "PATH": SEARCH}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)


@pytest.fixture
def nas(place: Place) -> Iterator[Nas]:
    need_root("mounting a directory")
    need_program("mount", "mount")
    try:
        made = Nas(place.remote, place.root / "nas")
    except RuntimeError as error:
        unavailable(f"this machine can't mount: {error}")
    yield made
    if any(place.remote.iterdir()):
        made.unmount()


@pytest.fixture
def image(place: Place) -> str:
    return place.image(data=b"1" * MIB)


@pytest.fixture
def versioned(bucket: Bucket) -> Bucket:
    bucket.client.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def ids(root: Path) -> list[str]:
    """The identities there."""
    folder = root / "repository"
    return sorted(os.listdir(folder)) if folder.exists() else []


def options(bucket: Bucket) -> dict[str, Any]:
    return {
        "type": "s3",
        "bucket": bucket.name,
        "prefix": "prod",
        "endpoint_url": bucket.endpoint,
        "region": bucket.region,
        "access_key": bucket.rw.access_key,
        "secret_key": bucket.rw.secret_key,
    }


def test_a_nas_that_returns_still_has_the_base(place: Place, image: str, nas: Nas) -> None:
    first = place.one(image)
    nas.unmount()
    with pytest.raises(RemoteError, match="Is it mounted") as caught:
        place.ship(image)
    assert caught.value.code == "repository"
    assert list(place.remote.iterdir()) == [], "the disk below got nothing"
    nas.mount()
    assert place.one(image)["base"] == first["id"]


def test_a_refused_place_can_be_unmounted(place: Place, image: str, nas: Nas) -> None:
    """The refusal lets go of it, even while its error is kept."""
    place.one(image)
    shutil.rmtree(nas.content / "repository")
    with pytest.raises(RemoteError) as caught:
        place.ship(image)
    nas.unmount()
    assert caught.value.code == "repository"


def test_a_place_that_is_gone_is_not_made_anew(place: Place, image: str) -> None:
    """An inline definition makes its directory, but only the first time."""
    place.one(image)
    os.rename(place.remote, place.root / "elsewhere")
    with pytest.raises(RemoteError, match="the place itself is missing"):
        place.ship(image)
    assert not place.remote.exists()


def test_an_emptied_place_is_taken_again_under_the_id_that_is_told(place: Place, image: str) -> None:
    place.one(image)
    shutil.rmtree(place.remote)
    (place.remote / "repository").mkdir(parents=True)
    with pytest.raises(RemoteError, match="none found") as caught:
        place.ship(image)
    fresh = caught.value.hint.rpartition(" ")[2].rstrip(".")
    with pytest.raises(RemoteError, match="none found"):
        place.beside("cfg", repository_id=fresh).ship(image)  # the option alone makes nothing
    (place.remote / "repository" / fresh).touch()
    again = place.beside("cfg", repository_id=fresh).one(image)
    assert again["type"] == "full", "no backup is missed that lay in the other repository"
    assert place.one(image)["base"] == again["id"], "it is known from now on"


def test_an_emptied_bucket_and_the_same_objects_again(place: Place, image: str, bucket: Bucket) -> None:
    there = Place(place.root, **options(bucket))
    first = there.one(image)
    kept = bucket.objects()
    there.catalog().store.delete([key.removeprefix("prod/") for key in kept])
    assert bucket.keys() == []
    for use in (lambda: there.ship(image), lambda: there.list(image), lambda: there.verify(image, mode="data")):
        with pytest.raises(RemoteError, match="none found") as caught:
            use()
        assert caught.value.code == "repository"
    assert bucket.keys() == []
    for key, data in kept.items():
        bucket.client.put_object(Bucket=bucket.name, Key=key, Body=data)
    assert there.one(image)["base"] == first["id"]


def test_the_past_of_a_place_with_another_identity(place: Place, image: str, versioned: Bucket) -> None:
    """What was emptied and has a new identity by now is still read as it was."""
    there = Place(place.root, **options(versioned))
    there.one(image)
    store = there.catalog().store
    then = iso_time(store.now())
    time.sleep(2.1)  # the server's times are seconds
    store.delete([entry.key for entry in store.list("")])
    fresh = "0f" * 16
    store.put(f"repository/{fresh}", b"")
    again = there.beside("cfg", repository_id=fresh)
    assert again.list(image) == []
    assert [each["volume"] for each in again.list(image, as_of=then)] == [image]
    with pytest.raises(RemoteError) as caught:
        there.beside("cfg", repository_id="1f" * 16).list(image, as_of=then)
    assert caught.value.code == "repository"


def test_a_place_with_backups_and_no_identity_gets_one(place: Place, image: str) -> None:
    """A host without a note can't know more, and from now on it does."""
    need_machine_id()  # both hosts are one machine
    first = place.one(image)
    shutil.rmtree(place.remote / "repository")
    other = place.beside("cfg2")
    assert other.one(image)["base"] == first["id"]
    assert len(ids(place.remote)) == 1
    with pytest.raises(RemoteError, match="isn't the repository"):
        place.ship(image)


def test_a_run_without_work_notes_what_it_finds(place: Place, image: str) -> None:
    place.one(image)
    other = place.beside("cfg2")
    assert not other.ship(image, max_age="1d").changed
    shutil.rmtree(place.remote)
    place.remote.mkdir()
    with pytest.raises(RemoteError, match="isn't the repository"):
        other.ship(image)


def test_a_damaged_note_is_told_and_not_taken_for_none(place: Place, image: str) -> None:
    place.one(image)
    state = place.root / "cfg" / "state"
    for note in (*(state / "repositories").iterdir(), *(state / "newest").rglob("*.json")):
        good = note.read_bytes()
        for text in (b"{", b"[]", b'{"id": 1}'):
            note.write_bytes(text)
            try:
                told = place.ship(image).failures[0]["msg"]
            except ConfigError as error:
                told = error.msg
            assert str(note) in told
        note.write_bytes(good)
    assert not place.ship(image).failures


def test_a_definition_that_is_not_probed_asks_nothing(
    place: Place, image: str, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Place(place.root, **options(bucket))
    there.one(image)

    def asked(*_arguments: Any) -> Any:
        raise AssertionError("a request was made")

    monkeypatch.setattr(S3Store, "list", asked)
    there.define(probe="never")


def test_a_directory_that_becomes_a_link_in_the_middle_of_a_run(
    place: Place, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.one(image)
    (place.root / "other").mkdir()
    put = DirectoryStore.put

    def swapping(self: DirectoryStore, key: str, *arguments: Any, **more: Any) -> None:
        if key.startswith("data/") and not place.remote.is_symlink():
            shutil.rmtree(place.remote)
            place.remote.symlink_to(place.root / "other")
        put(self, key, *arguments, **more)

    monkeypatch.setattr(DirectoryStore, "put", swapping)
    place.write(image, 0, b"2")
    (failure,) = place.ship(image).failures
    assert failure["code"] == "missing"
    assert list((place.root / "other").iterdir()) == []


def test_a_link_does_not_lead_out_of_a_mount_point(place: Place, image: str, nas: Nas) -> None:
    (place.root / "local").mkdir()
    (nas.content / "backup").symlink_to(place.root / "local")
    there = place.beside("cfg", path=str(place.remote / "backup"), mount_point=str(place.remote))
    with pytest.raises(RemoteError, match="a link leads out of it") as caught:
        there.ship(image)
    assert caught.value.code == "not_mounted"
    assert list((place.root / "local").iterdir()) == []
