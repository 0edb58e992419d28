# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The request of a backup, what all its units share, and the plan of each unit."""

from __future__ import annotations

import dataclasses
from typing import Any

from ..common.errors import SnapshipError, need
from ..common.workers import Workers
from ..local.host import Host
from ..remotes.store import ObjectStore
from ..repository import identity
from ..repository.access import OnRemote
from ..repository.manifest import Manifest
from ..repository.snapship_catalog import SnapshipCatalog
from ..snapshots.take import Quiesce
from ..volumes.provider import Provider, Snapshot
from .base.choice import Choice, Wish
from .base.proof import BaseProof


@dataclasses.dataclass
class Request(Quiesce, OnRemote):
    """As the module's options; durations as users write them."""

    adopt_origin_from: str | None = None
    accept_lost: list[str] = dataclasses.field(default_factory=list)
    volumes: list[str] = dataclasses.field(default_factory=list)
    provider: str | None = None
    consistent: bool = False
    recursive: bool = False
    snapshot: str | None = None
    max_age: Any = None
    type: str = "auto"
    full_every: Any = None
    check_every: Any = "1d"
    skip_unchanged: bool = False
    pool_high: int = 80
    parallel: int = 4
    lock_timeout: Any = "1h"


@dataclasses.dataclass
class Run:
    """What all units of one call share."""

    host: Host
    catalog: SnapshipCatalog | None
    wish: Wish
    request: Request
    remote_name: str = ""
    absent: bool = False
    workers: Workers | None = None
    proofs: dict[str, BaseProof] = dataclasses.field(default_factory=dict)  # by volume

    @property
    def open_catalog(self) -> SnapshipCatalog:
        """The catalog; plan() has opened it by now."""
        return need(self.catalog, "plan() opens the catalog")

    @property
    def store(self) -> ObjectStore:
        return self.open_catalog.store

    @property
    def holder(self) -> str:
        """The name under which snapshots are held for this remote and origin."""
        return f"{self.store.location} {self.wish.origin} {self.host.instance()}"

    @property
    def grouped(self) -> bool:
        """Whether a unit's volumes must be of one point in time."""
        return self.request.consistent or self.request.recursive

    def proof(self, volume: str) -> BaseProof:
        """What this run knows about the objects of a volume's backups."""
        if volume not in self.proofs:
            wish = self.wish
            self.proofs[volume] = BaseProof(self.host, self.open_catalog, wish.origin, volume, wish.check_every)
        return self.proofs[volume]

    def prepare(self) -> None:
        """Create what must exist before the first shipment (writes)."""
        self.host.instance()
        self.host.keep_origin(self.wish.origin)
        if self.absent:
            self.store.create()
            self.open_catalog.absent = False
        identity.settle(self.open_catalog, self.host)


@dataclasses.dataclass
class UnitPlan:
    """A volume or a consistent group: by volume, what exists and what will be shipped."""

    providers: dict[str, Provider]
    satisfied: dict[str, Manifest] = dataclasses.field(default_factory=dict)
    newest: dict[str, Manifest | None] = dataclasses.field(default_factory=dict)
    snapshots: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    choices: dict[str, Choice] = dataclasses.field(default_factory=dict)
    removed: dict[str, str] = dataclasses.field(default_factory=dict)  # the noted newest backup: retired, or lost
    warnings: list[str] = dataclasses.field(default_factory=list)
    error: SnapshipError | None = None

    @property
    def volumes(self) -> list[str]:
        return list(self.providers)
