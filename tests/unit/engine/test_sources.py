# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A full whose index was merged from a chain's, and which stored nothing itself: readers take it, cleaners spare it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.keys import BackupKey, id_time, mint_id
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import iso_time
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository import manifest as manifests
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data.index_pages import write_index
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data.random_access import RandomAccess
from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.snapship_catalog import SnapshipCatalog
from ansible_collections.snapship.dr.plugins.module_utils._engine.restores.backup_choice import (
    WantedBackup,
    find_chain,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.cleanup import (
    clean_volume,
    sweep_orphans,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams import encryption, index
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.codec import codec_for
from ansible_collections.snapship.dr.plugins.module_utils._engine.streams.index import Extent
from ansible_collections.snapship.dr.tests.unit.engine.place import KEY, MIB, Place

KINDS: dict[str, dict[str, Any]] = {
    "zstd": {},
    "plain": {"compression": "none"},
    "encrypted": {"encryption_key": KEY},
}


def merge(catalog: SnapshipCatalog, image: str) -> BackupKey:
    """A synthetic full of the newest backup, as a later version may write it: its full and one increment."""
    full, newest = find_chain(catalog, "o", image, WantedBackup(None, None, None))[1]
    from ansible_collections.snapship.dr.plugins.module_utils._engine.repository.data.assembly import Assembly

    backup_id = mint_id(id_time(newest.id) + 1e-3)
    with Assembly(catalog, [full, newest]) as assembly:
        merged = [
            piece.extent._replace(source=piece.member + 1)
            for piece in assembly.pieces()
            if (piece.start, piece.end) == (piece.extent.offset, piece.extent.end)
        ]
        assert sum(each.length for each in merged) == assembly.needed(), "the test changes whole extents only"
    fields = {**newest.fields, "id": backup_id, "base": None, "base_state_id": None}
    fields["created"] = iso_time(id_time(backup_id))
    if newest.encryption:
        assert catalog.keyring.writes is not None
        data_key = encryption.make_data_key()
        fields["encryption"] = encryption.describe(catalog.keyring.writes, data_key, backup_id)
    fields["sources"] = [
        {"id": each.id, **{name: each.fields[name] for name in ("compression", "encryption", "segments")}}
        for each in (full, newest)
    ]
    fields["segments"] = {"count": 0, "digest": f"sha256:{hashlib.sha256(b'').hexdigest()}"}
    key = newest.key._replace(id=backup_id, base=None)

    def put(name: str, data: Any, sha256: str) -> None:
        catalog.store.put(key.data + name, data, sha256)

    put("segments", b"", hashlib.sha256(b"").hexdigest())
    described = write_index(codec_for(fields, backup_id, catalog.keyring), [_packed(merged)], put)
    fields["index"] = {**described, "digests": newest.fields["index"]["digests"]}
    catalog.store.put(key.manifest, manifests.write(fields, catalog.keyring))
    return key


def _packed(extents: list[Extent]) -> bytes:
    return index.pack(extents)


@pytest.fixture(params=KINDS.values(), ids=KINDS.keys())
def merged(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Place, str, BackupKey]:
    place = Place(tmp_path, grace_period="0", **request.param)
    image = place.image(data=os.urandom(5 * MIB))
    place.one(image)
    place.write(image, MIB, os.urandom(2 * MIB))
    place.one(image, type="incremental")
    return place, image, merge(place.catalog(), image)


def test_it_restores_and_verifies(merged: tuple[Place, str, BackupKey]) -> None:
    place, image, key = merged
    content = Path(image).read_bytes()
    assert place.list(image)[0]["type"] == "full"
    assert place.content(image, key.id) == content
    for mode in ("metadata", "data", "restore"):
        assert not place.verify(image, mode=mode, backup=key.id).failures, mode
    catalog = place.catalog()
    backup = RandomAccess(catalog, find_chain(catalog, "o", image, WantedBackup(key.id, None, None))[1])
    assert backup.read(MIB - 100, 200) == content[MIB - 100 : MIB + 100]
    with next(place.remote.glob(f"data/*/*/{place.list(image)[-1]['id']}/00000000")).open("r+b") as segment:
        segment.seek(4 * MIB + 1000)
        segment.write(b"damaged")
    (failure,) = place.verify(image, mode="data", backup=key.id).failures
    assert failure["code"] == "corrupt"


def test_its_data_stays_as_long_as_it_is_listed(merged: tuple[Place, str, BackupKey], monkeypatch: Any) -> None:
    place, image, key = merged
    monkeypatch.setattr("ansible_collections.snapship.dr.plugins.module_utils._engine.shipments.cleanup.SAFE", 0.0)
    content = Path(image).read_bytes()
    first = place.list(image)[-1]["id"]
    place.remove(first, cascade=True)
    assert [each["id"] for each in place.list(image)] == [key.id]
    catalog = place.catalog()
    clean_volume(place.host, catalog, "o", image)
    assert place.content(image, key.id) == content
    for path in place.remote.glob("deleted/*/*/*"):
        path.unlink()  # now nothing but the index says whose the data is
    sweep_orphans(catalog, "o", image)
    assert place.content(image, key.id) == content
    place.remove(key.id)
    clean_volume(place.host, catalog, "o", image)
    sweep_orphans(catalog, "o", image)
    assert place.stored("data") == []
