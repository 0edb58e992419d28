# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Names in LVM: how users write them, which ones LVM accepts, and what device-mapper calls them."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from ...common.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_.+][A-Za-z0-9_.+-]*")  # lvm(8), "VALID NAMES"
_RESERVED_STARTS = ("snapshot", "pvmove")
_RESERVED_PARTS = (
    *("_cdata", "_cmeta", "_corig", "_cpool", "_cvol", "_wcorig", "_mimage", "_mlog", "_rimage", "_rmeta"),
    *("_tdata", "_tmeta", "_vdata", "_vorigin", "_imeta", "_iorig", "_pmspare"),
)
# Longest "vg-lv" in device-mapper, whose own limit is 127: LVM adds a suffix to some names.
_LONGEST = 115
_ALLOWED = "LVM allows letters, digits and _ . + - (no - in front), 115 characters for VG and LV together."


class LvName(NamedTuple):
    """A logical volume's name."""

    vg: str
    lv: str

    def __str__(self) -> str:
        return f"{self.vg}/{self.lv}"

    @property
    def mapped(self) -> str:
        """Its name in device-mapper."""
        return mapped_name(self.vg, self.lv)

    @property
    def device(self) -> str:
        """The path of its device while it is active."""
        return f"/dev/mapper/{self.mapped}"


def mapped_name(vg: str, lv: str) -> str:
    """The name in device-mapper: VG and LV joined by a hyphen, with each hyphen inside doubled."""
    return f"{vg.replace('-', '--')}-{lv.replace('-', '--')}"


def is_valid(vg: str, lv: str) -> bool:
    """Whether LVM lets a user create a volume of this name."""
    for name in (vg, lv):
        if not _NAME.fullmatch(name) or name in (".", ".."):
            return False
    if lv.startswith(_RESERVED_STARTS) or any(part in lv for part in _RESERVED_PARTS):
        return False
    return len(mapped_name(vg, lv)) <= _LONGEST


def parse(volume: str) -> LvName:
    """The name from ``vg/lv`` or ``/dev/vg/lv``. Raises UsageError if no LV can have it."""
    if volume.startswith("/dev/mapper/"):
        meant = _unmapped(volume[len("/dev/mapper/") :])
        raise UsageError(
            f"volume {volume!r}: name a thin LV as vg/lv, not by its device-mapper name.",
            f"Did you mean {meant}?" if meant else "",
        )
    vg, slash, lv = (volume[len("/dev/") :] if volume.startswith("/dev/") else volume).partition("/")
    if not slash or "/" in lv or not vg or not lv:
        raise UsageError(f"volume {volume!r}: name a thin LV as vg/lv.")
    if not is_valid(vg, lv):
        raise UsageError(f"volume {volume!r}: LVM doesn't allow this name.", _ALLOWED)
    return LvName(vg, lv)


def _unmapped(name: str) -> str | None:
    parts = re.split(r"(?<!-)-(?!-)", name)
    if len(parts) != 2:
        return None
    vg, lv = (part.replace("--", "-") for part in parts)
    return f"{vg}/{lv}" if is_valid(vg, lv) else None


def looks_like(volume: str) -> LvName | None:
    """The name, if it is one that LVM allows."""
    try:
        return parse(volume)
    except UsageError:
        return None


def snapshot_lv(volume: LvName, uuid: str, snapshot: str, taken: set[str]) -> str:
    """A free LV name for a snapshot (not in ``taken``): readable if LVM allows that, else with a hash."""
    readable = f"{volume.lv}_snapship_{snapshot}"
    if is_valid(volume.vg, readable) and readable not in taken:
        return readable
    digest = hashlib.sha256(f"{uuid}\0{snapshot}".encode("utf-8", "surrogateescape")).hexdigest()[:24]
    return _shortened(volume, f"_snapship_{digest}")


def beside(volume: LvName, what: str) -> str:
    """The LV name of something that belongs to a volume; always the same."""
    digest = hashlib.sha256(f"{volume.lv}\0{what}".encode()).hexdigest()[:12]
    return _shortened(volume, f"_snapship_{what}_{digest}")


def _shortened(volume: LvName, suffix: str) -> str:
    for length in range(len(volume.lv), 0, -1):
        if is_valid(volume.vg, volume.lv[:length] + suffix):
            return volume.lv[:length] + suffix
    return suffix.lstrip("_")


def kept_name(vg: str, wanted: str, taken: set[str]) -> str:
    """The name that LVM allows and that is most like ``wanted``, with a number behind it if the name is taken."""
    text = re.sub(r"[^A-Za-z0-9_.+-]", "_", wanted).lstrip("-.") or "kept"
    if not is_valid(vg, text + "-999"):
        text = "kept-" + hashlib.sha256(wanted.encode("utf-8", "surrogateescape")).hexdigest()[:24]
    name, number = text, 1
    while name in taken:
        number += 1
        name = f"{text}-{number}"
    return name
