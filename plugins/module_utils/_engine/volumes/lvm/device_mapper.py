# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Asks the kernel's device-mapper about devices and sends messages to them, without starting a program.

Interface: linux/dm-ioctl.h, version 4. Each call takes struct dm_ioctl, followed by the data of the call.
"""

from __future__ import annotations

import fcntl
import os
import struct

_CONTROL = "/dev/mapper/control"
_VERSION = (4, 0, 0)
# version[3], data_size, data_start, target_count, open_count, flags, event_nr, padding, dev, name[128], uuid[129]
_HEAD = struct.Struct("=3I3Ii3IQ128s129s7x")
_SPEC = struct.Struct("=QQiI16s")  # struct dm_target_spec: start, length, status, next, type; text follows
_SECTOR = struct.Struct("=Q")  # struct dm_target_msg: sector; text follows
_SIZE = 16 << 10  # bytes of a call's buffer; the status of a pool is one line
_NAME = 127  # longest name of a device, bytes
_DEV_STATUS, _TABLE_STATUS, _TARGET_MSG = 7, 12, 14


def open_count(name: str) -> int:
    """How many times a device is open. Raises OSError: ENXIO if there is no such device."""
    return int(_HEAD.unpack_from(_call(_DEV_STATUS, name))[6])


def status(name: str) -> tuple[str, str]:
    """Type and status line of a device's first target. Raises OSError: ENXIO if there is no such device."""
    answer = _call(_TABLE_STATUS, name)
    head = _HEAD.unpack_from(answer)
    start, count = head[4], head[5]
    if not count:
        return "", ""
    kind = _SPEC.unpack_from(answer, start)[4]
    text = bytes(answer[start + _SPEC.size :])
    return _text(kind), _text(text)


def message(name: str, text: str) -> None:
    """Send a message to a device's first target. Raises OSError with the kernel's error."""
    _call(_TARGET_MSG, name, _SECTOR.pack(0) + text.encode() + b"\0")


def _text(data: bytes) -> str:
    return data.partition(b"\0")[0].decode("ascii", "replace")


def _call(number: int, name: str, data: bytes = b"") -> bytearray:
    """Make one call; returns the answer."""
    packed = os.fsencode(name)
    if len(packed) > _NAME:
        raise ValueError(f"{name!r} is too long for a name in device-mapper")
    buffer = bytearray(_SIZE)
    _HEAD.pack_into(buffer, 0, *_VERSION, _SIZE, _HEAD.size, 0, 0, 0, 0, 0, 0, packed, b"")
    buffer[_HEAD.size : _HEAD.size + len(data)] = data
    request = 3 << 30 | _HEAD.size << 16 | 0xFD << 8 | number  # _IOWR(0xfd, number, struct dm_ioctl)
    descriptor = os.open(_CONTROL, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(descriptor, request, buffer, True)
    finally:
        os.close(descriptor)
    return buffer
