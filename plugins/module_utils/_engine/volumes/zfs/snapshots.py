# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Making snapshots in ZFS, and destroying exactly those."""

from __future__ import annotations

import contextlib

from ...common.errors import BusyError, SnapshipError, UnknownError, VolumeError
from ...common.processes import ProgramError
from ..provider import Snapshot, TakeRequest
from .commands import is_absent, number, rows, zfs, zpool
from .datasets import Dataset, look
from .holds import first_bookmarks
from .names import pool_of, snapshot_path
from .records import HOLDS, PROVIDER, RECORD, holds_text, record_text

FULL_PERCENT = 95.0  # from here on nothing is added to a pool: ZFS itself gets slow, and then refuses writes
_SHOWN = 20  # names in an error
_BUSY = ("dataset is busy", "being held", "dependent clones")


def fullness() -> dict[str, float]:
    """How full each pool is, percent."""
    lines = zpool("list", "-Hp", "-o", "name,capacity").splitlines()
    found = [line.partition("\t") for line in lines]
    return {name: float(percent) for name, _tab, percent in found if percent.isdigit()}  # "-": it can't be told


def check_room(pools: list[str], what: str, known: dict[str, float]) -> None:
    """Refuse to add anything to pools that are nearly full: ``known``. ``what`` begins the message."""
    for pool in sorted(set(pools) & set(known)):
        if known[pool] >= FULL_PERCENT:
            raise VolumeError(
                f"{what}: pool {pool} is {known[pool]:.0f} % full.",
                "Remove snapshots or data there, or add disks to it; nothing was changed.",
                code="pool_full",
            )


def take(request: TakeRequest, datasets: dict[str, Dataset], full: dict[str, float]) -> list[Snapshot]:
    """All of a pool at one point in time; of several pools one after the other. All or none."""
    paths = [snapshot_path(volume, request.name) for volume in request.volumes]
    check_room([pool_of(volume) for volume in request.volumes], f"no snapshot of {', '.join(request.volumes)}", full)
    by_pool: dict[str, list[str]] = {}
    for path in paths:
        by_pool.setdefault(pool_of(path), []).append(path)
    done: list[str] = []
    try:
        for part in by_pool.values():
            _take(part, request, datasets)
            done += part
        made = _made(paths, request, datasets)
        for snapshot in made:
            first_bookmarks(snapshot)
    except BaseException:
        for path in done:
            with contextlib.suppress(SnapshipError):
                zfs("destroy", path)
        raise
    return made


def look_at_datasets(volumes: list[str]) -> dict[str, Dataset]:
    """These datasets. Raises UnknownError for one that isn't there."""
    found = look(volumes).datasets
    for volume in volumes:
        if volume not in found:
            raise unknown(volume)
    return found


def _take(paths: list[str], request: TakeRequest, datasets: dict[str, Dataset]) -> None:
    """One call, one transaction."""
    guids = [datasets[path.partition("@")[0]].guid for path in paths]
    options = ["-o", f"{RECORD}={record_text(guids, request)}"]
    if request.holds:
        options += ["-o", f"{HOLDS}={holds_text(guids, request.holds)}"]
    try:
        zfs("snapshot", *options, *paths)
    except ProgramError as error:
        if "already exists" in error.said:
            there = next((path for path in paths if f"'{path}'" in error.said), paths[0])
            volume, _at, name = there.partition("@")
            raise VolumeError(f"{volume} has a snapshot {name!r} already.", code="exists", volume=volume) from error
        if "out of space" in error.said or "quota" in error.said:
            what = ", ".join(request.volumes)
            raise VolumeError(f"no room for a snapshot of {what}: {error.said}", code="no_space") from error
        if is_absent(error):
            raise unknown(paths[0].partition("@")[0]) from error
        raise


def _made(paths: list[str], request: TakeRequest, datasets: dict[str, Dataset]) -> list[Snapshot]:
    """What was just made, in the order of the request."""
    columns = ("name", "guid", "volsize", "logicalreferenced")
    names = [*request.volumes, *paths]
    found = {row["name"]: row for row in rows(["list", "-t", "filesystem,volume,snapshot"], columns, names)}
    made = []
    for path in paths:
        row, volume = found.get(path), path.partition("@")[0]
        if volume not in found or found[volume]["guid"] != datasets[volume].guid:
            raise VolumeError(f"volume {volume!r} was replaced a moment ago.", "Run it again.")
        if row is None:
            raise VolumeError(f"snapshot {path!r} went away as soon as it was made.", code="snapshot_gone")
        size = number(row["volsize"]) or number(row["logicalreferenced"])
        made.append(
            Snapshot(
                name=request.name,
                volume=volume,
                provider=PROVIDER,
                state_id=row["guid"],
                created=request.created,
                size=size,
                lineage=datasets[volume].guid,
                group=request.group,
                method="snapshot",
                path=path,
                made_by=request.made_by,
                consistency=request.consistency,
                holds=dict(request.holds),
            )
        )
    return made


def unknown(volume: str) -> UnknownError:
    """For a dataset that isn't there; names some that are."""
    pool = pool_of(volume)
    try:
        names = zfs("list", "-Hp", "-r", "-t", "filesystem,volume", "-o", "name", pool).splitlines()
    except SnapshipError:
        return UnknownError(
            f"volume {volume!r}: no pool {pool!r} is imported here.", "Import it (zpool import).", code="unknown_volume"
        )
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return UnknownError(f"volume {volume!r}: there is no such dataset (there: {shown}).", code="unknown_volume")


def remove(snapshot: Snapshot, listed: bool) -> None:
    """Destroy one snapshot; nothing where it is gone or its name is another's now. Raises BusyError, ``in_use``.

    ``listed``: that it has its name was seen a moment ago.
    """
    path = snapshot_path(snapshot.volume, snapshot.name)  # exactly one @, and none of the signs that mean several
    if not listed:
        found = list(rows(["list", "-t", "snapshot"], ("name", "guid"), [path]))
        if [row["guid"] for row in found] != [snapshot.state_id]:
            return
    try:
        zfs("destroy", path)
    except ProgramError as error:
        if any(text in error.said for text in _BUSY):
            raise BusyError(
                f"snapshot {snapshot.name!r} of {snapshot.volume} is in use: {error.said}",
                "It is being sent, held (zfs holds) or has clones.",
                code="in_use",
            ) from error
        if not is_absent(error):
            raise
