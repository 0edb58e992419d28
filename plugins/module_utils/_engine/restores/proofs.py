# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Ways to prove that a backup is good: list its objects, read them, compare with the source, or restore it."""

from __future__ import annotations

import dataclasses
import mmap
from collections.abc import Iterator
from typing import Callable, NamedTuple, cast

from ..common.errors import CorruptError, UsageError, VolumeError
from ..common.workers import Workers
from ..repository.catalog import Catalog, require_objects
from ..repository.data.assembly import Assembly
from ..repository.data.segment_table import SEGMENT_PLAIN, SegmentTable
from ..repository.data.spool import Spool
from ..repository.manifest import Manifest
from ..streams import thin
from ..streams.codec import codec_for
from ..volumes.provider import BlockProvider, Provider, Reader, ReceiveRequest, RestorePlace, Snapshot, StreamProvider
from ..volumes.registry import provider_for
from .fetch import check_kind, fetch


class Task(NamedTuple):
    """A backup to verify: its chain, the full first, and the user's options."""

    catalog: Catalog
    chain: list[Manifest]
    workers: Workers
    progress: Callable[[int, int], None]
    provider: str | None
    scratch: str | None
    pool: str | None

    @property
    def backup(self) -> Manifest:
        return self.chain[-1]

    @property
    def in_blocks(self) -> bool:
        """Whether its stream consists of blocks."""
        return bool(self.backup.fields["stream"]["format"] == thin.FORMAT)


@dataclasses.dataclass
class Proof:
    """What a proof cost: bytes read from a volume, bytes fetched from the remote, seconds."""

    read: int = 0
    fetched: int = 0
    seconds: float = 0.0
    actions: list[str] = dataclasses.field(default_factory=list)


def _metadata(task: Task) -> Proof:
    """Every object that the manifests of the chain name exists in its size. The manifests were checked before."""
    for manifest in task.chain:
        require_objects(task.catalog, manifest)
    return Proof()


def _data(task: Task) -> Proof:
    """Every stored byte of the chain is unchanged, and its content is what index or manifest say."""
    _metadata(task)
    total = sum(manifest.stored for manifest in task.chain)

    def progress(done: int) -> None:
        task.progress(done, total)

    if task.in_blocks:
        with task.catalog.blocks(task.chain) as assembly:
            assembly.read_all(task.workers, progress)
            return Proof(fetched=assembly.fetched)
    with task.catalog.streams(task.chain) as relay:
        relay.read_all(task.workers, progress)
        return Proof(fetched=relay.fetched)


def _source(task: Task) -> Proof:
    """The snapshot on this host still reads as the backup recorded it."""
    _metadata(task)
    backup = task.backup
    if task.catalog.spec.read_only:
        raise UsageError(
            f"backup {backup.id} wasn't made from a snapshot on this host.",
            "Use mode: data or mode: restore.",
            code="no_source",
        )
    provider = provider_for(backup.fields["volume"], task.provider or backup.fields.get("provider"))
    volume = provider.normalise(backup.fields["volume"])
    snapshot = _of_state(provider.snapshots(volume), backup.fields["state_id"])
    if snapshot is None or snapshot.flaw:
        why = f"has changed ({snapshot.flaw})" if snapshot else "no longer exists"
        raise VolumeError(
            f"backup {backup.id} of {volume} can't be compared with its source: its snapshot {why}.",
            "Use mode: data or mode: restore.",
            code="no_source",
        )
    if task.in_blocks:
        return _source_blocks(task, cast(BlockProvider, provider), snapshot)
    return _source_stream(task, cast(StreamProvider, provider), snapshot)


def _of_state(snapshots: list[Snapshot], state_id: str) -> Snapshot | None:
    return next((each for each in snapshots if each.state_id == state_id), None)


class _Compared:
    """A snapshot in the place of a restored volume."""

    zeroed = True

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.read_into = reader.read_into

    def data(self) -> Iterator[tuple[int, int]]:
        for change in self._reader.data():
            yield change.offset, change.offset + change.length


