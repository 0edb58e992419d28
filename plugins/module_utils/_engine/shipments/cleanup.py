# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Removes what dead shipments and deleted backups leave on a remote.

Data is deleted only when no backup can be based on it: the remote's grace period has passed by the store's own clock,
and a fresh listing shows neither a dependant nor a record under ``inflight/``. A shipment is marked before it is
removed (see :mod:`.shipment`), because a writer that seems dead may only have been asleep.
"""

from __future__ import annotations

from typing import Any

from ..common.bounded import Unreadable, read_object
from ..common.errors import CorruptError, SnapshipError
from ..common.keys import BackupKey, encode, id_time, inflight_key, is_id, parse_backup_key
from ..common.units import FUTURE_TOLERANCE
from ..local.host import Host
from ..remotes.store import Entry
from ..repository.flags import flags_prefix
from ..repository.manifest import LIMIT
from ..repository.snapship_catalog import SnapshipCatalog
from .shipment import MARK, Shipment

_RECORD_LIMIT = 1 << 20  # bytes
SAFE = 3600.0  # seconds after which a sleeping writer or deleter counts as dead, whatever the grace period


def inflight(catalog: SnapshipCatalog, origin: str, volume: str) -> dict[str, Entry]:
    """The records of running shipments of a volume: entries by id."""
    return {name: entry for name, entry in _inflight(catalog, origin, volume).items() if is_id(name)}


def _inflight(catalog: SnapshipCatalog, origin: str, volume: str) -> dict[str, Entry]:
    """Records and marks, by what follows the volume in their key."""
    prefix = f"inflight/{encode(origin)}/{encode(volume)}/"
    return {entry.key[len(prefix) :]: entry for entry in catalog.store.list(prefix)}


def _old(catalog: SnapshipCatalog, entry: Entry) -> bool:
    return catalog.store.now(write=True) - entry.modified >= max(catalog.spec.grace_period, SAFE)


def read_record(catalog: SnapshipCatalog, entry: Entry) -> dict[str, Any]:
    """The fields of a record; none where it is unreadable."""
    try:
        return read_object(catalog.store.get(entry.key, _RECORD_LIMIT) or b"{}", _RECORD_LIMIT)
    except (Unreadable, SnapshipError):
        return {}


def bases_in_use(catalog: SnapshipCatalog, origin: str, volume: str) -> set[str]:
    """Ids of the bases of running shipments."""
    records = [read_record(catalog, entry) for entry in inflight(catalog, origin, volume).values()]
    return {str(record["base"]) for record in records if record.get("base")}


def clean_volume(host: Host, catalog: SnapshipCatalog, origin: str, volume: str) -> list[str]:
    """Remove what can go, of one volume. Call it under the volume's lock. Returns what was done."""
    if catalog.spec.append_only or catalog.absent:
        return []
    done = _dead_shipments(host, catalog, origin, volume)
    return done + _retired(catalog, origin, volume)


def _dead_shipments(host: Host, catalog: SnapshipCatalog, origin: str, volume: str) -> list[str]:
    done: list[str] = []
    entries = _inflight(catalog, origin, volume)
    if not entries:
        return done
    mine = host.instance()
    current = Shipment.find(host, catalog, origin, volume)
    for backup_id in sorted({name.partition(MARK)[0] for name in entries}):
        if not is_id(backup_id) or current is not None and current["id"] == backup_id:
            continue
        record = entries.get(backup_id)
        marks = [entry for name, entry in entries.items() if name.startswith(backup_id + MARK)]
        if marks and all(_old(catalog, entry) for entry in marks):
            _bury(catalog, origin, volume, backup_id)
            done.append(f"removed the rest of the dead shipment {backup_id}")
        elif record and (_old(catalog, record) or read_record(catalog, record).get("host") == mine):
            _clear(catalog, origin, volume, backup_id, mine)
            done.append(f"removed the dead shipment {backup_id}")
    return done


def _clear(catalog: SnapshipCatalog, origin: str, volume: str, backup_id: str, mine: str) -> None:
    """Mark a shipment, then look for its manifest. Without one its data is deleted; the mark stays for its writer."""
    record = inflight_key(encode(origin), encode(volume), backup_id)
    mark = f"{record}{MARK}{mine}"
    catalog.store.put(mark, b"{}")
    if any(key.id == backup_id for key in catalog.keys("backups", origin, volume)):
        catalog.store.delete([record])
        catalog.store.delete([mark])
    else:
        _delete_data(catalog, BackupKey(encode(origin), encode(volume), backup_id, None))
        catalog.store.delete([record])


