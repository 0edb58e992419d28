# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images, snapshots and origins with names that break shells, paths and encodings: they are shipped, listed, restored.

Names that no image can have are refused in words that name them.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import (
    backup,
    backup_delete,
    backup_info,
    restore,
    snapshot,
)
from ansible_collections.snapship.dr.tests.faults.places import ORIGIN, Place, directory_options
from ansible_collections.snapship.dr.tests.faults.program import build

LONG = "a" * 250
NAMES = [
    "with space.img",
    " leading and trailing ",
    'it\'s "quoted" `twice`.img',
    "semi;colon & pipe | star * ? [x] {y}.img",
    "$(touch canary) ${HOME} $PATH",
    "-rf",
    "--overwrite",
    "new\nline\r\ttab",
    "comma, one.img",
    "back\\slash\\n",
    "ümläut 漢字 🦊.img",
    "e\u0301.img",  # not the same as the next one
    "\u00e9.img",
    "%2E%2e%",
    "~full~",
    "a~b",
    "..hidden",
    "...",
    "\udcff\udc80.img",  # bytes that aren't UTF-8
    "x" * 255,
    "ä" * 127 + "b",
    f"{LONG}/{LONG}/deep.img",
    f"{LONG}/{LONG}/deep2.img",
    "$(reboot)/;/'/\"/~/%/ /image",
]
IMPOSSIBLE = [
    pytest.param("/srv/a\0b.img", "NUL", id="nul"),
    pytest.param("relative.img", "absolute path", id="relative"),
    pytest.param("/" + "c" * 256, "File name too long", id="component"),
    pytest.param("/" + "long/" * 1000 + "x", "File name too long", id="path"),
    pytest.param("/srv/\ud800.img", "Unicode", id="unicode"),
    pytest.param("/srv", "folder", id="folder"),
]


def content(name: str, round_: int) -> bytes:
    """Of one image at one time, unlike any other's."""
    return (name.encode("utf-8", "surrogateescape") + bytes([round_])) * 40 + bytes(8192)


def images(root: Path) -> dict[str, str]:
    """Path of each image by its name; each is made, all below one folder."""
    made = {}
    for name in NAMES:
        path = f"{root}/volumes/{name}"
        os.makedirs(os.path.dirname(path), exist_ok=True)
        made[name] = path
    fill(made, 0)
    return made


def fill(volumes: dict[str, str], round_: int) -> None:
    for name, path in volumes.items():
        with open(path, "wb") as image:
            image.write(content(name, round_))


def touched(root: Path) -> list[Path]:
    """What a shell would have made of the names."""
    return [path for path in (*root.rglob("canary"), Path("canary")) if path.exists()]


def test_an_image_of_any_name_is_shipped_listed_and_restored(place: Place, tmp_path: Path) -> None:
    volumes = images(tmp_path)
    first = ship(place, volumes, "full")
    fill(volumes, 1)
    second = ship(place, volumes, "incremental")

    listed = {item["id"]: item["volume"] for item in listing(place)}
    assert listed == {**{first[path]: path for path in first}, **{second[path]: path for path in second}}
    for wanted, round_ in ((second, 1), (first, 0)):  # the second time over what is there
        restore_beside(place, volumes, wanted)
        for name, path in volumes.items():
            with open(beside(path), "rb") as target:
                assert target.read() == content(name, round_), repr(name)
    assert not touched(tmp_path)


def ship(place: Place, volumes: dict[str, str], kind: str) -> dict[str, str]:
    """Each image's new backup, by its path."""
    outcome = place.backup(volumes=list(volumes.values()))
    assert not outcome.failures, outcome.failures
    assert {item["type"] for item in outcome.items} == {kind}
    return {item["volume"]: item["id"] for item in outcome.items}


def listing(place: Place) -> list[dict[str, Any]]:
    request = backup_info.Request(remote_spec=place.options, origin=ORIGIN, details=True)
    return backup_info.listing(place.host("r"), request)


def beside(path: str) -> str:
    """A target with the same odd name in a folder of its own."""
    return path.replace("/volumes/", "/targets/", 1)


