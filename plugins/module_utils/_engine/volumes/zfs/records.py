# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Notes on snapshots in ZFS: user properties of our own.

Snapshots inherit properties from datasets, and replicas copy them. So each note names the datasets it was made for,
and counts only on a snapshot of one of these.
"""

from __future__ import annotations

import contextlib
from typing import Any

from ...common.errors import VolumeError
from .. import record
from ..provider import Snapshot, TakeRequest

PROVIDER = "zfs"
RECORD = "snapship:record"  # how the snapshot was made
HOLDS = "snapship:holds"  # which backups depend on it
_LONGEST = 8191  # longest value of a property, bytes


def _marks(datasets: list[str]) -> list[str]:
    """GUIDs cut to 32 bits to save space: enough to tell datasets apart."""
    return [f"{int(guid) & 0xFFFFFFFF:08x}" for guid in datasets]


def record_text(datasets: list[str], request: TakeRequest) -> str:
    """The record for snapshots that one call makes, of the datasets with these GUIDs."""
    fields = {"datasets": _marks(datasets), **record.fields_of(request)}
    return _fitting(fields, "Split the group, or let the hooks write less.")


def holds_text(datasets: list[str], holds: dict[str, str]) -> str:
    """The holds for snapshots of the datasets with these GUIDs."""
    return _fitting({"datasets": _marks(datasets), "holds": holds}, "Ship the volume to fewer remotes.")


def _fitting(fields: dict[str, Any], cure: str) -> str:
    text = record.pack(fields)
    if len(text) > _LONGEST:
        raise VolumeError(f"the notes on a snapshot are too long: a ZFS property holds {_LONGEST} bytes.", cure)
    return text


def snapshot_from(row: dict[str, str], dataset: str) -> Snapshot:
    """A listed snapshot of the dataset with this GUID. A snapshot without a record is a user's."""
    volume, _at, name = row["name"].partition("@")
    size = row["volsize"] if row["volsize"].isdigit() else row["logicalreferenced"]
    made = Snapshot(
        name=name,
        volume=volume,
        provider=PROVIDER,
        state_id=row["guid"],
        created=float(row["creation"]),
        size=int(size) if size.isdigit() else 0,
        lineage=dataset,
        group=None,
        method="snapshot",
        path=row["name"],
        made_by="user",
        consistency={"method": "none"},
        holds=read_holds(row[HOLDS], dataset),
    )
    _fill(made, _own(row[RECORD], dataset))
    return made


def _own(text: str, dataset: str) -> dict[str, Any]:
    """The fields of a note that was made for this dataset; none of one that was inherited or copied."""
    fields = record.unpack(text) or {}
    marks = fields.get("datasets")
    return fields if isinstance(marks, list) and _marks([dataset])[0] in marks else {}


def _fill(made: Snapshot, fields: dict[str, Any]) -> None:
    consistency = fields.get("consistency")
    with contextlib.suppress(ValueError):  # else the time that ZFS itself noted
        made.created = record.seconds_of(fields.get("created"))
    made.group = record.good_group(fields.get("group"))
    if isinstance(consistency, dict):
        made.consistency = consistency
    if fields.get("made_by") == "snapship":
        made.made_by = "snapship"


def read_holds(text: str, dataset: str) -> dict[str, str]:
    """The holds of a snapshot of the dataset with this GUID, by holder."""
    holds = _own(text, dataset).get("holds")
    return {str(holder): str(backup) for holder, backup in holds.items()} if isinstance(holds, dict) else {}
