# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The newest backup that this host committed, by volume and repository: it tells when a remote went back in time.

A remote went back if the noted backup is neither listed nor retired, and no newer one of the volume is. Where others
shipped newer ones, retention had a reason. Of the newest one a removal leaves its manifest or a mark under
``deleted/``: a host that sees that forgets its note.
"""

from __future__ import annotations

from collections.abc import Collection

from ..common.errors import RemoteError
from ..common.keys import encode, id_time, is_id
from ..common.units import FUTURE_TOLERANCE, iso_time
from ..local.host import Host
from ..repository import identity
from ..repository.chains import Chains
from ..repository.snapship_catalog import SnapshipCatalog


def note_newest(host: Host, catalog: SnapshipCatalog, origin: str, volume: str, backup_id: str) -> None:
    """Note a committed backup (writes). An older one than the noted one changes nothing."""
    where = _where(host, catalog, origin, volume)
    if where is not None and backup_id > (host.newest(*where) or ""):
        host.note_newest(*where, backup_id)


def check_newest(
    host: Host, catalog: SnapshipCatalog, origin: str, volume: str, chains: Chains, accepted: Collection[str]
) -> str | None:
    """Raise RemoteError with code ``remote_went_back`` where the noted backup is gone as if it had never been there.

    Reads only. ``chains``: the volume's backups. Returns the noted one if it was retired, or is gone and ``accepted``:
    it is to be forgotten.
    """
    where = _where(host, catalog, origin, volume)
    noted = None if where is None else host.newest(*where)
    if where is None or noted is None:
        return None
    if _outlived(chains, noted):
        return None
    # Retired, or marked as removed for good: what a cleaner leaves of the newest one.
    if noted in accepted or _removed(catalog, origin, volume, noted, chains.now):
        return noted
    # Another run may have shipped a newer one meanwhile, which makes marks go.
    chains = catalog.chains(origin, volume)
    if _outlived(chains, noted):
        return None
    newest = next((key for key in chains.keys if not chains.premature(key)), None)
    there = f"the newest there is {newest.id}" if newest else "it has no backup there"
    raise RemoteError(
        f"{catalog.store.label} went back in time: this host shipped {noted} of {volume} "
        f"({iso_time(id_time(noted))}), which is neither listed nor retired; {there}. Nothing was shipped or deleted.",
        "Find out who put an older state there, or removed the backup and its data. To go on from what is there, set "
        f"accept_lost: [{noted}].",
        code="remote_went_back",
    )


def _outlived(chains: Chains, noted: str) -> bool:
    """Whether this backup or a newer one is listed. Keys from the future are junk, or of a host with a wrong clock."""
    return any(key.id == noted or key.id > noted and not chains.premature(key) for key in chains.keys)


def _removed(catalog: SnapshipCatalog, origin: str, volume: str, noted: str, now: float) -> bool:
    """Whether this backup or a newer one was removed, as what lies under ``deleted/`` tells."""
    keys = (entry.key for entry in catalog.store.list(f"deleted/{encode(origin)}/{encode(volume)}/"))
    names = (key.rpartition("/")[2].partition("~")[0] for key in keys)
    return any(
        name == noted or is_id(name) and name > noted and id_time(name) - now <= FUTURE_TOLERANCE for name in names
    )


def forget_removed(
    host: Host, catalog: SnapshipCatalog, origin: str, volume: str, removed: Collection[str | None]
) -> None:
    """Forget the note where its backup is one of these, which were retired (writes)."""
    where = _where(host, catalog, origin, volume)
    noted = None if where is None else host.newest(*where)
    if where is not None and noted is not None and noted in removed:
        host.note_newest(*where, None)


def _where(host: Host, catalog: SnapshipCatalog, origin: str, volume: str) -> tuple[str, str, str, str] | None:
    repository = identity.expected(catalog.spec, host, catalog.store)
    return None if repository is None else (catalog.store.location, repository, origin, volume)
