# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Chooses how to back up one volume to one remote: not at all, as an incremental and on which base, or as a full."""

from __future__ import annotations

import dataclasses

from ...common.errors import ConfigError, CorruptError, SnapshipError, UnknownError, VolumeError
from ...common.units import show_duration
from ...local.host import Host
from ...repository.catalog import usable
from ...repository.chains import Chains
from ...repository.manifest import Manifest
from ...repository.snapship_catalog import SnapshipCatalog
from ...volumes.provider import Provider, Snapshot
from .proof import BaseProof

# Codes of errors that speak of a backup there, not of the remote as a whole.
UNREADABLE = ("corrupt", "version", "key", "unknown_backup")


@dataclasses.dataclass
class Wish:
    """What the user wants for each volume; durations in seconds."""

    origin: str
    kind: str = "auto"  # auto, full, incremental
    max_age: float | None = None
    snapshot: str | None = None
    full_every: float | None = None
    adopt: str | None = None  # id of the machine to take the origin over from
    accept_lost: frozenset[str] = frozenset()  # ids of backups that the remote may have lost
    check_every: float = 86400.0


@dataclasses.dataclass
class Look:
    """What was found about one volume, on the remote and on this host."""

    volume: str
    chains: Chains
    snapshots: list[Snapshot]
    bases: list[Snapshot]
    lineage: str
    proof: BaseProof
    warnings: list[str] = dataclasses.field(default_factory=list)
    manifests: dict[str, Manifest] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Choice:
    """How a snapshot is to be shipped."""

    base: Manifest | None
    base_snapshot: Snapshot | None
    reason: str
    flags: list[str] | None = None  # of the chain's streams, where they have any


def look(catalog: SnapshipCatalog, provider: Provider, origin: str, volume: str, proof: BaseProof) -> Look:
    """Read the remote's listing and the host's snapshots."""
    info = provider.info(volume)
    chains = catalog.chains(origin, volume)
    found = Look(volume, chains, provider.snapshots(volume), provider.bases(volume), info.lineage, proof)
    found.warnings += [
        f"object {key.manifest} is ignored: another manifest of this id is the true one" for key in chains.false
    ]
    return found


def newest_sound(catalog: SnapshipCatalog, found: Look) -> Manifest | None:
    """The newest complete backup with a readable manifest. Warns about newer ones that don't count."""
    for key in found.chains.keys:
        problem = found.chains.problem(key)
        if problem is None:
            try:
                return _manifest(catalog, found, key.id)
            except UnknownError:
                continue  # removed since it was listed
            except (CorruptError, ConfigError) as error:
                if error.code not in UNREADABLE:
                    raise
                problem = error.msg
        found.warnings.append(f"backup {key.id} of {found.volume} is ignored: {problem}")
    return None


def _manifest(catalog: SnapshipCatalog, found: Look, backup_id: str) -> Manifest:
    if backup_id not in found.manifests:
        key = next(key for key in found.chains.keys if key.id == backup_id)
        found.manifests[backup_id] = catalog.manifest(key)
    return found.manifests[backup_id]


def check_owner(host: Host, wish: Wish, newest: Manifest | None) -> None:
    """Refuse an origin that belongs to another machine."""
    owner = newest.fields.get("machine_id") if newest else None
    if newest is None or owner in (host.machine_id, wish.adopt):
        return
    raise VolumeError(
        f"origin {wish.origin!r} belongs to another machine, {owner}: it shipped {newest.id}.",
        "Set origin to a name of this host's own. If this host takes over from that machine, set "
        f"adopt_origin_from: {owner}.",
        code="origin_owned",
    )


def satisfying(catalog: SnapshipCatalog, found: Look, wish: Wish, newest: Manifest | None) -> Manifest | None:
    """The existing backup that is already what the user wants."""
    if wish.snapshot is not None:
        for snapshot in found.snapshots:
            if snapshot.name == wish.snapshot:
                return shipped(catalog, found, snapshot)
        return None
    if newest is None or not wish.max_age or wish.kind == "full" and newest.key.base is not None:
        return None  # 0s means now, even where the store's clock has only whole seconds
    return newest if found.chains.now - newest.key.created <= wish.max_age else None


