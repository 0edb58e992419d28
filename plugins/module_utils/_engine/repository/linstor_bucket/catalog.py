# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The catalog of what LINSTOR shipped to a bucket; :mod:`..catalog` describes the methods."""

from __future__ import annotations

from collections.abc import Iterable

from ...common.errors import CorruptError, UsageError
from ...common.keys import ANY, BackupKey, corrupt, encode
from ...common.units import iso_time
from ...local.host import Host
from ...remotes.registry import open_store
from ...remotes.spec import RemoteSpec
from ...remotes.store import ObjectStore
from ...streams.encryption import Keyring
from ..chain_reader import Blocks, Streams
from ..chains import Chains
from ..manifest import Manifest
from .blocks import LinstorBlocks
from .bucket import Bucket, scan
from .meta import THIN, Backup, Volume
from .names import META_END, parse_meta, resource_of
from .object_reader import StoredObject, sniff
from .streams import LinstorStreams

_SHOWN = 20  # volumes that a message names
NO_CHECKSUMS = (
    "LINSTOR stores no checksums. snapship checks that all objects of a chain exist and that their metadata agree; "
    "where it reads data, also that the zstd frames and the streams are complete."
)
UNPROVED = " It can't check whether an incremental fits its base: streams of LVM don't tell."


class BucketKey(BackupKey):
    """One volume of one of LINSTOR's backups: ``id`` as LINSTOR lists the backup, ``origin`` the cluster's id."""

    backup: Backup
    of: Volume

    @classmethod
    def make(cls, backup: Backup, volume: Volume) -> BucketKey:
        """``base`` is the id without LINSTOR's ``.meta``."""
        key = cls(encode(backup.cluster), encode(volume.name), backup.id, backup.base)
        key.backup, key.of = backup, volume
        return key

    @property
    def created(self) -> float:
        return self.backup.created

    @property
    def manifest(self) -> str:
        return self.backup.name.key

    @property
    def deleted(self) -> str:
        return self.manifest

    @property
    def data(self) -> str:
        return self.of.key


class BucketChains(Chains):
    """Chains, with the problems of their objects."""

    def __init__(self, keys: Iterable[BucketKey], damaged: dict[str, str], now: float) -> None:
        """``damaged``: by id, the problem of each backup whose metadata can't be read."""
        super().__init__(keys, now, list)
        self._damaged = damaged

    def premature(self, key: BackupKey) -> bool:
        """Never: a backup of a lost cluster is needed whatever its clock said."""
        return False

    def problem(self, key: BackupKey) -> str | None:
        chain = self.chain(key)
        if chain is None:
            return _problem(key) or self._gap(key)
        for base, each in zip([None, *chain], chain):
            problem = _problem(each)
            if problem is not None:
                return problem if each is key else f"its base {each.id}: {problem}"
            if base is not None and base.created > each.created:
                return f"{each.manifest} names the base {base.id}, which is younger"
        return None

    def _gap(self, key: BackupKey) -> str:
        """Where an incomplete chain breaks."""
        found, base = self.breaks_at(key)
        if base is None or base in {each.id for each in found}:
            return f"its base {base} is its own base"
        if base in self._damaged:
            return f"its base {base}: {self._damaged[base]}"
        return f"a backup of its chain is missing: {base}{META_END}"


def _problem(key: BackupKey) -> str | None:
    return key.of.problem if isinstance(key, BucketKey) else None


