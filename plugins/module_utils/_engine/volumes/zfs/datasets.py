# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Datasets with their snapshots and bookmarks, from one listing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from typing import NamedTuple

from ..provider import Snapshot
from .commands import number, rows
from .names import parse_bookmark
from .records import HOLDS, PROVIDER, RECORD, snapshot_from

# Properties that may have line breaks or tabs in them, put there by a user, come last.
COLUMNS = (
    *("name", "type", "guid", "createtxg", "creation", "volsize", "logicalreferenced", "encryption", "volblocksize"),
    *("recordsize", RECORD, HOLDS),
)


class Dataset(NamedTuple):
    """A filesystem or zvol."""

    name: str
    type: str  # "filesystem" or "volume"
    guid: str
    size: int  # bytes: the size of a zvol, the logical data of a filesystem
    block: int  # volblocksize or recordsize
    encrypted: bool
    encryption: str


class Marked(NamedTuple):
    """A bookmark of ours."""

    path: str
    guid: str  # of its snapshot
    holder: str  # digest of its name
    created: float


class DatasetListing:
    """A listing. Unknown datasets are left out. Snapshots and bookmarks are newest first."""

    def __init__(self, found: Iterable[dict[str, str]]) -> None:
        self._listed = time.monotonic()
        self._again: dict[str, float] = {}  # volumes that were listed again, and when
        self.datasets: dict[str, Dataset] = {}
        self._found: dict[str, dict[str, dict[str, str]]] = {}
        for row in found:
            kind, owner = row["type"], row["name"].replace("#", "@").partition("@")[0]
            if kind in ("filesystem", "volume"):
                self.datasets[owner] = _dataset(row)
            elif kind in ("snapshot", "bookmark"):
                self._found.setdefault(owner, {})[row["name"]] = row

    def replace(self, volumes: Iterable[str], fresh: DatasetListing) -> None:
        """Take these volumes over from a later listing."""
        for volume in volumes:
            self.datasets.pop(volume, None)
            self._found.pop(volume, None)
            if volume in fresh.datasets:
                self.datasets[volume] = fresh.datasets[volume]
                self._found[volume] = fresh._found.get(volume, {})

            self._again[volume] = fresh._listed

    def age(self, volume: str = "") -> float:
        """Seconds since this volume was listed."""
        return time.monotonic() - self._again.get(volume, self._listed)

    def lists(self, snapshot: Snapshot) -> bool:
        """Whether this snapshot (by GUID) is listed under its name."""
        row = self._found.get(snapshot.volume, {}).get(snapshot.path)
        return row is not None and row["type"] == "snapshot" and row["guid"] == snapshot.state_id

    def drop(self, path: str) -> None:
        """Forget a snapshot or bookmark that was just destroyed."""
        self._found.get(path.replace("#", "@").partition("@")[0], {}).pop(path, None)

    def note(self, snapshot: Snapshot, holds: str) -> None:
        """Update the holds that were just noted on a snapshot."""
        self._found[snapshot.volume][snapshot.path][HOLDS] = holds

    def _rows(self, volume: str, kind: str) -> list[dict[str, str]]:
        found = [row for row in self._found.get(volume, {}).values() if row["type"] == kind]
        return sorted(found, key=lambda row: number(row["createtxg"]), reverse=True)

    def snapshots(self, volume: str) -> list[Snapshot]:
        """Snapshots of a dataset."""
        dataset = self.datasets.get(volume)
        return [snapshot_from(row, dataset.guid) for row in self._rows(volume, "snapshot")] if dataset else []

    def bookmarks(self, volume: str) -> list[Marked]:
        """Our bookmarks of a dataset."""
        found = []
        for row in self._rows(volume, "bookmark"):
            meant = parse_bookmark(row["name"].partition("#")[2])
            if meant is not None:
                found.append(Marked(row["name"], row["guid"], meant.holder, meant.created))
        return found

    def bases(self, volume: str) -> list[Snapshot]:
        """Snapshots of a dataset, and bookmarks of snapshots that are gone."""
        snapshots = self.snapshots(volume)
        there = {snapshot.state_id for snapshot in snapshots}
        order = {row["guid"]: number(row["createtxg"]) for row in self._found.get(volume, {}).values()}
        for mark in self.bookmarks(volume):
            if mark.guid not in there and volume in self.datasets:
                there.add(mark.guid)
                snapshots.append(_standing(mark, self.datasets[volume]))
        return sorted(snapshots, key=lambda snapshot: order[snapshot.state_id], reverse=True)


def look(volumes: Iterable[str]) -> DatasetListing:
    """List datasets with all their snapshots and bookmarks, in one call of ``zfs``."""
    return DatasetListing(rows(["list", "-t", "filesystem,volume,snapshot,bookmark", "-d", "1"], COLUMNS, volumes))


def same_as_now(volumes: Iterable[str]) -> dict[str, set[str]]:
    """For each dataset, the GUIDs of the snapshots since which nothing was written to it; in one call of ``zfs``.

    Data that isn't on disk yet (``zpool sync``) isn't seen.
    """
    found: dict[str, list[tuple[int, str, int]]] = {}
    columns = ("type", "guid", "createtxg", "written", "name")
    for row in rows(["list", "-t", "filesystem,volume,snapshot", "-d", "1"], columns, volumes):
        volume, _at, snapshot = row["name"].partition("@")
        order = number(row["createtxg"]) if snapshot else sys.maxsize
        found.setdefault(volume, []).append((order, row["guid"], number(row["written"])))
    return {volume: _same(states) for volume, states in found.items()}


def _same(states: Iterable[tuple[int, str, int]]) -> set[str]:
    """The states that equal the last one, which is the dataset itself. Each state has what was written before it."""
    same, written = set(), 0
    for _order, state, before in sorted(states, reverse=True):
        if written == 0:
            same.add(state)
        written += before
    return same


def look_below(dataset: str) -> DatasetListing:
    """List a dataset and all datasets below it, with their snapshots and bookmarks."""
    return DatasetListing(rows(["list", "-t", "filesystem,volume,snapshot,bookmark", "-r"], COLUMNS, [dataset]))


def _dataset(row: dict[str, str]) -> Dataset:
    zvol = row["type"] == "volume"
    return Dataset(
        name=row["name"],
        type=row["type"],
        guid=row["guid"],
        size=number(row["volsize"] if zvol else row["logicalreferenced"]),
        block=number(row["volblocksize"] if zvol else row["recordsize"]),
        encrypted=row["encryption"] not in ("off", "-"),
        encryption=row["encryption"],
    )


def _standing(mark: Marked, dataset: Dataset) -> Snapshot:
    """A bookmark as the base that its snapshot was."""
    return Snapshot(
        name=mark.path.partition("#")[2],
        volume=dataset.name,
        provider=PROVIDER,
        state_id=mark.guid,
        created=mark.created,
        size=0,
        lineage=dataset.guid,
        group=None,
        method="bookmark",
        path=mark.path,
        made_by="snapship",
        consistency={},
        holds={},
    )


def properties_of(volumes: Iterable[str]) -> dict[str, dict[str, str]]:
    """Properties that were set on these datasets or received, without our own; in one call."""
    found: dict[str, dict[str, str]] = {}
    columns = ("name", "property", "value")
    for row in rows(["get", "-s", "local,received", "-t", "filesystem,volume", "all"], columns, volumes):
        if not row["property"].startswith("snapship:") and not row["value"].endswith("\n"):
            found.setdefault(row["name"], {})[row["property"]] = row["value"]
    return found
