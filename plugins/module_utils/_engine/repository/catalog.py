# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What is on a remote: backups, their chains and manifests. The interface that each layout implements, for reading."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from ..common.errors import ConfigError, CorruptError, SnapshipError, UnknownError
from ..common.keys import BackupKey, corrupt
from ..common.units import iso_time
from ..local.host import Host
from ..remotes.spec import RemoteSpec
from ..remotes.store import ObjectStore
from ..streams.encryption import Keyring
from .chain_reader import Blocks, Streams
from .chains import Chains
from .manifest import Manifest


class Catalog(Protocol):
    """One remote, opened."""

    spec: RemoteSpec
    host: Host
    store: ObjectStore
    keyring: Keyring
    absent: bool  # the bucket or directory doesn't exist yet

    def origin(self, host: Host, given: str | None) -> str:
        """The name under which to look for backups: the one given, else this host's."""

    def is_id(self, text: str) -> bool:
        """Whether this can be the id of a backup or a group."""

    def may_be_of(self, key: BackupKey, group: str) -> bool:
        """Whether a backup can belong to this group, by its key alone."""

    def names(self, origin: str) -> tuple[list[str], list[str]]:
        """Origins there are, and the volumes of one of them, for messages (long names as they are stored)."""

    def cautions(self, chain: list[Manifest]) -> list[str]:
        """Warnings about a chain, before it is used."""

    def blocks(self, chain: list[Manifest]) -> Blocks:
        """A chain of block streams, to be put together."""

    def streams(self, chain: list[Manifest]) -> Streams:
        """A chain of other streams, to be passed on."""

    def chains(self, origin: str | None = None, volume: str | None = None) -> Chains:
        """The backups there are, in one listing: of one origin, of one volume (names, not components) or of all."""

    def missing(self, manifest: Manifest) -> list[str]:
        """Keys of a backup's objects that are missing or have the wrong size, by one listing."""

    def manifest(self, key: BackupKey) -> Manifest:
        """The manifest, checked. Raises CorruptError, or UnknownError where it was deleted."""

    def chain_manifests(self, chains: Chains, key: BackupKey) -> list[Manifest]:
        """The manifests of its chain, the full first, each checked. Raises CorruptError about the object at fault."""


def require_objects(catalog: Catalog, manifest: Manifest) -> None:
    """Check by listing that every object of a backup exists in its size. Raises CorruptError."""
    for key in catalog.missing(manifest):
        raise corrupt(key, "the object is missing or has the wrong size.")


def usable(catalog: Catalog, key: BackupKey) -> Manifest | None:
    """The manifest; ``None`` if it is damaged, was deleted meanwhile, or needs a key that this host doesn't have."""
    try:
        return catalog.manifest(key)
    except (CorruptError, UnknownError):
        return None
    except ConfigError as error:
        if error.code != "key":
            raise
        return None


def newest_good(catalog: Catalog, chains: Chains, besides: Iterable[str]) -> BackupKey | None:
    """The newest backup whose chain avoids these ids and whose manifests are all readable."""
    bad = set(besides)
    for key in chains.sound():
        chain = chains.chain(key)
        if chain is None or any(each.id in bad for each in chain):
            continue
        try:
            catalog.chain_manifests(chains, key)
            return key
        except SnapshipError:
            bad.add(key.id)
    return None


def advice(catalog: Catalog, chains: Chains, besides: Iterable[str]) -> str:
    """A hint that names the newest backup that is still good."""
    key = newest_good(catalog, chains, besides)
    if key is None:
        return "No other backup of this volume is good."
    return f"The newest good backup is {key.id} ({iso_time(key.created)})."
