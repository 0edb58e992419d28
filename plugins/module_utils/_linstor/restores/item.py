# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""One resource to restore: what is asked for, what is there, and what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Protocol

from ..._engine.common.errors import SnapshipError, VolumeError, need
from ..api.replies import LostReply
from ..state.provenance import Provenance
from ..state.resources import Deployed
from ..state.snapshots import Snap
from .points import RestorePoint


class RestoreRequest(Protocol):
    """What is needed of a request."""

    remote: str | None
    node: str | None
    storage_pool_map: dict[str, str]
    resource_group: str | None
    passphrase: str | None
    download_only: bool
    wait: bool
    wait_timeout: str
    poll_interval: str


@dataclasses.dataclass(eq=False)
class Item:
    """One resource to restore.

    ``held`` is the snapshot in this cluster that has all of it; ``arriving`` says that it is being downloaded.
    ``place``: the resource has to be made from it, or is by LINSTOR itself where nothing is there yet.
    ``replaces``: what is deployed goes. ``begun``: an earlier run asked LINSTOR to restore it, and recorded no end.
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
    leftover: Snap | None = None
    place: bool = True
    replaces: bool = False
    begun: bool = False
    done: bool = False
    error: SnapshipError | None = None
    node: str | None = None
    download: int = 0
    seconds: float = 0.0
    unsure: LostReply | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)
    actions: list[str] = dataclasses.field(default_factory=list)

    @property
    def note_key(self) -> str:
        """Where it is noted that LINSTOR was asked to restore it."""
        return f"restores/{self.target.lower()}"

    @property
    def needs_download(self) -> bool:
        """Whether a download has to be started."""
        return self.held is None and not self.arriving

    @property
    def state(self) -> str:
        """In one word."""
        if self.error is not None:
            return "failed"
        if self.arriving and not self.done:
            return "shipping"
        return "success" if self.done else "planned"

    def is_restored(self) -> bool:
        """Whether the resource says that it was restored from just this."""
        point, was = self.point, self.was
        if point is None or was is None or was.pending:
            return False
        same = was.backup == point.id and was.source.lower() == (point.origin or "-").lower()
        return same and (point.held is None or was.snapshot == point.held.uuid)

    def find_held(self, downloads: bool) -> None:
        """Look for the snapshot among those of the target, or take what was received. Raises VolumeError."""
        point = need(self.point, "it was chosen before")
        if not downloads:
            self.held, self.holder = point.held, need(point.held, "it was received").resource
            return
        self.holder, self.held, self.arriving, self.leftover = self.target, None, False, None
        for snap in self.snaps:
            if snap.name.lower() != point.snapshot.lower():
                continue
            arrival = snap.received
            if arrival is None or not point.is_held_by(arrival):
                raise VolumeError(
                    f"{self.target} has a snapshot {snap.name} already, which isn't from backup {point.id}.",
                    "LINSTOR would take it for that. Choose another target; or, if the backup was made of just this"
                    " snapshot, roll back to it.",
                    code="snapshot_exists",
                )
            self.held = snap if arrival.state == "success" else None
            self.arriving = arrival.under_way
            if self.arriving and (self.begun or snap.shipping(None).get("OnSuccess")):
                self.place = False  # LINSTOR makes the resource when it has all of it
            self.leftover = snap if self.held is None and not self.arriving else None


@contextlib.contextmanager
def errors_of(item: Item, request: RestoreRequest) -> Iterator[None]:
    """Keeps what goes wrong with an item in it."""
    try:
        yield
    except SnapshipError as error:
        item.error = error.about(volume=item.source, remote=request.remote)


def leave_together(items: list[Item]) -> None:
    """Of what belongs together none is touched where one can't be restored."""
    failed = [item.target for item in items if item.error is not None]
    for item in items:
        if failed and item.error is None and not item.done:
            item.error = VolumeError(
                f"resource {item.target} was left alone, as {', '.join(failed)} can't be restored along with it.",
                "See what is said of that one.",
                "together",
            ).about(volume=item.source)
