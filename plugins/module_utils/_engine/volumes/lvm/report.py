# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""LVM's reports of volume groups and logical volumes."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ...common import processes
from ...common.bounded import read_object
from ...common.errors import UnknownError, VolumeError
from ...common.processes import ProgramError
from .names import LvName, mapped_name

_FIELDS = (
    *("vg_name", "vg_uuid", "lv_name", "lv_uuid", "lv_size", "lv_tags", "segtype", "pool_lv", "pool_lv_uuid"),
    *("thin_id", "chunk_size", "zero", "lv_permissions", "lv_kernel_major", "lv_kernel_minor", "metadata_lv"),
    "origin_uuid",
)
# Seconds for which a listing is used: by callers that only read, and by callers that are about to change something.
_LIMIT = 256 << 20  # bytes of a report: about 400,000 volumes
_LOOK, _MOMENT = 60.0, 5.0


class Lv(NamedTuple):
    """A logical volume; sizes in bytes."""

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
    read_only: bool
    device: tuple[int, int] | None  # major and minor number; None while inactive
    metadata: str  # of pools: the LV with the metadata
    origin_uuid: str  # of snapshots

    @property
    def is_thin(self) -> bool:
        return self.segtype == "thin"

    @property
    def is_pool(self) -> bool:
        return self.segtype == "thin-pool"

    @property
    def dm_uuid(self) -> str:
        """Its UUID in device-mapper."""
        return "LVM-" + (self.vg_uuid + self.uuid).replace("-", "")


class VolumeGroup:
    """The logical volumes of one volume group at one moment."""

    def __init__(self, volumes: Iterable[Lv]) -> None:
        self.listed = time.monotonic()
        self.by_uuid = {each.uuid: each for each in volumes}  # LVM lists a volume once for each segment
        self.by_name = {each.name.lv: each for each in self.by_uuid.values()}

    @property
    def volumes(self) -> list[Lv]:
        return list(self.by_uuid.values())

    @property
    def names(self) -> set[str]:
        return {name.strip("[]") for name in self.by_name}

    def replace(self, volume: Lv) -> None:
        """Replace a volume that was just changed."""
        self.by_uuid[volume.uuid] = self.by_name[volume.name.lv] = volume

    def drop(self, volume: Lv) -> None:
        """Forget a volume that was just removed."""
        self.by_uuid.pop(volume.uuid, None)
        self.by_name.pop(volume.name.lv, None)

    def pool_of(self, volume: Lv) -> Lv:
        """The pool of a thin volume."""
        found = self.by_uuid.get(volume.pool_uuid)
        if found is None:
            raise VolumeError(f"LVM lists no pool for {volume.name}.", code="volume")
        return found


class Reports(threading.local):
    """Listings, kept for a while in threads that asked for it."""

    def __init__(self) -> None:
        self._kept: dict[str, VolumeGroup] | None = None

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Inside, in this thread, each volume group is listed once, and again after a change or when the listing is too
        old."""
        before = self._kept
        self._kept = {} if before is None else before
        try:
            yield
        finally:
            self._kept = before

    def drop(self) -> None:
        """Forget all listings: something was changed."""
        if self._kept is not None:
            self._kept.clear()

    def retagged(self, volume: Lv) -> None:
        """Update a volume of which only the tags were changed, to these."""
        known = self._known(volume.name.vg, _LOOK)
        if known is not None and volume.uuid in known.by_uuid:
            known.replace(known.by_uuid[volume.uuid]._replace(tags=volume.tags))

    def removed(self, volume: Lv) -> None:
        """Forget a volume that was removed, if nothing else was changed."""
        known = self._known(volume.name.vg, _LOOK)
        if known is not None:
            known.drop(volume)

    def _known(self, vg: str, age: float) -> VolumeGroup | None:
        known = self._kept.get(vg) if self._kept is not None else None
        return known if known is not None and time.monotonic() - known.listed <= age else None

    def of(self, vg: str) -> VolumeGroup:
        """The volumes of a group, maybe as they were a minute ago. An unknown group has none."""
        return self._known(vg, _LOOK) or self.fresh(vg)

    def recent(self, vg: str) -> VolumeGroup:
        """The volumes of a group as they are now, or were seconds ago and weren't changed here since."""
        return self._known(vg, _MOMENT) or self.fresh(vg)

    def fresh(self, vg: str) -> VolumeGroup:
        """The volumes of a group as they are now."""
        found = list_volumes(vg)
        if self._kept is not None:
            self._kept[vg] = found
        return found


reports = Reports()


def list_volumes(vg: str) -> VolumeGroup:
    """List the volumes of a group. An unknown group has none. Raises VolumeError."""
    command = ["lvs", "-a", "--reportformat", "json", "--units", "b", "--nosuffix", "-o", ",".join(_FIELDS), "--", vg]
    try:
        text = processes.run(command)
    except ProgramError as error:
        if f'Volume group "{vg}" not found' in error.said:
            return VolumeGroup([])
        raise VolumeError(f"can't list volume group {vg}: {one_line(error.said)}", code="program") from error
    return VolumeGroup([_volume(row) for row in _rows(text, "lv")])


def volume_groups() -> list[str]:
    """Names of all volume groups; none if LVM isn't installed."""
    try:
        return [
            row["vg_name"] for row in _rows(processes.run(["vgs", "--reportformat", "json", "-o", "vg_name"]), "vg")
        ]
    except UnknownError:
        return []


def is_active(vg: str) -> bool:
    """Whether an LV of this group is active; if so, the group exists. Starts no program."""
    start = mapped_name(vg, "")
    try:
        names = [name for name in os.listdir("/dev/mapper") if name.startswith(start)]
    except OSError:
        return False
    return any(name[len(start) : len(start) + 1] not in ("", "-") and _made_by_lvm(name) for name in names)


def _made_by_lvm(mapped: str) -> bool:
    try:
        number = os.stat(f"/dev/mapper/{mapped}").st_rdev
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/dm/uuid", encoding="ascii") as source:
            return source.read().startswith("LVM-")
    except OSError:
        return False


def _rows(text: str, kind: str) -> list[dict[str, str]]:
    try:
        return [
            row
            for report in read_object(text.encode("utf-8", "surrogateescape"), _LIMIT, floats=True)["report"]
            for row in report.get(kind, [])
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise VolumeError("LVM's report isn't valid JSON.", code="program") from error


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
        read_only=row["lv_permissions"] == "read-only",
        device=device if device[0] >= 0 else None,
        metadata=row["metadata_lv"].strip("[]"),
        origin_uuid=row["origin_uuid"],
    )


_NOISE = ("WARNING: Sum of all thin", "WARNING: You have not turned on", "WARNING: Set activation", "File descriptor")


def one_line(said: str) -> str:
    """A program's error messages in one line, without warnings about harmless things."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line for line in lines if not line.startswith(_NOISE)]
    return "; ".join(errors or lines) or "no error message"


def pool_device(pool: Lv) -> str:
    """The name of a pool's device in device-mapper."""
    return mapped_name(pool.name.vg, pool.name.lv) + "-tpool"
