# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Flags on a remote: notes that a run found an object of a backup bad. Anybody may put one, so each is only a claim."""

from __future__ import annotations

import concurrent.futures
import heapq
import json
import re
import secrets
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from ..common.bounded import Unreadable, read_object
from ..common.errors import ConfigError, CorruptError
from ..common.keys import BackupKey, corrupt, data_prefix, is_id, parse_backup_key
from ..common.units import iso_time
from ..remotes.store import Entry, ObjectStore
from ..streams.encryption import Keyring
from .catalog import Catalog
from .data.examination import examine, stored_digest
from .envelope import open_envelope, seal
from .manifest import Manifest

LIMIT = 4096  # bytes of a flag
COUNT = 1000  # flags of a volume that are read; the newest
MANIFEST = "manifest"  # in the place of an object's name: the manifest itself
_SEEN = 100_000  # keys of a listing that are looked at
_OBJECT = re.compile(r"manifest|[0-9]{8}|(segments|index)(-[0-9]{8})?")
_HEX = {"digest": re.compile(r"[0-9a-f]{64}"), "run": re.compile(r"[0-9a-f]{32}"), "name": re.compile(r"[0-9a-f]{16}")}


class Place(NamedTuple):
    """An object of a backup. ``origin`` and ``volume`` are encoded; ``name`` is below the backup's data."""

    origin: str
    volume: str
    id: str
    name: str

    @property
    def key(self) -> str:
        """The key of an object that isn't the manifest."""
        return data_prefix(self.origin, self.volume, self.id) + self.name


class Flag(NamedTuple):
    """A run's claim that an object is bad. ``digest``: of what it found; ``None`` where the object was missing."""

    key: str
    place: Place
    digest: str | None
    host: str
    run: str
    created: str


def flags_prefix(origin: str, volume: str, backup_id: str = "") -> str:
    """The prefix of a volume's flags, or of a backup's. Origin and volume encoded."""
    return f"flags/{origin}/{volume}/" + (f"{backup_id}/" if backup_id else "")


def place_of(key: str) -> Place | None:
    """The object that has this key; ``None`` where it is none of a backup."""
    manifest = parse_backup_key(key)
    if manifest is not None:
        return Place(manifest.origin, manifest.volume, manifest.id, MANIFEST)
    parts = key.split("/")
    if len(parts) != 5 or parts[0] != "data" or not is_id(parts[3]) or not _OBJECT.fullmatch(parts[4]):
        return None
    return Place(*parts[1:])


def put_flag(catalog: Catalog, key: str, host: str, run: str, now: float) -> None:
    """Flag the object ``key`` as bad (writes), unless two runs have done so already with the same finding.

    ``host``: id of this machine; ``run``: 32 hex digits, the same for one run. A manifest is flagged only if it itself
    is at fault. Raises SnapshipError where it can't be put.
    """
    place = place_of(key)
    manifest = parse_backup_key(key)
    if place is None or manifest is not None and not _is_bad(catalog, manifest):
        return
    digest = stored_digest(catalog.store, key)
    known = [flag for flag in read_flags(catalog, place.origin, place.volume, [place.id]) if flag.place == place]
    if confirmed(flag for flag in known if flag.digest == digest) or any(flag.run == run for flag in known):
        return
    fields = {
        "backup": place.id,
        "object": place.name,
        "digest": digest,
        "host": host,
        "run": run,
        "created": iso_time(now),
    }
    name = flags_prefix(*place[:3]) + secrets.token_hex(8)
    catalog.store.put(name, seal(json.dumps(fields, sort_keys=True).encode() + b"\n", catalog.keyring))


def _is_bad(catalog: Catalog, manifest: BackupKey) -> bool:
    try:
        catalog.manifest(manifest)
    except CorruptError as error:
        return error.code == "corrupt"
    return False


def confirmed(flags: Iterable[Flag]) -> bool:
    """Whether two runs found the same."""
    runs: dict[tuple[Place, str | None], set[str]] = {}
    for flag in flags:
        runs.setdefault((flag.place, flag.digest), set()).add(flag.run)
    return any(len(each) > 1 for each in runs.values())


def read_flags(catalog: Catalog, origin: str, volume: str, backups: Collection[str]) -> list[Flag]:
    """The flags of these backups, the newest first: one listing, and a request for each. Origin and volume encoded.

    What isn't a flag, is too large, or has no valid MAC although the remote has a key, is passed over.
    """
    entries = _listed(catalog.store, flags_prefix(origin, volume), backups)

    def read(entry: Entry) -> Flag | None:
        return _read(catalog.store, catalog.keyring, entry.key)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return [flag for flag in pool.map(read, entries) if flag is not None]


def _listed(store: ObjectStore, prefix: str, backups: Collection[str]) -> list[Entry]:
    def fitting() -> Iterable[Entry]:
        for count, entry in enumerate(store.list(prefix)):
            if count >= _SEEN:
                return
            backup_id, _slash, name = entry.key[len(prefix) :].partition("/")
            if entry.size <= LIMIT and backup_id in backups and _HEX["name"].fullmatch(name):
                yield entry

    return heapq.nlargest(COUNT, fitting(), key=lambda entry: (entry.modified, entry.key))


def _read(store: ObjectStore, keyring: Keyring, key: str) -> Flag | None:
    try:
        data = store.get(key, LIMIT)
        return None if data is None else _parse(key, open_envelope(data, key, keyring).body)
    except (CorruptError, ConfigError):
        return None


def _parse(key: str, body: bytes) -> Flag:
    try:
        fields = read_object(body, LIMIT)
    except Unreadable as error:
        raise corrupt(key, f"it isn't a flag: {error}.") from None
    _flags, origin, volume, backup_id, _name = key.split("/")
    if fields.get("backup") != backup_id or not _valid(fields):
        raise corrupt(key, "it isn't a flag of this backup.")
    place = Place(origin, volume, backup_id, fields["object"])
    return Flag(key, place, fields["digest"], fields["host"], fields["run"], fields["created"])


def _valid(fields: dict[str, Any]) -> bool:
    if not all(isinstance(fields.get(name), str) for name in ("object", "host", "run", "created")):
        return False
    digest = fields.get("digest", "")
    return (
        (digest is None or isinstance(digest, str) and bool(_HEX["digest"].fullmatch(digest)))
        and bool(_OBJECT.fullmatch(fields["object"]) and _HEX["run"].fullmatch(fields["run"]))
        and all(len(fields[name]) <= 64 and fields[name].isprintable() for name in ("host", "created"))
    )


def drop_flags(catalog: Catalog, chain: list[Manifest], host: str, everything: bool) -> None:
    """Remove this host's flags of a chain that was found good (writes).

    ``everything``: each object was read. Otherwise an object with such a flag is read now, and its flag stays if it is
    still bad.
    """
    if catalog.spec.append_only:
        return
    key, members = chain[-1].key, {backup.id: backup for backup in chain}
    mine = [flag for flag in read_flags(catalog, key.origin, key.volume, members) if flag.host == host]
    if not everything:
        mine = [flag for flag in mine if _good(catalog, members[flag.place.id], flag.place.name)]
    if mine:
        catalog.store.delete([flag.key for flag in mine])


def _good(catalog: Catalog, backup: Manifest, name: str) -> bool:
    if name == MANIFEST:
        return True
    finding = examine(catalog.store, backup, backup.sources[0], name)
    return finding is None or finding.flaw is None
