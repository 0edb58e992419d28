# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The request and the plan of a run of backups, with the preview for check mode."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..._engine.common.errors import SnapshipError
from ..._engine.common.outcome import Outcome
from ..api.cluster import Access, Cluster
from ..state.backups import RemoteBackup
from ..state.readiness import Survey
from ..state.target_names import ShipmentTarget
from .choice import Demand, would_satisfy
from .items import item, logical
from .order import Order
from .resource_shipment import ResourceShipment

#: what a play in check mode may not have done yet
_NOT_YET = ("unknown_volume", "unknown_snapshot", "no_replica")


@dataclasses.dataclass
class Request:
    """The module's options; durations as users write them."""

    remote: str = ""
    resources: list[str] = dataclasses.field(default_factory=list)
    snapshot: str | None = None
    max_age: Any = None
    type: str = "auto"
    full_every: Any = None
    max_chain: int | None = None
    target: ShipmentTarget = dataclasses.field(default_factory=ShipmentTarget)
    target_cluster: Access | None = None
    source_node: str | None = None
    wait: bool = True
    wait_timeout: Any = "6h"
    poll_interval: Any = "5s"
    stall_timeout: Any = "15m"
    abort_on_timeout: bool = False
    parallel: int = 4
    sizes: bool = True


@dataclasses.dataclass
class Plan:
    """What each resource needs. ``obstacle``: the error that keeps everything from being shipped."""

    cluster: Cluster
    request: Request
    demand: Demand
    order: Order
    shipments: list[ResourceShipment]
    survey: Survey | None = None
    obstacle: SnapshipError | None = None
    same_cluster: bool = False

    @property
    def work(self) -> list[ResourceShipment]:
        """The resources that need work."""
        return [shipment for shipment in self.shipments if not shipment.over]

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome()
        if self.obstacle:
            outcome.warn(f"{self.obstacle.msg} A real run would fail unless that is fixed first.")
        for shipment in self.shipments:
            if shipment.error is not None and shipment.error.code not in _NOT_YET:
                outcome.failures.append(shipment.error.as_dict())
                continue
            if shipment.error is not None:
                outcome.warn(f"{shipment.error.msg} A real run would fail unless it is created first.")
            self._preview(shipment, outcome)
        return outcome

    def _preview(self, shipment: ResourceShipment, outcome: Outcome) -> None:
        """What would be done for one resource."""
        starts = _starts(shipment, self.demand)
        outcome.changed = outcome.changed or starts
        newest = next((each for each in shipment.history.backups if each.complete), None)
        outcome.before[shipment.resource] = {"newest": newest.id if newest else None}
        for text in shipment.warnings:
            outcome.warn(text)
        shown = shipment.satisfied or (None if starts else shipment.join)
        if shown is None:
            entry = self._planned_item(shipment)
            # Nobody knows how LINSTOR would ship a resource that doesn't exist yet.
            kind = f"{entry['type']}: {entry['reason']}" if shipment.choice else "backup"
            outcome.after[shipment.resource] = {"newest": f"(new {kind})"}
        else:
            entry = item(self.cluster, self.order, shipment.resource, shown)
            outcome.after[shipment.resource] = (
                {"newest": f"(under way: {shown.snapshot})"}
                if shipment.satisfied is None
                else outcome.before[shipment.resource]
            )
        outcome.items.append(entry)

    def _planned_item(self, shipment: ResourceShipment) -> dict[str, Any]:
        """The item of a backup that would be started."""
        choice = shipment.choice
        base = choice.base if choice else None
        planned = RemoteBackup(id="", resource=shipment.resource, snapshot="", state="", base=base.id if base else None)
        entry = item(self.cluster, self.order, shipment.resource, planned)
        entry.update(id=None, state=None, snapshot=self.demand.snapshot, type=planned.type if choice else None)
        entry["reason"] = choice.reason if choice else None
        entry["bytes_logical"] = logical(shipment.history.snaps[-1]) if shipment.history.snaps else None
        return entry


def _starts(shipment: ResourceShipment, demand: Demand) -> bool:
    """Whether something would be started for a resource."""
    if shipment.satisfied is not None:
        return False
    return shipment.join is None or not would_satisfy(shipment.join, demand, shipment.history.now)
