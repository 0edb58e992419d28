# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What goes over the wire for a volume, before zstd: thin-send-recv for thin LVM; for ZFS what a test gives, else a
stand-in that only the double itself can read."""

from __future__ import annotations

from ansible_collections.snapship.dr.tests.linstor_sim import thin_stream
from ansible_collections.snapship.dr.tests.linstor_sim.contents import Content
from ansible_collections.snapship.dr.tests.linstor_sim.state import Snapshot, SnapshotVolume

_STAND_IN = b"stands for a stream of zfs send\n"


def encode(provider: str, volume: SnapshotVolume, base: Snapshot | None) -> bytes:
    """``volume.given`` is taken as it is. ValueError for an increment of a volume that the base doesn't have."""
    if volume.given is not None:
        return volume.given
    if base is None:
        made = thin_stream.full(volume.content)
    elif volume.number not in base.volumes:
        raise ValueError(f"Snapshot {base.name} has no volume {volume.number}")
    else:
        made = thin_stream.difference(base.volumes[volume.number].content, volume.content)
    return made if provider == "LVM_THIN" else _STAND_IN + made


def decode(stream: bytes, content: Content) -> None:
    """Applies a stream; ValueError when it can't be read."""
    thin_stream.apply(stream[len(_STAND_IN) :] if stream.startswith(_STAND_IN) else stream, content)
