# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The ``.meta`` object of one of LINSTOR's backups: JSON, and untrusted input."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

from ...common.bounded import Unreadable, read_object
from ...common.keys import corrupt
from .names import META_END, DataName, MetaName, parse_data, volume_name

LIMIT = 8 << 20  # bytes; LINSTOR's own have a few KiB
THIN, ZFS = "thin-send-recv", "zfs-send"
_YEAR_10000 = 253402300800000  # milliseconds since the epoch
_NUMBER = re.compile(r"0|[1-9][0-9]{0,4}")  # of a volume, as far as a name has room for it
_FORMATS = {"lvmthin": THIN, "zfs": ZFS, "zfsthin": ZFS}


@dataclasses.dataclass
class Volume:
    """One volume of a backup."""

    resource: str
    number: int
    key: str  # of the object with its data; empty where none is named
    size: int  # bytes; of what lies below DRBD and LUKS, as far as that is known
    format: str | None  # of its stream; None where it isn't said what kept the volume
    problem: str | None = None  # why it can't be restored

    @property
    def name(self) -> str:
        return volume_name(self.resource, self.number)


@dataclasses.dataclass
class Backup:
    """One backup of a resource, with all its volumes."""

    name: MetaName
    created: float  # seconds since the epoch
    base: str | None = None  # id of its base
    node: str | None = None
    cluster: str = "unknown"
    uuid: str | None = None  # of the snapshot, the same for all volumes
    layers: list[str] = dataclasses.field(default_factory=list)  # topmost first
    volumes: list[Volume] = dataclasses.field(default_factory=list)
    problem: str | None = None  # why nothing of it can be restored

    @property
    def id(self) -> str:
        return self.name.id

    @property
    def encrypted(self) -> bool:
        """Whether its volumes are ciphertext, by a LUKS layer."""
        return "luks" in self.layers


def parse(name: MetaName, data: bytes) -> Backup:
    """Raises CorruptError about the object. The problem of a single volume is noted in the volume."""
    try:
        fields = read_object(data, LIMIT, floats=True)
    except Unreadable as error:
        raise corrupt(name.key, f"{error}.") from None
    resource, based_on = fields.get("rscName"), fields.get("basedOn")
    definitions = _numbered(name, fields, "rscDfn", "vlmDfns")
    named = _numbered(name, fields, "backups")
    if not isinstance(resource, str) or resource.lower() != name.resource.lower():
        raise corrupt(name.key, f"it is about another resource: {resource!r}.")
    if based_on is not None and not (isinstance(based_on, str) and based_on.endswith(META_END)):
        raise corrupt(name.key, f"its basedOn {based_on!r} isn't a backup.")
    if not definitions and not named:
        raise corrupt(name.key, "it names no volumes.")
    layers = list(_layers(fields.get("layerData")))
    started = _count(fields.get("startTimestamp"))
    backup = Backup(
        name,
        created=started / 1000 if 0 < started < _YEAR_10000 else name.about,
        base=based_on[: -len(META_END)] if based_on else None,
        node=_text(fields.get("nodeName")),
        cluster=_text(fields.get("clusterId")) or "unknown",
        uuid=_text(fields.get("snapDfnUuid")),
        layers=list(dict.fromkeys(_kind(layer) for layer in layers)),
    )
    if isinstance(fields.get("luksInfo"), dict) and not backup.encrypted:
        backup.layers.append("luks")
    for number in sorted({*definitions, *named}):
        backup.volumes.append(_volume(backup, number, definitions.get(number), named.get(number), layers))
    return backup


def _volume(backup: Backup, number: int, definition: Any, named: Any, layers: list[dict[str, Any]]) -> Volume:
    stored = _stored(layers, number)
    sizes = [definition.get("size") if isinstance(definition, dict) else None]
    sizes += [stored.get(each) for each in ("usableSize", "snapshotUsableSize")]
    size = max(map(_count, sizes)) << 10
    volume = Volume(backup.name.resource, number, "", size, _FORMATS.get(_kind(stored)))
    keys = [each.get("name") for each in named if isinstance(each, dict)] if isinstance(named, list) else []
    parsed = [(key, parse_data(key)) for key in keys if isinstance(key, str)]
    fitting = [key for key, data in parsed if data is not None and _fits(data, backup.name, number)]
    if not keys:
        volume.problem = f"{backup.name.key} names no data of volume {number}"
    elif len(fitting) != 1:
        shown = ", ".join(repr(key) for key in keys)
        volume.problem = f"{backup.name.key} names {shown} as data of volume {number}, which belongs to something else"
    elif definition is None:
        volume.problem = f"{backup.name.key} names data of volume {number} but doesn't define that volume"
    elif not size:
        volume.problem = f"{backup.name.key} lacks the size of volume {number}"
    volume.key = fitting[0] if len(fitting) == 1 else ""
    return volume


def _fits(data: DataName, name: MetaName, number: int) -> bool:
    """Whether an object can have that volume's data. Where LINSTOR ships a snapshot for a second time, the metadata of
    the second backup names the data of the first."""
    same = (data.resource.lower(), data.number, data.layer) == (name.resource.lower(), number, "")
    return same and (data.moment == name.moment or data.snapshot == name.snapshot)


def _numbered(name: MetaName, fields: dict[str, Any], *path: str) -> dict[int, Any]:
    """What lies under this path by volume numbers."""
    found: Any = fields
    for part in path:
        found = found.get(part) if isinstance(found, dict) else None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(_NUMBER.fullmatch(number) for number in found):
        raise corrupt(name.key, f"its field {'.'.join(path)} is invalid.")
    return {int(number): value for number, value in found.items()}


def _layers(node: Any, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Layers of the data itself, from the topmost down to the storage."""
    if not isinstance(node, dict) or node.get("rscNameSuffix") or depth > 20:
        return
    yield node
    children = node.get("children")
    for child in children if isinstance(children, list) else []:
        yield from _layers(child, depth + 1)


def _stored(layers: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """What the storage layer says of a volume; nothing where that isn't there."""
    for layer in layers:
        volumes = layer.get("volumeList") if _kind(layer) == "storage" else None
        for volume in volumes if isinstance(volumes, list) else []:
            if isinstance(volume, dict) and volume.get("vlmNr") == number:
                return volume
    return {}


def _kind(node: dict[str, Any]) -> str:
    return str(node.get("kind") or "").lower().replace("_", "")


def _count(value: Any) -> int:
    """A number, 0 for what isn't one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53 else 0


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
