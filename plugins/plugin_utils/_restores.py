# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Turns the restores of an inventory or of extra variables into calls of modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import parse_time
from ansible_collections.snapship.dr.plugins.plugin_utils._linstor_remotes import check_linstor
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes, shown
from ansible_collections.snapship.dr.plugins.plugin_utils._remotes import (
    LINSTOR,
    NATIVE,
    Remote,
    check_native,
    read,
    restorable_types,
)

_WHICH = ("backup", "at", "group", "snapshot")
_COMMON = ("remote", "source", "target", "volumes", "provider", "backup", "at")
OPTIONS = {
    NATIVE: (
        "origin",
        "as_of",
        "group",
        "recursive",
        "pool",
        "properties",
        "overwrite",
        "discard_changes",
        "parallel",
        "lock_timeout",
    ),
    LINSTOR: (
        "received_from",
        "snapshot",
        "overwrite",
        "discard_changes",
        "allow_doubtful",
        "node",
        "storage_pool_map",
        "resource_group",
        "wait_timeout",
        "stall_timeout",
    ),
}
_THERE = "snapship_remotes"


def plan(wanted: Iterable[Any], remotes: Iterable[Any], where: str) -> dict[str, Any]:
    """The ``mistakes``, and for each carrier (``native``, ``linstor``) the remotes used and the jobs to do.

    Nothing in it is secret. ``where`` names the variable with the restores.
    """
    mistakes = Mistakes()
    known = read(remotes, _THERE, mistakes)
    jobs: list[dict[str, Any]] = []
    targets: dict[str, str] = {}
    for number, each in enumerate(wanted, 1):
        job = _read(each, f"{where}, entry {number}" if where == "snapship_restore" else where, known, mistakes)
        if not job:
            continue
        for pair in job["volumes"]:
            if pair["target"] in targets:
                mistakes.add(where, f"two volumes have the target {pair['target']}.")
            targets[pair["target"]] = pair["source"]
        jobs.append(job)
    made: dict[str, Any] = {"mistakes": mistakes.found}
    for carrier, check in ((NATIVE, check_native), (LINSTOR, check_linstor)):
        mine = [job for job in jobs if job["carrier"] == carrier]
        used = list(dict.fromkeys(job["remote"] for job in mine if job["remote"]))
        for name in used:
            check(known[name], _THERE, mistakes)
        made[carrier] = {"remotes": used, "jobs": mine}
    return made


def _read(given: Any, where: str, known: Mapping[str, Remote], mistakes: Mistakes) -> dict[str, Any]:
    """One job; an empty one after a mistake."""
    before = len(mistakes.found)
    carrier = LINSTOR if isinstance(given, Mapping) and given.get("provider") == "linstor" else NATIVE
    wish = mistakes.mapping(given, where, (*_COMMON, *OPTIONS[carrier]))
    if not wish:
        return {}
    received = mistakes.text(wish, "received_from", where)
    name = mistakes.text(wish, "remote", where, required=not received)
    if name and received:
        mistakes.add(where, "remote and received_from are both set. Set one of them.")
    _check_remote(name, carrier, where, known, mistakes)
    volumes = _volumes(wish, where, mistakes)
    _check_options(wish, where, mistakes)
    if len(mistakes.found) > before:
        return {}
    return {
        "carrier": carrier,
        "label": f"{name or received} -> {', '.join(pair['target'] for pair in volumes)}",
        "remote": name,
        "volumes": volumes,
        **{key: wish[key] for key in ("provider", "backup", "at", *OPTIONS[carrier]) if key in wish},
    }


def _check_remote(name: str, carrier: str, where: str, known: Mapping[str, Remote], mistakes: Mistakes) -> None:
    remote = known.get(name)
    if name and remote is None:
        mistakes.add(where, f"{_THERE} has no remote {name}. Its remotes: {', '.join(sorted(known)) or 'none'}.")
    fitting = restorable_types(carrier)
    if remote is None or remote.type in fitting:
        return
    hint = f"Use a remote of type {' or '.join(fitting)}."
    if carrier == LINSTOR and remote.use == "sync":
        hint = "Restore on that cluster: let the host be that cluster, and set received_from."
    mistakes.add(where, f"remote {name} is of type {remote.type}, which can't be restored from here. {hint}")


def _volumes(wish: Mapping[str, Any], where: str, mistakes: Mistakes) -> list[dict[str, str]]:
    pairs = mistakes.items(wish.get("volumes"), f"{where}: volumes")
    if pairs and ("source" in wish or "target" in wish):
        mistakes.add(where, "volumes, and source or target, are both set. Set volumes, or source and target.")
    if not pairs:
        pairs = [{key: wish.get(key) for key in ("source", "target")}]
    read_pairs = []
    for each in pairs:
        pair = mistakes.mapping(each, f"{where}: volumes", ("source", "target"))
        read_pairs.append({key: mistakes.text(pair, key, where, required=True) for key in ("source", "target")})
    return read_pairs


def _check_options(wish: Mapping[str, Any], where: str, mistakes: Mistakes) -> None:
    mistakes.provider(wish, where)
    mistakes.flags(wish, where, "recursive", "overwrite", "discard_changes")
    mistakes.duration(wish, "lock_timeout", where)
    mistakes.duration(wish, "wait_timeout", where)
    mistakes.duration(wish, "stall_timeout", where)
    which = [key for key in _WHICH if key in wish]
    if len(which) > 1:
        mistakes.add(where, f"{' and '.join(which)} are both set. Set one of them.")
    for name in ("at", "as_of"):
        if name in wish:
            _check_time(name, wish[name], where, mistakes)


def _check_time(name: str, value: Any, where: str, mistakes: Mistakes) -> None:
    if not isinstance(value, str):
        mistakes.add(where, f"{name}: YAML read {shown(value)}, which isn't a string. Put quotes around the time.")
        return
    try:
        parse_time(value, name)
    except SnapshipError as error:
        mistakes.add(where, f"{error.msg} {error.hint}")
