# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is on a remote: backups by their keys, chains, manifests. Reading only."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import time
from collections.abc import Iterable
from typing import Callable, Protocol

from ..common.errors import ConfigError, CorruptError, SnapshipError, UnknownError, UsageError
from ..common.keys import BackupKey, decode, encode, id_time, is_id, parse_backup_key
from ..common.units import iso_time, show_duration
from ..common.workers import Workers
from ..local.host import Host
from ..remotes.registry import open_store
from ..remotes.spec import RemoteSpec
from ..remotes.store import ObjectStore
from ..streams.encryption import Keyring
from ..volumes.provider import Readback, StreamTarget, Target
from . import manifest as manifests
from .assembly import Assembly
from .manifest import Manifest
from .relay import Relay

Progress = Callable[[int], None]
FUTURE = 300.0  # seconds a time stamp may be ahead of the store's clock
KINDS = ("backups", "deleted")


class Chains:
    """Which backup rests on which, from keys alone."""

    def __init__(self, keys: Iterable[BackupKey], now: float, retired: Callable[[], list[BackupKey]]) -> None:
        """``retired`` is asked, once, for keys under ``deleted/``, and only if a base is missing."""
        self.keys = sorted(keys, key=lambda key: (key.created, key.id), reverse=True)
        self.now = now
        self._by_id: dict[tuple[str, str, str], BackupKey] = {}
        self._twice = set()
        for key in self.keys:
            place = (key.origin, key.volume, key.id)
            if place in self._by_id:
                self._twice.add(place)
            self._by_id[place] = key
        self._retired = retired
        self._retired_by_id: dict[tuple[str, str, str], BackupKey] | None = None
        self._lengths: dict[BackupKey, int | None] = {}

    def _base_of(self, key: BackupKey) -> BackupKey | None:
        place = (key.origin, key.volume, key.base or "")
        found = self._by_id.get(place)
        if found is None:
            if self._retired_by_id is None:
                self._retired_by_id = {(each.origin, each.volume, each.id): each for each in self._retired()}
            found = self._retired_by_id.get(place)
        return found

    def chain(self, key: BackupKey) -> list[BackupKey] | None:
        """The full and the incrementals up to this backup; ``None`` where one is missing."""
        chain, seen = [key], {key.id}
        while chain[-1].base is not None:
            base = self._base_of(chain[-1])
            if base is None or base.id in seen:
                return None
            seen.add(base.id)
            chain.append(base)
        return chain[::-1]

    def length(self, key: BackupKey) -> int | None:
        """How many backups its chain has; ``None`` where one is missing. Each backup is looked at once."""
        path: list[BackupKey] = []
        current: BackupKey | None = key
        while current is not None and current not in self._lengths and current.base is not None:
            self._lengths[current] = None  # also ends a circle
            path.append(current)
            current = self._base_of(current)
        if current is not None and current.base is None:
            self._lengths[current] = 1
        known = self._lengths.get(current) if current is not None else None
        for each in reversed(path):
            known = known + 1 if known is not None else None
            self._lengths[each] = known
        return self._lengths.get(key)

    def problem(self, key: BackupKey) -> str | None:
        """Why a backup can't be relied on, by what keys tell."""
        ahead = key.created - self.now
        if ahead > FUTURE:
            return f"it is stamped {show_duration(ahead)} in the future"
        if (key.origin, key.volume, key.id) in self._twice:
            return "two manifests have its id"
        if self.length(key) is None:
            return "a backup that it rests on is missing"
        return None

    def sound(self) -> list[BackupKey]:
        """All without a problem, newest first."""
        return [key for key in self.keys if self.problem(key) is None]

    def dependants(self, key: BackupKey) -> list[BackupKey]:
        """All that rest on it, directly or not, newest first."""
        resting = {key.id}
        same = [each for each in self.keys if (each.origin, each.volume) == (key.origin, key.volume)]
        grown = True
        while grown:
            grown = False
            for each in same:
                if each.base in resting and each.id not in resting:
                    resting.add(each.id)
                    grown = True
        return [each for each in same if each.id in resting and each.id != key.id]


class Blocks(Protocol):
    """A chain of block streams being put together, a context manager. See :class:`.receiving.Assembly`."""

    fetched: int  # bytes from the remote so far
    written: int  # bytes to the target so far

    def __enter__(self) -> Blocks: ...

    def __exit__(self, *exc: object) -> None: ...

    def sizes(self) -> tuple[int, int]:
        """Bytes that the target surely needs room for, and all that progress will be told of."""

    def fetch(self, target: Target, workers: Workers, progress: Progress) -> None:
        """Fetch and write everything. ``progress`` gets bytes done since it was told last, from any thread."""

    def clear(self, target: Target) -> None:
        """Where a target doesn't make what wasn't written read as zero: write those zeros."""

    def check(self, target: Readback, workers: Workers) -> None:
        """Read a volume that was fetched, and compare it. Raises CorruptError."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """Fetch everything and check it, as far as that can be done, without a target. ``progress``: bytes so far."""

    @property
    def cautions(self) -> list[str]:
        """What is to be said of what was written."""


class Streams(Protocol):
    """The streams of a chain that only their own kind of volume takes. See :class:`.relaying.Relay`."""

    fetched: int
    written: int

    def sizes(self) -> tuple[int, int]:
        """As :meth:`Blocks.sizes`."""

    def check(self) -> None:
        """Everything is there. Raises CorruptError."""

    def run(self, target: StreamTarget, workers: Workers, progress: Progress) -> None:
        """Write what the target hasn't yet. ``progress`` gets bytes done since it was told last."""

    def read_all(self, workers: Workers, progress: Progress) -> None:
        """As :meth:`Blocks.read_all`."""


