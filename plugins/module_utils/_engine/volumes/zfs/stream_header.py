# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The header of a ``zfs send`` stream, which names the snapshot in it.

Format: OpenZFS, include/sys/zfs_ioctl.h, dmu_replay_record_t of type DRR_BEGIN: u32 type, u32 payload length, then
struct drr_begin {u64 magic, versioninfo, creation_time; u32 type, flags; u64 toguid, fromguid; char toname[256]},
in the sender's byte order.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ...common.errors import VolumeError

SIZE = 4 + 4 + 3 * 8 + 2 * 4 + 2 * 8 + 256
_MAGIC = 0x2F5BACBAC
_FIELDS = "IIQQQIIQQ256s"
_BEGIN, _SUBSTREAM = 0, 1  # header type: one snapshot, not several (-R)
_KINDS = {2: "filesystem", 3: "volume"}  # DMU_OST_ZFS, DMU_OST_ZVOL
_RAW = 1 << 24  # DMU_BACKUP_FEATURE_RAW


class Begin(NamedTuple):
    """The content of a stream."""

    state: str  # GUID of the snapshot in it, decimal
    base: str | None  # GUID of the snapshot that it is an increment on
    kind: str  # "filesystem" or "volume"
    name: str  # of the snapshot, where it was sent
    raw: bool  # encrypted blocks as on disk


def parse(head: bytes | memoryview) -> Begin:
    """Parse the first :data:`SIZE` bytes. Raises VolumeError for anything but a stream of one snapshot."""
    if len(head) >= SIZE:
        for order in "<>":
            fields = struct.unpack_from(order + _FIELDS, head)
            kind, _payload, magic, version, _created, type_, _flags, state, base, name = fields
            if (kind, magic) == (_BEGIN, _MAGIC) and version & 3 == _SUBSTREAM and type_ in _KINDS:
                text = bytes(name).partition(b"\0")[0].decode("ascii", "replace")
                raw = bool((version >> 2) & _RAW)
                return Begin(str(state), str(base) if base else None, _KINDS[type_], text.partition("@")[2], raw)
    raise VolumeError("not a zfs send stream of one snapshot.", code="wrong_stream")
