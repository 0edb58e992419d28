# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Snapshots of thin LVs: how they are recognised, made, tagged and removed.

A snapshot has its record (tags) from the start. Its witness is noted right after: which LV it is (UUID), which device
of which pool, and its size. A snapshot without a witness was left by a run that died.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator

from ...common.errors import BusyError, SnapshipError, VolumeError
from ...common.files import locked
from ..provider import Snapshot, TakeRequest
from . import commands, tags
from .names import parse, snapshot_lv
from .report import Lv, VolumeGroup, reports
from .tags import Record, Witness
from .thin_pool import check_room, release_leaked
from .usage import resume_left

PROVIDER = "lvm_thin"
LOCKS = "/run/snapship/volumes"
_TAKE_TIMEOUT = 300.0  # seconds to wait for another run that takes a snapshot of the same volume
UNFINISHED = "it was never finished"


def ours(lv: Lv) -> Record | None:
    """The record of a snapshot of ours; ``None`` for other volumes."""
    return tags.record_in(lv.tags) if lv.is_thin and not lv.internal else None


def snapshots_of(volume: str, listing: VolumeGroup) -> list[Snapshot]:
    """The snapshots of a volume, newest first.

    They belong to the LV, whatever its name is now. Snapshots that were made to ship an earlier LV of this name are
    listed too, with that as their flaw, so that they are removed when no backup depends on them.
    """
    now = listing.by_name.get(parse(volume).lv)
    found = []
    for lv in listing.volumes:
        record = ours(lv)
        if record is None:
            continue
        if now is not None and record.lineage == now.uuid:
            found.append(snapshot(lv, record, volume, None))
        elif record.volume == volume and record.made_by == "snapship":
            gone = "its LV is gone" if now is None else "it belongs to an earlier LV of this name"
            found.append(snapshot(lv, record, volume, gone))
    return sorted(found, key=lambda each: each.created, reverse=True)


def snapshot(lv: Lv, record: Record, volume: str, flaw: str | None) -> Snapshot:
    """A snapshot as use cases see it, with its witness checked."""
    witness = tags.witness_in(lv.tags)
    return Snapshot(
        name=record.name,
        volume=volume,
        provider=PROVIDER,
        state_id=record.state_id,
        created=record.created,
        size=witness.size if witness else lv.size,
        lineage=record.lineage,
        group=record.group,
        method="thin",
        path=f"/dev/{lv.name}",
        made_by=record.made_by,
        consistency=record.consistency,
        holds=tags.holds_in(lv.tags),
        flaw=flaw or flaw_of(lv, witness),
    )


def flaw_of(lv: Lv, witness: Witness | None) -> str | None:
    """Why an LV isn't, or may not be, the snapshot that its tags name; ``None`` if it is."""
    if witness is None:
        return UNFINISHED
    if lv.uuid != witness.uuid:
        return "its tags were copied from another LV"
    if (lv.thin_id, lv.pool_uuid) != (witness.thin_id, witness.pool_uuid):
        return "it was replaced by another device of its thin pool"
    if tags.CHANGED in lv.tags:
        return "it was written to"
    if not lv.read_only:
        return "it was made writable"
    if lv.size != witness.size:
        return "it was resized"
    return None


def locate(wanted: Snapshot, listing: VolumeGroup) -> Lv:
    """The LV of a snapshot. Raises VolumeError (``snapshot_gone``, ``snapshot_changed``)."""
    found = _candidates(wanted, listing)
    if not found:
        raise VolumeError(f"snapshot {wanted.name!r} of {wanted.volume} is gone.", code="snapshot_gone")
    lv = found[0]
    flaw = flaw_of(lv, tags.witness_in(lv.tags))
    if flaw is not None:
        said = f"can't use snapshot {wanted.name!r} of {wanted.volume}: {flaw}."
        raise VolumeError(said, code="snapshot_changed")
    return lv


