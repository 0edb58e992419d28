# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Names that come from a store are input: none of them leads out of the place that the user named."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import CorruptError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import encode
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.encryption import Keyring
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.provider import RestorePlace, TargetState
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.registry import PROVIDERS
from ansible_collections.snapship.dr.tests.unit.engine.place import KIB, Place


class Nests(FileProvider):
    """Image files taken for volumes that nest: ``tree`` with ``tree/a`` below it."""

    name = "nests"
    nests = True

    def claims(self, volume: str) -> bool:
        return False

    def target_state(self, place: RestorePlace) -> TargetState:
        return TargetState(False, {}, None, 1 << 40)


@pytest.fixture
def tree(place: Place, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(PROVIDERS, "nests", Nests())
    return place.image("tree", data=b"1" * KIB)


def forge(place: Place, tree: str, members: list[str], provider: str) -> None:
    """What who can write to the store can do with an unencrypted backup: make it a member of a group with others."""
    made = place.one(tree)
    catalog = place.catalog()
    (key,) = catalog.chains("o", tree).keys
    group = {"id": made["id"], "members": [tree, *members]}
    fields = {**catalog.manifest(key).fields, "group": group, "provider": provider}
    for volume in (tree, *members):
        backup = place.remote / f"backups/o/{encode(volume)}/{made['id']}~full"
        backup.parent.mkdir(parents=True, exist_ok=True)
        backup.write_bytes(manifest.write({**fields, "volume": volume}, Keyring([])))
        if volume != tree:
            shutil.copytree(place.remote / f"data/o/{encode(tree)}", place.remote / f"data/o/{encode(volume)}")


def paths(root: Path) -> set[str]:
    """What there is but for the remote, the configuration and snapshots."""
    found = (path.relative_to(root) for path in root.rglob("*"))
    return {str(path) for path in found if path.parts[0] not in ("remote", "cfg", ".snapship")}


def test_a_recursive_restore_to_a_file_is_refused(place: Place, tree: str) -> None:
    """An image file has no volumes below it, whatever a store says."""
    forge(place, tree, [f"{tree}/../outside", f"{tree}/x/../../outside too"], "file")
    (place.root / "in").mkdir()
    before = paths(place.root)
    for check in (True, False):
        with pytest.raises(UsageError, match="recursive: .*can have no volumes below it"):
            place.fetch(tree, str(place.root / "in/target"), recursive=True, check=check)
    assert paths(place.root) == before
    assert not place.fetch(tree, str(place.root / "in/target")).failures, "itself it can be restored"


@pytest.mark.parametrize("below", ["../outside", "x/../../outside", "..", ".", "a//b", "a/./b", ""])
def test_a_member_that_leads_elsewhere_is_refused(place: Place, tree: str, below: str) -> None:
    forge(place, tree, [f"{tree}/{below}"], "nests")
    (place.root / "in").mkdir()
    before = paths(place.root)
    target = str(place.root / "in/target")
    preview = place.fetch(tree, target, recursive=True, provider="nests", check=True)
    assert [each["code"] for each in preview.failures] == ["corrupt"]
    with pytest.raises(CorruptError, match="can't be the name of a volume there"):
        place.fetch(tree, target, recursive=True, provider="nests")
    assert paths(place.root) == before


def test_volumes_of_a_kind_that_does_not_nest_have_none_below(place: Place, tree: str) -> None:
    """Such as LINSTOR's: ``db/1`` isn't below ``db``."""
    forge(place, tree, [f"{tree}/1"], "linstor")
    with pytest.raises(UsageError, match="provider linstor.* has no volumes below it"):
        place.fetch(tree, str(place.root / "target"), recursive=True, provider="nests")


def test_a_member_below_is_restored_below(place: Place, tree: str) -> None:
    forge(place, tree, [f"{tree}.d/a", f"{tree}/a"], "nests")
    outcome: Any = place.fetch(tree, str(place.root / "target"), recursive=True, provider="nests", check=True)
    assert [each["target"] for each in outcome.items] == [str(place.root / "target"), str(place.root / "target/a")]
