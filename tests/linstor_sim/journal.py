# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The requests that a controller has received, in order. Tests count them."""

from __future__ import annotations

import collections
import threading
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Logged:
    """One request. ``route`` is the path as the API's document spells it; secrets in ``body`` are as they came."""

    method: str
    path: str
    route: str
    status: int
    body: Any = None


class Journal:
    """``violations``: requests and replies that break the API's document."""

    def __init__(self) -> None:
        self.requests: list[Logged] = []
        self.violations: list[str] = []
        self._lock = threading.Lock()

    def add(self, logged: Logged) -> None:
        with self._lock:
            self.requests.append(logged)

    def clear(self) -> None:
        with self._lock:
            self.requests.clear()

    def counts(self) -> dict[str, int]:
        """How many of each, as ``GET /v1/nodes``. A client's own request for the version counts, too."""
        with self._lock:
            return dict(collections.Counter(f"{each.method} {each.route}" for each in self.requests))

    def as_json(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(each) for each in self.requests]