class LinstorCatalog:
    """A bucket, or a copy of one, that LINSTOR shipped backups to."""

    def __init__(self, spec: RemoteSpec, host: Host, store: ObjectStore) -> None:
        """Keys and options for writing mean nothing here."""
        self.spec = spec
        self.host = host
        self.store = store
        self.keyring = Keyring.parse(None, [])
        self.absent = False
        self._scans: dict[str, Bucket] = {}

    @classmethod
    def open(cls, spec: RemoteSpec, host: Host, as_of: float | None = None) -> LinstorCatalog:
        """Connects lazily. Raises as :func:`.registry.open_store`."""
        return cls(spec, host, open_store(spec, as_of))

    def origin(self, host: Host, given: str | None) -> str:
        """A cluster's id; only needed where several clusters ship to one bucket."""
        return given or ANY

    def is_id(self, text: str) -> bool:
        return parse_meta(text + META_END) is not None

    def may_be_of(self, key: BackupKey, group: str) -> bool:
        return key.id == group

    def names(self, origin: str) -> tuple[list[str], list[str]]:
        keys = self._keys("", origin)
        volumes = sorted({key.of.name for key in keys})
        more = [f"and {len(volumes) - _SHOWN} more"] if len(volumes) > _SHOWN else []
        clusters = {backup.cluster for backup in self._scan("").backups}
        return sorted(clusters), volumes[:_SHOWN] + more

    def _scan(self, prefix: str) -> Bucket:
        if prefix not in self._scans:
            self._scans[prefix] = scan(self.store, prefix)
        return self._scans[prefix]

    def _keys(self, prefix: str, origin: str | None) -> list[BucketKey]:
        return [
            BucketKey.make(backup, volume)
            for backup in self._scan(prefix).backups
            for volume in backup.volumes
            if origin in (None, ANY, backup.cluster)
        ]

    def chains(self, origin: str | None = None, volume: str | None = None) -> Chains:
        """One listing, and each ``.meta`` read; of one resource where a volume is named. It isn't listed again."""
        resource = resource_of(volume) if volume is not None else None
        prefix = f"{resource}_" if resource else ""
        keys = self._keys(prefix, origin)
        if volume is not None:
            keys = [key for key in keys if key.of.name == volume]
            clusters = sorted({key.backup.cluster for key in keys if key.backup.problem is None})
            if len(clusters) > 1:
                raise UsageError(
                    f"{volume}: {self.store.label} has backups of {len(clusters)} clusters ({', '.join(clusters)}).",
                    "Set origin to the id of the cluster that is meant.",
                )
        damaged = {backup.id: backup.problem for backup in self._scan(prefix).backups if backup.problem is not None}
        return BucketChains(keys, damaged, self.store.now())

    def missing(self, manifest: Manifest) -> list[str]:
        key = manifest.key.data
        listed = {entry.key: entry.size for entry in self.store.list(key)}
        return [] if listed.get(key) == manifest.stored else [key]

    def manifest(self, key: BackupKey) -> Manifest:
        """The fields of a manifest, made from LINSTOR's metadata."""
        if not isinstance(key, BucketKey) or key.of.problem is not None:
            raise CorruptError(f"{_problem(key) or key.manifest}.")
        backup, volume = key.backup, key.of
        size = next(scanned.sizes[volume.key] for scanned in self._scans.values() if volume.key in scanned.sizes)
        kind = volume.format or sniff(StoredObject(self.store, volume.key, size))
        members = [each.name for each in backup.volumes]
        return Manifest(
            key,
            {
                "origin": backup.cluster,
                "volume": volume.name,
                "id": backup.id,
                "base": backup.base,
                "created": iso_time(backup.created),
                "state_id": f"{backup.uuid or backup.id}/{volume.number}",
                "provider": "linstor",
                "snapshot": backup.name.snapshot,
                "group": {"id": backup.id, "members": members} if len(members) > 1 else None,
                "size": volume.size,
                "bytes": {"stored": size},
                "stream": {"format": kind, "flags": []},
                "compression": "zstd",
                "segments": {"count": 1},
                "sources": [],
                "properties": {
                    "resource": volume.resource,
                    "volume_number": volume.number,
                    "node": backup.node,
                    "layers": backup.layers,
                    "luks": backup.encrypted,
                },
            },
        )

    def chain_manifests(self, chains: Chains, key: BackupKey) -> list[Manifest]:
        problem, chain = chains.problem(key), chains.chain(key)
        if problem or chain is None:
            raise CorruptError(f"{key.id} can't be restored: {problem}.")
        found = [self.manifest(each) for each in chain]
        for base, each in zip(found, found[1:]):
            if each.fields["stream"]["format"] != base.fields["stream"]["format"]:
                raise corrupt(each.key.data, f"the stream format differs from that of its base {base.id}.")
        return found

    def cautions(self, chain: list[Manifest]) -> list[str]:
        backup = chain[-1]
        unproved = len(chain) > 1 and backup.fields["stream"]["format"] == THIN
        said = [NO_CHECKSUMS + (UNPROVED if unproved else "")]
        if backup.fields["properties"]["luks"]:
            said.append(
                f"{backup.fields['volume']} has a LUKS layer: the backup and the restored volume are ciphertext. The "
                "volume's own passphrase opens it; LINSTOR keeps that encrypted under its master passphrase."
            )
        return said

    def blocks(self, chain: list[Manifest]) -> Blocks:
        return LinstorBlocks(self.store, chain)

    def streams(self, chain: list[Manifest]) -> Streams:
        return LinstorStreams(self.store, chain)
