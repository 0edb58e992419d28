# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Unfinished shipments of dead runs: each is committed, resumed or removed."""

from __future__ import annotations

from ..common.errors import BaseLostError, SnapshipError, need
from ..common.outcome import Outcome
from ..repository.catalog import usable
from ..volumes.provider import Provider, Snapshot
from .base.choice import UNREADABLE, Choice
from .context import Run
from .delivery import Delivery, deliver, hold
from .newest_note import note_newest
from .shipment import Shipment


def resume(run: Run, providers: dict[str, Provider], outcome: Outcome) -> list[Delivery]:
    """Finish or remove what earlier runs of these volumes to this remote left."""
    deliveries: list[Delivery] = []
    for volume, provider in providers.items():
        head = Shipment.find(run.host, run.open_catalog, run.wish.origin, volume)
        if head is None:
            continue
        shipment, delivery = _leftover(run, provider, head)
        if delivery is not None:
            deliveries.append(delivery)
        elif shipment is not None:
            shipment.discard()
    deliveries = _whole_groups(run, deliveries)
    if deliveries:
        deliver(run, deliveries, outcome, {})
        shipped = {str(delivery.item["id"]) for delivery in deliveries}
        kept = [item for item in outcome.items if item["id"] in shipped]
        outcome.items = [item for item in outcome.items if item not in kept]
    return deliveries


def _whole_groups(run: Run, deliveries: list[Delivery]) -> list[Delivery]:
    """Those that can be resumed. Of a group only if every member can be or is committed; the others are discarded."""
    going: dict[str, set[str]] = {}
    for delivery in deliveries:
        if delivery.snapshot.group:
            going.setdefault(delivery.snapshot.group["id"], set()).add(delivery.snapshot.volume)
    kept = []
    for delivery in deliveries:
        group = delivery.snapshot.group
        missing = set(group["members"]) - going[group["id"]] if group else set()
        if group and not all(_committed(run, delivery.snapshot, volume) for volume in missing):
            need(delivery.shipment, "a leftover has its shipment").discard()
        else:
            kept.append(delivery)
    return kept


def _committed(run: Run, snapshot: Snapshot, volume: str) -> bool:
    """Whether this volume has a backup of the snapshot's group."""
    catalog = run.open_catalog
    for key in catalog.keys("backups", run.wish.origin, volume):
        if key.created == snapshot.created and snapshot.group:
            manifest = usable(catalog, key)
            if manifest is not None and manifest.group == snapshot.group["id"]:
                return True
    return False


def _of_state(snapshots: list[Snapshot], state_id: str) -> Snapshot | None:
    return next((each for each in snapshots if each.state_id == state_id and each.flaw is None), None)


def _sound_base(run: Run, head: dict[str, str]) -> bool:
    """Whether the chain that a shipment continues is listed, can be read, and isn't known to lack objects."""
    catalog = run.open_catalog
    chains = catalog.chains(head["origin"], head["volume"])
    base = next((key for key in chains.keys if key.id == head["base"]), None)
    try:
        return base is not None and run.proof(head["volume"]).flaw(catalog.chain_manifests(chains, base)) is None
    except SnapshipError as error:
        if error.code not in UNREADABLE:
            raise
        return False


def _leftover(run: Run, provider: Provider, head: dict[str, str]) -> tuple[Shipment | None, Delivery | None]:
    """The shipment of a journal, and its delivery if it can be resumed."""
    catalog = run.open_catalog
    shipment = Shipment.resume(run.host, catalog, head)
    snapshot = _of_state(provider.snapshots(head["volume"]), head["state_id"])
    if catalog.listed(shipment.key):  # killed after its commit
        manifest = usable(catalog, shipment.key)  # none: removed at this moment, or unreadable with our keys
        try:
            if manifest is not None:
                shipment.confirm(manifest)
        except BaseLostError:
            return shipment, None
        if manifest is not None:
            note_newest(run.host, catalog, head["origin"], head["volume"], head["id"])
        if manifest is not None and snapshot is not None:
            hold(run, provider, snapshot, head["id"])
        shipment.finish()
        return None, None
    if any(key.id == head["id"] for key in catalog.keys("deleted", head["origin"], head["volume"])):
        shipment.finish()  # committed, then retired by somebody: its data must be left alone
        return None, None
    wanted = (catalog.spec.compression, bool(catalog.keyring.writes))
    if snapshot is None or (head["compression"], bool(head["encryption"])) != wanted:
        return shipment, None
    if shipment.condemned():
        return shipment, None
    choice = Choice(None, None, head["reason"])
    if head["base"] is not None:
        base = _of_state(provider.bases(head["volume"]), head["base_state_id"])
        if base is None or not _sound_base(run, head):
            return shipment, None
        choice = Choice(None, base, head["reason"])
    choice.flags = shipment.head["stream"]["flags"] or None
    delivery = Delivery(run, provider, snapshot, choice)
    delivery.shipment = shipment
    shipment.close()  # load() opens its journal again, when its turn comes
    return shipment, delivery
