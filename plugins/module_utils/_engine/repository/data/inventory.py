# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What shipments must have stored, compared with one listing of a volume's data."""

from __future__ import annotations

import array
import bisect
import concurrent.futures
from collections.abc import Iterator, Sequence
from typing import Any

from ...common.errors import CorruptError
from ...common.keys import BackupKey
from ...remotes.store import ObjectStore
from ..manifest import DataSource, Manifest
from .index_pages import index_objects
from .segment_table import ROW, objects, table_rows

_FETCHES = 4  # tables fetched at once; each may have objects of 64 MiB


class _Shipment:
    """The objects of one shipment: 9 bytes of memory for each segment."""

    def __init__(self, source: DataSource) -> None:
        self.prefix = source.prefix
        self.tables = dict(objects(source.fields["segments"]["count"]))  # names and sizes of those not seen yet
        self.fault: CorruptError | None = None  # of the table of segments
        self._numbers, self._sizes = array.array("I"), array.array("I")
        self._seen = bytearray()

    def read(self, store: ObjectStore, described: dict[str, Any]) -> None:
        """Fetch the table of segments. A fault of it is noted."""
        try:
            for rows in table_rows(store, self.prefix, described):
                for number, size, *_rest in ROW.iter_unpack(rows):
                    self._numbers.append(number)
                    self._sizes.append(size)
        except CorruptError as error:
            self.fault = error
        self._seen = bytearray(len(self._numbers))

    def see(self, name: str, size: int) -> None:
        """Note an object of the listing."""
        if self.tables.get(name) == size:
            del self.tables[name]
        elif len(name) == 8 and name.isascii() and name.isdigit():
            number = int(name)
            position = bisect.bisect_left(self._numbers, number)
            if position < len(self._numbers) and self._numbers[position] == number and self._sizes[position] == size:
                self._seen[position] = 1

    def missing(self) -> Iterator[str]:
        """Keys not seen in their size. Raises CorruptError for a table that is there and can't be read."""
        yield from (self.prefix + name for name in self.tables)
        if self.fault is not None:
            if not self.tables:
                raise self.fault
            return
        position = self._seen.find(0)
        while position >= 0:
            yield f"{self.prefix}{self._numbers[position]:08d}"
            position = self._seen.find(0, position + 1)


class Inventory:
    """The objects that some backups of one volume must have. First compare it with a listing, then ask it."""

    def __init__(self, store: ObjectStore, backups: Sequence[Manifest]) -> None:
        """``backups``: at least one; the data of other shipments that their indexes name counts as theirs."""
        self._store = store
        self._key: BackupKey = backups[0].key
        self._sources = {source.prefix: source for backup in backups for source in backup.sources}
        self._shipments = {prefix: _Shipment(source) for prefix, source in self._sources.items()}
        for backup in backups:
            self._shipments[backup.key.data].tables.update(index_objects(backup.index))

    def compare(self) -> None:
        """Fetch the tables of segments, then list the data: of the shipment if it is only one, else of the volume."""
        with concurrent.futures.ThreadPoolExecutor(_FETCHES) as pool:
            list(pool.map(self._read, self._shipments))
        whole = f"data/{self._key.origin}/{self._key.volume}/"
        listed = whole if len(self._shipments) > 1 else next(iter(self._shipments))
        for entry in self._store.list(listed):
            folder, _slash, name = entry.key.rpartition("/")
            shipment = self._shipments.get(folder + "/")
            if shipment is not None:
                shipment.see(name, entry.size)

    def _read(self, prefix: str) -> None:
        self._shipments[prefix].read(self._store, self._sources[prefix].fields["segments"])

    def missing(self, backup: Manifest) -> Iterator[str]:
        """Keys of a backup's objects that are missing or have the wrong size.

        Raises CorruptError about a table of segments that is there and was changed.
        """
        for source in backup.sources:
            yield from self._shipments[source.prefix].missing()
