# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What LVM says of volume groups and logical volumes, and changes to them by what they are, not by their names."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..errors import UnknownError, VolumeError
from . import programs
from .lvm_names import LvName, mapped_name
from .programs import ProgramError

_FIELDS = (
    *("vg_name", "vg_uuid", "lv_name", "lv_uuid", "lv_size", "lv_tags", "segtype", "pool_lv", "pool_lv_uuid"),
    *("thin_id", "chunk_size", "zero", "data_percent", "metadata_percent", "lv_permissions", "lv_device_open"),
    *("lv_kernel_major", "lv_kernel_minor", "metadata_lv", "lv_metadata_size"),
)


class Lv(NamedTuple):
    """A logical volume; bytes."""

    name: LvName
    vg_uuid: str
    uuid: str
    size: int
    tags: list[str]
    segtype: str
    internal: bool
    pool: str
    pool_uuid: str
    thin_id: int
    chunk: int  # of pools
    zeroing: bool  # of pools
    data_percent: float | None  # of pools that are active
    metadata_percent: float | None
    read_only: bool
    device: tuple[int, int] | None  # major, minor while active
    is_open: bool
    metadata: str  # of pools: the LV that holds the metadata
    metadata_size: int  # of pools

    @property
    def is_thin(self) -> bool:
        return self.segtype == "thin"

    @property
    def is_pool(self) -> bool:
        return self.segtype == "thin-pool"

    @property
    def dm_uuid(self) -> str:
        """What device-mapper knows it by."""
        return "LVM-" + (self.vg_uuid + self.uuid).replace("-", "")


class Listing:
    """The logical volumes of one group at one moment."""

    def __init__(self, volumes: Iterable[Lv]) -> None:
        self.by_uuid = {each.uuid: each for each in volumes}  # a volume of several segments comes several times
        self.by_name = {each.name.lv: each for each in self.by_uuid.values()}

    @property
    def volumes(self) -> list[Lv]:
        return list(self.by_uuid.values())

    @property
    def names(self) -> set[str]:
        return {name.strip("[]") for name in self.by_name}

    def pool_of(self, volume: Lv) -> Lv:
        """The pool of a thin volume."""
        found = self.by_uuid.get(volume.pool_uuid)
        if found is None:
            raise VolumeError(f"{volume.name} has no pool that LVM lists.", code="volume")
        return found


class Reports(threading.local):
    """Listings, kept for a while in threads that asked for that."""

    def __init__(self) -> None:
        self._kept: dict[str, Listing] | None = None

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside, in this thread, each volume group is listed once, and again after something was changed."""
        before = self._kept
        self._kept = {} if before is None else before
        try:
            yield
        finally:
            self._kept = before

    def drop(self) -> None:
        """Something was changed."""
        if self._kept is not None:
            self._kept.clear()

    def of(self, vg: str) -> Listing:
        """The volumes of a group, maybe as they were a moment ago; none where there is no such group."""
        if self._kept is not None and vg in self._kept:
            return self._kept[vg]
        return self.fresh(vg)

    def fresh(self, vg: str) -> Listing:
        """The volumes of a group as they are now."""
        found = list_volumes(vg)
        if self._kept is not None:
            self._kept[vg] = found
        return found


reports = Reports()


def list_volumes(vg: str) -> Listing:
    """Ask LVM. An unknown group has no volumes. Raises VolumeError."""
    command = ["lvs", "-a", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", ",".join(_FIELDS), "--", vg]
    try:
        text = programs.run(command)
    except ProgramError as error:
        if f'Volume group "{vg}" not found' in error.said:
            return Listing([])
        raise VolumeError(f"volume group {vg} can't be listed: {one_line(error.said)}", code="program") from error
    return Listing([_volume(row) for row in _rows(text, "lv")])


def volume_groups() -> list[str]:
    """Names of all volume groups; none where LVM isn't installed."""
    try:
        return [row["vg_name"] for row in _rows(programs.run(["vgs", "--reportformat", "json", "-o", "vg_name"]), "vg")]
    except UnknownError:
        return []


def _rows(text: str, kind: str) -> list[dict[str, str]]:
    try:
        return [row for report in json.loads(text)["report"] for row in report.get(kind, [])]
    except (ValueError, KeyError, TypeError) as error:
        raise VolumeError("what LVM reports can't be read as JSON.", code="program") from error