def restore_beside(place: Place, volumes: dict[str, str], backups: dict[str, str]) -> None:
    for path in volumes.values():
        target = beside(path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        request = restore.Request(
            remote_spec=place.options,
            origin=ORIGIN,
            volumes=[{"source": path, "target": target}],
            backup=backups[path],
            overwrite=True,
        )
        host = place.host("r")
        outcome = restore.apply(host, restore.plan(host, request))
        assert not outcome.failures, outcome.failures


@pytest.mark.parametrize("name", ["two words", "$(touch canary);'\"`", "new\nline", "é\udcff", "..", "s" * 200, "~%"])
def test_snapshots_and_origins_have_any_name(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    place.write(0, os.urandom(100_000))
    taken = place.backup(max_age="0s", origin=name)
    assert not taken.failures, taken.failures
    host = place.host()
    snapshot_named(place, name)
    shipped = backup.apply(
        host,
        backup.plan(
            host,
            backup.Request(remote_spec=place.options, origin=name, volumes=[str(place.image)], snapshot=name),
        ),
    )
    assert not shipped.failures, shipped.failures
    request = backup_info.Request(remote_spec=place.options, origin=name, details=True)
    listed = backup_info.listing(host, request)
    assert [item["snapshot"] for item in listed][:1] == [name]
    assert {item["origin"] for item in listed} == {name}
    outcome = place.restore(tmp_path / "target.img", listed[0]["id"], origin=name)
    assert not outcome.failures, outcome.failures
    assert (tmp_path / "target.img").read_bytes() == place.image.read_bytes()
    for item in listed:
        gone = backup_delete.Request(remote_spec=place.options, origin=name, id=item["id"], cascade=True)
        assert not backup_delete.apply(host, backup_delete.plan(host, gone)).failures
    assert backup_info.listing(host, request) == []


def snapshot_named(place: Place, name: str) -> None:
    host = place.host()
    request = snapshot.Request(volumes=[str(place.image)], name=name)
    outcome = snapshot.apply(host, snapshot.plan(host, request))
    assert not outcome.failures, outcome.failures


def test_dots_lead_to_the_same_image(tmp_path: Path) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    place.write(0, os.urandom(10_000))
    plain = place.ship()
    outcome = place.backup(volumes=[f"{tmp_path}/./no-such/..//{place.image.name}"], max_age="1h")
    assert [item["id"] for item in outcome.items] == [plain]
    assert not outcome.changed


@pytest.mark.parametrize(("name", "said"), IMPOSSIBLE)
def test_what_no_image_can_be_called_is_refused_as_a_source(tmp_path: Path, name: str, said: str) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    assert said in refusal(place, lambda: place.backup(volumes=[name]))
    assert place.stored() == []


@pytest.mark.parametrize(("name", "said"), IMPOSSIBLE)
def test_what_no_image_can_be_called_is_refused_as_a_target(tmp_path: Path, name: str, said: str) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    place.write(0, os.urandom(10_000))
    place.ship()
    assert said in refusal(place, lambda: place.restore(name))


def refusal(place: Place, run: Any) -> str:
    """The one line that says why nothing was done."""
    try:
        outcome = run()
    except SnapshipError as error:
        return error.msg
    assert len(outcome.failures) == 1
    assert not outcome.items and not outcome.changed
    return str(outcome.failures[0]["msg"])


@pytest.mark.parametrize("name", ["", "-rf", "a/b", "a\0b", "n" * 201, "\ud800"])
def test_a_snapshot_that_no_file_could_hold_is_refused(tmp_path: Path, name: str) -> None:
    place = Place(tmp_path, directory_options(tmp_path))
    place.write(0, b"content")
    with pytest.raises(UsageError):
        snapshot_named(place, name)
    assert not (tmp_path / ".snapship").exists()


def test_the_command_line_takes_and_writes_any_name(tmp_path: Path) -> None:
    """As one process with its bytes, both as text (which stays on one line) and as JSON."""
    volumes = images(tmp_path)
    (tmp_path / "remote").mkdir()
    where = ["--path", str(tmp_path / "remote"), "--config-dir", str(tmp_path / "config")]
    program = build(tmp_path)
    run(program, "backup", "--max-age", "0s", *where, "--", *volumes.values())
    said = json.loads(run(program, "list", "--json", *where))
    assert {item["volume"] for item in said["backups"]} == set(volumes.values())
    table = run(program, "list", *where).decode("utf-8", "surrogateescape")
    assert len(table.splitlines()) == 1 + len(volumes)  # a newline or an escape in a name writes no line of its own
    target = tmp_path / "-target"
    run(program, "restore", *where, "--", volumes["-rf"], str(target))
    assert target.read_bytes() == content("-rf", 0)
    assert not touched(tmp_path)


def run(program: list[str], *words: str) -> bytes:
    """Standard output of ``snapship``, which must succeed."""
    done = subprocess.run(
        [*program, *[os.fsencode(word) for word in words]],
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
