# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores a zvol block by block, beside its target."""

from __future__ import annotations

from typing import Any

from ...common.errors import VolumeError
from ..block_target import BlockTarget
from ..provider import ReceiveRequest
from .commands import zfs, zpool
from .device import wait_for_device
from .names import pool_of
from .placement import FoundDataset, witness
from .staging_area import StagingArea, discard
from .swap import received

_BLOCK = 16 << 10  # bytes; the default volblocksize (older releases: less)
_MOST_BLOCK = 128 << 10
_SNAPSHOT = "restored"


class ZvolTarget(BlockTarget):
    """A new sparse zvol. When it is complete, a snapshot of it is taken: later writes show against that."""

    def __init__(self, request: ReceiveRequest) -> None:
        self._guid = ""  # of the zvol that release() closed
        self._staging = StagingArea(request)
        self._staging.clear_elsewhere()
        left = self._staging.found()
        if left is not None:
            discard(left)
        block = _block(request.properties)
        size = -(-request.size // (block or _BLOCK)) * (block or _BLOCK)
        options = ["-o", f"volblocksize={block}"] if block else []
        # volmode=dev: nobody shall look for partitions on it. sync=disabled: no intent log, which would count as a
        # write whenever the device is created again; sync() makes everything durable.
        options += ["-o", "volmode=dev", "-o", "sync=disabled", "-o", self._staging.stamp]
        path = self._staging.path
        zfs("create", "-s", *options, "-V", str(size), path)
        try:
            super().__init__(wait_for_device(path), request.place.target, block or _BLOCK)
        except BaseException:
            self._staging.abort()
            raise

    def sync(self) -> None:
        super().sync()
        zpool("sync", pool_of(self._staging.path))

    def release(self) -> None:
        """Also takes the snapshot. Nothing can be read or written any more."""
        there = received(self._staging.target)
        self.sync()
        self.close()
        zfs("inherit", "sync", there.name)
        zfs("snapshot", f"{there.name}@{_SNAPSHOT}")
        zpool("sync", pool_of(there.name))
        self._guid = there.guid

    def _received(self) -> FoundDataset:
        if not self._guid:
            self.release()
        there = received(self._staging.target)
        if there.guid != self._guid:
            raise VolumeError(
                f"the zvol restored for {self._staging.target!r} was replaced by another run. The target was not "
                "changed.",
                "Run it again.",
            )
        return there

    def witness(self) -> dict[str, Any]:
        return witness(self._received())

    def commit(self, keep_as: str | None) -> str | None:
        return self._staging.commit(self._received(), keep_as)

    def abort(self) -> None:
        self.close()
        self._staging.abort()


def _block(properties: dict[str, Any]) -> int | None:
    """The volblocksize of the backed-up volume, if it was a zvol."""
    found = properties.get("volblocksize")
    fits = isinstance(found, int) and 512 <= found <= _MOST_BLOCK and not found & (found - 1)
    return found if fits else None
