# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: list backups. Reads only; works on a remote that another host wrote."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from typing import Any

from ..common.errors import SnapshipError, UnknownError
from ..common.keys import ANY, BackupKey, decode, encode
from ..common.outcome import Outcome
from ..common.units import iso_time
from ..local.host import Host
from ..remotes.registry import type_of
from ..repository import identity
from ..repository.access import OnRemoteThen, open_catalog
from ..repository.backup_item import from_manifest
from ..repository.catalog import Catalog
from ..repository.chains import Chains

CHAIN_SHOWN = 1000  # longer chains are counted, not listed


@dataclasses.dataclass
class Request(OnRemoteThen):
    """As the module's options. No origin: this host's own; ``*``: all."""

    volumes: list[str] = dataclasses.field(default_factory=list)
    id: str | None = None
    details: bool = False


def listing(host: Host, request: Request) -> list[dict[str, Any]]:
    """The backups, newest first. Without details this costs list requests only (1,000 keys each)."""
    catalog = open_catalog(host.remote(request.remote, request.remote_spec), host, request.moment([]))
    try:
        catalog.absent = type_of(catalog.spec).local and not catalog.store.exists()
        identity.check(catalog, host, request.as_of is not None)
        if catalog.absent:
            catalog.store.probe(False, False)  # raises with the store's own words
        origin = None if request.origin == ANY else catalog.origin(host, request.origin)
        origin = None if origin == ANY else origin
        found = [
            pair for chains in _chains(catalog, origin, request.volumes) for pair in ((c, chains) for c in chains.keys)
        ]
        if request.id is not None:
            found = [pair for pair in found if pair[0].id == request.id]
            if not found:
                raise UnknownError(
                    f"{catalog.store.label} has no backup {request.id!r}"
                    f" under {'any origin' if origin is None else f'origin {origin!r}'}.",
                    "List all backups (leave out id), or set origin.",
                    code="unknown_backup",
                )
        found.sort(key=lambda pair: (pair[0].created, pair[0].id), reverse=True)
        return _items(catalog, found, request.details or request.id is not None)
    finally:
        catalog.store.close()


def _chains(catalog: Catalog, origin: str | None, volumes: list[str]) -> list[Chains]:
    if not volumes or (origin is None and not catalog.spec.read_only):
        chains = catalog.chains(origin)
        wanted = {encode(volume) for volume in volumes}
        if wanted:
            chains.keys = [key for key in chains.keys if key.volume in wanted]
        return [chains]
    return [catalog.chains(origin, volume) for volume in dict.fromkeys(volumes)]


def _items(catalog: Catalog, found: list[tuple[BackupKey, Chains]], details: bool) -> list[dict[str, Any]]:
    names: dict[str, str] = {}
    items = []
    for key, chains in found:
        problem = chains.problem(key)
        length = chains.length(key)
        chain = chains.chain(key) if length is not None and length <= CHAIN_SHOWN else None
        items.append(
            {
                "id": key.id,
                "volume": _name(catalog, names, key.volume, key),
                "origin": _name(catalog, names, key.origin, key),
                "remote": catalog.spec.name,
                "type": "incremental" if key.base else "full",
                "base": key.base,
                "chain": [each.id for each in chain] if chain else None,
                "chain_length": length,
                "complete": problem is None,
                "problem": problem,
                "created": iso_time(key.created),
                "age": round(chains.now - key.created, 3),
            }
        )
    if details:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for item, extra in zip(items, pool.map(lambda pair: _details(catalog, pair[0]), found)):
                if extra.get("problem"):
                    item["complete"] = False
                item.update({name: value for name, value in extra.items() if name != "problem" or value})
    return items


def _name(catalog: Catalog, names: dict[str, str], component: str, key: BackupKey) -> str:
    """The name behind a component. A long name stands only in the manifest."""
    if component not in names:
        name = decode(component)
        if name is None:
            try:
                fields = catalog.manifest(key).fields
                name = fields["volume"] if component == key.volume else fields["origin"]
            except SnapshipError:
                return component
        names[component] = str(name)
    return names[component]


def _details(catalog: Catalog, key: BackupKey) -> dict[str, Any]:
    try:
        manifest = catalog.manifest(key)
    except SnapshipError as error:
        return {"problem": str(error)}
    extra = from_manifest(manifest, catalog.spec.name)
    for name in ("bytes_sent", "seconds", "resumed", "actions", "id", "type", "base", "created", "remote"):
        extra.pop(name)
    fields = manifest.fields
    extra.update(
        group_members=(fields.get("group") or {}).get("members"),
        consistency=fields.get("consistency"),
        compression=fields.get("compression"),
        key_id=(manifest.encryption or {}).get("key_id"),
        properties=fields.get("properties"),
        tool=fields.get("tool"),
    )
    return extra


def answer(host: Host, request: Request) -> Outcome:
    """The backups, newest first, and what is to be said of them."""
    outcome = Outcome(items=listing(host, request))
    request.moment(outcome.warnings)
    if not outcome.items:
        outcome.warn(_instead(host, request))
    return outcome


def _instead(host: Host, request: Request) -> str:
    """For an empty listing: what the remote has. A wrong origin is the usual reason."""
    catalog = open_catalog(host.remote(request.remote, request.remote_spec), host, request.moment([]))
    try:
        origin = catalog.origin(host, request.origin)
        origins, volumes = catalog.names(origin)
    finally:
        catalog.store.close()
    if volumes:
        return f"{catalog.store.label} has no such backups under origin {origin!r}; its volumes: {', '.join(volumes)}."
    there = ", ".join(origins) or "none"
    return f"{catalog.store.label} has no backups under origin {origin!r}; its origins: {there}."