def _bury(catalog: SnapshipCatalog, origin: str, volume: str, backup_id: str) -> None:
    """Remove a shipment that was marked long ago: data, record and marks. A complete backup stays."""
    record = inflight_key(encode(origin), encode(volume), backup_id)
    listed = [key for key in catalog.keys("backups", origin, volume) if key.id == backup_id]
    for key in listed:
        if not _whole(catalog, key):
            data = catalog.store.get(key.manifest, LIMIT)
            if data is not None:
                retire(catalog, key, data)
    if not listed:
        _delete_data(catalog, BackupKey(encode(origin), encode(volume), backup_id, None))
    catalog.store.delete([entry.key for entry in catalog.store.list(record)])


def _whole(catalog: SnapshipCatalog, key: BackupKey) -> bool:
    """Whether all data of a backup exists; true for a manifest that can't be read."""
    try:
        manifest = catalog.manifest(key)
    except SnapshipError:
        return True
    return not catalog.missing(manifest)


def _retired(catalog: SnapshipCatalog, origin: str, volume: str) -> list[str]:
    """Put back retired backups that are a base; delete the data of others when the grace period is over."""
    prefix = f"deleted/{encode(origin)}/{encode(volume)}/"
    entries = list(catalog.store.list(prefix))
    if not entries:
        return []
    done: list[str] = []
    over: list[BackupKey] = []  # their grace period is
    running = inflight(catalog, origin, volume)
    used, living = _bases(catalog, origin, volume)
    counts = {key.deleted for key in catalog.tell("deleted", entries)[0]}
    for entry in entries:
        key = parse_backup_key(entry.key)
        if key is None or entry.key not in counts:  # others of an id go after the one that counts
            continue
        if key.id in running and key.id not in living:
            continue  # a stranger's: nothing was committed yet
        if key.id in living:
            # It was put back, unless a stranger's is listed. A younger one may be about to be retired.
            if _old(catalog, entry) and _listed_too(catalog, key):
                catalog.store.delete([key.deleted])
        elif key.id in used:
            data = catalog.store.get(key.deleted, LIMIT)
            if data is not None and put_back(catalog, key, data):
                done.append(f"put {key.id} back: it is the base of another backup")
        elif catalog.store.now(write=True) - entry.modified >= catalog.spec.grace_period:
            over.append(key)
    named = named_as_source(catalog, origin, volume, {key.id for key in over})
    gone = [key for key in over if key.id not in named]
    _mark_removal(catalog, [entry.key for entry in entries], gone, living)
    return done + _remove_for_good(catalog, origin, volume, gone)


def _remove_for_good(catalog: SnapshipCatalog, origin: str, volume: str, keys: list[BackupKey]) -> list[str]:
    """Delete retired manifests, look once more whether somebody needs them, then delete their data.

    Whoever puts one back looks for its retired manifest afterwards (see :func:`put_back`): one of the two sees the
    other.
    """
    if not keys:
        return []
    manifests = {key: catalog.store.get(key.deleted, LIMIT) for key in keys}
    catalog.store.delete([key.deleted for key in keys])
    catalog.store.sync()
    used, living = _bases(catalog, origin, volume)
    done = []
    for key, data in sorted(manifests.items(), reverse=True):  # a base is older than what is based on it
        if key.id not in used | living:
            _delete_data(catalog, key)
            done.append(f"deleted the data of {key.id}")
            continue
        used |= {key.base} if key.base else set()
        if data is not None:
            catalog.store.put(key.deleted, data)  # the next run puts it back, if nobody does before
    return done


def _mark_removal(catalog: SnapshipCatalog, deleted: list[str], gone: list[BackupKey], living: set[str]) -> None:
    """Leave a mark of the newest backup that goes, until a newer one is listed: hosts that shipped it don't take its
    removal for a rollback (see :mod:`.newest_note`). ``deleted``: all keys there."""
    marks = {key.rpartition("/")[2]: key for key in deleted if is_id(key.rpartition("/")[2])}
    until = catalog.store.now() + FUTURE_TOLERANCE  # keys from later than now are junk
    removed = max((each for each in (*marks, *(key.id for key in gone)) if id_time(each) <= until), default="")
    newest = max((each for each in living if id_time(each) <= until), default="")
    for key in gone:
        if key.id == removed > newest:
            catalog.store.put(key.removed, b"{}")
    catalog.store.delete([key for name, key in marks.items() if name < max(removed, newest)])


