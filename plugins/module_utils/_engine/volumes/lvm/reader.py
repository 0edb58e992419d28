# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reading snapshots of thin LVs, and what differs between them, once they have proved to be what they were made as.

A snapshot that was made writable, written and made read-only again looks as before to LVM. The pool's metadata tells:
the pool's clock goes on with each snapshot, so all that a snapshot had when it was made is older than itself, and what
was written to it later isn't. What was only discarded shows in the number of its chunks, noted when it was first read.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import time
from collections.abc import Iterator
from typing import NamedTuple

from ...common.errors import VolumeError
from ..device_reader import DeviceReader, Ranges
from ..mounts import above, mount_table
from ..provider import Change, Reader, Snapshot
from . import commands, tags, thin_metadata
from .names import parse
from .report import Lv, reports
from .snapshots import locate
from .tags import Seen
from .thin_pool import metadata_snapshot

_PATIENCE = 5.0  # seconds in which another reader may take a device away that was just activated


@contextlib.contextmanager
def opened(wanted: Snapshot) -> Iterator[Reader]:
    """A snapshot and where it holds data. Raises VolumeError (``snapshot_gone``, ``snapshot_changed``)."""
    listing = reports.recent(parse(wanted.volume).vg)
    lv = locate(wanted, listing)
    ranges = Ranges()
    with _device(lv, wanted) as descriptor:
        with metadata_snapshot(listing.pool_of(lv)) as metadata:
            (finding,) = _examine(metadata, (lv, ranges))
        _judge(lv, wanted, finding)
        with contextlib.closing(DeviceReader(descriptor, lv.size, ranges)) as reader:
            yield reader


@contextlib.contextmanager
def changed(base: Snapshot, wanted: Snapshot) -> Iterator[tuple[Reader, Iterator[Change]]]:
    """A snapshot and what differs in it from its base. Raises as :func:`opened`."""
    listing = reports.recent(parse(wanted.volume).vg)
    old, new = locate(base, listing), locate(wanted, listing)
    if old.pool_uuid != new.pool_uuid:
        raise VolumeError(f"snapshots {base.name!r} and {wanted.name!r} are in different pools.", code="wrong_type")
    # Beyond the base's end its mappings say nothing: they are what an LV had there before it was shrunk.
    grown = Ranges() if new.size > old.size else None
    ranges = Ranges()
    with _device(new, wanted) as descriptor:
        with metadata_snapshot(listing.pool_of(new)) as metadata:
            findings = _examine(metadata, (old, None), (new, grown))
            if not any(finding.flaw for finding in findings):
                thin_metadata.delta(metadata, old.thin_id, new.thin_id, min(old.size, new.size), ranges)
        _judge(old, base, findings[0])
        _judge(new, wanted, findings[1])
        for start, end, _kind in grown or ():
            ranges.add(max(start, old.size), end)
        with contextlib.closing(DeviceReader(descriptor, new.size)) as reader:
            yield reader, (Change(start, end - start, kind) for start, end, kind in ranges)


def unchanged(base: Snapshot) -> bool:
    """Whether the volume now has what this base has. Writes nothing but what the volume's users have written."""
    listing = reports.fresh(parse(base.volume).vg)
    origin = listing.by_name.get(parse(base.volume).lv)
    try:
        old = locate(base, listing)
    except VolumeError:
        return False
    if origin is None or origin.size != old.size or origin.pool_uuid != old.pool_uuid:
        return False
    _flush(origin)
    with metadata_snapshot(listing.pool_of(old)) as metadata:
        (finding,) = _examine(metadata, (old, None))
        if finding.flaw:
            return False
        differences = thin_metadata.differences(metadata, old.thin_id, origin.thin_id)
        with contextlib.closing(differences):
            return next((True for start, _end, _mapped in differences if start < old.size), None) is None


def _flush(lv: Lv) -> None:
    """Have what was written to filesystems on a volume, or to its device, written to it indeed."""
    if lv.device is None:
        return
    numbers = above("{}:{}".format(*lv.device))
    for number, point in mount_table():
        if number in numbers:
            with contextlib.suppress(OSError):
                _sync(point)
    with contextlib.suppress(OSError):
        _sync(lv.name.device)


def _sync(path: str) -> None:
    """All of the filesystem that is mounted here, or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if stat.S_ISBLK(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)
        elif ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:  # Python has none of its own
            os.sync()
    finally:
        os.close(descriptor)


class _Finding(NamedTuple):
    """What the pool's metadata says of a snapshot."""

    flaw: str | None
    seen: Seen | None


def _examine(metadata: str, *snapshots: tuple[Lv, Ranges | None]) -> list[_Finding]:
    """Whether snapshots are what they were made as; the mapped regions of each are added to its ranges."""
    wanted = [thin_metadata.Wanted(lv.thin_id, lv.size, ranges) for lv, ranges in snapshots]
    return [_finding(lv, found) for (lv, _ranges), found in zip(snapshots, thin_metadata.dump_all(metadata, wanted))]


def _finding(lv: Lv, found: thin_metadata.Device | None) -> _Finding:
    if found is None:
        return _Finding("its pool doesn't know it any more", None)
    seen = Seen(found.creation_time, found.mapped)
    if found.newest >= found.creation_time or tags.seen_in(lv.tags) not in (None, seen):
        return _Finding("it was written to after it was made", seen)
    return _Finding(None, seen)


def _judge(lv: Lv, wanted: Snapshot, finding: _Finding) -> None:
    """Note what was found. Raises VolumeError (``snapshot_changed``) for a snapshot that isn't what it was made as."""
    if finding.flaw:
        commands.retag(lv, add=[tags.CHANGED])
        said = f"snapshot {wanted.name!r} of {wanted.volume} can't be used: {finding.flaw}."
        raise VolumeError(said, code="snapshot_changed")
    if finding.seen is not None and tags.seen_in(lv.tags) is None:
        commands.retag(lv, add=[finding.seen.tag()])


@contextlib.contextmanager
def _device(lv: Lv, wanted: Snapshot) -> Iterator[int]:
    """The device of a snapshot, active for as long as it is open here or elsewhere."""
    descriptor = _open(lv, wanted)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        commands.deactivate(lv)


def _open(lv: Lv, wanted: Snapshot) -> int:
    """Another reader of the same snapshot may deactivate it just before it is open here: tried again."""
    until = time.monotonic() + _PATIENCE
    descriptor = _opened(lv)
    while descriptor is None:
        commands.activate(lv)
        descriptor = _opened(lv)
        if descriptor is not None:
            break
        if time.monotonic() >= until:
            locate(wanted, reports.fresh(lv.name.vg))
            raise VolumeError(f"snapshot {wanted.name!r} of {wanted.volume}: its device {lv.name.device} didn't come.")
        time.sleep(0.1)
    return descriptor


def _opened(lv: Lv) -> int | None:
    """The device of an LV, if it is there."""
    with contextlib.suppress(OSError):
        descriptor = os.open(lv.name.device, os.O_RDONLY | os.O_CLOEXEC)
        if is_device(descriptor, lv):
            return descriptor
        os.close(descriptor)
    return None


def is_device(descriptor: int, lv: Lv) -> bool:
    """Whether an open device is this very LV."""
    number = os.fstat(descriptor).st_rdev
    try:
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/dm/uuid", encoding="ascii") as source:
            return source.read().strip() == lv.dm_uuid
    except OSError:
        return False
