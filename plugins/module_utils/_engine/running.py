# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Carrying out a backup: under the volume's lock, planned again, what was left resumed, then shipped and committed."""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .catalog import Catalog
from .cleaning import clean_volume, put_back_used
from .errors import BaseLostError, ConfigError, SnapshipError, UnknownError, VolumeError, need
from .holding import Holding
from .host import Host
from .items import from_manifest
from .manifest import Manifest
from .outcome import Outcome
from .planning import Choice, Look, Wish, check_owner, choose, look, newest_sound, satisfying
from .remotes.store import ObjectStore
from .sending import send
from .shipment import Shipment, fields_of
from .snapshot import named
from .streams.pipeline import Workers
from .taking import fresh, fresh_group, take
from .units import parse_duration
from .volumes.volume import Change, Provider, Reader, Snapshot

if TYPE_CHECKING:
    from .backup import Request

ATTEMPTS = 3  # how often a shipment is planned anew because its base was removed meanwhile


@dataclasses.dataclass
class Run:
    """What all units of one call share."""

    host: Host
    catalog: Catalog | None
    wish: Wish
    request: Request
    remote_name: str = ""
    absent: bool = False
    workers: Workers | None = None

    @property
    def open_catalog(self) -> Catalog:
        """The remote, which a plan that gets here has opened."""
        return need(self.catalog, "plan() opens the catalog")

    @property
    def store(self) -> ObjectStore:
        return self.open_catalog.store

    @property
    def holder(self) -> str:
        """Under which snapshots are held for this remote and origin."""
        return f"{self.store.location} {self.wish.origin} {self.host.instance()}"

    def prepare(self) -> None:
        """What has to be there before the first shipment (writes)."""
        self.host.keep_origin(self.wish.origin)
        self.host.instance()
        if self.absent:
            self.store.create()
            self.open_catalog.absent = False


@dataclasses.dataclass
class UnitPlan:
    """A volume, or a consistent group: what is there and what is to be shipped, by volume."""

    volumes: list[str]
    provider: Provider
    satisfied: dict[str, Manifest] = dataclasses.field(default_factory=dict)
    newest: dict[str, Manifest | None] = dataclasses.field(default_factory=dict)
    snapshots: dict[str, Snapshot] = dataclasses.field(default_factory=dict)
    choices: dict[str, Choice] = dataclasses.field(default_factory=dict)
    warnings: list[str] = dataclasses.field(default_factory=list)
    error: SnapshipError | None = None


def plan_unit(run: Run, unit: UnitPlan) -> UnitPlan:
    """Look at the remote and the host, and decide. Reads only; what goes wrong is kept in ``error``."""
    planned = UnitPlan(unit.volumes, unit.provider)
    try:
        _plan(run, planned)
    except SnapshipError as error:
        planned.error = error.about(volume=", ".join(unit.volumes), remote=run.remote_name)
    return planned


def _plan(run: Run, unit: UnitPlan) -> None:
    catalog, wish = run.open_catalog, run.wish
    looks = {volume: look(catalog, unit.provider, wish.origin, volume) for volume in unit.volumes}
    for volume, found in looks.items():
        unit.newest[volume] = newest_sound(catalog, found)
        check_owner(run.host, wish, unit.newest[volume])
        unit.warnings += found.warnings
    done = {volume: satisfying(catalog, found, wish, unit.newest[volume]) for volume, found in looks.items()}
    manifests = {volume: manifest for volume, manifest in done.items() if manifest}
    if len(manifests) == len(looks) and _one_point(run, unit, manifests):
        unit.satisfied = manifests
        return
    unit.snapshots = _existing(run, unit, looks)
    for volume, found in looks.items():
        unit.choices[volume] = choose(catalog, found, wish, unit.snapshots.get(volume))
    if run.request.skip_unchanged and all(_unchanged(unit, volume) for volume in unit.volumes):
        unit.satisfied = {volume: choice.base for volume, choice in unit.choices.items() if choice.base}


