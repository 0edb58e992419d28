# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is left on a remote by shipments that died and backups that were removed, and when it may go.

Data may go only when nothing can rest on it: its shipment is this host's and over, or the remote's grace period has
passed by the store's own clock and a fresh listing shows neither a dependant nor a record under ``inflight/``.
"""

from __future__ import annotations

import json
from typing import Any

from .catalog import Catalog
from .errors import SnapshipError
from .host import Host
from .names import BackupKey, encode, is_id, parse_backup_key
from .remotes.store import Entry
from .shipment import Shipment


def inflight(catalog: Catalog, origin: str, volume: str) -> dict[str, Entry]:
    """The records of running shipments of a volume: entries by id."""
    prefix = f"inflight/{encode(origin)}/{encode(volume)}/"
    entries = {entry.key[len(prefix) :]: entry for entry in catalog.store.list(prefix)}
    return {name: entry for name, entry in entries.items() if is_id(name)}


def read_record(catalog: Catalog, entry: Entry) -> dict[str, Any]:
    """What a record says; an unreadable one says nothing."""
    try:
        value = json.loads(catalog.store.get(entry.key, 1 << 20) or b"{}")
    except (ValueError, SnapshipError):
        return {}
    return value if isinstance(value, dict) else {}


def bases_in_use(catalog: Catalog, origin: str, volume: str) -> set[str]:
    """Ids that running shipments rest on."""
    records = [read_record(catalog, entry) for entry in inflight(catalog, origin, volume).values()]
    return {str(record["base"]) for record in records if record.get("base")}


def clean_volume(host: Host, catalog: Catalog, origin: str, volume: str) -> list[str]:
    """Clear away what may go, of one volume. To be called under its lock. Returns what was done."""
    if catalog.spec.append_only or catalog.absent:
        return []
    done = _dead_shipments(host, catalog, origin, volume)
    return done + _retired(catalog, origin, volume)


def _dead_shipments(host: Host, catalog: Catalog, origin: str, volume: str) -> list[str]:
    done: list[str] = []
    records = inflight(catalog, origin, volume)
    if not records:
        return done
    mine = host.instance()
    current = Shipment.find(host, catalog, origin, volume)
    listed = {key.id for key in catalog.keys("backups", origin, volume)}
    for backup_id, entry in records.items():
        if current is not None and current["id"] == backup_id:
            continue
        over = backup_id in listed or read_record(catalog, entry).get("host") == mine
        if over or catalog.store.now() - entry.modified > max(catalog.spec.grace_period, 3600.0):
            catalog.store.delete([entry.key])  # first: its writer, if alive after all, looks for it when it commits
            if not any(key.id == backup_id for key in catalog.keys("backups", origin, volume)):
                _delete_data(catalog, BackupKey(encode(origin), encode(volume), backup_id, None))
            done.append(f"cleared the dead shipment {backup_id}")
    return done


def _retired(catalog: Catalog, origin: str, volume: str) -> list[str]:
    """Data of backups that were removed longer ago than the grace period."""
    prefix = f"deleted/{encode(origin)}/{encode(volume)}/"
    now = catalog.store.now()
    old = [entry for entry in catalog.store.list(prefix) if now - entry.modified >= catalog.spec.grace_period]
    if not old:
        return []
    done: list[str] = []
    used = bases_in_use(catalog, origin, volume)
    living = catalog.keys("backups", origin, volume)
    used |= {key.base for key in living if key.base}
    for key in (parse_backup_key(entry.key) for entry in old):
        if key is None:
            continue
        if any(each.id == key.id for each in living):  # put back, or never quite retired
            catalog.store.delete([key.deleted])
        elif key.id in used:
            put_back(catalog, key)
            done.append(f"put {key.id} back: another backup rests on it")
        else:
            _delete_data(catalog, key)
            catalog.store.delete([key.deleted])
            done.append(f"deleted the data of {key.id}")
    return done


def put_back(catalog: Catalog, key: BackupKey) -> None:
    """Make a retired backup one again."""
    data = catalog.store.get(key.deleted, 1 << 30)
    if data is not None:
        catalog.store.put(key.manifest, data)
        catalog.store.delete([key.deleted])


def _delete_data(catalog: Catalog, key: BackupKey) -> None:
    catalog.store.delete([entry.key for entry in catalog.store.list(key.data)])


def sweep_orphans(catalog: Catalog, origin: str, volume: str) -> str | None:
    """Delete data that belongs to nothing, once it is older than the grace period (a put that outlived its sender)."""
    prefix = f"data/{encode(origin)}/{encode(volume)}/"
    known = {key.id for kind in ("backups", "deleted") for key in catalog.keys(kind, origin, volume)}
    known |= set(inflight(catalog, origin, volume))
    orphans = []
    for name in catalog.store.folders(prefix):
        if is_id(name) and name not in known:
            entries = list(catalog.store.list(f"{prefix}{name}/"))
            newest = max((entry.modified for entry in entries), default=0.0)
            if catalog.store.now() - newest >= max(catalog.spec.grace_period, 3600.0):
                orphans += [entry.key for entry in entries]
    if orphans:
        catalog.store.delete(orphans)
        return f"deleted {len(orphans)} orphaned objects"
    return None
