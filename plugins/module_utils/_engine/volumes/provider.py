# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a use case may ask of a provider of volumes, whatever it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, Callable, NamedTuple, Protocol


class VolumeInfo(NamedTuple):
    """A volume as it is now."""

    name: str  # normalised; this is the name it has on remotes
    size: int  # bytes
    lineage: str  # the same volume keeps it; one replaced by another of its name doesn't


class Change(NamedTuple):
    """A region of a snapshot, in bytes. ``mapped`` false: it became a hole and reads as zero."""

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
    made_by: str  # "user" (named by the user) or "snapship" (goes when nothing rests on it)
    consistency: dict[str, Any]
    holds: dict[str, str]  # location and origin of a remote -> backup id that rests on this snapshot
    flaw: str | None = None  # why it can be no base: its witness doesn't match

    def public(self) -> dict[str, Any]:
        """The form in which snapshots are returned."""
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
    """How snapshots of volumes of one provider are to be made: one volume, or (part of) a group."""

    volumes: list[str]
    name: str
    made_by: str
    created: float  # seconds since the epoch, whole microseconds; what ids and ages are made from
    group: dict[str, Any] | None  # {"id": ..., "members": [volumes, maybe of other providers too]}
    consistency: dict[str, Any]
    holds: dict[str, str]  # in place from the start, so that nobody tidies it away before it is shipped


class Reader(Protocol):
    """An open snapshot of a block volume."""

    size: int

    def data(self) -> Iterator[Change]:
        """What a full must carry: regions that may hold something other than zeros, in order."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` from this offset. From any thread."""


class ByteSource(Protocol):
    """A snapshot, or what changed in it, as a stream that only its own kind of volume can receive."""

    flags: list[str]  # options that shape the stream; the same in a whole chain

    def read_into(self, target: memoryview) -> int:
        """Fill ``target``; returns bytes, fewer than asked for only at the end. Raises VolumeError where the sender
        failed, at the latest on the read that would report the end."""


class Received(Protocol):
    """A restore that lies beside what it is to become."""

    def sync(self) -> None:
        """Make what was written durable."""

    def witness(self) -> dict[str, Any]:
        """How the finished target will be known again: ``identity`` (which thing it is, text), and whatever tells that
        it was written to."""

    def commit(self, keep_as: str | None) -> str | None:
        """Swap it in, durably; what was there is kept under that name (returned) or, without one, dropped."""

    def abort(self) -> None:
        """Remove what was received, as far as it can't be of use to the next run."""


class StreamTarget(Received, Protocol):
    """A target that takes the streams of a chain one after the other, as its own kind of volume sent them."""

    def has(self, state_ids: list[str]) -> int:
        """How many of these states, in order, an earlier run that died has received whole already."""

    def receiving(self, state_id: str) -> AbstractContextManager[Callable[[memoryview], None]]:
        """Takes the stream of one backup piece by piece; on leaving, checks that this state is there whole.

        Raises VolumeError; after an exception inside nothing of this stream stays."""


class Readback(Protocol):
    """A block volume that can be compared with what was recorded of it."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` from this offset. From any thread."""

    def data(self) -> Iterator[tuple[int, int]]:
        """Regions (start, end) that don't surely read as zero, in order."""


class Target(Received, Readback, Protocol):
    """A block volume being received."""

    zeroed: bool  # whether what isn't written reads as zero

    def write(self, offset: int, data: memoryview) -> None:
        """Write there. From any thread."""


class TargetState(NamedTuple):
    """What is at the place a restore is to go to."""

    exists: bool
    witness: dict[str, Any]  # as in Received.witness(); empty where nothing is there
    busy: str | None  # who has it open
    free: int  # bytes that can be written there


class Place(NamedTuple):
    """Where a restore is to go to."""

    target: str
    pool: str | None = None  # in which thin pool a new volume is made, for providers that have them


class ReceiveRequest(NamedTuple):
    """What is to be received, and where."""

    place: Place
    size: int  # bytes of the volume
    properties: dict[str, Any]  # of the volume that was backed up, as its provider gave them
    wanted: list[str]  # names of those properties to set; "all" stands for all that are safe to set unasked


class Pressure(NamedTuple):
    """How full the pool is that a volume's snapshots use up."""

    pool: str
    percent: float
    what: str  # "data" or "metadata"


