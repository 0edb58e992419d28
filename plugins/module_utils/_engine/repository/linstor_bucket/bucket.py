# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is in a bucket of LINSTOR's: its backups, with what is wrong with each. Reading only."""

from __future__ import annotations

import concurrent.futures
import dataclasses

from ...common.errors import CorruptError
from ...remotes.store import ObjectStore
from .meta import LIMIT, Backup, Volume, parse
from .names import DataName, MetaName, parse_data, parse_meta

_READERS = 16


@dataclasses.dataclass
class Bucket:
    """The backups whose ``.meta`` is there, and the data objects with their sizes in bytes.

    Data that no ``.meta`` goes with is of a shipment that is under way, or that failed.
    """

    backups: list[Backup]
    sizes: dict[str, int]


def scan(store: ObjectStore, prefix: str = "") -> Bucket:
    """All, or what begins with ``prefix``: one listing, and each ``.meta`` read. Others' objects are passed over."""
    metas: list[MetaName] = []
    datas: dict[str, DataName] = {}
    sizes: dict[str, int] = {}
    for entry in store.list(prefix):
        meta, data = parse_meta(entry.key), parse_data(entry.key)
        if meta is not None:
            metas.append(meta)
        elif data is not None:
            datas[entry.key] = data
            sizes[entry.key] = entry.size
    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        read = list(pool.map(lambda name: _read(store, name, datas), metas))
    backups = [backup for backup in read if backup is not None]
    for backup in backups:
        for volume in backup.volumes:
            own = backup.name.data(volume.number)
            if volume.key not in sizes and own in sizes:  # of a second shipment, whose first was deleted
                volume.key = own if volume.key else ""
            volume.problem = volume.problem or backup.problem or _missing(volume, sizes)
    return Bucket(backups, sizes)


def _read(store: ObjectStore, name: MetaName, datas: dict[str, DataName]) -> Backup | None:
    """One backup; ``None`` where it was deleted meanwhile. One that can't be read is known by its names alone."""
    try:
        data = store.get(name.key, LIMIT)
        return None if data is None else parse(name, data)
    except CorruptError as error:
        backup = Backup(name, name.about, problem=error.msg.rstrip("."))
    there = {each.number: key for key, each in datas.items() if _same(each, name)} or {0: ""}
    backup.volumes = [Volume(name.resource, number, key, 0, None) for number, key in sorted(there.items())]
    return backup


def _same(data: DataName, name: MetaName) -> bool:
    return (data.resource, data.moment) == (name.resource, name.moment) and not data.layer


def _missing(volume: Volume, sizes: dict[str, int]) -> str | None:
    if volume.key not in sizes:
        return f"{volume.key} is missing"
    return None if sizes[volume.key] else f"{volume.key} is empty"
