# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the storage that tests did bad things to is well."""

from __future__ import annotations

from ansible_collections.snapship.dr.tests.lab.guest.kinds import Filesystem, Kind, Thin, Zvol
from ansible_collections.snapship.dr.tests.lab.guest.pools import call


def check_health(source: Kind) -> None:
    """No device is suspended, the pool is sound, and the volume can be written to."""
    source.write(0, b"still writable".ljust(512))
    if isinstance(source, Thin):
        suspended = call("dmsetup", "info", "-c", "--noheadings", "-o", "name,suspended")
        assert "Suspended" not in suspended, suspended
        health = call("lvs", "--noheadings", "-o", "lv_health_status", source.pool.name).strip()
        assert not health, health
        status = call("dmsetup", "status", source.pool.mapped)
        assert " rw " in status and "needs_check" not in status.replace(" - ", " "), status
    elif isinstance(source, (Filesystem, Zvol)):
        assert "healthy" in call("zpool", "status", "-x", source.pool.name)


def check_nothing_left(source: Kind) -> None:
    """Nothing of a run that died: no reserved metadata, no half received volume, no snapshot but the base."""
    check_health(source)
    if isinstance(source, Thin):
        # transaction, used/total metadata, used/total data, held metadata root
        held = call("dmsetup", "status", source.pool.mapped).split()[6]
        assert held == "-", f"a metadata snapshot was leaked: {held}"
        vg = source.pool.vg
        names = set(call("lvs", "--noheadings", "-o", "lv_name", vg).split())
        known = {source.pool.pool, source.volume.split("/")[1], "back"}
        extra = {name for name in names - known if ".before-" not in name}
        assert len(extra) == 1, extra
        active = call("lvs", "--noheadings", "-o", "lv_name", "-S", "lv_active=active && lv_permissions=read-only", vg)
        assert not active.split(), active
    elif isinstance(source, (Filesystem, Zvol)):
        pool = source.pool.name
        names = set(call("zfs", "list", "-H", "-o", "name", "-r", pool).split())
        known = {pool, source.volume, f"{pool}/back"}
        assert not {name for name in names - known if ".before-" not in name}, names
        snapshots = call("zfs", "list", "-H", "-o", "name", "-t", "snapshot", "-d", "1", source.volume).split()
        assert len(snapshots) == 1, snapshots
        assert len(call("zfs", "list", "-H", "-o", "name", "-t", "bookmark", source.volume).split()) <= 2
