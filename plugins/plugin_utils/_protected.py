# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The protected volumes of an inventory, as module calls: one job for each entry and each of its remotes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.snapship.dr.plugins.plugin_utils._linstor_remotes import check_linstor
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes
from ansible_collections.snapship.dr.plugins.plugin_utils._remotes import (
    LINSTOR,
    NATIVE,
    Remote,
    check_native,
    inventory_types,
    read,
)

KEEP = ("last", "hourly", "daily", "weekly", "monthly", "yearly")
RETENTION = (*KEEP, "within", "min_age", "max_delete_percent")
TARGET = (
    "resource",
    "node",
    "storage_pool",
    "storage_pool_map",
    "resource_group",
    "force_move_resource_group",
    "net_interface",
    "download_only",
)
_COMMON = ("name", "provider", "volumes", "remotes", "retention", "consistent")
#: Options of an entry that go to the modules unchanged, by who ships the entry.
OPTIONS = {
    NATIVE: (
        "recursive",
        "quiesce",
        "pre_command",
        "post_command",
        "hook_timeout",
        "skip_unchanged",
        "check_every",
        "pool_high",
        "parallel",
        "lock_timeout",
    ),
    LINSTOR: ("wait_timeout", "stall_timeout", "abort_on_timeout", "parallel"),
}
_REMOTE = {NATIVE: (), LINSTOR: ("target", "max_chain", "source_node")}
_HERE, _THERE = "snapship_protected", "snapship_remotes"


@dataclasses.dataclass
class _Reading:
    """The state of reading the inventory: jobs, and names seen so far."""

    remotes: Mapping[str, Remote]
    use: str
    max_age: str | None
    mistakes: Mistakes
    jobs: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    entries: set[str] = dataclasses.field(default_factory=set)
    taken: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)


def plan(protected: Iterable[Any], remotes: Iterable[Any], use: str, max_age: str | None = None) -> dict[str, Any]:
    """The mistakes of the inventory (``mistakes``); for each carrier (``native``, ``linstor``) the names of the used
    remotes (``remotes``) and the jobs (``jobs``). The plan holds no secrets.

    ``use`` is ``backup`` or ``sync``. Remotes for the other use are checked, but get no jobs. ``max_age`` replaces each
    entry's ``every``.
    """
    mistakes = Mistakes()
    reading = _Reading(read(remotes, _THERE, mistakes), use, max_age, mistakes)
    if max_age is not None:
        mistakes.duration({"snapship_max_age": max_age}, "snapship_max_age", _HERE)
    for number, each in enumerate(protected, 1):
        _read_entry(reading, each, f"{_HERE}, entry {number}")
    peers = [job["peer"] for job in reading.jobs if "peer" in job]
    used = {carrier: _used(reading.jobs, carrier) for carrier in (NATIVE, LINSTOR)}
    for name in used[NATIVE]:
        check_native(reading.remotes[name], _THERE, mistakes)
    for name in used[LINSTOR]:
        check_linstor(reading.remotes[name], _THERE, mistakes)
    return {
        "mistakes": mistakes.found,
        **{
            carrier: {"remotes": used[carrier], "jobs": [job for job in reading.jobs if job["carrier"] == carrier]}
            for carrier in (NATIVE, LINSTOR)
        },
        "peers": list(dict.fromkeys(peers)),
    }


def _used(jobs: Iterable[Mapping[str, Any]], carrier: str) -> list[str]:
    return list(dict.fromkeys(job["remote"] for job in jobs if job["carrier"] == carrier))


def _read_entry(reading: _Reading, given: Any, where: str) -> None:
    mistakes = reading.mistakes
    given_name, provider = (given.get("name"), given.get("provider")) if isinstance(given, Mapping) else (None, None)
    carrier = LINSTOR if provider == "linstor" else NATIVE
    if given_name and isinstance(given_name, str):
        where = f"{_HERE}, {given_name}"
    entry = mistakes.mapping(given, where, (*_COMMON, *OPTIONS[carrier]))
    if not entry:
        return
    name = mistakes.text(entry, "name", where, required=True)
    if name and name in reading.entries:
        mistakes.add(where, "two entries have this name. Rename one of them.")
    reading.entries.add(name)
    volumes = mistakes.names(entry, "volumes", where)
    _check_options(mistakes, entry, where)
    common: dict[str, Any] = {
        "carrier": carrier,
        "entry": name,
        "volumes": volumes,
        **{key: entry[key] for key in ("provider", "consistent", "retention", *OPTIONS[carrier]) if key in entry},
    }
    chosen = mistakes.items(entry.get("remotes"), f"{where}: remotes")
    if not chosen:
        mistakes.add(where, "remotes is missing. List the remotes to ship to, each with name and every.")
    seen: set[str] = set()
    for each in chosen:
        _read_choice(reading, each, where, common, seen)


def _check_options(mistakes: Mistakes, entry: Mapping[str, Any], where: str) -> None:
    mistakes.provider(entry, where)
    mistakes.choice(entry, "quiesce", where, ("none", "fsfreeze"))
    mistakes.flags(entry, where, "consistent", "recursive", "skip_unchanged", "abort_on_timeout")
    mistakes.numbers(entry, where, 1, *(key for key in ("pool_high", "parallel") if key in entry))
    for key in ("check_every", "hook_timeout", "lock_timeout", "wait_timeout", "stall_timeout"):
        mistakes.duration(entry, key, where)
    if "retention" in entry:
        _check_retention(mistakes, entry["retention"], f"{where}: retention")


