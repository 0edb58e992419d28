# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Takes snapshots in ZFS, and destroys exactly those."""

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

FULL_PERCENT = 95.0  # we add nothing to a fuller pool: ZFS gets slow and then refuses writes
_SHOWN = 20  # most names in an error
_BUSY = ("dataset is busy", "being held", "dependent clones")


def fullness() -> dict[str, float]:
    """How full each pool is, percent."""
    lines = zpool("list", "-Hp", "-o", "name,capacity").splitlines()
    found = [line.partition("\t") for line in lines]
    return {name: float(percent) for name, _tab, percent in found if percent.isdigit()}  # "-": unknown


def check_room(pools: list[str], what: str, known: dict[str, float]) -> None:
    """Raises VolumeError (``pool_full``) if a pool is nearly full. ``known``: percent by pool; ``what`` begins the
    text."""
    for pool in sorted(set(pools) & set(known)):
        if known[pool] >= FULL_PERCENT:
            raise VolumeError(
                f"{what}: pool {pool} is {known[pool]:.0f} % full. Nothing was changed.",
                "Remove snapshots or data from it, or add disks.",
                code="pool_full",
            )


def take(request: TakeRequest, datasets: dict[str, Dataset], full: dict[str, float]) -> list[Snapshot]:
    """Take the snapshots of each pool at one point in time, one pool after the other. All or none."""
    paths = [snapshot_path(volume, request.name) for volume in request.volumes]
    check_room(
        [pool_of(volume) for volume in request.volumes], f"can't take a snapshot of {', '.join(request.volumes)}", full
    )
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
    """These datasets. Raises UnknownError if one doesn't exist."""
    found = look(volumes).datasets
    for volume in volumes:
        if volume not in found:
            raise unknown(volume)
    return found


def _take(paths: list[str], request: TakeRequest, datasets: dict[str, Dataset]) -> None:
    """Take snapshots in one call, which is one transaction."""
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
            raise VolumeError(f"{volume} already has a snapshot {name!r}.", code="exists", volume=volume) from error
        if "out of space" in error.said or "quota" in error.said:
            what = ", ".join(request.volumes)
            raise VolumeError(f"no space for a snapshot of {what}: {error.said}", code="no_space") from error
        if is_absent(error):
            raise unknown(paths[0].partition("@")[0]) from error
        raise


def _made(paths: list[str], request: TakeRequest, datasets: dict[str, Dataset]) -> list[Snapshot]:
    """The snapshots that were just taken, in the order of the request."""
    columns = ("name", "guid", "volsize", "logicalreferenced")
    names = [*request.volumes, *paths]
    found = {row["name"]: row for row in rows(["list", "-t", "filesystem,volume,snapshot"], columns, names)}
    made = []
    for path in paths:
        row, volume = found.get(path), path.partition("@")[0]
        if volume not in found or found[volume]["guid"] != datasets[volume].guid:
            raise VolumeError(f"volume {volume!r} was just replaced by another dataset.", "Run it again.")
        if row is None:
            raise VolumeError(f"snapshot {path!r} was removed right after it was made.", code="snapshot_gone")
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
    """The error for a dataset that doesn't exist; lists some that do."""
    pool = pool_of(volume)
    try:
        names = zfs("list", "-Hp", "-r", "-t", "filesystem,volume", "-o", "name", pool).splitlines()
    except SnapshipError:
        return UnknownError(
            f"volume {volume!r}: pool {pool!r} isn't imported on this host.",
            "Import it (zpool import).",
            code="unknown_volume",
        )
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return UnknownError(f"volume {volume!r}: no such dataset (existing: {shown}).", code="unknown_volume")


def remove(snapshot: Snapshot, listed: bool) -> None:
    """Destroy one snapshot, unless it is gone or another snapshot has its name now. Raises BusyError, ``in_use``.

    ``listed``: a recent listing has it under its name.
    """
    path = snapshot_path(snapshot.volume, snapshot.name)  # exactly one @, and no characters that select several
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
                "Something is sending it, holds it (zfs holds) or was cloned from it.",
                code="in_use",
            ) from error
        if not is_absent(error):
            raise
