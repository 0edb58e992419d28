# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""LINSTOR's error reports about failed shipments."""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..._engine.common.errors import RemoteError
from ..._engine.common.units import UTC
from ..api.cluster import Cluster
from ..state.backups import RemoteBackup
from ..state.snapshots import Snap
from .resource_shipment import Failed, ResourceShipment

#: seconds that a report may be older than the shipment, as the clocks of the controller and this host differ
_EARLIER = 120.0
#: the same for a report that names no resource
_NEARBY = 2.0
_SHOWN = 400
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
    since = min(began for began in map(_began, failed) if began is not None) - _EARLIER
    reports = read(cluster, since)
    for shipment in failed:
        _add(shipment, reports)


def read(cluster: Cluster, since: float) -> list[Mapping[str, Any]]:
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
    reports = [each.data_v1 for each in found if isinstance(getattr(each, "data_v1", None), Mapping)]
    reports = [each for each in reports if "filename" in each]
    return sorted(reports, key=lambda each: each.get("error_time") or 0, reverse=True)


def about_arrival(reports: Sequence[Mapping[str, Any]], snap: Snap, since: float) -> str | None:
    """What a satellite that received a snapshot has reported since then: about the snapshot, or that space ran out."""
    nodes = {node.lower() for node in snap.nodes}
    for report in reports:
        node, at = str(report.get("node_name") or ""), (report.get("error_time") or 0) / 1000
        if node.lower() not in nodes or at < since - _NEARBY:
            continue
        if _has(report, [snap.resource, snap.name]) or _NO_SPACE.search(_text(report)):
            said = what_it_says(report)[:_SHOWN].rstrip(".")
            return f"node {node} reported while the copy arrived: {said} (error report {_number(report)})"
    return None


def _add(shipment: ResourceShipment, reports: Sequence[Mapping[str, Any]]) -> None:
    error = shipment.error
    if error is None:
        return
    sure = next((report for report in reports if _names(report, shipment)), None)
    report = sure or next((report for report in reports if _may_be_about(report, shipment)), None)
    if report is None:
        return
    said = what_it_says(report)
    verb = "reports" if sure else "reported at that time"
    error.msg += f" {report.get('node_name') or 'LINSTOR'} {verb}: {said[:_SHOWN].rstrip('.')}."
    error.args = (error.msg,)
    error.hint = f"{error.hint} LINSTOR's error report: {_number(report)}.".strip()


def what_it_says(report: Mapping[str, Any]) -> str:
    """A report's message in one line, with its cause: several reports may have the same message."""
    text = str(report.get("text") or "")
    said = " ".join(str(report.get("exception_message") or _message(text)).split())
    cause = re.search(r"^\s*Cause:\s*(\S.*)$", text, re.MULTILINE)
    return f"{said.rstrip('.')}: {cause.group(1)}" if cause and cause.group(1) not in said else said


def _names(report: Mapping[str, Any], shipment: ResourceShipment) -> bool:
    """Whether it is the shipment's own report, or names both its resource and its snapshot."""
    seen = _seen(shipment)
    if seen is not None and seen.report and seen.report in (_number(report), report.get("filename")):
        return True
    return _has(report, [shipment.resource] + ([seen.snapshot] if seen else []))


def _has(report: Mapping[str, Any], names: Sequence[str]) -> bool:
    text = _text(report)
    return all(re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) for name in names)


def _text(report: Mapping[str, Any]) -> str:
    return " ".join(str(report.get(key) or "") for key in ("text", "exception_message"))


def _may_be_about(report: Mapping[str, Any], shipment: ResourceShipment) -> bool:
    """Whether the shipping node wrote it during the shipment."""
    seen, began = _seen(shipment), _began(shipment)
    node = seen.node if seen else None
    if node is None or str(report.get("node_name") or "").lower() != node.lower() or began is None:
        return False
    return (report.get("error_time") or 0) / 1000 >= began - _NEARBY


def _seen(shipment: ResourceShipment) -> RemoteBackup | None:
    return shipment.state.seen if isinstance(shipment.state, Failed) else None


def _began(shipment: ResourceShipment) -> float | None:
    return shipment.state.began if isinstance(shipment.state, Failed) else None


def _number(report: Mapping[str, Any]) -> str:
    name = str(report.get("filename") or "")
    return name.removeprefix("ErrorReport-").removesuffix(".log")


def _message(text: str) -> str:
    """The message in a report's text."""
    match = re.search(r"^\s*Error message:\s*(.+)$", text, re.MULTILINE)
    return match.group(1) if match else next((line for line in text.splitlines() if line.strip()), "(nothing)")
