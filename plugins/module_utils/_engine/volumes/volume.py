# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What a use case may ask of a provider of volumes, whatever it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol


class VolumeInfo(NamedTuple):
    """A volume as it is now."""

    name: str  # normalised; this is the name it has on remotes
    size: int  # bytes
    lineage: str  # the same volume keeps it; one replaced by another of its name doesn't
    properties: dict[str, Any]


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
        from ..units import iso_time

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
    """How a snapshot of one or several volumes (a group) is to be made."""

    volumes: list[str]
    name: str
    made_by: str
    group: str | None
    consistency: dict[str, Any]
    holds: dict[str, str]  # in place from the start, so that nobody tidies it away before it is shipped


class Reader(Protocol):
    """An open snapshot."""

    size: int

    def data(self) -> Iterator[Change]:
        """What a full must carry: regions that may hold something other than zeros, in order."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Fill ``target`` from this offset. From any thread."""


class Target(Protocol):
    """A restore being received beside what it is to become."""

    def write(self, offset: int, data: memoryview) -> None:
        """Write there. From any thread."""

    def read_into(self, offset: int, target: memoryview) -> None:
        """Read back what was written. From any thread."""

    def data(self) -> Iterator[tuple[int, int]]:
        """Regions (start, end) that don't surely read as zero, in order."""

    def sync(self) -> None:
        """Make what was written durable."""

    def witness(self) -> dict[str, Any]:
        """How the finished target will be known again."""

    def commit(self, keep_as: str | None) -> str | None:
        """Swap it in, durably; what was there is kept under that name (returned) or, without one, dropped."""

    def abort(self) -> None:
        """Remove what was received."""


class TargetState(NamedTuple):
    """What is at the place a restore is to go to."""

    exists: bool
    witness: dict[str, Any]
    busy: str | None  # who has it open
    free: int  # bytes that can be written there


class Provider(Protocol):
    """One kind of volume."""

    name: str

    def claims(self, volume: str) -> bool:
        """Whether a name looks like one of this provider's."""

    def info(self, volume: str) -> VolumeInfo:
        """The volume as it is. Raises UnknownError (code ``unknown_volume``) or VolumeError."""

    def normalise(self, volume: str) -> str:
        """The name under which the volume is known; raises UsageError for one that can't be."""

    def snapshots(self, volume: str) -> list[Snapshot]:
        """The volume's snapshots, newest first, each with its witness checked."""

    def freezable(self, volume: str) -> list[str]:
        """Mount points of filesystems that live in this volume."""

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        """Make the snapshots, all or none, with one state id each; also warnings (a torn copy)."""

    def remove(self, snapshot: Snapshot) -> None:
        """Destroy one snapshot. Raises BusyError while it is being read."""

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        """Note that a backup rests on it (``None``: no longer)."""

    def open(self, snapshot: Snapshot) -> AbstractContextManager[Reader]:
        """Read a snapshot; it can't be removed meanwhile."""

    def changes(self, base: Snapshot, snapshot: Snapshot) -> AbstractContextManager[tuple[Reader, Iterator[Change]]]:
        """Read what differs from the base, in order; true also for regions that merely may differ."""

    def unchanged(self, base: Snapshot) -> bool:
        """Whether the volume is now as it was in this snapshot (reading only)."""

    def target_state(self, target: str) -> TargetState:
        """What is there (reading only)."""

    def receive(self, target: str, size: int, properties: dict[str, Any]) -> Target:
        """Begin to receive a volume of this size beside the target; it reads as zeros."""
