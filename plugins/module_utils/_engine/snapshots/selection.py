# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Selects the volumes to work on (with all below them, one by one or as one group), and a snapshot by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

from ..common.errors import UnknownError
from ..volumes.provider import Provider, Snapshot
from ..volumes.registry import provider_for

Members = dict[str, Provider]  # volumes that get their snapshots together, each with its provider


def split(volumes: list[str], provider: str | None, together: bool, recursive: bool = False) -> list[Members]:
    """The units to work on: each volume (if ``recursive``, with all below it), or all volumes in one unit if
    ``together``."""
    units: list[Members] = []
    known: set[str] = set()
    for volume in volumes:
        one = provider_for(volume, provider)
        name = one.normalise(volume)
        names = [name, *one.children(name)] if recursive else [name]
        members = {each: one for each in names if each not in known}
        known.update(names)
        if members:
            units.append(members)
    if together:
        return [{volume: one for members in units for volume, one in members.items()}]
    return units


@contextlib.contextmanager
def looking_at(units: Iterable[Members]) -> Iterator[None]:
    """Inside, in this thread, these volumes are looked up together and once."""
    by_provider: dict[int, tuple[Provider, list[str]]] = {}
    for unit in units:
        for volume, provider in unit.items():
            by_provider.setdefault(id(provider), (provider, []))[1].append(volume)
    with contextlib.ExitStack() as stack:
        for provider, volumes in by_provider.values():
            stack.enter_context(provider.looking_at(volumes))
        yield


def named(provider: Provider, volume: str, name: str) -> Snapshot:
    """A volume's snapshot of this name. Raises UnknownError, which lists the existing ones."""
    snapshots = provider.snapshots(volume)
    for each in snapshots:
        if each.name == name:
            return each
    there = ", ".join(each.name for each in snapshots) or "none"
    raise UnknownError(f"{volume} has no snapshot {name!r} (existing: {there}).", code="unknown_snapshot")
