# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The staging area of a restore: a dataset beside its target that we created, whatever an earlier run left there."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from ...common.errors import SnapshipError, UsageError, VolumeError
from ...common.processes import ProgramError
from ..provider import ReceiveRequest
from .commands import zfs
from .names import beside, pool_of
from .placement import FoundDataset, find, find_pool, find_stamped, nearest, stamp
from .snapshots import check_room, fullness
from .swap import destroy, swap

# Properties of how data is stored or presented. Mount points, sharing, quotas and key locations belong to a host, not
# to the data.
_SAFE = frozenset(
    (
        *("aclinherit", "aclmode", "acltype", "atime", "checksum", "compression", "copies", "dnodesize", "logbias"),
        *("nbmand", "primarycache", "recordsize", "redundant_metadata", "relatime", "secondarycache", "snapdir"),
        *("special_small_blocks", "sync", "vscan", "xattr", "exec", "setuid", "devices"),
    )
)
_ALL = "all"
_PLACED = ("mountpoint", "canmount", "volmode")  # set only after the swap
_PATIENCE = 10.0  # seconds for the receive of a killed run to end


class StagingArea:
    """The staging area of one target."""

    def __init__(self, request: ReceiveRequest) -> None:
        """Raises UsageError or VolumeError if nothing can be received there."""
        self.target = target = request.place.target
        around = find_pool(target)
        parent = nearest(target, around)
        self._old = around[target].guid if target in around else None
        self._wanted = properties_to_set(request.properties, request.wanted, target)
        check_room([pool_of(target)], f"can't restore {target}", fullness())
        self.path = beside(target, parent.name)
        self.stamp = stamp(target)
        self._around: dict[str, FoundDataset] | None = around  # None once it may have changed

    def found(self) -> FoundDataset | None:
        """The dataset in the staging area, if any. Raises VolumeError if we didn't create it."""
        around, self._around = self._around or find([self.path]), None
        found = around.get(self.path)
        if found is not None and found.meant_for != self.target:
            raise VolumeError(
                f"{self.path} already exists, and no restore of {self.target} created it.",
                "Rename or destroy it: the restore needs this name.",
                code="exists",
            )
        return found

    def clear_elsewhere(self) -> None:
        """Destroy what an earlier run received below a parent that was renamed since."""
        for each in find_stamped(self.target, self._around):
            if each.name not in (self.path, self.target):
                discard(each)
                self._around = None

    def whole(self) -> FoundDataset | None:
        """As found(), without the partial state of an interrupted receive."""
        found = self.found()
        if found is None or not found.partial:
            return found
        _abandon(self.path)
        return self.found()

    def commit(self, found: FoundDataset, keep_as: str | None) -> str | None:
        """Set the wanted properties and swap the received dataset with the target."""
        here = [f"{name}={value}" for name, value in self._wanted.items() if name not in _PLACED]
        if here:
            zfs("set", *here, found.name)
        placed = {name: value for name, value in self._wanted.items() if name in _PLACED}
        return swap(found, self.target, self._old, keep_as, placed)

    def abort(self) -> None:
        """Destroy what was received."""
        with contextlib.suppress(SnapshipError):
            for each in find_stamped(self.target):
                if each.name != self.target:
                    discard(each)


def discard(found: FoundDataset) -> None:
    """Destroy a dataset that a restore created."""
    if found.partial:
        _abandon(found.name)
    if find([found.name]):
        destroy(found.name)


def _abandon(path: str) -> None:
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            zfs("receive", "-A", path)
            return
        except ProgramError as error:
            if "busy" not in error.said or time.monotonic() >= until:
                raise
        time.sleep(0.2)


def properties_to_set(recorded: dict[str, Any], wanted: list[str], target: str) -> dict[str, str]:
    """The properties to set, by name. ``recorded``: the volume's properties, as Provider.properties() returned them.

    Raises UsageError for a name that wasn't recorded."""
    there = recorded.get("properties")
    known = {str(name): str(value) for name, value in there.items()} if isinstance(there, dict) else {}
    named = [name for name in wanted if name != _ALL]
    missing = [name for name in named if name not in known]
    if missing:
        raise UsageError(
            f"target {target!r}: the backup has no property {', '.join(missing)} (it has: "
            f"{', '.join(sorted(known)) or 'none'}).",
            "Only properties that were set on the dataset itself are recorded.",
        )
    names = [name for name in known if name in _SAFE or ":" in name] if _ALL in wanted else []
    return {name: known[name] for name in known if name in names or name in named}