class Provider(Protocol):
    """One kind of volume."""

    name: str
    naming: str  # how a user names its volumes, for the error about a name that fits no provider: "a tape by its label"
    sends: str  # stream format of its backups
    receives: tuple[str, ...]  # stream formats that can be restored to it

    def claims(self, volume: str) -> bool:
        """Whether a name is, or looks like, one of this provider's. Cheap; never raises."""

    def normalise(self, volume: str) -> str:
        """The name under which the volume is known; raises UsageError for one that can't be."""

    def looking_at(self, volumes: list[str]) -> AbstractContextManager[None]:
        """Inside, in this thread, what info(), snapshots() and bases() say of these volumes is found out once."""

    def info(self, volume: str) -> VolumeInfo:
        """The volume as it is. Raises UnknownError (code ``unknown_volume``) or VolumeError."""

    def properties(self, volume: str) -> dict[str, Any]:
        """What belongs to a volume besides its data and may be of use where it is restored. Raises as info()."""

    def children(self, volume: str) -> list[str]:
        """Volumes below this one, sorted; raises UsageError where volumes of this kind aren't nested."""

    def snapshots(self, volume: str) -> list[Snapshot]:
        """The volume's snapshots, newest first, each with its witness checked; none for an unknown volume."""

    def bases(self, volume: str) -> list[Snapshot]:
        """What an increment can be made from, newest first: snapshots, and what else stands for one."""

    def freezable(self, volume: str) -> list[str]:
        """Mount points of filesystems that live in this volume."""

    def activity(self, volume: str) -> object:
        """Something that differs after the volume was written to; ``None`` where that can't be told."""

    def atomic(self, volumes: list[str]) -> bool:
        """Whether take() makes snapshots of these at one point in time."""

    def pressure(self, volume: str) -> list[Pressure]:
        """How full its pool is; nothing where that says nothing about snapshots."""

    def pinned(self, volume: str) -> list[Snapshot]:
        """Snapshots in this volume's pool, of any volume, that were made for shipping, oldest first."""

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        """Make the snapshots, all or none, with one state id each; also warnings (a torn copy)."""

    def remove(self, snapshot: Snapshot) -> None:
        """Destroy one snapshot. Raises BusyError while it is being read."""

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        """Note that a backup (``pending``: one being made) rests on it; ``None``: no longer."""

    def forget(self, volume: str, holder: str) -> None:
        """Drop whatever else keeps a base for this holder."""

    def unchanged(self, base: Snapshot) -> bool:
        """Whether the volume is now as it was in this base (reading only); false where that can't be told."""

    def target_state(self, place: Place) -> TargetState:
        """What is there (reading only)."""

    def recover(self, place: Place) -> None:
        """Put right what a restore that was killed while it swapped its target left (writes)."""


class BlockProvider(Provider, Protocol):
    """Volumes that are read and written by blocks."""

    def open(self, snapshot: Snapshot) -> AbstractContextManager[Reader]:
        """Read a snapshot; it can't be removed meanwhile. Raises VolumeError, code ``snapshot_gone`` or
        ``snapshot_changed`` (its witness proved wrong; it is marked, so that its flaw shows from now on)."""

    def changes(self, base: Snapshot, snapshot: Snapshot) -> AbstractContextManager[tuple[Reader, Iterator[Change]]]:
        """Read what differs from the base, in order; true also for regions that merely may differ. Raises as open()."""


class BlockReceiver(Provider, Protocol):
    """Volumes that restores can be written to by blocks."""

    def receive(self, request: ReceiveRequest) -> Target:
        """Begin to receive a volume beside its target; it reads as zeros unless the Target says otherwise."""


class StreamProvider(Provider, Protocol):
    """Volumes that make and take streams of their own."""

    def send(
        self, base: Snapshot | None, snapshot: Snapshot, flags: list[str] | None
    ) -> AbstractContextManager[ByteSource]:
        """The stream of a snapshot; ``flags`` of the chain, ``None`` for a new one. Raises VolumeError, code
        ``snapshot_gone`` where one of the two is gone."""

    def receive_streams(self, request: ReceiveRequest) -> StreamTarget:
        """Begin to receive streams beside the target, or go on where an earlier run died."""