def _source_blocks(task: Task, provider: BlockProvider, snapshot: Snapshot) -> Proof:
    with Assembly(task.catalog, task.chain) as assembly, provider.open(snapshot) as reader:
        if reader.size != assembly.size:
            raise _differs(task, f"the snapshot has {reader.size} bytes, the backup {assembly.size}")
        assembly.note_partials(task.workers)
        try:
            assembly.check(_Compared(reader), task.workers)
        except CorruptError as error:
            raise _differs(task, error.msg.rstrip(".")) from error
        return Proof(read=assembly.needed(), fetched=assembly.fetched)


def _source_stream(task: Task, provider: StreamProvider, snapshot: Snapshot) -> Proof:
    """Sending the snapshot again gives the stream of the backup. Checks this backup only, not its bases."""
    backup = task.backup
    base = None
    if backup.key.base is not None:
        base = _of_state(provider.bases(snapshot.volume), backup.fields["base_state_id"])
        if base is None:
            raise VolumeError(
                f"backup {backup.id} of {snapshot.volume} can't be compared with its source: its base is gone.",
                "Use mode: data or mode: restore.",
                code="no_source",
            )
    proof = Proof()
    codec = codec_for(backup.fields, backup.id, task.catalog.keyring)
    buffer = memoryview(mmap.mmap(-1, SEGMENT_PLAIN))
    with Spool(task.catalog.host) as spool, provider.send(base, snapshot, backup.fields["stream"]["flags"]) as source:
        table = SegmentTable.fetch(task.catalog.store, backup.key.data, backup.fields["segments"], spool)
        total = sum(segment.plain for segment in table)
        for segment in table:
            piece = buffer[: segment.plain]
            length = source.read_into(piece)
            if length != segment.plain or codec.digest(piece) != segment.content:
                raise _differs(task, f"the stream differs near byte {proof.read}")
            proof.read += length
            task.progress(proof.read, total)
        if source.read_into(buffer[:1]):
            raise _differs(task, "the stream is longer")
    return proof


def _differs(task: Task, what: str) -> CorruptError:
    backup = task.backup
    return CorruptError(
        f"backup {backup.id} of {backup.fields['volume']} differs from its source: {what}.",
        "Ship a new full (type: full). An update of ZFS can also change the stream: mode: restore tells whether the "
        "backup is good."
        if not task.in_blocks
        else "Don't rely on this backup or on incrementals based on it: ship a new full (type: full).",
        code="source_differs",
    )


def _restore(task: Task) -> Proof:
    """The backup can be restored to a scratch volume, which is then what was recorded."""
    backup = task.backup
    if task.catalog.spec.read_only and not task.scratch:
        raise UsageError(
            f"backup {backup.id}: its volume isn't on this host, so there is no place beside it.",
            "Set scratch to a volume to restore to.",
        )
    name = task.scratch or f"{backup.fields['volume']}-snapship-verify"
    given = task.provider or (None if task.scratch else backup.fields.get("provider"))
    provider: Provider = provider_for(name, given)
    place = RestorePlace(provider.normalise(name), task.pool)
    check_kind(backup, provider, place.target)
    there = provider.target_state(place)
    if there.exists:
        raise VolumeError(
            f"{place.target} exists already; it isn't used as scratch.",
            "Remove it, or name another place in scratch.",
            code="target_exists",
        )
    request = ReceiveRequest(place, backup.size, backup.fields.get("properties", {}), [])
    fetched = fetch(task.catalog, task.chain, provider, request, there, task.workers, task.progress)
    proof = Proof(fetched.facts["bytes_written"], fetched.facts["bytes_fetched"])
    fetched.target.abort()
    proof.actions.append(f"restored to scratch beside {place.target} and removed it")
    return proof


PROOFS: dict[str, Callable[[Task], Proof]] = {
    "metadata": _metadata,
    "data": _data,
    "source": _source,
    "restore": _restore,
}