@dataclasses.dataclass
class Catalog:
    """One remote, opened."""

    spec: RemoteSpec
    store: ObjectStore
    keyring: Keyring
    absent: bool = False  # the bucket or directory itself isn't there yet: nothing is on it

    @classmethod
    def open(cls, spec: RemoteSpec) -> Catalog:
        """Connects lazily. Raises ConfigError for unusable keys or a missing library, UsageError for a remote whose
        backups aren't of this program (see :func:`.layouts.open_catalog`)."""
        if spec.read_only:
            raise UsageError(
                f"remote {spec.name!r} has layout {spec.layout}: what lies there is only read. "
                "Nothing is shipped to it or removed from it.",
                "Ship to a remote of layout snapship; backup_info, verify and restore work with this one.",
                code="read_only",
            )
        keyring = Keyring.parse(spec.encryption_key, spec.old_encryption_keys)
        return cls(spec, open_store(spec), keyring)

    # --- what another layout does in its own way

    def origin(self, host: Host, given: str | None) -> str:
        """The name under which to look for backups: the one given, else this host's."""
        return host.origin(given)

    def is_id(self, text: str) -> bool:
        """Whether this can be the id of a backup or a group."""
        return is_id(text)

    def may_be_of(self, key: BackupKey, group: str) -> bool:
        """Whether a backup can belong to this group, by its key alone."""
        # The group's id is minted before its application is brought to rest, which may take long.
        return -86400 <= id_time(group) - key.created <= 300

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

    def keys(self, kind: str, origin: str | None = None, volume: str | None = None) -> list[BackupKey]:
        """Keys under ``backups`` or ``deleted``, of one origin, of one volume (names, not components) or of all."""
        if self.absent:
            return []
        prefix = kind + "/"
        if origin is not None:
            prefix += encode(origin) + "/"
            if volume is not None:
                prefix += encode(volume) + "/"
        parsed = (parse_backup_key(entry.key) for entry in self.store.list(prefix))
        return [key for key in parsed if key is not None]

    def chains(self, origin: str | None = None, volume: str | None = None) -> Chains:
        """The backups there are, in one listing."""
        keys = self.keys("backups", origin, volume)
        now = time.time() if self.absent else self.store.now()
        return Chains(keys, now, lambda: self.keys("deleted", origin, volume))

    def missing(self, manifest: Manifest) -> list[str]:
        """Keys of segments and index parts that aren't there, or not in their size, by one listing."""
        sizes = {segment.name: segment.size for segment in manifest.segments}
        sizes.update({part.name: part.size for part in manifest.parts})
        there = {entry.key: entry.size for entry in self.store.list(manifest.key.data)}
        keys = {manifest.key.data + name: size for name, size in sizes.items()}
        return [key for key, size in keys.items() if there.get(key) != size]

    def unsettled(self, origin: str, volume: str) -> set[str]:
        """Ids of shipments that are under way: what is listed of them may yet be taken back by its writer.

        To be asked for after the listing: a shipment has its record from before it is listed until it stays listed.
        """
        prefix = f"inflight/{encode(origin)}/{encode(volume)}/"
        return {entry.key[len(prefix) :].partition("~")[0] for entry in self.store.list(prefix)}

    def listed(self, key: BackupKey) -> bool:
        """Whether its manifest is there now, by listing just its key."""
        return any(entry.key == key.manifest for entry in self.store.list(key.manifest))

    def manifest(self, key: BackupKey) -> Manifest:
        """The manifest, checked. Raises CorruptError, or UnknownError where it is gone."""
        data = self.store.get(key.manifest, manifests.LIMIT)
        if data is None:
            data = self.store.get(key.deleted, manifests.LIMIT)
        if data is None:
            raise UnknownError(f"{key.manifest}: there is no such backup (any more).", code="unknown_backup")
        return manifests.read(data, key, self.keyring, self.spec.accept_unencrypted)

    def usable(self, key: BackupKey) -> Manifest | None:
        """The manifest; ``None`` for one that is damaged, gone meanwhile, or sealed with a key that isn't held."""
        try:
            return self.manifest(key)
        except (CorruptError, UnknownError):
            return None
        except ConfigError as error:
            if error.code != "key":
                raise
            return None

    def chain_manifests(self, chains: Chains, key: BackupKey) -> list[Manifest]:
        """The manifests of its chain, the full first, each checked. Raises CorruptError naming the key at fault."""
        problem = chains.problem(key)
        chain = chains.chain(key)
        if problem or chain is None:
            raise CorruptError(f"{key.manifest}: {problem}.")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            found = list(pool.map(self.manifest, chain))
        for base, each in zip(found, found[1:]):
            if each.fields.get("base_state_id") != base.fields.get("state_id"):
                raise CorruptError(f"{each.key.manifest}: it rests on another state than its base {base.id} has.")
            if each.fields["stream"]["format"] != base.fields["stream"]["format"]:
                raise CorruptError(f"{each.key.manifest}: its stream is of another format than its base's.")
        return found

    def newest_good(self, chains: Chains, besides: Iterable[str]) -> BackupKey | None:
        """The newest backup whose chain has none of these ids and whose manifests can all be read."""
        bad = set(besides)
        for key in chains.sound():
            chain = chains.chain(key)
            if chain is None or any(each.id in bad for each in chain):
                continue
            try:
                self.chain_manifests(chains, key)
                return key
            except SnapshipError:
                bad.add(key.id)
        return None

    def advice(self, chains: Chains, besides: Iterable[str]) -> str:
        """Words on which older backup is still good."""
        key = self.newest_good(chains, besides)
        if key is None:
            return "No other backup of this volume is good."
        return f"The newest good backup is {key.id} ({iso_time(key.created)})."
