# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Provider ``lvm_thin``: thin LVs. Snapshots are read-only thin LVs, changes come from the pool's metadata."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from ...common.errors import SnapshipError, UsageError, VolumeError
from ..provider import (
    Change,
    Pressure,
    Reader,
    ReceiveRequest,
    RestorePlace,
    Snapshot,
    TakeRequest,
    Target,
    TargetState,
    VolumeInfo,
)
from . import placement, reader, snapshots, target, usage
from .names import looks_like, parse
from .report import VolumeGroup, is_active, reports, volume_groups
from .snapshots import PROVIDER
from .thin_pool import check_room, release_leaked, status

_REMEMBERED = 5.0  # seconds


class LvmThinProvider:
    """Thin LVs, named ``vg/lv``."""

    name = PROVIDER
    naming = "a logical volume as vg/lv in a volume group of this host"
    sends = "thin-send-recv"
    receives: tuple[str, ...] = ("thin-send-recv",)
    nests = False

    def __init__(self) -> None:
        self._groups: tuple[float, list[str]] | None = None

    # --- names

    def claims(self, volume: str) -> bool:
        name = looks_like(volume)
        return name is not None and (is_active(name.vg) or name.vg in self._volume_groups())

    def _volume_groups(self) -> list[str]:
        """Names of the volume groups. Listing them starts a program, so they are remembered for some seconds."""
        if self._groups is None or time.monotonic() - self._groups[0] > _REMEMBERED:
            try:
                found = volume_groups()
            except SnapshipError:
                found = []
            self._groups = (time.monotonic(), found)
        return self._groups[1]

    def normalise(self, volume: str) -> str:
        return str(parse(volume))

    # --- volumes

    def looking_at(self, volumes: list[str]) -> contextlib.AbstractContextManager[None]:
        return reports.keeping()

    def info(self, volume: str) -> VolumeInfo:
        lv, _listing = placement.volume_of(volume)
        return VolumeInfo(str(lv.name), lv.size, lv.uuid)

    def properties(self, volume: str) -> dict[str, Any]:
        lv, listing = placement.volume_of(volume)
        pool = listing.pool_of(lv)
        return {"pool": pool.name.lv, "chunk_size": pool.chunk, "zeroing": pool.zeroing}

    def children(self, volume: str) -> list[str]:
        raise UsageError(f"recursive: volume {volume!r} is an LV; it has no volumes below it.")

    def snapshots(self, volume: str) -> list[Snapshot]:
        return snapshots.snapshots_of(volume, reports.of(parse(volume).vg))

    def bases(self, volume: str) -> list[Snapshot]:
        return self.snapshots(volume)

    def unchanged(self, base: Snapshot) -> bool:
        return reader.unchanged(base)

    def freezable(self, volume: str) -> list[str]:
        """Always empty. Raises VolumeError if a filesystem is mounted: LVM itself freezes it for the snapshot, and
        fails if it is frozen already (EBUSY with Linux 6.1)."""
        lv, _listing = placement.volume_of(volume)
        mounts = usage.mounts(lv)
        if mounts:
            raise VolumeError(
                f"quiesce: fsfreeze isn't for LVs: LVM can't take a snapshot of {volume} while {mounts[0]} is frozen.",
                "Leave quiesce out: LVM itself freezes a mounted filesystem while it takes the snapshot. To have "
                "several volumes at one point in time, use pre_command and post_command.",
                code="quiesce",
            )
        return []

    def activity(self, volume: str) -> object:
        return usage.written(placement.volume_of(volume)[0])

    def atomic(self, volumes: list[str]) -> bool:
        return len(volumes) == 1

    def pressure(self, volume: str) -> list[Pressure]:
        lv, listing = placement.volume_of(volume)
        pool = listing.pool_of(lv)
        now = status(pool)
        if now is None:
            return []
        fill = {"data": (now.data_used, now.data), "metadata": (now.metadata_used, now.metadata)}
        return [Pressure(str(pool.name), 100.0 * used / most, what) for what, (used, most) in fill.items() if most]

    def pinned(self, volume: str) -> list[Snapshot]:
        lv, listing = placement.volume_of(volume)
        return _pinned(lv.pool_uuid, listing)

    # --- snapshots

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        with reports.keeping():
            for volume in request.volumes:
                placement.volume_of(volume)
            return snapshots.Taking(request).run(), []

    def remove(self, snapshot: Snapshot) -> None:
        snapshots.remove(snapshot)

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        snapshots.hold(snapshot, holder, backup)

    def forget(self, volume: str, holder: str) -> None:
        pass  # only snapshots keep a base

    def open(self, snapshot: Snapshot) -> contextlib.AbstractContextManager[Reader]:
        return reader.opened(snapshot)

    def changes(
        self, base: Snapshot, snapshot: Snapshot
    ) -> contextlib.AbstractContextManager[tuple[Reader, Iterator[Change]]]:
        return reader.changed(base, snapshot)

    # --- restoring

    def target_state(self, place: RestorePlace) -> TargetState:
        return placement.target_state(place)

    def recover(self, place: RestorePlace) -> None:
        target.recover(parse(place.target))

    def receive(self, request: ReceiveRequest) -> Target:
        unknown = [name for name in request.wanted if name != "all"]
        if unknown:
            raise UsageError(f"properties: {unknown[0]!r} is unknown; an LV has no properties to restore.")
        name = parse(request.place.target)
        with reports.keeping():
            pool = placement.pool_for(request.place, reports.recent(name.vg))
            release_leaked(pool)
            check_room(pool)
            return target.LvmTarget(name, pool, request.size)


def _pinned(pool_uuid: str, listing: VolumeGroup) -> list[Snapshot]:
    found = []
    for lv in listing.volumes:
        record = snapshots.ours(lv)
        if record is not None and lv.pool_uuid == pool_uuid and record.made_by == "snapship":
            origin = listing.by_uuid.get(record.lineage)
            volume = str(origin.name) if origin is not None else record.volume
            found.append(snapshots.snapshot(lv, record, volume, None))
    return sorted(found, key=lambda each: each.created)