def _candidates(wanted: Snapshot, listing: VolumeGroup) -> list[Lv]:
    """LVs with the tags of this snapshot, the original first: tags can be copied."""
    tag = tags.named("state", wanted.state_id)
    found = [lv for lv in listing.volumes if tag in lv.tags and ours(lv) is not None]

    def strange(lv: Lv) -> bool:
        witness = tags.witness_in(lv.tags)
        return witness is not None and witness.uuid != lv.uuid

    return sorted(found, key=strange)


# --- making


class Taking:
    """Takes snapshots of several volumes in one or more volume groups: all or none."""

    def __init__(self, request: TakeRequest) -> None:
        self._request = request
        self._listings: dict[str, VolumeGroup] = {}
        self._origins: list[tuple[str, Lv]] = []
        self._made: list[tuple[str, Lv, str, str]] = []  # volume, origin, LV name, state id

    def run(self) -> list[Snapshot]:
        with contextlib.ExitStack() as stack:
            self._look(stack)
            try:
                for volume, origin in self._origins:
                    self._create(volume, origin)
                return self._finish()
            except BaseException:
                self._undo()
                raise

    def _look(self, stack: contextlib.ExitStack) -> None:
        """Lock the volumes, remove what runs that died left, and check that snapshots can be made."""
        uuids = {volume: _origin(reports.of(parse(volume).vg), volume).uuid for volume in self._request.volumes}
        for uuid in sorted(set(uuids.values())):
            stack.enter_context(_lock(uuid))
        for vg in sorted({parse(volume).vg for volume in self._request.volumes}):
            # This listing may be from before the locks: another run may have finished a snapshot since.
            listing = reports.recent(vg)
            if _unfinished(listing, set(uuids.values())):
                listing = reports.fresh(vg)
                _sweep(listing, set(uuids.values()))
                listing = reports.fresh(vg)
            self._listings[vg] = listing
        for volume in self._request.volumes:
            listing = self._listings[parse(volume).vg]
            origin = _origin(listing, volume)
            if origin.uuid != uuids[volume]:
                raise VolumeError(f"volume {volume!r} was just replaced by another LV.", "Run it again.")
            pool = listing.pool_of(origin)
            resume_left(origin, pool)
            release_leaked(pool)
            check_room(pool)
            if any(each.name == self._request.name for each in snapshots_of(volume, listing)):
                raise VolumeError(f"{volume} already has a snapshot {self._request.name!r}.", code="exists")
            self._origins.append((volume, origin))

    def _create(self, volume: str, origin: Lv) -> None:
        request, name = self._request, parse(volume)
        lv_name = snapshot_lv(name, origin.uuid, request.name, self._listings[name.vg].names)
        planned = Snapshot(
            name=request.name,
            volume=volume,
            provider=PROVIDER,
            state_id=secrets.token_hex(16),
            created=request.created,
            size=origin.size,
            lineage=origin.uuid,
            group=request.group,
            method="thin",
            path=f"/dev/{name.vg}/{lv_name}",
            made_by=request.made_by,
            consistency=request.consistency,
            holds=dict(request.holds),
        )
        noted = [word for tag in tags.snapshot_tags(planned) for word in ("--addtag", tag)]
        # A single snapshot is read right away, so it is activated at once; several may have to wait for their turn.
        active = ["-K"] if request.holds and len(request.volumes) == 1 else []
        command = ["lvcreate", "-y", "-s", "-ky", *active, "-pr", *noted, "-n", lv_name, "--", str(origin.name)]
        self._made.append((volume, origin, lv_name, planned.state_id))
        commands.change(f"can't take a snapshot of {volume}", command)

    def _finish(self) -> list[Snapshot]:
        """Note the witness of each."""
        done = []
        listings = {vg: reports.fresh(vg) for vg in {parse(volume).vg for volume, *_rest in self._made}}
        for volume, origin, lv_name, state_id in self._made:
            lv = listings[parse(volume).vg].by_name.get(lv_name)
            if lv is None or tags.named("state", state_id) not in lv.tags or lv.pool_uuid != origin.pool_uuid:
                raise VolumeError(f"the snapshot of {volume} disappeared while it was made.", "Run it again.")
            if lv.origin_uuid != origin.uuid:
                raise VolumeError(f"volume {volume!r} was just replaced by another LV.", "Run it again.")
            lv = commands.retag(lv, add=[Witness(lv.uuid, lv.thin_id, lv.pool_uuid, lv.size).tag()])
            record = ours(lv)
            if record is None or record.lineage != origin.uuid:
                raise VolumeError(f"the snapshot of {volume} has lost its tags.", "Run it again.")
            done.append(snapshot(lv, record, volume, None))
        return done

    def _undo(self) -> None:
        for volume, _origin_lv, lv_name, state_id in self._made:
            with contextlib.suppress(SnapshipError):
                tag = tags.named("state", state_id)
                lv = reports.fresh(parse(volume).vg).by_name.get(lv_name)
                if lv is not None and tag in lv.tags:
                    commands.remove(lv, tag)