def named_as_source(catalog: SnapshipCatalog, origin: str, volume: str, ids: set[str]) -> set[str]:
    """Those of these shipments whose data another backup uses, as its index was merged from theirs.

    Only fulls are merged, and only from what is older. One that this host can't read may use all of them.
    """
    found: set[str] = set()
    if not ids:
        return found
    fulls = [key for kind in ("backups", "deleted") for key in catalog.keys(kind, origin, volume) if key.base is None]
    for key in fulls:
        if key.id <= min(ids):
            continue
        try:
            found |= {source.id for source in catalog.manifest(key).sources if source.id != key.id}
        except SnapshipError as error:
            if error.code in ("key", "version"):
                return ids
    return found & ids


def _listed_too(catalog: SnapshipCatalog, key: BackupKey) -> bool:
    """Whether the very manifest that lies under ``deleted/`` lies under ``backups/``, too."""
    try:
        listed = catalog.store.get(key.manifest, LIMIT)
        return listed is not None and listed == catalog.store.get(key.deleted, LIMIT)
    except CorruptError:
        return False


def _bases(catalog: SnapshipCatalog, origin: str, volume: str) -> tuple[set[str], set[str]]:
    """Ids of all bases of backups and running shipments; ids of all backups. Records first: they become backups."""
    used = bases_in_use(catalog, origin, volume)
    living = catalog.keys("backups", origin, volume)
    return used | {key.base for key in living if key.base}, {key.id for key in living}


def retire(catalog: SnapshipCatalog, key: BackupKey, data: bytes) -> None:
    """Take a backup off the list: its manifest moves to ``deleted/``, where dependants still find it. Then others that
    have its id go there, or one of them would now count."""
    _move(catalog, key, data)
    for other in catalog.others(key):
        try:
            theirs = catalog.store.get(other.manifest, LIMIT)
        except CorruptError:  # larger than any manifest
            catalog.store.delete([other.manifest])
            continue
        if theirs is not None:
            _move(catalog, other, theirs)


def _move(catalog: SnapshipCatalog, key: BackupKey, data: bytes) -> None:
    catalog.store.put(key.deleted, data)
    catalog.store.sync()
    catalog.store.delete([key.manifest])
    if not any(entry.key == key.deleted for entry in catalog.store.list(key.deleted)):
        catalog.store.put(key.deleted, data)  # a cleaner saw both and dropped this one


def put_back(catalog: SnapshipCatalog, key: BackupKey, data: bytes) -> bool:
    """List a retired backup again. Its key under ``deleted/`` is removed later: another run may be moving it, too.

    False, with nothing listed, where its retired manifest is gone: a cleaner is deleting its data.
    """
    catalog.store.put(key.manifest, data)
    catalog.store.sync()
    if any(entry.key == key.deleted for entry in catalog.store.list(key.deleted)):
        return True
    catalog.store.delete([key.manifest])
    return False


def put_back_used(catalog: SnapshipCatalog, origin: str, volume: str) -> None:
    """Put back at once retired backups that are the base of a backup or of a running shipment."""
    if catalog.spec.append_only or catalog.absent:
        return
    retired = {key.id: key for key in catalog.keys("deleted", origin, volume)}
    if not retired:
        return
    used, living = _bases(catalog, origin, volume)
    for backup_id in set(retired) & used - living:
        data = catalog.store.get(retired[backup_id].deleted, LIMIT)
        if data is not None:
            put_back(catalog, retired[backup_id], data)


def _delete_data(catalog: SnapshipCatalog, key: BackupKey) -> None:
    catalog.store.sync()  # a removed manifest must not come back after a power loss
    for prefix in (key.data, flags_prefix(*key[:3])):
        catalog.store.delete([entry.key for entry in catalog.store.list(prefix)])


def sweep_orphans(catalog: SnapshipCatalog, origin: str, volume: str) -> str | None:
    """Delete data without manifest or record, once older than the grace period: a put can outlive its sender."""
    prefix = f"data/{encode(origin)}/{encode(volume)}/"
    flags = flags_prefix(encode(origin), encode(volume))
    folders = sorted({*catalog.store.folders(prefix), *catalog.store.folders(flags)})
    # Asked after the folders, as a shipment has its record before its data. Manifests move, so they are listed twice.
    known = {name.partition(MARK)[0] for name in _inflight(catalog, origin, volume)}
    known |= {key.id for kind in ("backups", "deleted", "backups") for key in catalog.keys(kind, origin, volume)}
    orphans = []
    unknown = {name for name in folders if is_id(name) and name not in known}
    for name in sorted(unknown - named_as_source(catalog, origin, volume, unknown)):
        entries = [entry for above in (prefix, flags) for entry in catalog.store.list(f"{above}{name}/")]
        if entries and _old(catalog, max(entries, key=lambda entry: entry.modified)):
            orphans += [entry.key for entry in entries]
    if orphans:
        catalog.store.delete(orphans)
        return f"deleted {len(orphans)} orphaned objects"
    return None