def shipped(catalog: SnapshipCatalog, found: Look, snapshot: Snapshot) -> Manifest | None:
    """The sound backup of exactly this state. Ids contain the snapshot's time, so few manifests are read."""
    for key in found.chains.sound():
        if key.created == snapshot.created:
            manifest = found.manifests.get(key.id) or usable(catalog, key)
            if manifest is not None and manifest.fields.get("state_id") == snapshot.state_id:
                found.manifests[key.id] = manifest
                return manifest
    return None


def choose(catalog: SnapshipCatalog, found: Look, wish: Wish, snapshot: Snapshot | None) -> Choice:
    """Base and reason for shipping a snapshot (``None``: one that isn't taken yet).

    Raises VolumeError where the user demands an incremental and there is no base."""
    choice = _choose(catalog, found, wish, snapshot)
    if wish.kind == "incremental" and choice.base is None:
        raise VolumeError(
            f"an incremental of {found.volume} is impossible: {choice.reason}.",
            "Use type: auto to ship a full instead.",
            code="no_base",
        )
    return choice


def _choose(catalog: SnapshipCatalog, found: Look, wish: Wish, snapshot: Snapshot | None) -> Choice:
    if wish.kind == "full":
        return Choice(None, None, "type is full")
    if not found.chains.keys:
        return Choice(None, None, "first backup of this volume on this remote")
    flaws: list[str] = []
    bad: list[str] = []
    unsettled: set[str] | None = None
    for local in found.bases:
        if snapshot is not None and (local.state_id == snapshot.state_id or local.created > snapshot.created):
            continue
        there = shipped(catalog, found, local)
        if there is None:
            continue
        if unsettled is None:  # append-only: records stay, and no writer takes anything back
            unsettled = set() if catalog.spec.append_only else catalog.unsettled(wish.origin, found.volume)
        flaw = local.flaw or _unfit(catalog, found, wish, there, snapshot)
        if flaw is None and there.id in unsettled:
            flaw = "another run is still shipping it"
        chain, broken = _chain(catalog, found, there) if flaw is None else ([], None)
        flaw = flaw or broken
        barred = found.proof.flaw(chain) if flaw is None else None
        if flaw is None and barred is None:
            flags: list[str] | None = there.fields["stream"].get("flags") or None
            reason = f"the newest common state is {there.id} (snapshot {local.name})"
            return Choice(there, local, "; ".join([reason, *bad]), flags)
        flaws.append(f"{there.id} (snapshot {local.name}) can't be the base: {flaw or barred}")
        if barred:
            bad.append(flaws[-1])
            found.warnings.append(
                f"backup {there.id} of {found.volume} can't be a base: {barred}. "
                "Verify it with mode: data; restores of it, and of what is based on it, may fail."
            )
    return Choice(None, None, "; ".join(flaws) or "this host and the remote have no state in common")


def _unfit(catalog: SnapshipCatalog, found: Look, wish: Wish, there: Manifest, snapshot: Snapshot | None) -> str | None:
    """Why this backup can't be the base, or ``None``."""
    lineage = snapshot.lineage if snapshot else found.lineage
    if there.fields.get("lineage") != lineage:
        return "the volume was replaced since then"
    if bool(there.encryption) != bool(catalog.keyring.writes):
        return (
            "it isn't encrypted, but the remote has an encryption key"
            if catalog.keyring.writes
            else "it is encrypted, but the remote has no encryption key"
        )
    chain = found.chains.chain(there.key)
    retired = set(chain or []) - set(found.chains.keys)
    if retired:
        return f"its base {min(retired).id} was removed"
    if chain and wish.full_every is not None:
        age = found.chains.now - chain[0].created
        if age >= wish.full_every:
            return f"its full is {show_duration(age)} old and full_every is {show_duration(wish.full_every)}"
    return None


def _chain(catalog: SnapshipCatalog, found: Look, there: Manifest) -> tuple[list[Manifest], str | None]:
    """The manifests of its chain, and why they can't be used, or ``None``."""
    try:
        return catalog.chain_manifests(found.chains, there.key), None
    except SnapshipError as error:
        if error.code not in UNREADABLE:
            raise
        return [], error.msg