def _sweep(listing: VolumeGroup, lineages: set[str]) -> None:
    """Remove unfinished snapshots of these LVs, which runs that died left."""
    for lv, record in _unfinished(listing, lineages):
        with contextlib.suppress(VolumeError):
            commands.remove(lv, tags.named("state", record.state_id))


def _unfinished(listing: VolumeGroup, lineages: set[str]) -> list[tuple[Lv, Record]]:
    """Snapshots of these LVs that have no witness."""
    found = []
    for lv in listing.volumes:
        record = ours(lv)
        if record is None or tags.witness_in(lv.tags) is not None:
            continue
        if record.lineage in lineages and lv.uuid != record.lineage:
            found.append((lv, record))
    return found


def _origin(listing: VolumeGroup, volume: str) -> Lv:
    found = listing.by_name.get(parse(volume).lv)
    if found is None or not found.is_thin:
        raise VolumeError(f"volume {volume!r} was removed or replaced.", code="unknown_volume")
    return found


@contextlib.contextmanager
def _lock(uuid: str) -> Iterator[None]:
    with locked(os.path.join(LOCKS, uuid), _TAKE_TIMEOUT, "an LV whose snapshot is being taken"):
        yield


# --- changing


def remove(wanted: Snapshot) -> None:
    """Remove exactly this snapshot. Raises BusyError while it is open."""
    listing = reports.recent(parse(wanted.volume).vg)
    tag = tags.named("state", wanted.state_id)
    for lv in _candidates(wanted, listing):
        witness = tags.witness_in(lv.tags)
        if lv.uuid == wanted.lineage or witness is not None and witness.uuid != lv.uuid:
            continue
        try:
            commands.remove(lv, tag)
        except VolumeError as error:
            if error.code != "in_use":
                raise
            raise BusyError(
                f"snapshot {wanted.name!r} of {wanted.volume} is in use; it was not removed.",
                f"Close whatever has {lv.name} open.",
                code="in_use",
            ) from error


def hold(wanted: Snapshot, holder: str, backup: str | None) -> None:
    """Set, or remove, the hold of one holder. Raises VolumeError (``snapshot_gone``)."""
    found = _candidates(wanted, reports.recent(parse(wanted.volume).vg))
    if not found:
        if backup is None:
            return
        raise VolumeError(f"snapshot {wanted.name!r} of {wanted.volume} is gone.", code="snapshot_gone")
    lv = found[0]
    add = set(tags.hold_tags(holder, backup) if backup is not None else [])
    drop = set(tags.belonging(lv.tags, tags.hold_key(holder)))
    wanted.holds = tags.holds_in(commands.retag(lv, add=sorted(add - drop), drop=sorted(drop - add)).tags)
