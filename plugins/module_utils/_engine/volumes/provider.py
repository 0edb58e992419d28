# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The interface of providers: what a use case may ask of any kind of volume."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Callable, NamedTuple, Protocol


class VolumeInfo(NamedTuple):
    """A volume as it is now."""

    name: str  # canonical; backups on remotes are filed under it
    size: int  # bytes
    lineage: str  # constant for the life of a volume; a new volume of the same name has another


class Change(NamedTuple):
    """A changed region of a snapshot, in bytes. ``mapped`` is false for a hole, which reads as zeros."""

    offset: int
    length: int
    mapped: bool


@dataclasses.dataclass
class Snapshot:
    """A read-only point in time of one volume."""

    name: str
    volume: str
    provider: str
    state_id: str
    created: float  # seconds since the epoch
    size: int
    lineage: str
    group: dict[str, Any] | None  # {"id": ..., "members": [volumes]}
    method: str
    path: str
    made_by: str  # "user" (kept) or "snapship" (removed when no backup depends on it)
    consistency: dict[str, Any]
    holds: dict[str, str]  # location and origin of a remote -> id of the backup that depends on it
    flaw: str | None = None  # why it can't be a base; None while its witness matches

    def public(self) -> dict[str, Any]:
        """The snapshot as modules return it."""
        from ..common.units import iso_time

        return {
            "name": self.name,
            "volume": self.volume,
            "provider": self.provider,
            "state_id": self.state_id,
            "group": self.group["id"] if self.group else None,
            "created": iso_time(self.created),
            "size": self.size,
            "method": self.method,
            "path": self.path,
            "valid": self.flaw is None,
            "flaw": self.flaw,
            "holds": sorted(self.holds.values()),
        }


class TakeRequest(NamedTuple):
    """Which snapshots to make, all with one provider: one volume, or all or some members of a group."""

    volumes: list[str]
    name: str
    made_by: str
    created: float  # seconds since the epoch, whole microseconds; ids and ages derive from it
    group: dict[str, Any] | None  # {"id": ..., "members": [volumes, some maybe of other providers]}
    consistency: dict[str, Any]
    holds: dict[str, str]  # set at once, so that no other run removes the snapshot before it is shipped
    in_place: bool = False  # where a copy has no room, read the volume itself, if nobody can write to it meanwhile


class Reader(Protocol):
    """An open snapshot of a block volume."""

    size: int

    def data(self) -> Iterator[Change]:
        """Regions that may hold data, in order: what a full backup carries. All other regions read as zeros."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``offset`` on. Any thread may call it."""


class ByteSource(Protocol):
    """A snapshot, or its changes since a base, as a stream that only the same kind of volume can receive."""

    flags: list[str]  # options that shape the stream; all backups of a chain have the same

    def read_into(self, target: memoryview) -> int:
        """Fill ``target``; returns the number of bytes, fewer than asked for only at the end.

        Raises VolumeError if the sender failed, at the latest on the read that reaches the end."""


class Received(Protocol):
    """A restored volume that hasn't replaced its target yet."""

    def sync(self) -> None:
        """Make what was written durable."""

    def release(self) -> None:
        """Hold no descriptor any more: everything is received, durable and checked. A restore of many volumes waits
        here for the others. witness(), commit() and abort() still work; they raise VolumeError if the volume isn't the
        same any more."""

    def witness(self) -> dict[str, Any]:
        """How to recognise the finished target later: ``identity`` (text) says which volume it is, the other keys
        change when somebody writes to it."""

    def commit(self, keep_as: str | None) -> str | None:
        """Replace the target, durably. The old target is kept under ``keep_as``, or a name like it, which is returned;
        without ``keep_as`` it is removed."""

    def abort(self) -> None:
        """Remove what was received, unless the next run can continue from it."""


class StreamTarget(Received, Protocol):
    """A target that receives the streams of a chain in order, from the same kind of volume."""

    def has(self, state_ids: list[str]) -> int:
        """How many of these states, from the first on, an earlier run that died has received completely."""

    def receiving(self, state_id: str) -> AbstractContextManager[Callable[[memoryview], None]]:
        """Yields a function that takes the stream of one backup piece by piece. On exit, checks that this state is
        complete.

        Raises VolumeError. After an exception inside, nothing of this stream is left."""


class Readback(Protocol):
    """A block volume that can be read back and compared with its backup."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` with the bytes from ``offset`` on. Any thread may call it."""

    def data(self) -> Iterator[tuple[int, int]]:
        """Regions (start, end) that may hold data, in order. All other regions read as zeros."""


class Target(Received, Readback, Protocol):
    """A block volume being received."""

    zeroed: bool  # whether regions that were never written read as zeros

    def write(self, offset: int, data: memoryview) -> None:
        """Write ``data`` at ``offset``. Any thread may call it."""


class TargetState(NamedTuple):
    """The target of a restore, as it is now."""

    exists: bool
    witness: dict[str, Any]  # as Received.witness(); empty if the target doesn't exist
    busy: str | None  # what has it open
    free: int  # bytes that can be written there