def _one_point(run: Run, unit: UnitPlan, manifests: dict[str, Manifest]) -> bool:
    """A group is satisfied only by backups of one group."""
    if not run.request.consistent:
        return True
    groups = {manifest.group for manifest in manifests.values()}
    members = [manifest.fields["group"]["members"] for manifest in manifests.values() if manifest.group]
    return len(groups) == 1 and None not in groups and all(sorted(m) == sorted(unit.volumes) for m in members)


def _existing(run: Run, unit: UnitPlan, looks: dict[str, Look]) -> dict[str, Snapshot]:
    """Snapshots that are there and can be shipped: the one that was named, or one that is fresh enough."""
    wish, now = run.wish, time.time()
    by_volume = {volume: found.snapshots for volume, found in looks.items()}
    if run.request.consistent:
        group = fresh_group(by_volume, wish.max_age, now, wish.snapshot)
        if group is None and wish.snapshot is not None:
            raise UnknownError(
                f"there is no consistent snapshot {wish.snapshot!r} of {', '.join(unit.volumes)}.",
                "Make it with the snapshot module and consistent: true.",
                code="unknown_snapshot",
            )
        return {each.volume: each for each in group or []}
    volume = unit.volumes[0]
    if wish.snapshot is not None:
        snapshot = named(unit.provider, volume, wish.snapshot)
        if snapshot.flaw:
            raise UnknownError(
                f"snapshot {wish.snapshot!r} of {volume} can't be shipped: {snapshot.flaw}.",
                "Remove it and make it anew.",
                code="snapshot_changed",
            )
        return {volume: snapshot}
    found = fresh(by_volume[volume], wish.max_age or 0.0, now)
    return {volume: found} if found else {}


def _unchanged(unit: UnitPlan, volume: str) -> bool:
    choice, newest, snapshot = unit.choices[volume], unit.newest[volume], unit.snapshots.get(volume)
    if choice.base is None or choice.base_snapshot is None or newest is None or choice.base.id != newest.id:
        return False
    if snapshot is None:
        return unit.provider.unchanged(choice.base_snapshot)
    try:
        with unit.provider.changes(choice.base_snapshot, snapshot) as (reader, changes):
            return reader.size == choice.base_snapshot.size and next(changes, None) is None
    except VolumeError:
        return False  # another run tidied one of them away: what follows sees that


