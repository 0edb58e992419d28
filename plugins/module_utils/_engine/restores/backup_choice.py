# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The backup to restore: the latest, one by id, the state at a time, or a member of a group."""

from __future__ import annotations

from typing import NamedTuple

from ..common.errors import CorruptError, SnapshipError, UnknownError
from ..common.keys import BackupKey
from ..common.units import iso_time
from ..repository.catalog import Catalog, advice
from ..repository.chains import Chains
from ..repository.manifest import Manifest


class WantedBackup(NamedTuple):
    """At most one of these is given; none means the latest. ``when``: seconds since the epoch."""

    backup: str | None
    when: float | None
    group: str | None
    #: groups found complete, with their members: asked once a restore, not once for each member
    complete: set[tuple[str, ...]] | None = None


def find_chain(catalog: Catalog, origin: str, source: str, wanted: WantedBackup) -> tuple[Chains, list[Manifest]]:
    """The volume's backups, and the manifests of the chosen backup's chain, the full first, each checked.

    Raises UnknownError, or CorruptError, whose hint names the newest backup that is still good.
    """
    chains = catalog.chains(origin, source)
    if not chains.keys:
        raise _no_backup(catalog, origin, source)
    key = (
        _in_group(catalog, source, chains, wanted.group, wanted.complete)
        if wanted.group
        else _pick(catalog, source, chains, wanted)
    )
    try:
        return chains, catalog.chain_manifests(chains, key)
    except SnapshipError as error:
        if isinstance(error, CorruptError) or error.code in ("key", "unknown_backup"):
            error.hint = " ".join(filter(None, (error.hint, advice(catalog, chains, [key.id]))))
            if error.code == "unknown_backup":
                error.code = "corrupt"
        raise


def _pick(catalog: Catalog, source: str, chains: Chains, wanted: WantedBackup) -> BackupKey:
    if wanted.backup not in (None, "latest"):
        for key in chains.keys:
            if key.id == wanted.backup:
                return key
        there = ", ".join(key.id for key in chains.keys[:5])
        raise UnknownError(
            f"{source} has no backup {wanted.backup!r} on {catalog.store.label} (newest there: {there}).",
            "List them with backup_info or `snapship list`.",
            code="unknown_backup" if catalog.is_id(str(wanted.backup)) else "usage",
        )
    if wanted.when is None:
        return next((key for key in chains.keys if not chains.premature(key)), chains.keys[0])
    for key in chains.keys:
        if key.created <= wanted.when:
            return key
    raise UnknownError(
        f"{source} has no backup from {iso_time(wanted.when)} or earlier; "
        f"the oldest is from {iso_time(chains.keys[-1].created)}.",
        code="unknown_backup",
    )


def passed_over(chains: Chains, chosen: Manifest, wanted: WantedBackup) -> list[str]:
    """A warning where the latest backup isn't the one with the latest time stamp."""
    newer = [key for key in chains.keys if key.created > chosen.key.created and chains.premature(key)]
    if wanted.backup not in (None, "latest") or wanted.when is not None or wanted.group or not newer:
        return []
    return [f"backup {newer[0].id} doesn't count as the latest: {chains.problem(newer[0])}."]


def _no_backup(catalog: Catalog, origin: str, source: str) -> SnapshipError:
    origins, volumes = catalog.names(origin)
    there = f"volumes of this origin: {', '.join(volumes)}"
    if not volumes:
        there = f"origins: {', '.join(origins) or 'none'}"
    return UnknownError(
        f"{source} has no backup under origin {origin!r} on {catalog.store.label} ({there}).",
        "Check source and origin.",
        code="unknown_backup",
    )


def _in_group(
    catalog: Catalog, source: str, chains: Chains, group: str, complete: set[tuple[str, ...]] | None
) -> BackupKey:
    """This volume's member of a group. Raises CorruptError if another member is missing."""
    for key in chains.keys:
        manifest = _member(catalog, key, group)
        if manifest is None:
            continue
        members = manifest.fields["group"]["members"]
        known = (group, manifest.fields["origin"], str(key.created), *members)
        for member in () if complete is not None and known in complete else members:
            others = catalog.chains(manifest.fields["origin"], member)
            if not any(_member(catalog, other, group) for other in others.sound() if other.created == key.created):
                raise CorruptError(
                    f"group {group} is incomplete: the backup of {member} is missing.",
                    advice(catalog, chains, [key.id]),
                )
        if complete is not None:
            complete.add(known)
        return key
    raise UnknownError(f"{source} has no backup of group {group!r}.", code="unknown_backup")


def _member(catalog: Catalog, key: BackupKey, group: str) -> Manifest | None:
    if not catalog.may_be_of(key, group):
        return None
    try:
        manifest = catalog.manifest(key)
    except SnapshipError:
        return None
    return manifest if manifest.group == group else None
