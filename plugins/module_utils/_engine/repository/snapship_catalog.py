# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The catalog of what this program shipped; see docs/format.md for the layout."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import time
from collections.abc import Iterable

from ..common.errors import ConfigError, CorruptError, RemoteError, UnknownError, UsageError
from ..common.keys import BackupKey, corrupt, decode, encode, id_time, is_id
from ..common.units import FUTURE_TOLERANCE
from ..local.host import Host
from ..remotes.registry import open_store
from ..remotes.spec import RemoteSpec
from ..remotes.store import Entry, ObjectStore
from ..streams.encryption import Keyring
from . import manifest as manifests
from .chain_reader import Blocks, Streams
from .chains import Chains, ListedKey, Standing, tell_twins
from .data.assembly import Assembly
from .data.index_pages import index_objects
from .data.relay import Relay
from .data.segment_table import SegmentTable, objects
from .data.spool import Spool
from .manifest import DataSource, Manifest


@dataclasses.dataclass
class SnapshipCatalog:
    """A remote with backups of ours, opened: the one layout that is written."""

    spec: RemoteSpec
    host: Host
    store: ObjectStore
    keyring: Keyring
    absent: bool = False  # the bucket or directory itself isn't there yet: nothing is on it

    @classmethod
    def open(cls, spec: RemoteSpec, host: Host, as_of: float | None = None) -> SnapshipCatalog:
        """Connects lazily. ``as_of``: see :func:`.registry.open_store`.

        Raises ConfigError for unusable keys or a missing library, UsageError for a remote with another layout (see
        :func:`.access.open_catalog`).
        """
        if spec.read_only:
            raise UsageError(
                f"remote {spec.name!r} has layout {spec.layout}, which is read-only: snapship neither ships to it "
                "nor deletes from it.",
                "Ship to a remote of layout snapship. backup_info, verify and restore work with this one.",
                code="read_only",
            )
        keyring = Keyring.parse(spec.encryption_key, spec.old_encryption_keys)
        return cls(spec, host, open_store(spec, as_of), keyring)

    def origin(self, host: Host, given: str | None) -> str:
        """The name under which to look for backups: the one given, else this host's."""
        return host.origin(given)

    def is_id(self, text: str) -> bool:
        """Whether this can be the id of a backup or a group."""
        return is_id(text)

    def may_be_of(self, key: BackupKey, group: str) -> bool:
        """Whether a backup can belong to this group, by its key alone."""
        # A group's id is minted before its application is quiesced, which may take long.
        return -86400 <= id_time(group) - key.created <= FUTURE_TOLERANCE

    def names(self, origin: str) -> tuple[list[str], list[str]]:
        """Origins there are, and the volumes of one of them, for messages (long names as they are stored)."""
        if self.absent:
            return [], []
        origins = self.store.folders("backups/")
        volumes = self.store.folders(f"backups/{encode(origin)}/")
        return [decode(each) or each for each in origins], [decode(each) or each for each in volumes]

    def cautions(self, chain: list[Manifest]) -> list[str]:
        """What is to be said of a chain before it is used."""
        return []

    def blocks(self, chain: list[Manifest]) -> Blocks:
        """A chain of block streams, to be put together."""
        return Assembly(self, chain)

    def streams(self, chain: list[Manifest]) -> Streams:
        """A chain of other streams, to be passed on."""
        return Relay(self, chain)

    # --- listing

    def keys(self, kind: str, origin: str | None = None, volume: str | None = None) -> list[ListedKey]:
        """Keys under ``backups`` or ``deleted``, of one origin, of one volume (names, not components) or of all; of
        each id the one that counts."""
        return self._told(kind, origin, volume)[0]

    def _told(self, kind: str, origin: str | None, volume: str | None) -> tuple[list[ListedKey], list[ListedKey]]:
        """Keys that count, and those that don't."""
        if self.absent:
            return [], []
        prefix = kind + "/"
        if origin is not None:
            prefix += encode(origin) + "/"
            if volume is not None:
                prefix += encode(volume) + "/"
        return self.tell(kind, self.store.list(prefix))

    def tell(self, kind: str, entries: Iterable[Entry]) -> tuple[list[ListedKey], list[ListedKey]]:
        """Of what is listed under ``backups`` or ``deleted``: keys of manifests that count, and of those that don't."""
        parsed = (ListedKey.parse(entry) for entry in entries)
        return tell_twins((key for key in parsed if key is not None), lambda key: self._judge(kind, key))

    def _judge(self, kind: str, key: ListedKey) -> Standing:
        """How far one of several manifests of an id can be trusted."""
        if key.size > manifests.LIMIT:
            return Standing.FALSE
        try:
            found = self._read(key, key.manifest if kind == "backups" else key.deleted)
        except CorruptError as error:
            return Standing.UNKNOWN if error.code == "version" else Standing.FALSE
        except RemoteError as error:
            if error.code != "denied":
                raise
            return Standing.UNKNOWN
        except ConfigError as error:
            if error.code != "key":
                raise
            # Without any key nothing is proved here, so this one is as good as another.
            return Standing.UNKNOWN if self.keyring else Standing.PLAUSIBLE
        if found is None:
            return Standing.FALSE
        return Standing.PROVED if self.keyring and found.encryption else Standing.PLAUSIBLE

    def chains(self, origin: str | None = None, volume: str | None = None) -> Chains:
        """The backups there are, in one listing."""
        keys, false = self._told("backups", origin, volume)
        now = time.time() if self.absent else self.store.now()
        return Chains(keys, now, lambda: self.keys("deleted", origin, volume), false)

    def missing(self, manifest: Manifest) -> list[str]:
        """Keys of segments, tables and index objects that are missing or have the wrong size.

        One listing a shipment, and its table of segments. Raises CorruptError about a table that was changed."""
        missing: list[str] = []
        for source in manifest.sources:
            there = {entry.key: entry.size for entry in self.store.list(source.prefix)}
            tables = {source.prefix + name: size for name, size in objects(source.fields["segments"]["count"])}
            if source.id == manifest.id:
                tables.update({source.prefix + name: size for name, size in index_objects(manifest.index)})
            lacking = [key for key, size in tables.items() if there.get(key) != size]
            missing += lacking
            if not lacking:
                missing += self._missing_segments(source, there)
        return missing

    def _missing_segments(self, source: DataSource, there: dict[str, int]) -> list[str]:
        with Spool(self.host) as spool:
            table = SegmentTable.fetch(self.store, source.prefix, source.fields["segments"], spool)
            return [table.key(segment) for segment in table if there.get(table.key(segment)) != segment.size]

    def unsettled(self, origin: str, volume: str) -> set[str]:
        """Ids of running shipments: their writers may still take back what is listed of them.

        Call it after the listing: the record of a shipment exists before its manifest does, and goes only when the
        manifest stays.
        """
        prefix = f"inflight/{encode(origin)}/{encode(volume)}/"
        return {entry.key[len(prefix) :].partition("~")[0] for entry in self.store.list(prefix)}

    def listed(self, key: BackupKey) -> bool:
        """Whether its manifest is there now, by listing just its key."""
        return any(entry.key == key.manifest for entry in self.store.list(key.manifest))

    def others(self, key: BackupKey) -> list[ListedKey]:
        """All other manifests under ``backups/`` that have its id, by listing just these."""
        prefix = key.manifest[: key.manifest.rindex("~") + 1]
        parsed = (ListedKey.parse(entry) for entry in self.store.list(prefix))
        return [each for each in parsed if each is not None and each != key]

    def manifest(self, key: BackupKey) -> Manifest:
        """The manifest, checked. Raises CorruptError, or UnknownError where it is gone."""
        damaged: CorruptError | None = None
        for where in (key.manifest, key.deleted):
            try:
                found = self._read(key, where)
            except CorruptError as error:
                damaged = damaged or error
                continue
            if found is not None:
                return found
        raise damaged or UnknownError(f"backup {key.id} doesn't exist, or was deleted.", code="unknown_backup")

    def _read(self, key: BackupKey, where: str) -> Manifest | None:
        """The manifest that lies at this key. If it was replaced by something else, its oldest intact version."""
        try:
            data = self.store.get(where, manifests.LIMIT)
            return None if data is None else self._checked(key, data)
        except CorruptError:
            for older in self.store.earlier(where, manifests.LIMIT):
                with contextlib.suppress(CorruptError):
                    return self._checked(key, older)
            raise

    def _checked(self, key: BackupKey, data: bytes) -> Manifest:
        return manifests.read(data, key, self.keyring, self.spec.accept_unencrypted)

    def chain_manifests(self, chains: Chains, key: BackupKey) -> list[Manifest]:
        """The manifests of its chain, the full first, each checked. Raises CorruptError about the object at fault."""
        problem = chains.problem(key)
        chain = chains.chain(key)
        if problem or chain is None:
            raise corrupt(key.manifest, f"{problem}.")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(self.manifest, chain))
        for base, each in zip(found, found[1:]):
            if each.fields.get("base_state_id") != base.fields.get("state_id"):
                raise corrupt(each.key.manifest, f"its base {base.id} has another state than it was made from.")
            if each.fields["stream"]["format"] != base.fields["stream"]["format"]:
                raise corrupt(each.key.manifest, f"the stream format differs from that of its base {base.id}.")
        return found
