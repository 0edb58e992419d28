# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Ships volumes together: sends the data of each, then commits all."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ..common.errors import BaseLostError, ConfigError, SnapshipError, VolumeError, need
from ..common.outcome import Outcome
from ..repository.backup_item import from_manifest
from ..repository.manifest import Manifest
from ..streams import thin
from ..volumes.provider import Provider, Snapshot
from .base.choice import Choice
from .context import Run
from .holds import Holding
from .manifest_fields import fields_of
from .newest_note import note_newest
from .shipment import Shipment
from .source import opened

PENDING = "pending"  # in a snapshot's holds: its backup is being shipped


class Delivery:
    """One volume's shipment within a unit."""

    def __init__(self, run: Run, provider: Provider, snapshot: Snapshot, choice: Choice) -> None:
        self.run, self.provider, self.snapshot, self.choice = run, provider, snapshot, choice
        self.shipment: Shipment | None = None
        self.item: dict[str, object] = {}
        self.warning: str | None = None
        self._manifest: Manifest | None = None
        self._properties: dict[str, Any] = {}
        self._seconds = 0.0

    def load(self) -> None:
        """Send all data and the index."""
        started = time.monotonic()
        run, snapshot = self.run, self.snapshot
        workers = need(run.workers, "apply() makes the workers")
        done = 0

        def progress(count: int) -> None:
            nonlocal done
            done += count
            run.host.progress(snapshot.volume, done, snapshot.size)

        if run.holder not in snapshot.holds:
            self.provider.hold(snapshot, run.holder, PENDING)
        with contextlib.suppress(SnapshipError):  # the volume went away after its snapshot was made
            self._properties = self.provider.properties(snapshot.volume)
        # Opened before the first request, so that no other run removes the snapshot.
        with opened(self.provider, self.choice, snapshot) as source:
            if self.shipment is None:
                self.shipment = Shipment.begin(
                    run.host, run.open_catalog, run.wish.origin, snapshot, self.choice, source.stream
                )
            source.send(self.shipment, workers, progress)
        self.shipment.close()  # the others of a large group come next; commit() opens its journal again
        self._seconds = time.monotonic() - started

    def commit(self) -> None:
        """Make it a backup."""
        shipment = need(self.shipment, "load() comes first")
        started = time.monotonic()
        tables = shipment.put_tables(self.provider.sends == thin.FORMAT)
        fields = fields_of(shipment, self.run.host, self.snapshot, self._properties, tables)
        self._manifest = shipment.commit(fields)
        note_newest(self.run.host, self.run.open_catalog, self.run.wish.origin, self.snapshot.volume, self._manifest.id)
        self.warning = hold(self.run, self.provider, self.snapshot, self._manifest.id)
        shipment.finish()
        self._seconds += time.monotonic() - started
        self.item = dict(
            from_manifest(self._manifest, self.run.remote_name),
            bytes_sent=shipment.sent,
            resumed=shipment.resumed,
            seconds=round(self._seconds, 3),
            actions=shipment.actions,
        )


def hold(run: Run, provider: Provider, snapshot: Snapshot, backup_id: str) -> str | None:
    """Keep the shipped snapshot as the base of the next incremental. Returns a warning if that fails."""
    try:
        Holding(run.host, provider, run.store.location, run.holder).move(snapshot, backup_id)
    except (VolumeError, ConfigError) as error:
        return f"{error.msg} The backup {backup_id} is complete; only the next one may have to be a full."
    return None


def deliver(run: Run, deliveries: list[Delivery], outcome: Outcome, newest: dict[str, Manifest | None]) -> None:
    """Send all, then commit all: a group is complete or not listed. ``newest``: by volume, the newest backup before."""
    try:
        for delivery in deliveries:
            delivery.load()
        for delivery in deliveries:
            delivery.commit()
            outcome.changed = True
            outcome.items.append(delivery.item)
            outcome.warnings += [delivery.warning] if delivery.warning else []
            before = newest.get(delivery.snapshot.volume)
            outcome.before[delivery.snapshot.volume] = {"newest": before.id if before else None}
            outcome.after[delivery.snapshot.volume] = {
                "newest": delivery.item["id"],
                "type": delivery.item["type"],
                "reason": delivery.item["reason"],
            }
    except BaseLostError:
        for delivery in deliveries:
            if delivery.shipment is not None and not delivery.item:
                delivery.shipment.discard()
        raise
    finally:
        for delivery in deliveries:
            if delivery.shipment is not None:
                delivery.shipment.close()