def run_unit(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    """Make it so. ``outcome`` gets what was done even where this raises."""
    if unit.error is not None:
        raise unit.error
    outcome.warnings += unit.warnings
    if unit.satisfied:
        _report(run, unit, outcome, unit.satisfied)
        return
    with contextlib.ExitStack() as stack:
        timeout = parse_duration(run.request.lock_timeout, "lock_timeout")
        for volume in sorted(unit.volumes):
            stack.enter_context(run.host.lock(f"volume {volume}", timeout, run.store.location, run.wish.origin, volume))
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _run_locked(run, unit, outcome)
                break
            except BaseLostError as error:
                if attempt == ATTEMPTS:
                    raise
                outcome.warn(f"{error.msg} It was planned anew.")
        for volume in unit.volumes:
            clean_volume(run.host, run.open_catalog, run.wish.origin, volume)


def _run_locked(run: Run, unit: UnitPlan, outcome: Outcome) -> None:
    for volume in unit.volumes:
        put_back_used(run.open_catalog, run.wish.origin, volume)
    resumed = _resume(run, unit, outcome)
    again = plan_unit(run, unit)
    if again.error is not None:
        raise again.error
    if again.satisfied:
        _report(run, again, outcome, again.satisfied)
    else:
        if not again.snapshots:
            made, warnings = take(unit.provider, unit.volumes, None, run.request.consistent, run.request, run.holder)
            again.snapshots = {each.volume: each for each in made}
            outcome.warnings += warnings
            outcome.changed = True
        resumed = []
        voyages = [
            Voyage(run, again.provider, again.snapshots[volume], again.choices[volume]) for volume in unit.volumes
        ]
        _deliver(run, again, outcome, voyages)
    for voyage in resumed:  # what was left from an earlier run is what satisfies this one
        outcome.items = [voyage.item if item["id"] == voyage.item["id"] else item for item in outcome.items]


class Voyage:
    """One volume's shipment within a unit."""

    def __init__(self, run: Run, provider: Provider, snapshot: Snapshot, choice: Choice) -> None:
        self.run, self.provider, self.snapshot, self.choice = run, provider, snapshot, choice
        self.shipment: Shipment | None = None
        self.item: dict[str, object] = {}
        self.warning: str | None = None
        self._manifest: Manifest | None = None
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

        with self._reading() as (reader, changes):
            if self.shipment is None:
                self.shipment = Shipment.begin(
                    run.host, run.open_catalog, run.wish.origin, snapshot, self.choice.base, self.choice.reason
                )
            send(self.shipment, reader, changes, self.choice.base_snapshot is None, workers, progress)
        self._seconds = time.monotonic() - started

    @contextlib.contextmanager
    def _reading(self) -> Iterator[tuple[Reader, Iterator[Change]]]:
        """The snapshot, open from before the first request, so that no other run tidies it away."""
        with contextlib.ExitStack() as stack:
            try:
                if self.choice.base_snapshot is None:
                    reader = stack.enter_context(self.provider.open(self.snapshot))
                    changes = reader.data()
                else:
                    both = self.provider.changes(self.choice.base_snapshot, self.snapshot)
                    reader, changes = stack.enter_context(both)
            except VolumeError as error:
                if error.code == "snapshot_gone":
                    raise BaseLostError(error.msg) from error
                raise
            yield reader, changes

    def commit(self) -> None:
        """Make it a backup."""
        shipment = need(self.shipment, "load() comes first")
        started = time.monotonic()
        try:
            properties = self.provider.info(self.snapshot.volume).properties
        except SnapshipError:
            properties = {}  # the volume went away after its snapshot was made
        index = shipment.put_index()
        fields = fields_of(shipment, self.run.host, self.snapshot, self.snapshot.size, properties, index)
        self._manifest = shipment.commit(fields)
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
    """Keep the snapshot just shipped for the next increment. What prevents it is a warning: the backup is there."""
    try:
        Holding(run.host, provider, run.store.location, run.holder).move(snapshot, backup_id)
    except (VolumeError, ConfigError) as error:
        return f"{error.msg} The backup {backup_id} is complete all the same."
    return None


def _deliver(run: Run, unit: UnitPlan, outcome: Outcome, voyages: list[Voyage]) -> None:
    """Send all, then commit all: a group is complete or isn't there."""
    try:
        for voyage in voyages:
            voyage.load()
        for voyage in voyages:
            voyage.commit()
            outcome.changed = True
            outcome.items.append(voyage.item)
            outcome.warnings += [voyage.warning] if voyage.warning else []
            before = unit.newest.get(voyage.snapshot.volume)
            outcome.before[voyage.snapshot.volume] = {"newest": before.id if before else None}
            outcome.after[voyage.snapshot.volume] = {
                "newest": voyage.item["id"],
                "type": voyage.item["type"],
                "reason": voyage.item["reason"],
            }
    except BaseLostError:
        for voyage in voyages:
            if voyage.shipment is not None and not voyage.item:
                voyage.shipment.discard()
        raise
    finally:
        for voyage in voyages:
            if voyage.shipment is not None:
                voyage.shipment.close()


def _resume(run: Run, unit: UnitPlan, outcome: Outcome) -> list[Voyage]:
    """Finish, or clear away, what earlier runs of these volumes to this remote left."""
    voyages: list[Voyage] = []
    for volume in unit.volumes:
        head = Shipment.find(run.host, run.open_catalog, run.wish.origin, volume)
        if head is None:
            continue
        shipment, voyage = _leftover(run, unit.provider, head)
        if voyage is not None:
            voyages.append(voyage)
        elif shipment is not None:
            shipment.discard()
    voyages = _whole_groups(run, voyages)
    if voyages:
        _deliver(run, UnitPlan(unit.volumes, unit.provider), outcome, voyages)
        shipped = {str(voyage.item["id"]) for voyage in voyages}
        kept = [item for item in outcome.items if item["id"] in shipped]
        outcome.items = [item for item in outcome.items if item not in kept]
    return voyages


def _whole_groups(run: Run, voyages: list[Voyage]) -> list[Voyage]:
    """Those that can go on: of a group only if every member can, or is committed already. The others are discarded."""
    going: dict[str, set[str]] = {}
    for voyage in voyages:
        if voyage.snapshot.group:
            going.setdefault(voyage.snapshot.group["id"], set()).add(voyage.snapshot.volume)
    kept = []
    for voyage in voyages:
        group = voyage.snapshot.group
        missing = set(group["members"]) - going[group["id"]] if group else set()
        if group and not all(_committed(run, voyage.snapshot, volume) for volume in missing):
            need(voyage.shipment, "a leftover has its shipment").discard()
        else:
            kept.append(voyage)
    return kept


def _committed(run: Run, snapshot: Snapshot, volume: str) -> bool:
    """Whether this volume has a backup of the snapshot's group."""
    catalog = run.open_catalog
    for key in catalog.keys("backups", run.wish.origin, volume):
        if key.created == snapshot.created and snapshot.group:
            manifest = catalog.usable(key)
            if manifest is not None and manifest.group == snapshot.group["id"]:
                return True
    return False


def _leftover(run: Run, provider: Provider, head: dict[str, str]) -> tuple[Shipment | None, Voyage | None]:
    """The shipment of a journal; with its voyage if it can go on."""
    catalog = run.open_catalog
    shipment = Shipment.resume(run.host, catalog, head)
    by_state = {each.state_id: each for each in provider.snapshots(head["volume"]) if each.flaw is None}
    snapshot = by_state.get(head["state_id"])
    if catalog.listed(shipment.key):  # killed between commit and the end
        manifest = catalog.usable(shipment.key)  # none: removed at just this moment, or not for us to read
        try:
            if manifest is not None:
                shipment.confirm(manifest)
        except BaseLostError:
            return shipment, None
        if manifest is not None and snapshot is not None:
            hold(run, provider, snapshot, head["id"])
        shipment.finish()
        return None, None
    if any(key.id == head["id"] for key in catalog.keys("deleted", head["origin"], head["volume"])):
        shipment.finish()  # committed, then removed by somebody: its data is no longer ours to send or delete
        return None, None
    wanted = (catalog.spec.compression, bool(catalog.keyring.writes))
    if snapshot is None or (head["compression"], bool(head["encryption"])) != wanted:
        return shipment, None
    if shipment.condemned():
        return shipment, None
    choice = Choice(None, None, head["reason"])
    if head["base"] is not None:
        base = by_state.get(head["base_state_id"])
        if base is None or not any(
            key.id == head["base"] for key in catalog.keys("backups", head["origin"], head["volume"])
        ):
            return shipment, None
        choice = Choice(None, base, head["reason"])
    voyage = Voyage(run, provider, snapshot, choice)
    voyage.shipment = shipment
    return shipment, voyage


def _report(run: Run, unit: UnitPlan, outcome: Outcome, manifests: dict[str, Manifest]) -> None:
    for volume in unit.volumes:
        outcome.items.append(from_manifest(manifests[volume], run.remote_name))
        outcome.before.setdefault(volume, {"newest": manifests[volume].id})
        outcome.after[volume] = {"newest": manifests[volume].id}
