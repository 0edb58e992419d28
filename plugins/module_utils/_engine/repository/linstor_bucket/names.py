# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Names of objects that LINSTOR puts into a bucket; all others are strangers'.

``<resource>_back_<date>_<time>[<suffix>][^<snapshot>].meta`` says what a backup is, and is put last;
``<resource>[.<layer>]_<volume number>_back_...`` holds the data of one volume.
"""

from __future__ import annotations

import datetime
import re
from typing import NamedTuple

from ...common.units import UTC

META_END = ".meta"
_RESOURCE = r"(?P<resource>[a-zA-Z0-9_-]{2,48})"
# The empty suffix is tried first: "^..." is a snapshot's name, unless nothing else fits.
_MOMENT = r"(?P<moment>back_[0-9]{8}_[0-9]{6})(?:|(?P<suffix>.+?))(?P<snapshot>\^.*)?"
_META = re.compile(rf"{_RESOURCE}_{_MOMENT}\.meta")
_DATA = re.compile(rf"{_RESOURCE}(?P<layer>\..+)?_(?P<number>[0-9]{{5}})_{_MOMENT}")
_VOLUME = re.compile(rf"{_RESOURCE}(?:/(?P<number>[1-9][0-9]{{0,4}}))?")


class MetaName(NamedTuple):
    """The name of the object that says what a backup is."""

    key: str
    resource: str
    moment: str  # back_<date>_<time>, in the zone of LINSTOR's controller
    snapshot: str

    @property
    def id(self) -> str:
        """As LINSTOR itself lists the backup."""
        return self.key[: -len(META_END)]

    def data(self, number: int) -> str:
        """The name of the object with a volume's data that goes with it."""
        return f"{self.resource}_{number:05d}{self.id[len(self.resource) :]}"

    @property
    def about(self) -> float:
        """Seconds since the epoch, were that zone UTC; 0 for a time that there never was."""
        try:
            return datetime.datetime.strptime(self.moment, "back_%Y%m%d_%H%M%S").replace(tzinfo=UTC).timestamp()
        except ValueError:
            return 0.0


class DataName(NamedTuple):
    """The name of an object with a volume's data."""

    resource: str
    layer: str  # empty for the data itself, else what belongs to a layer above it
    number: int
    moment: str
    snapshot: str


def parse_meta(key: str) -> MetaName | None:
    """``None`` for what isn't one."""
    found = _META.fullmatch(key)
    if found is None:
        return None
    return MetaName(key, found["resource"], found["moment"], _snapshot(found))


def parse_data(key: str) -> DataName | None:
    """``None`` for what isn't one."""
    found = None if key.endswith(META_END) else _DATA.fullmatch(key)
    if found is None:
        return None
    return DataName(found["resource"], found["layer"] or "", int(found["number"]), found["moment"], _snapshot(found))


def _snapshot(found: re.Match[str]) -> str:
    return (found["snapshot"] or "")[1:] or found["moment"]


def volume_name(resource: str, number: int) -> str:
    """What users call a volume: the first one as its resource, ``db``, others with their number, ``db/1``."""
    return f"{resource}/{number}" if number else resource


def resource_of(volume: str) -> str | None:
    """The resource of such a name; ``None`` for what can't be one."""
    found = _VOLUME.fullmatch(volume)
    return found["resource"] if found else None
