# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Provider ``zfs``: filesystems and zvols. Backups are streams of ``zfs send``."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from typing import Any

from ...common.errors import UsageError
from ..provider import (
    ByteSource,
    Pressure,
    ReceiveRequest,
    RestorePlace,
    Snapshot,
    TakeRequest,
    TargetState,
    VolumeInfo,
)
from . import device, holds, placement, sender, snapshots, swap
from .commands import zfs, zpool
from .datasets import Dataset, DatasetListing, look, look_below, properties_of, same_as_now
from .names import is_beside, normalise, pool_of
from .placement import FoundDataset
from .records import PROVIDER
from .stream_target import ZfsStreamTarget
from .zvol_target import ZvolTarget

_POOLS = "/proc/spl/kstat/zfs"  # has a folder for each imported pool
# Seconds for which a listing is used: by callers that only read, and by callers that are about to change something.
_LOOK, _MOMENT = 60.0, 5.0


class _Seen:
    """The volumes of looking_at(), and what was found out about them."""

    def __init__(self, volumes: list[str]) -> None:
        self.volumes = set(volumes)
        self.listing: DatasetListing | None = None
        self.stale: set[str] = set()  # volumes that were changed since
        self.same: dict[str, set[str]] | None = None
        self.properties: dict[str, dict[str, str]] | None = None
        self.fullness: dict[str, float] = {}
        self.pools: dict[str, dict[str, FoundDataset]] = {}  # the datasets around targets that are looked at next