class RestorePlace(NamedTuple):
    """Where to restore to."""

    target: str
    pool: str | None = None  # the thin pool for a new volume, if the provider has thin pools


class ReceiveRequest(NamedTuple):
    """What to receive, and where."""

    place: RestorePlace
    size: int  # bytes of the volume
    properties: dict[str, Any]  # of the backed-up volume, as Provider.properties() returned them
    wanted: list[str]  # names of properties to set; "all" means all that are safe to set


class Pressure(NamedTuple):
    """How full the pool of a volume and its snapshots is."""

    pool: str
    percent: float
    what: str  # "data" or "metadata"


class Provider(Protocol):
    """One kind of volume."""

    name: str
    naming: str  # how a user names its volumes, for the error about a name that fits no provider: "a tape by its label"
    sends: str  # stream format of its backups
    receives: tuple[str, ...]  # stream formats that can be restored to it
    nests: bool  # whether volumes lie below others, as pool/home/a lies below pool/home

    def claims(self, volume: str) -> bool:
        """Whether the name could be a volume of this provider. Cheap; never raises."""

    def normalise(self, volume: str) -> str:
        """The canonical name of the volume. Raises UsageError if no volume can have this name."""

    def looking_at(self, volumes: list[str]) -> AbstractContextManager[None]:
        """Inside, in this thread, info(), snapshots() and bases() of these volumes share one look-up."""

    def info(self, volume: str) -> VolumeInfo:
        """The volume as it is now. Raises UnknownError (code ``unknown_volume``) or VolumeError."""

    def properties(self, volume: str) -> dict[str, Any]:
        """What a restore may need to know of the volume besides its data. Raises as info()."""

    def children(self, volume: str) -> list[str]:
        """Volumes below this one, sorted. Raises UsageError unless ``nests``."""

    def snapshots(self, volume: str) -> list[Snapshot]:
        """The volume's snapshots, newest first, each with its witness checked. An unknown volume has none."""

    def bases(self, volume: str) -> list[Snapshot]:
        """Possible bases of an increment, newest first: snapshots, and bookmarks where there are any."""

    def freezable(self, volume: str) -> list[str]:
        """Mount points of the filesystems on this volume, for freezing them."""

    def activity(self, volume: str) -> object:
        """A value that changes when somebody writes to the volume; ``None`` if that can't be told."""

    def atomic(self, volumes: list[str]) -> bool:
        """Whether take() makes the snapshots of these volumes at one point in time."""

    def pressure(self, volume: str) -> list[Pressure]:
        """How full the volume's pool is; empty if snapshots have little to do with that."""

    def pinned(self, volume: str) -> list[Snapshot]:
        """Snapshots made for shipping, of all volumes in this volume's pool, oldest first."""

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        """Make the snapshots, all or none, each with its own state id. Also returns warnings (a torn copy)."""

    def remove(self, snapshot: Snapshot) -> None:
        """Destroy one snapshot. Raises BusyError while it is being read."""

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        """Note that a backup of this holder depends on the snapshot (``pending``: a backup being made). ``None``: none
        does any more."""

    def forget(self, volume: str, holder: str) -> None:
        """Remove whatever else keeps a base for this holder, such as bookmarks."""

    def unchanged(self, base: Snapshot) -> bool:
        """Whether the volume still has the content of this base; false if that can't be told. Only reads."""

    def target_state(self, place: RestorePlace) -> TargetState:
        """The target as it is now. Only reads."""

    def recover(self, place: RestorePlace) -> None:
        """Finish or undo the swap of a restore that was killed. Writes."""


class BlockProvider(Provider, Protocol):
    """Volumes that are read by blocks."""

    def open(self, snapshot: Snapshot) -> AbstractContextManager[Reader]:
        """Open a snapshot for reading; nobody can remove it meanwhile.

        Raises VolumeError, code ``snapshot_gone`` or ``snapshot_changed``: its witness doesn't match. Such a snapshot
        is marked, so that it shows its flaw from now on."""

    def changes(self, base: Snapshot, snapshot: Snapshot) -> AbstractContextManager[tuple[Reader, Iterator[Change]]]:
        """Open a snapshot, with its differences from the base in order. Regions that may differ are included.

        Raises as open()."""


class BlockReceiver(Provider, Protocol):
    """Volumes that restores can be written to by blocks."""

    def receive(self, request: ReceiveRequest) -> Target:
        """Create a volume beside the target and receive into it. It reads as zeros unless ``zeroed`` is false."""


class StreamProvider(Provider, Protocol):
    """Volumes that send and receive streams of their own format."""

    def send(
        self, base: Snapshot | None, snapshot: Snapshot, flags: list[str] | None
    ) -> AbstractContextManager[ByteSource]:
        """The stream of a snapshot, or of its changes since ``base``. ``flags``: the chain's, ``None`` for a new chain.

        Raises VolumeError, code ``snapshot_gone`` if the snapshot or its base is gone."""

    def receive_streams(self, request: ReceiveRequest) -> StreamTarget:
        """Receive streams beside the target, or continue where an earlier run died."""
