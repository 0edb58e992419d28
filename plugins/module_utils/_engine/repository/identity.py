# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The identity of a repository: keys ``repository/<32 hex digits>``, whose content means nothing.

A place whose mount is gone looks like one that was never used. So a host notes one of these keys for each place, and
the place is right while that key is there. The note belongs to the place, not to a remote's name.
"""

from __future__ import annotations

import itertools
import re
import secrets

from ..common.errors import RemoteError
from ..local.host import Host
from ..remotes.registry import open_store
from ..remotes.spec import RemoteSpec
from ..remotes.store import ObjectStore
from .catalog import Catalog

FOLDER = "repository/"
_CONTENT = b"The name of this file tells hosts that this is the place they know.\n"
_ID = re.compile(r"[0-9a-f]{32}")
_MOST = 1000  # so many are looked at
_SHOWN = 5
_GONE = ("missing", "bucket_missing")  # codes of a place that isn't there


def expected(spec: RemoteSpec, host: Host, store: ObjectStore) -> str | None:
    """The id that a place must have: the one the definition demands, else the one this host noted."""
    return spec.repository_id or host.repository(store.location)


def check(catalog: Catalog, host: Host, past: bool = False) -> None:
    """Refuse a place that isn't the one this host knows (reads only; one listing).

    Without a note any place is accepted, and so is another program's. ``past``: the place is read as it was, maybe
    before it had an identity, or when it had another one than it has now; only another place is wrong then. Raises
    RemoteError with code ``repository``.
    """
    spec, store = catalog.spec, catalog.store
    wanted = None if spec.read_only else expected(spec, host, store)
    if wanted is None:
        return
    if catalog.absent:
        raise _another(catalog, wanted, [])
    try:
        if _has(store, wanted):
            return
        found = _found(store)
        if past and (not found or _is_now(spec, wanted)):
            return
    except RemoteError as error:
        if error.code not in _GONE:
            raise
        found, catalog.absent = [], True
    raise _another(catalog, wanted, found)


def _has(store: ObjectStore, wanted: str) -> bool:
    return any(entry.key == FOLDER + wanted for entry in store.list(FOLDER + wanted))


def _is_now(spec: RemoteSpec, wanted: str) -> bool:
    store = open_store(spec)
    try:
        return _has(store, wanted)
    finally:
        store.close()


def settle(catalog: Catalog, host: Host, put: bool = True) -> None:
    """Note the id (writes). With ``put`` a place without one gets one; hosts that are first at once leave two.

    For use cases that write, once the place exists and :func:`check` took it.
    """
    store = catalog.store
    noted = host.repository(store.location)
    wanted = expected(catalog.spec, host, store)
    if wanted is None:
        found = _found(store)
        if not found and not put:
            return
        if not found:
            store.put(FOLDER + secrets.token_hex(16), _CONTENT, exclusive=True)
            store.sync()
            found = _found(store)
        if not found:
            raise RemoteError(f"{store.label}: the identity of the repository disappeared right after it was put.")
        wanted = found[0]
    if wanted != noted:
        host.note_repository(store.location, wanted)


def _found(store: ObjectStore) -> list[str]:
    """The ids there are, sorted."""
    names = (entry.key[len(FOLDER) :] for entry in itertools.islice(store.list(FOLDER), _MOST))
    return sorted(name for name in names if _ID.fullmatch(name))


def _another(catalog: Catalog, wanted: str, found: list[str]) -> RemoteError:
    """The refusal. The store is closed: nobody uses this place, and it may have to be unmounted."""
    store, name = catalog.store, catalog.spec.name
    store.close()
    who = "its definition demands" if catalog.spec.repository_id else "this host knows"
    start = f"{store.label} isn't the repository that {who}: {wanted} is expected there,"
    if found:
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        return RemoteError(
            f"{start} {', '.join(found[:_SHOWN])}{more} found.",
            "Look whether another filesystem is mounted there, or the address changed. If this is the right place from "
            f"now on, set repository_id: {found[0]}.",
            code="repository",
            remote=name,
        )
    what = "the place itself is missing" if catalog.absent else "none found"
    fresh = secrets.token_hex(16)
    return RemoteError(
        f"{start} {what}.",
        "Is it mounted? If it is the right place and was emptied on purpose, put an empty file (object) there, with "
        f"the path (key) {FOLDER}{fresh}, and set repository_id: {fresh}.",
        code="repository",
        remote=name,
    )
