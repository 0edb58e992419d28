# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Restores carried out: downloads started and watched together, then each put in its place and recorded."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Protocol

from .._engine.errors import BusyError, RemoteError, SnapshipError, VolumeError, need
from .._engine.units import iso_time, parse_duration, show_duration
from . import provenance
from .connection import Cluster
from .deployed import Deployed, look_at
from .notes import keep
from .placing import place
from .points import Point
from .provenance import Provenance
from .replies import ControllerError, LostReply
from .snapshots import Snap, list_snapshots
from .waiting import Pace, unreachable

#: seconds for which a download is looked for whose start wasn't confirmed
_LOOK_FOR = 30.0
#: seconds that LINSTOR may take to make the resource once the download is complete
_DEPLOYS_IN = 120.0


class Wish(Protocol):
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
    point: Point | None = None
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


def carry_out(cluster: Cluster, wish: Wish, items: list[Item]) -> None:
    """Bring each item to its end: ``done``, an ``error``, or on its way where nobody waits."""
    for item in items:
        with _errors_of(item, wish):
            if item.needs_download:
                _start(cluster, wish, item)
    arriving = [item for item in items if item.error is None and item.arriving]
    if arriving and wish.wait:
        _watch(cluster, wish, arriving)
    for item in items:
        if item.error is None and item.held is not None and not item.arriving:
            with _errors_of(item, wish):
                _finish(cluster, wish, item)


@contextlib.contextmanager
def _errors_of(item: Item, wish: Wish) -> Iterator[None]:
    """Keeps what goes wrong with an item in it."""
    try:
        yield
    except SnapshipError as error:
        item.error = error.about(volume=item.source, remote=wish.remote)


def _start(cluster: Cluster, wish: Wish, item: Item) -> None:
    point = need(item.point, "it was chosen")
    remote = need(wish.remote, "only a remote is downloaded from")
    if item.leftover is not None:
        # LINSTOR takes what is left of a failed download for the whole.
        what = f"deleting snapshot {item.leftover.name} of {item.target}, left by a download that failed"
        cluster.change("snapshot_delete", item.target, item.leftover.name, what=what)
        item.actions.append(what)
    by_itself = not (wish.download_only or item.replaces)
    if by_itself:
        item.place = False
        keep(cluster, {item.note_key: point.id})
    what = f"restoring backup {point.id} from {remote} into {item.target}"
    try:
        replies = cluster.change(
            "backup_restore",
            remote,
            need(item.node, "a node was chosen"),
            item.target,
            bak_id=point.id,
            passphrase=wish.passphrase,
            stor_pool_map=wish.storage_pool_map or None,
            download_only=not by_itself,
            dst_rsc_grp=wish.resource_group if not item.replaces else None,
            what=what,
            hide=[wish.passphrase],
        )
        item.warnings += replies.warnings
    except LostReply as error:
        item.unsure = error
    except ControllerError:
        if by_itself:
            keep(cluster, {}, [item.note_key])
        raise
    item.arriving = True
    item.actions.append(f"downloading backup {point.id} from {remote} to {item.node} into {item.target}")


def _watch(cluster: Cluster, wish: Wish, items: list[Item]) -> None:
    """One list request at a time for all of them."""
    timeout = parse_duration(wish.wait_timeout, "wait_timeout")
    pace = Pace(parse_duration(wish.poll_interval, "poll_interval"))
    began = pace.clock()
    while items:
        snaps: Mapping[str, list[Snap]] = {}
        try:
            snaps = list_snapshots(cluster, [item.target for item in items])
        except RemoteError as error:
            if not unreachable(error):
                for item in items:
                    item.error = error
                return
        for item in items:
            with _errors_of(item, wish):
                if snaps:
                    _judge(cluster, item, snaps[item.target], pace.clock() - began)
                if item.arriving and pace.clock() - began >= timeout:
                    raise BusyError(
                        f"waited {show_duration(timeout)} for the download of {item.target}, which goes on.",
                        "Run the task again: it joins what is under way. Or set a longer wait_timeout.",
                        code="timeout",
                    )
        items = [item for item in items if item.error is None and item.arriving]
        if items:
            pace.pause(began + timeout)


def _judge(cluster: Cluster, item: Item, snaps: list[Snap], waited: float) -> None:
    point = need(item.point, "it was chosen")
    item.snaps = snaps
    was_arriving = item.arriving
    item.find_held(True)
    if item.held is not None or item.arriving:
        return
    if item.leftover is None:  # not there yet, or not any more
        item.arriving = was_arriving
        if waited < _LOOK_FOR:
            return
        raise item.unsure or RemoteError(
            f"the download of backup {point.id} into {item.target} is gone, without a word from LINSTOR.",
            "Look at its error reports (linstor error-reports list).",
            "restore_failed",
        )
    item.arriving = False
    arrival = need(item.leftover.received, "it was received")
    told = _report(cluster, arrival.report)
    raise RemoteError(
        f"the download of backup {point.id} into {item.target} {_ended(arrival.state)}.{told}",
        "Run the task again to try once more."
        + (f" LINSTOR's error report: {arrival.report}." if arrival.report else ""),
        "aborted" if arrival.state == "aborted" else "restore_failed",
    )


def _ended(state: str) -> str:
    return {"failed": "has failed", "aborted": "was aborted"}.get(state, f"ended as {state}")


def _report(cluster: Cluster, report: str | None) -> str:
    """What an error report says, in a sentence."""
    if not report:
        return ""
    try:
        found = cluster.read("error_report_list", ids=[report], with_content=True, what="reading an error report")
    except RemoteError:
        return ""  # the failure itself is what matters
    for each in found if isinstance(found, list) else [found]:
        data = getattr(each, "data_v1", None)
        if isinstance(data, Mapping) and data.get("exception_message"):
            return f" {data.get('node_name') or 'LINSTOR'} reports: {str(data['exception_message'])[:400]}"
    return ""


def _finish(cluster: Cluster, wish: Wish, item: Item) -> None:
    """The data is here. Put it in its place, unless LINSTOR does, and record where it is from."""
    held, point = need(item.held, "it is here"), need(item.point, "it was chosen")
    if wish.download_only:
        item.done = True
        return
    stamp = Provenance(
        source=point.origin,
        backup=point.id,
        snapshot=held.uuid,
        created=iso_time(point.created) if point.created else "",
    )
    if item.place:
        # A download has chosen node and pools already.
        pools = wish.storage_pool_map if wish.remote is None else {}
        node = wish.node if wish.remote is None else None
        item.there = place(cluster, item, stamp, node, pools, wish.resource_group)
    else:
        item.there = _deployed_by_linstor(cluster, item)
    made = item.there
    provenance.write(cluster, made, dataclasses.replace(stamp, volumes=made.volumes))
    item.actions.append(f"recorded in {made.name} what it was restored from")
    if item.begun or not item.place:
        keep(cluster, {}, [item.note_key])
    item.done = True


def _deployed_by_linstor(cluster: Cluster, item: Item) -> Deployed:
    pace = Pace(2.0)
    until = pace.clock() + _DEPLOYS_IN
    while True:
        found = look_at(cluster, item.target)
        if found is not None and found.diskful and not found.restoring:
            return found
        if pace.clock() >= until:
            raise RemoteError(
                f"{item.target} was downloaded, but LINSTOR has made no resource of it.",
                "Run the task again: it makes the resource from what was downloaded.",
                "restore_failed",
            )
        pace.pause(until)
