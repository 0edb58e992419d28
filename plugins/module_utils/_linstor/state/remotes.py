# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The remotes of a cluster, and the types of remotes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ..._engine.common.errors import UnknownError, UsageError
from ..api.cluster import Cluster
from ..api.notes import Notes

#: the remote that LINSTOR creates with a cluster's first resource, to copy snapshots from node to node; it has the
#: cluster's own id
GENERATED = "local-remote-generated-by-linstor"
_PORTS = {"http": 3370, "https": 3371}
_SCHEMES = {"linstor": "http", "linstor+ssl": "https", "http": "http", "https": "https"}


@dataclasses.dataclass(frozen=True)
class LinstorType:
    """A type of remote and its options. LINSTOR tells the ``public`` options except those ``untold``.

    ``required``: what creates a remote. ``telling``: options that no other type has, so that they tell the type.
    ``holds_backups``: whether backups can be shipped there. ``use``: its role in an inventory. An inventory also has
    the options ``inventory_only``, and needs those in ``inventory_required``, both in the inventory's words.
    """

    public: tuple[str, ...]
    secret: tuple[str, ...]
    required: tuple[str, ...]
    telling: tuple[str, ...]
    untold: tuple[str, ...] = ()
    booleans: tuple[str, ...] = ()
    holds_backups: bool = True
    use: str = "backup"
    inventory_only: tuple[str, ...] = ()
    inventory_required: tuple[str, ...] = ()


#: every type of remote that LINSTOR has; all other lists of types and of their options derive from this one
LINSTOR_TYPES = {
    "s3": LinstorType(
        public=("endpoint", "bucket", "region", "use_path_style"),
        secret=("access_key", "secret_key"),
        required=("endpoint", "bucket", "region", "access_key", "secret_key"),
        telling=("bucket",),
        # LINSTOR always returns false for it.
        untold=("use_path_style",),
        booleans=("use_path_style",),
        inventory_only=("layout",),
        inventory_required=("bucket", "access_key", "secret_key"),
    ),
    "linstor": LinstorType(
        public=("url", "cluster_id"),
        secret=("passphrase",),
        required=("url",),
        telling=("url", "cluster_id"),
        untold=("cluster_id",),
        use="sync",
        inventory_only=("peer", "reverse_name", "reverse_url", "reverse_passphrase"),
    ),
    "ebs": LinstorType(
        public=("endpoint", "region", "availability_zone"),
        secret=("access_key", "secret_key"),
        required=("availability_zone", "access_key", "secret_key"),
        telling=("availability_zone",),
        holds_backups=False,
        inventory_required=("region", "availability_zone", "access_key", "secret_key"),
    ),
}
#: the types that backups can be shipped to
BACKUP_TYPES = tuple(name for name, made_of in LINSTOR_TYPES.items() if made_of.holds_backups)


@dataclasses.dataclass(frozen=True)
class Remote:
    """A remote as LINSTOR returns it. ``options`` are its public options, without those that LINSTOR never returns."""

    name: str
    type: str
    options: Mapping[str, str]


def list_remotes(cluster: Cluster) -> dict[str, Remote]:
    """All remotes by name in lower case, as LINSTOR ignores case. One request."""
    answer: Any = cluster.read("remote_list", what="listing remotes").data_v1
    found = {}
    for kind, made_of in LINSTOR_TYPES.items():
        for entry in answer.get(f"{kind}_remotes") or ():
            told = [name for name in made_of.public if name not in made_of.untold and entry.get(name) is not None]
            remote = Remote(str(entry["remote_name"]), kind, {name: str(entry[name]) for name in told})
            found[remote.name.lower()] = remote
    return found


def find_remote(cluster: Cluster, name: str) -> Remote:
    """The remote of that name. Raises UnknownError with the names of the existing ones."""
    remotes = list_remotes(cluster)
    if name.lower() not in remotes:
        there = ", ".join(sorted(remote.name for remote in remotes.values())) or "none"
        raise UnknownError(
            f"{cluster.name} has no remote {name!r}. Its remotes: {there}.",
            "Define it with snapship.dr.linstor_remote.",
            "unknown_remote",
            remote=name,
        )
    return remotes[name.lower()]


def noted(notes: Notes, name: str) -> dict[str, str]:
    """The notes about a remote: ``cluster_id``, ``use_path_style``, and fingerprints of secrets by option."""
    return notes.under(note_key(name))


def note_key(name: str, option: str = "") -> str:
    """The key of such a note."""
    return f"remotes/{name.lower()}" + (f"/{option}" if option else "")


def remote_url(address: str, option: str = "url") -> str:
    """A controller's address as LINSTOR keeps it for a remote: http or https, a host and a port.

    LINSTOR itself accepts ``linstor://host``, but takes ``linstor`` for the host's name.
    """
    text = address.strip()
    try:
        parts = urlsplit(text if "://" in text else f"http://{text}")
        scheme = _SCHEMES[parts.scheme]
        host = parts.hostname or ""
        port = parts.port or _PORTS[scheme]
    except (KeyError, ValueError):
        scheme = host = ""
    if not host:
        raise UsageError(
            f"{option}: {address!r} isn't a valid controller address.", "Write http://HOST:3370 or https://HOST:3371."
        )
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
