# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One resource to restore: the wanted backup, the current state, and the result."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Protocol

from ..._engine.common.errors import RemoteError, SnapshipError, VolumeError, need
from ..state.arrivals import doubts
from ..state.provenance import Provenance
from ..state.resources import Deployed
from ..state.snapshots import Snap
from .points import RestorePoint


class RestoreRequest(Protocol):
    """The options of a restore that this room needs."""

    remote: str | None
    node: str | None
    storage_pool_map: dict[str, str]
    resource_group: str | None
    passphrase: str | None
    download_only: bool
    allow_doubtful: bool
    wait: bool
    wait_timeout: str
    stall_timeout: str
    poll_interval: str


@dataclasses.dataclass(eq=False)
class Item:
    """One resource to restore.

    ``held``: the complete snapshot in this cluster. ``arriving``: it is being downloaded. ``leftover``: the rest of a
    failed download. ``young``: its snapshot is there and doesn't tell yet what it is. ``doubtful``: downloads that
    can't be trusted, with the reasons. ``suspicion``: why ``held`` can't be, which isn't recorded yet. ``pools``: the
    names of the storage pools that it is downloaded to, if this run has chosen them. ``place``: this run creates the
    resource from the snapshot; otherwise LINSTOR does. ``replaces``: the deployed resource is removed first. ``begun``:
    an earlier run has started the restore in LINSTOR and didn't record its end.
    """

    source: str
    target: str
    point: RestorePoint | None = None
    there: Deployed | None = None
    existed: bool = False
    was: Provenance | None = None
    snaps: list[Snap] = dataclasses.field(default_factory=list)
    held: Snap | None = None
    holder: str = ""
    arriving: bool = False
    young: bool = False
    leftover: Snap | None = None
    doubtful: dict[str, str] = dataclasses.field(default_factory=dict)
    suspicion: str | None = None
    pools: tuple[str, ...] = ()
    place: bool = True
    replaces: bool = False
    begun: bool = False
    done: bool = False
    started: bool = False
    moved: float = 0.0
    trace: tuple[object, ...] = ()
    error: SnapshipError | None = None
    node: str | None = None
    download: int = 0
    seconds: float = 0.0
    unsure: RemoteError | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    actions: list[str] = dataclasses.field(default_factory=list)

    @property
    def note_key(self) -> str:
        """The key of the note that LINSTOR is restoring it."""
        return f"restores/{self.target.lower()}"

    @property
    def needs_download(self) -> bool:
        """Whether a download must be started."""
        return self.held is None and not self.arriving

    @property
    def state(self) -> str:
        """The state of the restore in one word."""
        if self.error is not None:
            return "failed"
        if self.arriving and not self.done:
            return "shipping"
        return "success" if self.done else "planned"

    def is_restored(self) -> bool:
        """Whether the resource records that it was restored from this backup."""
        point, was = self.point, self.was
        if point is None or was is None or was.pending:
            return False
        same = was.backup == point.id and was.source.lower() == (point.origin or "-").lower()
        return same and (point.held is None or was.snapshot == point.held.uuid)

    @property
    def to_delete(self) -> list[Snap]:
        """What must go before a download: LINSTOR takes it for a complete backup, or for a good base."""
        return [snap for snap in self.snaps if snap is self.leftover or snap.name in self.doubtful]

    def find_held(self, downloads: bool, allow_doubtful: bool = False) -> None:
        """Find the snapshot among the target's, or use the received one. Raises VolumeError.

        A download that can't be trusted counts as the rest of a failed one, unless ``allow_doubtful``.
        """
        point = need(self.point, "it was chosen before")
        if not downloads:
            self.held, self.holder = point.held, need(point.held, "it was received").resource
            return
        self.holder, self.held, self.leftover = self.target, None, None
        self.arriving = self.young = False
        self.doubtful = {} if allow_doubtful else doubts(snap for snap in self.snaps if self._is_download(snap))
        for snap in self.snaps:
            if snap.name.lower() != point.snapshot.lower():
                continue
            arrival = snap.received
            if arrival is None and not snap.flags and not snap.props:
                self.arriving = self.young = True
                continue
            if arrival is None or not point.is_held_by(arrival):
                raise VolumeError(
                    f"{self.target} already has a snapshot {snap.name}, but it isn't from backup {point.id}.",
                    "LINSTOR would take it for the backup. Choose another target. If the backup was made of this very"
                    " snapshot, roll back to it instead.",
                    code="snapshot_exists",
                )
            self.held = snap if arrival.state == "success" and snap.name not in self.doubtful else None
            self.arriving = arrival.under_way
            deployed = self.there is not None and bool(self.there.diskful)
            if self.arriving and (self.begun and not deployed or snap.shipping(None).get("OnSuccess")):
                self.place = False  # LINSTOR creates the resource after the download
            self.leftover = snap if self.held is None and not self.arriving else None

    def _is_download(self, snap: Snap) -> bool:
        arrival, point = snap.received, self.point
        return arrival is not None and point is not None and arrival.remote.lower() == point.origin.lower()


@contextlib.contextmanager
def errors_of(item: Item, request: RestoreRequest) -> Iterator[None]:
    """Keep the error of an item in that item."""
    try:
        yield
    except SnapshipError as error:
        item.error = error.about(volume=item.source, remote=request.remote)


def leave_together(items: list[Item]) -> None:
    """Set an error for each item of a consistent group if one of them can't be restored."""
    failed = [item.target for item in items if item.error is not None]
    for item in items:
        if failed and item.error is None and not item.done:
            item.error = VolumeError(
                f"resource {item.target} wasn't restored, because {', '.join(failed)} can't be restored with it.",
                "Fix that error first.",
                "together",
            ).about(volume=item.source)
