# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Download backups from S3 into snapshots of this cluster: start them, then watch them together."""

from __future__ import annotations

from collections.abc import Mapping

from ..._engine.common.errors import BusyError, CorruptError, RemoteError, need
from ..._engine.common.units import parse_duration, show_duration
from ..api import error_report
from ..api.clock import Pace, unreachable
from ..api.cluster import Cluster
from ..api.notes import keep
from ..api.replies import ControllerError, LostReply
from ..state.liveness import Liveness
from ..state.snapshots import Snap, list_snapshots
from ..state.storage_pools import PoolWatch
from . import progress
from .item import Item, RestoreRequest, errors_of

#: seconds in which a download must appear if its start wasn't confirmed
_LOOK_FOR = 30.0
#: seconds for which the snapshot of a download may tell nothing
YOUNG_FOR = 90.0


def start(cluster: Cluster, request: RestoreRequest, item: Item) -> None:
    """Start the download. LINSTOR also creates the resource, unless an existing one must be removed first."""
    point = need(item.point, "it was chosen")
    remote = need(request.remote, "only a remote is downloaded from")
    for snap in item.to_delete:
        why = (
            f"which can't be trusted: {item.doubtful[snap.name]}"
            if snap.name in item.doubtful
            else "left by a download that failed"
        )
        what = f"deleting snapshot {snap.name} of {item.target}, {why}"
        cluster.change("snapshot_delete", item.target, snap.name, what=what)
        item.actions.append(what)
    by_itself = not (request.download_only or item.replaces)
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
            passphrase=request.passphrase,
            stor_pool_map=request.storage_pool_map or None,
            download_only=not by_itself,
            dst_rsc_grp=request.resource_group if not item.replaces else None,
            what=what,
            hide=[request.passphrase],
        )
        item.warnings += replies.warnings
    except LostReply as error:
        item.unsure = error
    except ControllerError as error:
        if error.code in ("in_use", "exists"):
            # A restore into it has begun: by the same run of before, most likely. What arrives tells.
            item.unsure, item.arriving = error, True
            return
        if by_itself:
            keep(cluster, {}, [item.note_key])
        raise
    item.arriving = item.started = True
    item.actions.append(f"downloading backup {point.id} from {remote} to {item.node} into {item.target}")


def watch(cluster: Cluster, request: RestoreRequest, items: list[Item], pace: Pace, pools: PoolWatch) -> None:
    """Wait until each download is complete or has an error.

    Each check is one list request for all of them, and at times one for the storage pools.
    """
    timeout = parse_duration(request.wait_timeout, "wait_timeout")
    began = pace.clock()
    for item in items:
        item.moved = began
    liveness = Liveness(cluster, cluster, parse_duration(request.stall_timeout, "stall_timeout"), pace.clock)
    while items:
        pools.glance()
        snaps: Mapping[str, list[Snap]] = {}
        try:
            snaps = list_snapshots(cluster, [item.target for item in items])
        except RemoteError as error:
            if not unreachable(error):
                for item in items:
                    item.error = error
                return
        if snaps:
            progress.look(liveness, items, pace)
        for item in items:
            with errors_of(item, request):
                if snaps:
                    _judge(cluster, request, item, snaps[item.target], pace.clock() - began)
                    progress.check(liveness, item, pace, need(request.remote, "it is downloaded from there"))
                if item.arriving and pace.clock() - began >= timeout:
                    raise BusyError(
                        f"the download of {item.target} didn't finish within {show_duration(timeout)}. It goes on in"
                        " the background.",
                        "Run the task again: it waits for the same download. Or set a longer wait_timeout.",
                        code="timeout",
                    )
        items = [item for item in items if item.error is None and item.arriving]
        if items:
            pace.pause(began + timeout)


def _judge(cluster: Cluster, request: RestoreRequest, item: Item, snaps: list[Snap], waited: float) -> None:
    point = need(item.point, "it was chosen")
    item.snaps = snaps
    was_arriving = item.arriving
    item.find_held(True, request.allow_doubtful)
    if item.young and waited > YOUNG_FOR:
        raise item.unsure or RemoteError(
            f"LINSTOR accepted the restore of backup {point.id} into {item.target}, but nothing shows within"
            f" {YOUNG_FOR:.0f} seconds that it downloads it.",
            f"See the controller's log. Delete snapshot {point.snapshot} of {item.target}, then run the task again.",
            "restore_failed",
        )
    if item.held is not None or item.arriving:
        return
    if item.leftover is None:  # not visible yet, or no longer
        item.arriving = was_arriving
        if waited < _LOOK_FOR:
            return
        raise item.unsure or RemoteError(
            f"the download of backup {point.id} into {item.target} disappeared; LINSTOR reported no reason.",
            "See LINSTOR's error reports: linstor error-reports list",
            "restore_failed",
        )
    item.arriving = False
    if item.leftover.name in item.doubtful:
        raise CorruptError(
            f"backup {point.id} can't be trusted: {item.doubtful[item.leftover.name]}.",
            "Choose another backup. Or set allow_doubtful: true to restore it anyway.",
            "pool_full",
        )
    arrival = need(item.leftover.received, "it was received")
    told = _report(cluster, arrival.report)
    raise RemoteError(
        f"the download of backup {point.id} into {item.target} {_ended(arrival.state)}.{told}",
        "Run the task again." + (f" LINSTOR's error report: {arrival.report}." if arrival.report else ""),
        "aborted" if arrival.state == "aborted" else "restore_failed",
    )


def _ended(state: str) -> str:
    return {"failed": "failed", "aborted": "was aborted"}.get(state, f"ended with state {state}")


def _report(cluster: Cluster, report: str | None) -> str:
    """The text of an error report, as a sentence."""
    if not report:
        return ""
    try:
        found = cluster.read("error_report_list", ids=[report], with_content=True, what="reading an error report")
    except RemoteError:
        return ""  # the failure itself is enough
    told = next(iter(error_report.parse(found)), None)
    return f" {told.node or 'LINSTOR'} reports: {told.said}." if told else ""
