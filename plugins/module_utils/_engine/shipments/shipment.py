# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One shipment: its journal on this host, its record and data on the remote, and its commit.

The journal lists what the remote has acknowledged, so that after a kill only the rest is sent. A shipment creates in
this order: journal, record under ``inflight/``, data, manifest. At the end it removes the record, then the journal.

A cleaner that takes a shipment for dead first puts a mark beside its record. If the writer still lives, it looks for
marks before and after it puts the manifest. The cleaner looks for the manifest before it deletes data. So one of the
two sees the other. A backup can be a base only when its writer is done: no key under ``inflight/`` begins with its id.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from typing import Any

from ..common.errors import BaseLostError
from ..common.keys import BackupKey, encode, inflight_key, mint_id, shown
from ..local.host import Host
from ..policy.chains import descend
from ..repository import manifest as manifests
from ..repository.data.index_pages import write_index
from ..repository.data.segment_table import ROW, ROWS, SHA256, objects
from ..repository.manifest import Manifest
from ..repository.manifest_schema import begins
from ..repository.snapship_catalog import SnapshipCatalog
from ..streams import encryption
from ..streams.codec import Codec, codec_for
from ..streams.index import RECORD
from ..streams.thin import Readable
from ..volumes.provider import Snapshot
from .base.choice import Choice
from .journal import Journal, Line, StoredSegment, read_head

MARK = "~"  # between a shipment's id and the instance of the cleaner that took it for dead
REFRESH = 600.0  # seconds between renewals of the record under inflight/


