# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Reads snapshots of thin LVs and their differences, after proving that nobody has written to them.

A snapshot that was made writable, written to and made read-only again looks unchanged to LVM. The pool's metadata
shows it: the pool's clock advances with each snapshot, so every block that a snapshot had at first is older than the
snapshot, and a block written later isn't. Discarded blocks show in the number of mapped chunks, which is noted at the
first reading.
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

_PATIENCE = 5.0  # seconds; another reader may deactivate a device that was just activated


@contextlib.contextmanager
def opened(wanted: Snapshot) -> Iterator[Reader]:
    """Open a snapshot and find where it holds data. Raises VolumeError (``snapshot_gone``, ``snapshot_changed``)."""
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
    """Open a snapshot and find its differences from its base. Raises as :func:`opened`."""
    listing = reports.recent(parse(wanted.volume).vg)
    old, new = locate(base, listing), locate(wanted, listing)
    if old.pool_uuid != new.pool_uuid:
        raise VolumeError(
            f"snapshots {base.name!r} and {wanted.name!r} are in different thin pools.", code="wrong_type"
        )
    # Mappings past the base's end don't count: the LV had them there before it was shrunk.
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
    """Whether the volume still has the content of this base. Only flushes what users of the volume have written."""
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
    """Flush the filesystems on a volume, and its device."""
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
    """Flush the filesystem that is mounted here, or a device."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if stat.S_ISBLK(os.fstat(descriptor).st_mode):
            os.fsync(descriptor)
        elif ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:  # Python has no syncfs
            os.sync()
    finally:
        os.close(descriptor)


class _Finding(NamedTuple):
    """What the pool's metadata tells about a snapshot."""

    flaw: str | None
    seen: Seen | None


def _examine(metadata: str, *snapshots: tuple[Lv, Ranges | None]) -> list[_Finding]:
    """Check that snapshots are unchanged. The mapped regions of each are added to its ranges."""
    wanted = [thin_metadata.DeviceQuery(lv.thin_id, lv.size, ranges) for lv, ranges in snapshots]
    return [_finding(lv, found) for (lv, _ranges), found in zip(snapshots, thin_metadata.dump_all(metadata, wanted))]


def _finding(lv: Lv, found: thin_metadata.Device | None) -> _Finding:
    if found is None:
        return _Finding("its thin pool has no such device any more", None)
    seen = Seen(found.creation_time, found.mapped)
    if found.newest >= found.creation_time or tags.seen_in(lv.tags) not in (None, seen):
        return _Finding("it was written to", seen)
    return _Finding(None, seen)


def _judge(lv: Lv, wanted: Snapshot, finding: _Finding) -> None:
    """Note the finding on the LV. Raises VolumeError (``snapshot_changed``) if the snapshot was changed."""
    if finding.flaw:
        commands.retag(lv, add=[tags.CHANGED])
        said = f"can't use snapshot {wanted.name!r} of {wanted.volume}: {finding.flaw}."
        raise VolumeError(said, code="snapshot_changed")
    if finding.seen is not None and tags.seen_in(lv.tags) is None:
        commands.retag(lv, add=[finding.seen.tag()])


@contextlib.contextmanager
def _device(lv: Lv, wanted: Snapshot) -> Iterator[int]:
    """The open device of a snapshot. It stays active while it is open here or elsewhere."""
    descriptor = _open(lv, wanted)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
        commands.deactivate(lv)


def _open(lv: Lv, wanted: Snapshot) -> int:
    """Open the device. Tries again, since another reader of the snapshot may deactivate it before it is open here."""
    until = time.monotonic() + _PATIENCE
    descriptor = _opened(lv)
    while descriptor is None:
        commands.activate(lv)
        descriptor = _opened(lv)
        if descriptor is not None:
            break
        if time.monotonic() >= until:
            locate(wanted, reports.fresh(lv.name.vg))
            raise VolumeError(
                f"snapshot {wanted.name!r} of {wanted.volume}: its device {lv.name.device} didn't appear."
            )
        time.sleep(0.1)
    return descriptor


def _opened(lv: Lv) -> int | None:
    """The open device of an LV, if the device exists."""
    with contextlib.suppress(OSError):
        descriptor = os.open(lv.name.device, os.O_RDONLY | os.O_CLOEXEC)
        if is_device(descriptor, lv):
            return descriptor
        os.close(descriptor)
    return None


def is_device(descriptor: int, lv: Lv) -> bool:
    """Whether an open device is this LV, by UUID."""
    number = os.fstat(descriptor).st_rdev
    try:
        with open(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/dm/uuid", encoding="ascii") as source:
            return source.read().strip() == lv.dm_uuid
    except OSError:
        return False
