# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remotes on a host: defined, changed, tried out, forgotten; and never a secret told."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import remote
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, Place

OTHER_KEY = "aa" * 32


def test_a_definition_is_a_state(place: Place) -> None:
    before = place.tree()
    said = place.define(check=True)
    assert said.changed
    assert place.tree() == before
    done = place.define()
    assert done.changed
    assert said.after.keys() == done.after.keys()
    (item,) = done.items
    assert item["capabilities"]["write"] and item["capabilities"]["delete"]
    assert place.stored() == [], "what it was tried out with is gone"
    before = place.tree()
    for check in (True, False):
        again = place.define(check=check)
        assert not again.changed
        assert again.before == again.after
    assert place.tree() == before
    place.options["compression"] = "none"
    for check in (True, False):
        changed = place.define(check=check)
        assert changed.changed
        assert changed.before["compression"] == "zstd"
        assert changed.after["compression"] == "none"
    assert place.define(check=True, state="absent").changed
    assert place.define(state="absent").changed
    assert not place.define(state="absent").changed


def test_the_definition_is_private_and_secrets_are_never_told(place: Place) -> None:
    place.options["encryption_key"] = KEY
    told = [place.define(check=True), place.define()]
    place.options.update(encryption_key=OTHER_KEY, old_encryption_keys=[KEY])
    told += [place.define(check=True), place.define(), place.define(), place.define(state="absent", check=True)]
    (path,) = Path(place.host.config_dir, "remotes").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert OTHER_KEY in path.read_text(encoding="utf-8")
    text = repr(told) + repr(remote.describe(place.host)) + repr(place.host.find_remote("off"))
    assert KEY not in text and OTHER_KEY not in text
    assert told[2].before["encryption_key"] != told[2].after["encryption_key"]
    assert "fingerprint" in told[2].after["encryption_key"]
    for each in Path(place.host.config_dir).rglob("*"):
        if each.is_file() and each != path:
            assert KEY not in each.read_text(encoding="utf-8")


def test_a_directory_that_went_is_not_made_anew(place: Place) -> None:
    place.define()
    image = place.image(data=b"x")
    place.one(image, remote="off", remote_spec=None)
    shutil.rmtree(place.remote)
    with pytest.raises(SnapshipError) as caught:
        outcome = place.ship(image, remote="off", remote_spec=None)
        raise SnapshipError("", code=outcome.failures[0]["code"])
    assert caught.value.code == "repository", "a file system that isn't mounted must not be filled from below"
    assert not place.remote.exists()
    for check in (True, False):
        with pytest.raises(SnapshipError, match="is expected there"):
            place.define(check=check)
    assert not place.remote.exists()


def test_probing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore

    probes = []
    original = DirectoryStore.probe
    monkeypatch.setattr(
        DirectoryStore,
        "probe",
        lambda self, *how: [probes.append(how), original(self, *how)][1],  # type: ignore[func-returns-value]
    )
    for probe, count in (("never", 0), ("on_change", 0), ("always", 2)):
        del probes[:]
        outcome = place.define("off", probe=probe)
        assert len(probes) == count, probe
    assert outcome.items[0]["capabilities"]["write"]
    place.options["append_only"] = True
    del probes[:]
    place.define("off")
    assert probes == [(False, False), (True, False)]
    (shown,) = remote.describe(place.host, "off", probe=True)
    assert (shown["reachable"], shown["problem"]) == (True, None)
    shutil.rmtree(place.remote)
    (shown,) = remote.describe(place.host, "off", probe=True)
    assert not shown["reachable"] and str(place.remote) in shown["problem"]


@pytest.mark.parametrize(
    "options",
    [
        {"type": "ftp"},
        {"path": "relative"},
        {"path": None},
        {"bucket": "b"},
        {"nonsense": 1},
        {"compression": "lzma"},
        {"grace_period": "soon"},
        {"bandwidth_limit": "fast"},
        {"encryption_key": "hunter2"},
    ],
    ids=str,
)
def test_bad_definitions_are_refused_and_nothing_is_kept(place: Place, options: dict[str, Any]) -> None:
    place.options.update(options)
    for check in (True, False):
        with pytest.raises(SnapshipError) as caught:
            place.define(check=check)
        assert "hunter2" not in str(caught.value)
    assert place.tree() == {}


@pytest.mark.parametrize("name", ["a b", "../../x", ".", "é", "x" * 300])
def test_names_of_remotes(place: Place, name: str) -> None:
    place.define(name)
    assert place.host.remote_names() == [name]
    assert {path.parent for path in place.root.rglob("*") if path.is_file()} == {
        *(path.parent for path in (place.root / "cfg").rglob("*") if path.is_file()),
        place.remote / "repository",
    }
    assert place.define(name, state="absent").changed
    assert place.host.remote_names() == []


def test_an_unknown_one_is_named_with_those_there_are(place: Place) -> None:
    place.define("off")
    with pytest.raises(SnapshipError, match="off") as caught:
        remote.describe(place.host, "of")
    assert caught.value.code == "unknown_remote"
    with pytest.raises(UsageError):
        place.define("")


def test_where_the_host_keeps_things(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import default_config_dir

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert default_config_dir() == "/etc/snapship"
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert default_config_dir() == "/x/snapship"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", "/home/u")
    assert default_config_dir() == "/home/u/.config/snapship"