def _volume(row: dict[str, Any]) -> Lv:
    name = row["lv_name"]
    device = int(row["lv_kernel_major"]), int(row["lv_kernel_minor"])
    return Lv(
        name=LvName(row["vg_name"], name),
        vg_uuid=row["vg_uuid"],
        uuid=row["lv_uuid"],
        size=int(row["lv_size"]),
        tags=[tag for tag in row["lv_tags"].split(",") if tag],
        segtype=row["segtype"],
        internal=name.startswith("["),
        pool=row["pool_lv"].strip("[]"),
        pool_uuid=row["pool_lv_uuid"],
        thin_id=int(row["thin_id"] or -1),
        chunk=int(row["chunk_size"] or 0),
        zeroing=row["zero"] == "zero",
        data_percent=_percent(row["data_percent"]),
        metadata_percent=_percent(row["metadata_percent"]),
        read_only=row["lv_permissions"] == "read-only",
        device=device if device[0] >= 0 else None,
        is_open=row["lv_device_open"] == "open",
        metadata=row["metadata_lv"].strip("[]"),
        metadata_size=int(row["lv_metadata_size"] or 0),
    )


def _percent(text: str) -> float | None:
    return float(text) if text else None


_NOISE = ("WARNING: Sum of all thin", "WARNING: You have not turned on", "WARNING: Set activation", "File descriptor")


def one_line(said: str) -> str:
    """What a program said, without its warnings about things that aren't wrong, in one line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith(_NOISE)]
    return "; ".join(errors or lines) or "it said nothing"


def change(what: str, command: list[str]) -> str:
    """Run a program of LVM's that changes something; ``what`` failed is said in the error."""
    try:
        return programs.run(command)
    except ProgramError as error:
        code = _code(error.said)
        raise VolumeError(f"{what}: {one_line(error.said)}", _HINTS.get(code, ""), code=code) from error
    finally:
        reports.drop()


_HINTS = {"pool_full": "Extend the pool, or remove snapshots.", "in_use": "Close what has it open."}


def _code(said: str) -> str:
    if "already exists" in said:
        return "exists"
    if " in use" in said or "is used by" in said:
        return "in_use"
    if "free space" in said or "threshold" in said or "insufficient" in said.lower():
        return "pool_full"
    return "program"


def _which(volume: Lv) -> list[str]:
    """Options that pick this volume by its identity, whatever it is called by now."""
    return ["-S", f'lv_uuid="{volume.uuid}"', "--", volume.name.vg]


def retag(volume: Lv, add: Iterable[str] = (), drop: Iterable[str] = ()) -> None:
    """Change tags in one step."""
    add, drop = list(add), list(drop)
    words = [word for tag in drop for word in ("--deltag", tag)] + [word for tag in add for word in ("--addtag", tag)]
    if words:
        change(f"{volume.name} can't be tagged", ["lvchange", *words, *_which(volume)])


def activate(volume: Lv) -> None:
    """Make its device appear."""
    change(f"{volume.name} can't be activated", ["lvchange", "-ay", "-K", *_which(volume)])


def refresh(volume: Lv) -> None:
    """Load its device anew, and resume it."""
    change(f"{volume.name} is suspended and can't be resumed", ["lvchange", "--refresh", *_which(volume)])


def deactivate(volume: Lv) -> None:
    """Make its device go, unless somebody has it open."""
    with contextlib.suppress(VolumeError):
        change(f"{volume.name} can't be deactivated", ["lvchange", "-an", *_which(volume)])


def remove(volume: Lv, tag: str) -> bool:
    """Remove a volume, if it still is there and has this tag; returns whether it did. Raises VolumeError, code
    ``in_use`` where somebody has it open."""
    which = ["-S", f'lv_uuid="{volume.uuid}" && lv_tags={{"{tag}"}}', "--", volume.name.vg]
    said = change(f"{volume.name} can't be removed", ["lvremove", "-y", *which])
    return "successfully removed" in said


def rename(vg: str, old: str, new: str) -> None:
    """Raises VolumeError."""
    change(f"{vg}/{old} can't be renamed to {new}", ["lvrename", "--", vg, old, new])


def pool_device(pool: Lv) -> str:
    """The device-mapper name of a pool."""
    return mapped_name(pool.name.vg, pool.name.lv) + "-tpool"
