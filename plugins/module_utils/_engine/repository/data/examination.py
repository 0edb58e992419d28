# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads one object of a backup again and compares it with what the backup's manifest and table say."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from ...common.errors import CorruptError, RemoteError
from ...common.keys import corrupt
from ...remotes.store import ObjectStore
from ..manifest import DataSource, Manifest
from .index_pages import TABLE, index_objects
from .segment_table import ROW, SEGMENT_STORED, Segment, check_stored, objects, table_rows, unpack


class Finding(NamedTuple):
    """``digest``: SHA-256 in hex of what is stored, ``None`` where it is missing or can't be read. ``flaw``: a sentence
    about what is wrong with it, ``None`` where nothing is."""

    digest: str | None
    flaw: str | None


def stored_digest(store: ObjectStore, key: str) -> str | None:
    """The SHA-256 in hex of an object of a backup; ``None`` where it is missing, too large or can't be read."""
    try:
        data = store.get(key, SEGMENT_STORED)
    except (CorruptError, RemoteError):
        return None
    return None if data is None else hashlib.sha256(data).hexdigest()


def has_object(store: ObjectStore, backup: Manifest, source: DataSource, name: str) -> bool:
    """Whether a backup's data has an object of this name. A table of segments that can't be read rules out nothing."""
    if name in _table_names(backup, source):
        return True
    try:
        return _segment(store, source, name) is not None
    except CorruptError:
        return True


def _table_names(backup: Manifest, source: DataSource) -> set[str]:
    index = index_objects(backup.index) if source.id == backup.id else []
    return {name for name, _size in (*objects(source.fields["segments"]["count"]), *index)}


def examine(store: ObjectStore, backup: Manifest, source: DataSource, name: str) -> Finding | None:
    """Read an object of a backup's data by its name, at most as much as is recorded. ``source`` is where it lies.

    ``None``: the backup has no such object.
    """
    key = source.prefix + name
    try:
        if name in dict(objects(source.fields["segments"]["count"])):
            for _rows in table_rows(store, source.prefix, source.fields["segments"]):
                pass
            return Finding(None, None)
        if source.id == backup.id and name in dict(index_objects(backup.index)):
            return _examine_index(store, backup, key, name)
        segment = _segment(store, source, name)
        return None if segment is None else _examine_segment(store, key, segment)
    except CorruptError as error:
        return Finding(None, error.msg)


def _segment(store: ObjectStore, source: DataSource, name: str) -> Segment | None:
    if len(name) != 8 or not name.isascii() or not name.isdigit():
        return None
    found, number = None, int(name)
    for rows in table_rows(store, source.prefix, source.fields["segments"]):
        low, high = 0, len(rows) // ROW.size  # numbers rise
        while low < high:
            middle = (low + high) // 2
            segment = next(unpack(rows[middle * ROW.size : (middle + 1) * ROW.size]))
            if segment.number < number:
                low = middle + 1
            else:
                high = middle
                found = segment if segment.number == number else found
    return found


def _examine_segment(store: ObjectStore, key: str, segment: Segment) -> Finding:
    stored = store.get(key, segment.size)
    if stored is None:
        return Finding(None, corrupt(key, "the segment is missing.").msg)
    digest = hashlib.sha256(stored).hexdigest()
    try:
        check_stored(key, segment, stored)
    except CorruptError as error:
        return Finding(digest, error.msg)
    return Finding(digest, None)


def _examine_index(store: ObjectStore, backup: Manifest, key: str, name: str) -> Finding:
    described = backup.index or {}
    if name == TABLE:
        size, expected = described["size"], described["digest"]
    else:
        size, expected = described["objects"][int(name.rpartition("-")[2])]
    stored = store.get(key, size)
    if stored is None:
        return Finding(None, corrupt(key, "the index is missing.").msg)
    digest = hashlib.sha256(stored).hexdigest()
    if f"sha256:{digest}" != expected:
        return Finding(digest, corrupt(key, "the stored bytes were changed: the digest doesn't match.").msg)
    return Finding(digest, None)