class ZfsProvider:
    """Filesystems and zvols, named as ZFS names them."""

    name = PROVIDER
    naming = "a dataset as pool/dataset in a pool that is imported here"
    sends = "zfs-send"
    receives: tuple[str, ...] = ("zfs-send", "thin-send-recv")
    nests = True

    def __init__(self) -> None:
        self._local = threading.local()

    # --- names

    def claims(self, volume: str) -> bool:
        try:
            return os.path.isdir(os.path.join(_POOLS, pool_of(normalise(volume))))
        except (UsageError, OSError, ValueError):
            return volume.startswith("/dev/zvol/")

    def normalise(self, volume: str) -> str:
        return normalise(volume)

    # --- volumes

    @contextlib.contextmanager
    def looking_at(self, volumes: list[str]) -> Iterator[None]:
        before = self._seen
        if before is not None and before.volumes.issuperset(volumes):
            yield
            return
        self._local.seen = seen = _Seen(volumes)
        ahead = self._local.__dict__.pop("ahead", None)
        if ahead is not None and ahead.age() < _MOMENT and set(volumes) <= set(ahead.datasets):
            seen.listing = ahead
        try:
            yield
        finally:
            self._local.seen = before

    @property
    def _seen(self) -> _Seen | None:
        found: _Seen | None = getattr(self._local, "seen", None)
        return found

    def _changed(self, *volumes: str) -> None:
        """Forget what is known of these volumes: they were changed."""
        self._local.__dict__.pop("ahead", None)
        seen = self._seen
        if seen is not None:
            seen.stale.update(volumes)
            seen.same = None
            seen.fullness = {}

    def _listing(self, volume: str) -> DatasetListing:
        seen = self._seen
        if seen is None or volume not in seen.volumes:
            return look([volume])
        if seen.listing is None or seen.listing.age(volume) > _LOOK:
            seen.listing = look(seen.volumes)
            seen.stale = set()
        elif volume in seen.stale:
            seen.listing.replace(seen.stale, look(seen.stale))
            seen.stale = set()
        return seen.listing

    def _properties(self, volume: str) -> dict[str, str]:
        seen = self._seen
        if seen is None or volume not in seen.volumes:
            return properties_of([volume]).get(volume, {})
        if seen.properties is None:
            seen.properties = properties_of(seen.volumes)
        return seen.properties.get(volume, {})

    def _dataset(self, volume: str) -> Dataset:
        found = self._listing(volume).datasets.get(volume)
        if found is None:
            raise snapshots.unknown(volume)
        return found

    def _lasting(self, volume: str) -> Dataset:
        """A dataset, for what doesn't change with its snapshots."""
        seen = self._seen
        known = seen.listing.datasets.get(volume) if seen is not None and seen.listing is not None else None
        return known or self._dataset(volume)

    def _fullness(self) -> dict[str, float]:
        seen = self._seen
        if seen is None:
            return snapshots.fullness()
        seen.fullness = seen.fullness or snapshots.fullness()
        return seen.fullness

    def info(self, volume: str) -> VolumeInfo:
        found = self._dataset(volume)
        return VolumeInfo(volume, found.size, found.guid)

    def properties(self, volume: str) -> dict[str, Any]:
        found = self._lasting(volume)
        return {
            "type": found.type,
            "volblocksize" if found.type == "volume" else "recordsize": found.block,
            "encryption": found.encryption,
            "properties": self._properties(volume),
        }

    def children(self, volume: str) -> list[str]:
        """The listing is kept for a looking_at() of these volumes that follows at once."""
        found = look_below(volume)
        self._local.ahead = found
        return sorted(name for name in found.datasets if name != volume and not is_beside(name))

    def snapshots(self, volume: str) -> list[Snapshot]:
        return self._listing(volume).snapshots(volume)

    def bases(self, volume: str) -> list[Snapshot]:
        return self._listing(volume).bases(volume)

    def unchanged(self, base: Snapshot) -> bool:
        return base.method != "bookmark" and base.state_id in self._same(base.volume)

    def _same(self, volume: str) -> set[str]:
        """GUIDs of the snapshots that equal the volume as it is now."""
        seen = self._seen
        volumes = [volume] if seen is None or volume not in seen.volumes else seen.volumes
        if seen is not None and seen.same is not None and volume in seen.same:
            return seen.same[volume]
        for pool in sorted({pool_of(each) for each in volumes if self.claims(each)}):
            zpool("sync", pool)  # so that the latest writes count
        found = same_as_now(volumes)
        if seen is not None:
            seen.same = found
        return found.get(volume, set())

    def freezable(self, volume: str) -> list[str]:
        """Empty for ZFS filesystems: their snapshots are atomic without freezing."""
        return device.mounted_on(volume)

    def activity(self, volume: str) -> object:
        return device.activity(volume)

    def atomic(self, volumes: list[str]) -> bool:
        return len({pool_of(volume) for volume in volumes}) == 1

    def pressure(self, volume: str) -> list[Pressure]:
        pool, found = pool_of(volume), self._fullness()
        return [Pressure(pool, found[pool], "data")] if pool in found else []

    def pinned(self, volume: str) -> list[Snapshot]:
        found = look_below(pool_of(volume))
        listed = [each for dataset in found.datasets for each in found.snapshots(dataset)]
        return sorted((each for each in listed if each.made_by == "snapship"), key=lambda each: each.created)

    def versions(self) -> dict[str, str]:
        """The versions of ZFS's programs and kernel module, as ``zfs version`` prints them."""
        lines = zfs("version").split()
        kernel = next((line for line in lines if line.startswith("zfs-kmod-")), "")
        program = next((line for line in lines if line.startswith("zfs-") and line != kernel), "")
        return {"zfs": program[len("zfs-") :], "zfs-kmod": kernel[len("zfs-kmod-") :]}

    # --- snapshots

    def take(self, request: TakeRequest) -> tuple[list[Snapshot], list[str]]:
        seen = self._seen
        if seen is not None and seen.volumes.issuperset(request.volumes):
            datasets = {volume: self._lasting(volume) for volume in request.volumes}
        else:
            datasets = snapshots.look_at_datasets(request.volumes)
        try:
            return snapshots.take(request, datasets, self._fullness()), []
        finally:
            self._changed(*request.volumes)

    def remove(self, snapshot: Snapshot) -> None:
        seen = self._seen
        known = seen.listing if seen is not None and snapshot.volume not in seen.stale else None
        listed = known is not None and known.age(snapshot.volume) < _MOMENT and known.lists(snapshot)
        try:
            snapshots.remove(snapshot, listed)
        except BaseException:
            self._changed(snapshot.volume)
            raise
        self._changed()
        if known is not None:
            known.drop(snapshot.path)
        elif seen is not None:
            seen.stale.add(snapshot.volume)

    def hold(self, snapshot: Snapshot, holder: str, backup: str | None) -> None:
        self._changed(snapshot.volume)
        found = holds.hold(snapshot, holder, backup)
        seen = self._seen
        if found is not None and seen is not None and seen.listing is not None and snapshot.volume in seen.volumes:
            seen.listing.replace([snapshot.volume], found)
            seen.stale.discard(snapshot.volume)

    def forget(self, volume: str, holder: str) -> None:
        try:
            holds.forget(volume, holder)
        finally:
            self._changed(volume)

    # --- streams

    @contextlib.contextmanager
    def send(self, base: Snapshot | None, snapshot: Snapshot, flags: list[str] | None) -> Iterator[ByteSource]:
        chosen = sender.flags_for(self._lasting(snapshot.volume).encrypted, flags, snapshot.volume)
        with sender.sending(base, snapshot, chosen) as stream:
            yield stream

    # --- restores

    def target_state(self, place: RestorePlace) -> TargetState:
        seen = self._seen
        return placement.state(place.target, seen.pools.pop(place.target, None) if seen is not None else None)

    def recover(self, place: RestorePlace) -> None:
        self._changed(place.target)
        found, seen = swap.recover(place.target), self._seen
        if found is not None and seen is not None:
            seen.pools[place.target] = found

    def receive_streams(self, request: ReceiveRequest) -> ZfsStreamTarget:
        return ZfsStreamTarget(request)

    def receive(self, request: ReceiveRequest) -> ZvolTarget:
        return ZvolTarget(request)