class Shipment:
    """A shipment that has begun. Its head (JSON) is the first line of the journal."""

    def __init__(self, host: Host, catalog: SnapshipCatalog, head: dict[str, Any], path: str) -> None:
        self.catalog = catalog
        self.head = head
        self.key = BackupKey(encode(head["origin"]), encode(head["volume"]), head["id"], head["base"])
        self.codec: Codec = codec_for(head, head["id"], catalog.keyring)
        self._instance = host.instance()
        self._journal = Journal(path)
        self._lock = threading.Lock()
        self._stored: dict[int, StoredSegment] = {}
        self._lines: dict[int, Line] = {}
        self._renewed = time.monotonic()
        self._retired = False
        self._reached = 0  # bytes of the volume that the index covers so far
        self.sent = 0
        self.resumed = 0
        self.actions: list[str] = []

    # --- beginning

    @classmethod
    def begin(
        cls,
        host: Host,
        catalog: SnapshipCatalog,
        origin: str,
        snapshot: Snapshot,
        choice: Choice,
        stream: dict[str, Any],
    ) -> Shipment:
        """A new shipment of this snapshot: journal, then record. Raises BaseLostError where the base is gone.

        ``stream`` is format, version and flags, as the manifest will have them.
        """
        base = choice.base
        backup_id = mint_id(snapshot.created)
        head: dict[str, Any] = {
            "id": backup_id,
            "base": base.id if base else None,
            "base_state_id": base.fields["state_id"] if base else None,
            "origin": origin,
            "volume": snapshot.volume,
            "snapshot": snapshot.name,
            "state_id": snapshot.state_id,
            "reason": choice.reason,
            "stream": stream,
            "compression": catalog.spec.compression,
            "encryption": None,
        }
        if catalog.keyring.writes:
            data_key = encryption.make_data_key()
            head["encryption"] = encryption.describe(catalog.keyring.writes, data_key, backup_id)
        path = host.shipment_path(catalog.store.location, origin, snapshot.volume)
        shipment = cls(host, catalog, head, path)
        shipment._journal.start(head)
        shipment.renew(True)
        if base and not catalog.listed(base.key):
            raise BaseLostError(f"the base {base.id} was removed from the remote.")
        return shipment

    @classmethod
    def find(cls, host: Host, catalog: SnapshipCatalog, origin: str, volume: str) -> dict[str, Any] | None:
        """The head of an unfinished shipment of this volume to this remote (reads only).

        None where there is none, or where its journal is damaged: the next shipment begins a new one.
        """
        head = read_head(host.shipment_path(catalog.store.location, origin, volume))
        if head is None or not begins(head) or (head["origin"], head["volume"]) != (origin, volume):
            return None
        flags = head["stream"].get("flags")
        sound = isinstance(flags, list) and all(isinstance(flag, str) for flag in flags)
        return head if sound and isinstance(head.get("reason"), str) else None

    @classmethod
    def resume(cls, host: Host, catalog: SnapshipCatalog, head: dict[str, Any]) -> Shipment:
        """Resume an unfinished one: segments that the journal lists and the remote has aren't sent again."""
        path = host.shipment_path(catalog.store.location, head["origin"], head["volume"])
        shipment = cls(host, catalog, head, path)
        sizes = {entry.key: entry.size for entry in catalog.store.list(shipment.key.data)}
        shipment._journal.open()
        for stored, line in shipment._journal.read():
            if sizes.get(shipment.key.data + stored.segment.name) == stored.segment.size:
                shipment._stored[stored.segment.number] = stored
                shipment._lines[stored.segment.number] = line
        shipment.renew(True)
        return shipment

    # --- on the way

    def renew(self, now: bool = False) -> None:
        """Put the record that protects the base and this data from cleaners; again from time to time."""
        with self._lock:
            if not now and time.monotonic() - self._renewed < REFRESH:
                return
            self._renewed = time.monotonic()
        if not now and self.condemned():
            raise BaseLostError("another run took this shipment for dead and removed it.")
        record = {"host": self._instance}
        record.update({name: self.head[name] for name in ("id", "base", "origin", "volume")})
        self.catalog.store.put(inflight_key(*self.key[:3]), json.dumps(record, sort_keys=True).encode())

    def has(self, number: int, job: bytes) -> bool:
        """Whether the remote already has this segment, made from the same regions."""
        stored = self._stored.get(number)
        if stored is None or stored.job != job:
            return False
        self.resumed += 1
        return True

    def put(self, stored: StoredSegment, data: Readable, records: bytes) -> None:
        """Store a segment, then note it in the journal with its index records. From any thread."""
        segment = stored.segment
        sha256 = segment.digest.hex() if segment.kind == SHA256 else None
        self.catalog.store.put(self.key.data + segment.name, data, sha256=sha256)
        with self._lock:
            self._lines[stored.segment.number] = self._journal.add(stored, records)
            self._stored[stored.segment.number] = stored
            self.sent += stored.segment.size
        self.renew()

    def parts(self) -> list[StoredSegment]:
        """All segments so far, in order."""
        return [self._stored[number] for number in sorted(self._stored)]

    def drop_beyond(self, count: int) -> None:
        """Drop segments numbered ``count`` or more, left by an earlier run that cut differently."""
        self.forget([number for number in self._stored if number >= count])

    def forget(self, numbers: list[int]) -> None:
        """Drop these segments, left by an earlier run that cut differently."""
        with self._lock:
            found = [number for number in numbers if self._stored.pop(number, None) is not None]
        if found and not self.catalog.spec.append_only:
            self.catalog.store.delete([f"{self.key.data}{number:08d}" for number in found])

    def put_tables(self, blocks: bool) -> dict[str, Any]:
        """Store the table of segments and, of blocks, the index; the manifest's fields about them.

        Raises BaseLostError where segments of an earlier run don't match those of this one.
        """
        return {"segments": self._put_segments(), "index": self._put_index() if blocks else None}

    def _put_index(self) -> dict[str, Any]:
        self._reached = 0
        described = write_index(self.codec, map(self._rising, self.parts()), self._put_table)
        described["digests"] = "hmac-sha256" if self.head["encryption"] else "sha256"
        return described

    def _put_segments(self) -> dict[str, Any]:
        parts, digest = self.parts(), hashlib.sha256()
        for number, (name, size) in enumerate(objects(len(parts))):
            rows = b"".join(part.segment.pack() for part in parts[number * ROWS : number * ROWS + size // ROW.size])
            digest.update(rows)
            self._put_table(name, rows, hashlib.sha256(rows).hexdigest())
        return {"count": len(parts), "digest": f"sha256:{digest.hexdigest()}"}

    def _put_table(self, name: str, data: Readable, sha256: str) -> None:
        self.catalog.store.put(self.key.data + name, data, sha256=sha256)
        self.sent += len(data)
        self.renew()

    def _rising(self, stored: StoredSegment) -> bytes:
        """A segment's index records. They must lie behind those of the segments before."""
        records = self._journal.records(self._lines[stored.segment.number])
        for offset, length, *_rest in RECORD.iter_unpack(records):
            if offset < self._reached:
                raise BaseLostError("segments left by an earlier run don't match the current snapshot.")
            self._reached = offset + length
        return records

    # --- the end

    def commit(self, fields: dict[str, Any]) -> Manifest:
        """Put the manifest, last. Raises BaseLostError, with nothing listed, if the chain broke meanwhile."""
        catalog = self.catalog
        catalog.store.sync()
        self._require_whole(fields)
        data = manifests.write(fields, catalog.keyring)
        catalog.store.put(self.key.manifest, data, exclusive=True)
        self.actions.append(f"put {self.key.manifest}")
        self._lock_chain(fields)
        manifest = manifests.read(data, self.key, catalog.keyring, catalog.spec.accept_unencrypted)
        self.confirm(manifest)
        return manifest

    def confirm(self, manifest: Manifest) -> None:
        """Check once more that the committed backup is complete; otherwise retire it and raise BaseLostError."""
        try:
            self._require_whole(manifest.fields)
        except BaseLostError:
            store = self.catalog.store
            data = None if self.catalog.spec.append_only else store.get(self.key.manifest, manifests.LIMIT)
            if data is not None:
                store.put(self.key.deleted, data)  # retired, not deleted: another backup may already be based on it
                store.sync()
                store.delete([self.key.manifest])
            self._retired = True
            raise

    def _require_whole(self, fields: dict[str, Any]) -> None:
        """Check that no cleaner took this shipment for dead, and that all its data and its chain exist.

        Raises BaseLostError.
        """
        if self.condemned():
            raise BaseLostError("another run took this shipment for dead and removed it.")
        absent = self.catalog.missing(Manifest(self.key, fields))
        if absent:
            raise BaseLostError(f"{shown(absent[0])}: the object disappeared from the remote, or has the wrong size.")
        if self.key.base is None:
            return
        keys = self.catalog.keys("backups", self.head["origin"], self.head["volume"])
        bases = {key.id: key.base for key in keys}
        _chain, missing = descend(bases, self.key.base)
        if missing is not None:
            raise BaseLostError(f"its base {missing} was removed meanwhile.")

    def condemned(self) -> bool:
        """Whether a cleaner took this shipment for dead."""
        record = inflight_key(*self.key[:3])
        return any(entry.key.startswith(record + MARK) for entry in self.catalog.store.list(record))

    def _lock_chain(self, fields: dict[str, Any]) -> None:
        """Extend the locks of the chain's data: they must last as long as this backup's."""
        days = self.catalog.spec.options.get("object_lock_days", 0)
        if not days or self.key.base is None:
            return
        chains = self.catalog.chains(self.head["origin"], self.head["volume"])
        until = self.catalog.store.now() + days * 86400
        for key in chains.chain(self.key) or []:
            if key.id != self.key.id:
                names = [entry.key for entry in self.catalog.store.list(key.data)]
                self.catalog.store.extend_lock([*names, key.manifest], until)

    def finish(self) -> None:
        """After the commit: remove the record, then the journal."""
        if not self.catalog.spec.append_only:
            self.catalog.store.delete([inflight_key(*self.key[:3])])
        self._journal.drop()

    def discard(self) -> None:
        """Give up: remove data, then record and marks, then the journal. Data that is or was listed stays."""
        store = self.catalog.store
        if not self.catalog.spec.append_only:
            if not self._retired:
                store.delete([entry.key for entry in store.list(self.key.data)])
            store.delete([entry.key for entry in store.list(inflight_key(*self.key[:3]))])
        self._journal.drop()

    def close(self) -> None:
        """Close the journal; it stays for the next run."""
        self._journal.close()
