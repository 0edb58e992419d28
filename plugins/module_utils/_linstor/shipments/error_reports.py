# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""LINSTOR's error reports about failed shipments."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from ..._engine.common.errors import RemoteError
from ..._engine.common.units import UTC
from ..api import clock, error_report
from ..api.cluster import Cluster
from ..api.error_report import ErrorReport
from ..state.backups import RemoteBackup
from ..state.snapshots import Snap
from .resource_shipment import Failed, ResourceShipment

#: seconds that a report may be older than the shipment, as the clocks of the controller and this host differ
_EARLIER = 120.0
#: the same for a report that names no resource
_NEARBY = 2.0
_NO_SPACE = re.compile(r"no space left|out of (data )?space|free space in .*pool", re.IGNORECASE)


def explain(cluster: Cluster, shipments: Sequence[ResourceShipment]) -> None:
    """Add the texts of later error reports to the errors of failed shipments. One request for all."""
    failed = [
        shipment
        for shipment in shipments
        if shipment.error is not None and shipment.error.code in ("shipment_failed", "aborted")
    ]
    if not failed:
        return
    since = min((began for began in map(_began, failed) if began is not None), default=clock.now()) - _EARLIER
    reports = read(cluster, since)
    for shipment in failed:
        _add(shipment, reports)


def read(cluster: Cluster, since: float) -> list[ErrorReport]:
    """The reports since then (seconds since the epoch), the newest first. One request; none if it fails."""
    try:
        found = cluster.read(
            "error_report_list",
            with_content=True,
            since=datetime.datetime.fromtimestamp(since, UTC).astimezone(),
            what="reading error reports",
        )
    except RemoteError:
        return []  # they only add to what is known
    return sorted(error_report.parse(found), key=lambda each: each.time, reverse=True)


def about_arrival(reports: Sequence[ErrorReport], snap: Snap, since: float) -> str | None:
    """What a satellite that received a snapshot has reported since then: about the snapshot, or that space ran out."""
    nodes = {node.lower() for node in snap.nodes}
    for report in reports:
        if report.node.lower() not in nodes or report.time < since - _NEARBY:
            continue
        if _has(report, [snap.resource, snap.name]) or _NO_SPACE.search(f"{report.text} {report.message}"):
            return f"node {report.node} reported while the copy arrived: {report.said} (error report {report.number})"
    return None


def _add(shipment: ResourceShipment, reports: Sequence[ErrorReport]) -> None:
    error = shipment.error
    if error is None:
        return
    sure = next((report for report in reports if _names(report, shipment)), None)
    report = sure or next((report for report in reports if _may_be_about(report, shipment)), None)
    if report is None:
        return
    verb = "reports" if sure else "reported at that time"
    error.msg += f" {report.node or 'LINSTOR'} {verb}: {report.said}."
    error.args = (error.msg,)
    error.hint = f"{error.hint} LINSTOR's error report: {report.number}.".strip()


def _names(report: ErrorReport, shipment: ResourceShipment) -> bool:
    """Whether it is the shipment's own report, or names both its resource and its snapshot."""
    seen = _seen(shipment)
    if seen is not None and seen.report and report.number == error_report.bare(seen.report):
        return True
    return _has(report, [shipment.resource] + ([seen.snapshot] if seen else []))


def _has(report: ErrorReport, names: Sequence[str]) -> bool:
    text = f"{report.text} {report.message}"
    return all(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in names)


def _may_be_about(report: ErrorReport, shipment: ResourceShipment) -> bool:
    """Whether the shipping node wrote it during the shipment."""
    seen, began = _seen(shipment), _began(shipment)
    node = seen.node if seen else None
    if node is None or report.node.lower() != node.lower() or began is None:
        return False
    return report.time >= began - _NEARBY


def _seen(shipment: ResourceShipment) -> RemoteBackup | None:
    return shipment.state.seen if isinstance(shipment.state, Failed) else None


def _began(shipment: ResourceShipment) -> float | None:
    return shipment.state.began if isinstance(shipment.state, Failed) else None
