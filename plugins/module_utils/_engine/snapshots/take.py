# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Takes snapshots of one volume, or of a group at one point in time, with the application quiesced."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import secrets
import time
from typing import Any

from ..common.errors import SnapshipError, UsageError
from ..common.keys import mint_id
from ..common.units import FUTURE_TOLERANCE, UTC, parse_duration
from ..volumes.provider import Provider, Snapshot, TakeRequest
from .quiesce import Hooks


@dataclasses.dataclass
class Quiesce:
    """The options for quiescing an application, as users give them."""

    quiesce: str = "none"
    pre_command: list[str] | None = None
    post_command: list[str] | None = None
    hook_timeout: Any = "60s"

    def hooks(self) -> Hooks:
        """The options, checked. Raises UsageError."""
        timeout = parse_duration(self.hook_timeout, "hook_timeout")
        return Hooks(self.quiesce or "none", self.pre_command, self.post_command, timeout)


def automatic_name() -> str:
    """A name for a snapshot that the user didn't name."""
    stamp = datetime.datetime.fromtimestamp(time.time(), UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"snapship-{stamp}-{secrets.token_hex(3)}"


def check_name(name: str) -> str:
    """Check a snapshot's name. Raises UsageError."""
    try:
        length = len(name.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise UsageError(f"snapshot name {name!r}: not valid Unicode.") from None
    if not name or name.startswith("-") or "/" in name or "\0" in name or length > 200:
        raise UsageError(f"snapshot name {name!r} isn't allowed.", "Use 1 to 200 bytes, no slash, no dash in front.")
    return name


def take(
    providers: dict[str, Provider],
    name: str | None,
    group: bool,
    options: Quiesce,
    holder: str | None = None,
    in_place: bool = False,
) -> tuple[list[Snapshot], list[str]]:
    """Take snapshots of these volumes (each with its provider). Members of a group share a point in time and a group
    id. Also returns warnings.

    With a ``holder`` they are made for a shipment, and are removed when no backup depends on them. ``in_place``:
    this process ships them at once and needs no base for later, so that a volume may be read itself, where there is no
    room for a snapshot. It counts only without hooks and groups.
    """
    hooks = options.hooks()
    hooked = options.quiesce != "none" or options.pre_command or options.post_command
    volumes = list(providers)
    members = _Members(providers)
    request = TakeRequest(
        volumes=volumes,
        name=check_name(name) if name else automatic_name(),
        made_by="user" if holder is None else "snapship",
        created=0.0,
        group={"id": mint_id(time.time()), "members": volumes} if group else None,
        consistency=hooks.consistency,
        holds={} if holder is None else {holder: "pending"},
        in_place=in_place and not group and not hooked,
    )
    mounts = members.freezable() if options.quiesce != "none" else []
    made: list[Snapshot] = []
    try:
        with hooks.around(volumes, request.name, mounts, request.consistency):
            warnings = members.take(request, made)
    except BaseException:
        for snapshot in made:
            with contextlib.suppress(OSError, SnapshipError):
                providers[snapshot.volume].remove(snapshot)
        raise
    return made, warnings


class _Members:
    """The volumes of one snapshot, by provider."""

    def __init__(self, providers: dict[str, Provider]) -> None:
        self._providers = providers
        self._parts: list[tuple[Provider, list[str]]] = []
        for provider in {id(each): each for each in providers.values()}.values():
            self._parts.append((provider, [volume for volume in providers if providers[volume] is provider]))

    def freezable(self) -> list[str]:
        """Mount points on all volumes, for freezing them."""
        found = [mount for volume, provider in self._providers.items() for mount in provider.freezable(volume)]
        return list(dict.fromkeys(found))

    def take(self, request: TakeRequest, made: list[Snapshot]) -> list[str]:
        """Take the snapshots and append them to ``made``, in the order of the volumes. Returns warnings."""
        at_once = len(self._parts) == 1 and self._parts[0][0].atomic(request.volumes)
        watched = {} if at_once else self._activity()
        created = int(time.time() * 1e6) / 1e6  # ids and manifests keep microseconds
        warnings: list[str] = []
        for provider, volumes in self._parts:
            found, said = provider.take(request._replace(volumes=volumes, created=created))
            made += found
            warnings += said
        made.sort(key=lambda snapshot: request.volumes.index(snapshot.volume))
        if watched and request.consistency.get("method") in (None, "none"):
            warnings += [
                _torn(volume) for volume, was in self._activity().items() if was is None or was != watched[volume]
            ]
        return warnings

    def _activity(self) -> dict[str, object]:
        return {volume: provider.activity(volume) for volume, provider in self._providers.items()}


def _torn(volume: str) -> str:
    return (
        f"{volume} was, or may have been, written to between the snapshots of its group: the group isn't one point in "
        "time. Set quiesce, or pre_command and post_command."
    )


def fresh(snapshots: list[Snapshot], age: float, now: float) -> Snapshot | None:
    """The newest usable snapshot that is at most ``age`` seconds old, and not from the future."""
    usable = [each for each in snapshots if each.flaw is None and -FUTURE_TOLERANCE <= now - each.created <= age]
    return max(usable, key=lambda each: each.created, default=None)


def fresh_group(
    by_volume: dict[str, list[Snapshot]], age: float | None, now: float, name: str | None = None
) -> list[Snapshot] | None:
    """The newest complete set of snapshots of one group, by age or by name, in the order of the volumes."""
    volumes = list(by_volume)
    groups: dict[str, dict[str, Snapshot]] = {}
    for volume, snapshots in by_volume.items():
        for each in snapshots:
            wanted = (
                each.name == name
                if name is not None
                else age is not None and -FUTURE_TOLERANCE <= now - each.created <= age
            )
            if each.group and each.flaw is None and wanted and sorted(each.group["members"]) == sorted(volumes):
                groups.setdefault(each.group["id"], {})[volume] = each
    whole = [found for found in groups.values() if len(found) == len(volumes)]
    newest = max(whole, key=lambda found: found[volumes[0]].created, default=None)
    return [newest[volume] for volume in volumes] if newest else None
