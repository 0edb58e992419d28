# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of requests, shipments and snapshots that a test orders."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, fields
from typing import Any


@dataclass
class RequestFault:
    """What happens to the next ``times`` requests (after ``skip`` others) whose method and path match.

    ``how``: ``reply`` (``status``, ``body`` and ``content_type`` instead of the handler's; nothing is carried out),
    ``drop`` (carried out, then the connection is cut with no reply), ``refuse`` (cut before anything is done), ``hold``
    (nothing is carried out, and no reply comes until the client hangs up), ``add`` (carried out; ``entries`` are added
    to the list in the reply, which keeps its status), ``report`` (nothing is carried out; the reply names an error
    report, which alone has the reason: ``body``).
    """

    how: str
    method: str = ".*"
    path: str = ".*"
    times: int = 1
    skip: int = 0
    status: int = 500
    body: str = ""
    content_type: str = "application/json"
    entries: tuple[dict[str, Any], ...] = ()

    def matches(self, method: str, path: str) -> bool:
        return bool(re.fullmatch(self.method, method) and re.fullmatch(self.path, path))


@dataclass
class ShipmentFault:
    """What becomes of the next ``times`` shipments of matching resources to matching remotes.

    ``how``: ``fail`` (ends Failed with an error report that says ``message``), ``hang`` (never ends by itself), ``cut``
    (the network goes midway: Failed, what was written so far stays), ``full`` (the base isn't taken: silently a full),
    ``slow`` (lasts ``seconds``), ``stuck`` (never gets beyond Prepare Shipping), ``lose`` (as ``fail``, but the peer
    never hears of it).
    """

    how: str
    resource: str = ".*"
    remote: str = ".*"
    times: int = 1
    message: str = "Shipping was not successful: the pipeline ended with exit code 1"
    seconds: float = 0.0

    def matches(self, resource: str, remote: str) -> bool:
        return bool(re.fullmatch(self.resource, resource) and re.fullmatch(self.remote, remote))


@dataclass
class SnapshotFault:
    """The next ``times`` snapshots of matching resources fail. In a call for several, one failure fails all."""

    resource: str = ".*"
    times: int = 1
    message: str = "Failed to create snapshot"


_KINDS = {"request": RequestFault, "shipment": ShipmentFault, "snapshot": SnapshotFault}


class Faults:
    """The pending faults."""

    def __init__(self) -> None:
        self.snapshots: list[SnapshotFault] = []
        self.requests: list[RequestFault] = []
        self.shipments: list[ShipmentFault] = []
        self._lock = threading.Lock()

    def clear(self) -> None:
        with self._lock:
            self.requests.clear()
            self.shipments.clear()
            self.snapshots.clear()

    def of_request(self, method: str, path: str) -> RequestFault | None:
        """Takes the first that matches."""
        with self._lock:
            for fault in self.requests:
                if not fault.matches(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.times -= 1
                self.requests = [each for each in self.requests if each.times > 0]
                return fault
        return None

    def of_shipment(self, resource: str, remote: str) -> ShipmentFault | None:
        """Takes the first that matches."""
        with self._lock:
            for fault in self.shipments:
                if fault.matches(resource, remote):
                    fault.times -= 1
                    self.shipments = [each for each in self.shipments if each.times > 0]
                    return fault
        return None

    def of_snapshot(self, resource: str) -> SnapshotFault | None:
        """Takes the first that matches."""
        with self._lock:
            for fault in self.snapshots:
                if re.fullmatch(fault.resource, resource):
                    fault.times -= 1
                    self.snapshots = [each for each in self.snapshots if each.times > 0]
                    return fault
        return None

    def add(self, kind: str, described: dict[str, Any]) -> None:
        """``kind``: request, shipment or snapshot. ValueError for unknown kinds and fields."""
        if kind not in _KINDS:
            raise ValueError(f"there are no {kind} faults.")
        unknown = described.keys() - {each.name for each in fields(_KINDS[kind])}
        if unknown:
            raise ValueError(f"a {kind} fault has no {', '.join(sorted(unknown))}.")
        if kind == "request":
            self.requests.append(RequestFault(**described))
        elif kind == "shipment":
            self.shipments.append(ShipmentFault(**described))
        else:
            self.snapshots.append(SnapshotFault(**described))
