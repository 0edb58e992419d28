# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The newest backup that this host committed, by volume and repository: it tells when a remote went back in time.

A remote went back if the noted backup is neither listed nor retired, while an older one of the volume is still listed
and no newer one is. Where all are gone, or others shipped newer ones, backups were removed. Of the newest one a removal
leaves its manifest or a mark under ``deleted/``: a host that sees that forgets its note.
"""

from __future__ import annotations

from ..common.errors import RemoteError
from ..common.keys import encode, id_time
from ..common.units import iso_time
from ..local.host import Host
from ..repository import identity
from ..repository.chains import Chains
from ..repository.snapship_catalog import SnapshipCatalog


def note_newest(host: Host, catalog: SnapshipCatalog, origin: str, volume: str, backup_id: str) -> None:
    """Note a committed backup (writes). An older one than the noted one changes nothing."""
    where = _where(host, catalog, origin, volume)
    if where is not None and backup_id > (host.newest(*where) or ""):
        host.note_newest(*where, backup_id)


def check_newest(host: Host, catalog: SnapshipCatalog, origin: str, volume: str, chains: Chains) -> str | None:
    """Raise RemoteError with code ``remote_went_back`` where the noted backup is gone as if it had never been there.

    Reads only. ``chains``: the volume's backups. Returns the noted one if it was retired.
    """
    where = _where(host, catalog, origin, volume)
    noted = None if where is None else host.newest(*where)
    if where is None or noted is None or not chains.keys:
        return None
    newest = max(key.id for key in chains.keys)
    if newest >= noted:
        return None
    # Retired, or marked as removed for good: what a cleaner leaves of the newest one.
    if any(True for _entry in catalog.store.list(f"deleted/{encode(origin)}/{encode(volume)}/{noted}")):
        return noted
    # Another run may have shipped meanwhile, which makes marks go, or removed everything.
    now_there = [key.id for key in catalog.keys("backups", origin, volume)]
    if not now_there or max(now_there) >= noted:
        return None
    raise RemoteError(
        f"{catalog.store.label} went back in time: this host shipped {noted} of {volume} "
        f"({iso_time(id_time(noted))}), which is neither listed nor retired; the newest there is {newest}. Nothing "
        "was shipped or deleted.",
        "Find out who put an older state there, or removed the backup and its data. To go on from what is there, "
        f"remove the note {host.newest_path(*where)} on this host.",
        code="remote_went_back",
    )


def forget_removed(host: Host, catalog: SnapshipCatalog, origin: str, volume: str, removed: set[str]) -> None:
    """Forget the note where its backup is one of these, which were retired (writes)."""
    where = _where(host, catalog, origin, volume)
    if where is not None and host.newest(*where) in removed:
        host.note_newest(*where, None)


def _where(host: Host, catalog: SnapshipCatalog, origin: str, volume: str) -> tuple[str, str, str, str] | None:
    repository = identity.expected(catalog.spec, host, catalog.store)
    return None if repository is None else (catalog.store.location, repository, origin, volume)