def _check_retention(mistakes: Mistakes, given: Any, where: str) -> None:
    rules = mistakes.mapping(given, where, RETENTION)
    mistakes.numbers(rules, where, -1, *(key for key in KEEP if key in rules))
    mistakes.numbers(rules, where, 0, *(key for key in ("max_delete_percent",) if key in rules))
    mistakes.duration(rules, "within", where)
    mistakes.duration(rules, "min_age", where)
    if not any(rules.get(key) for key in (*KEEP, "within")):
        mistakes.add(where, f"the rules keep nothing. Set at least one of {', '.join((*KEEP, 'within'))}.")


def _read_choice(reading: _Reading, given: Any, where: str, common: Mapping[str, Any], seen: set[str]) -> None:
    """Read one of an entry's remotes, and add its job."""
    mistakes, carrier = reading.mistakes, common["carrier"]
    choice = mistakes.mapping(given, f"{where}: remotes", ("name", "every", "rpo", "full_every", *_REMOTE[carrier]))
    name = mistakes.text(choice, "name", f"{where}: remotes", required=True) if choice else ""
    if not name:
        return
    where = f"{where}: remote {name}"
    remote = reading.remotes.get(name)
    if remote is None:
        there = ", ".join(sorted(reading.remotes)) or "none"
        mistakes.add(where, f"{_THERE} has no remote of this name. Known remotes: {there}.")
    if name in seen:
        mistakes.add(where, "the entry lists this remote twice.")
    seen.add(name)
    for volume in common["volumes"]:
        other = reading.taken.setdefault((volume, name), common["entry"])
        if other != common["entry"]:
            mistakes.add(where, f"the entry {other} already ships {volume} to this remote.")
    _check_ages(mistakes, choice, where)
    if "target" in choice:
        choice["target"] = mistakes.mapping(choice["target"], f"{where}: target", TARGET)
        mistakes.flags(choice["target"], f"{where}: target", "download_only", "force_move_resource_group")
    mistakes.numbers(choice, where, 1, *(key for key in ("max_chain",) if key in choice))
    if remote is None or not _carries(reading, remote, carrier, where):
        return
    reading.jobs.append(
        {
            **common,
            "label": f"{common['entry']} -> {name}",
            "remote": name,
            "type": remote.type,
            "max_age": reading.max_age if reading.max_age is not None else choice.get("every"),
            **{key: choice[key] for key in ("full_every", *_REMOTE[carrier]) if key in choice},
            **(_there(remote, common, choice) if carrier == LINSTOR else {}),
        }
    )


def _there(remote: Remote, common: Mapping[str, Any], choice: Mapping[str, Any]) -> dict[str, Any]:
    """Further values of a job for LINSTOR: what retention keeps, and the copy in the other cluster.

    If the other cluster is known (``peer``), shipping only delivers snapshots there (``download_only``). A task for
    that cluster then makes or refreshes the copy, so it has a record of the snapshot that the copy comes from.
    """
    told: dict[str, Any] = {}
    if "retention" in common:
        told["keep"] = {key: common["retention"][key] for key in (*KEEP, "within") if key in common["retention"]}
    if "peer" in remote.options:
        target = choice.get("target") or {}
        told["peer"] = remote.options["peer"]
        told["refresh"] = not boolean(target.get("download_only", False), strict=False)
        told["together"] = boolean(common.get("consistent", False), strict=False)
        told["target"] = {**target, "download_only": True}
    return told


def _check_ages(mistakes: Mistakes, choice: Mapping[str, Any], where: str) -> None:
    if "every" not in choice:
        mistakes.add(where, "every is missing. Set the maximum age of the newest backup, such as every: 1d.")
    every = mistakes.duration(choice, "every", where, above=0)
    for key in ("rpo", "full_every"):
        seconds = mistakes.duration(choice, key, where, above=0)
        if every is not None and seconds is not None and seconds < every:
            mistakes.add(where, f"{key}: {choice[key]} is shorter than every: {choice['every']}. Make it longer.")


def _carries(reading: _Reading, remote: Remote, carrier: str, where: str) -> bool:
    """Whether this run ships to the remote. A remote that the carrier can't ship to is a mistake."""
    types = inventory_types()
    carriers = types[remote.type].carriers
    if carrier == NATIVE and remote.options.get("layout") == "linstor":
        reading.mistakes.add(
            where, "LINSTOR ships to this remote (layout: linstor). A host can restore from it, but can't ship to it."
        )
        return False
    if carrier in carriers or (not carriers and remote.use != reading.use):
        return remote.use == reading.use
    fitting = " or ".join(kind for kind, each in types.items() if carrier in each.carriers)
    problem = f"{_CARRIER[carrier]} can't ship to" if carriers else "nothing can ship yet to"
    reading.mistakes.add(where, f"{problem} type {remote.type}. Use a remote of type {fitting}.")
    return False


_CARRIER = {NATIVE: "the host itself", LINSTOR: "LINSTOR"}
