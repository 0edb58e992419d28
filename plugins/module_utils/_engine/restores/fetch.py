# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Fetches a backup and its chain into a new volume beside the target."""

from __future__ import annotations

import contextlib
import time
from typing import Any, Callable, NamedTuple, cast

from ..common.errors import CorruptError, VolumeError
from ..common.units import show_bytes
from ..common.workers import Workers
from ..repository.catalog import Catalog
from ..repository.manifest import Manifest
from ..streams import thin
from ..volumes.provider import BlockReceiver, Provider, Received, ReceiveRequest, StreamProvider, TargetState


class Fetched(NamedTuple):
    """A restore that is complete and checked, beside its target."""

    target: Received
    facts: dict[str, Any]  # bytes_written, bytes_fetched, seconds, warnings


def check_kind(backup: Manifest, provider: Provider, target: str) -> None:
    """Raises VolumeError where such a target can't receive the backup's stream."""
    stream = backup.fields["stream"]["format"]
    if stream not in provider.receives:
        raise VolumeError(
            f"backup {backup.id} of {backup.fields['volume']} (provider {backup.fields.get('provider')}) is a {stream} "
            f"stream: {target!r} (provider {provider.name}) can't receive it.",
            "Restore a zfs-send stream to a ZFS dataset, and a thin-send-recv stream to an LVM-thin volume, a zvol or "
            "an image file.",
            code="wrong_type",
        )


def fetch(
    catalog: Catalog,
    chain: list[Manifest],
    provider: Provider,
    request: ReceiveRequest,
    there: TargetState,
    workers: Workers,
    progress: Callable[[int, int], None],
) -> Fetched:
    """Fetch, write, make durable and check. ``progress`` gets bytes done and bytes in all, from any thread.

    Raises CorruptError or VolumeError, with nothing left beside the target.
    """
    started = time.monotonic()
    work = _Work(catalog, chain, provider, request, there, workers, _Counter(progress))
    take = _blocks if chain[-1].fields["stream"]["format"] == thin.FORMAT else _streams
    target, facts = take(work)
    return Fetched(target, dict(facts, seconds=round(time.monotonic() - started, 3)))


class _Counter:
    def __init__(self, progress: Callable[[int, int], None]) -> None:
        self.total, self._done, self._progress = 0, 0, progress

    def __call__(self, count: int) -> None:
        self._done += count
        self._progress(self._done, self.total)


class _Work(NamedTuple):
    catalog: Catalog
    chain: list[Manifest]
    provider: Provider
    request: ReceiveRequest
    there: TargetState
    workers: Workers
    counter: _Counter


def _blocks(work: _Work) -> tuple[Received, dict[str, Any]]:
    with work.catalog.blocks(work.chain) as assembly:
        needed, work.counter.total = assembly.sizes()
        _check_room(work, needed)
        target = cast(BlockReceiver, work.provider).receive(work.request)
        with _aborting(target):
            assembly.fetch(target, work.workers, work.counter)
            assembly.clear(target)
            target.sync()
            assembly.check(target, work.workers)
            target.release()
        facts = {"bytes_written": assembly.written, "bytes_fetched": assembly.fetched, "warnings": assembly.cautions}
        return target, facts


def _streams(work: _Work) -> tuple[Received, dict[str, Any]]:
    with work.catalog.streams(work.chain) as relay:
        needed, work.counter.total = relay.sizes()
        relay.check()
        _check_room(work, needed)
        target = cast(StreamProvider, work.provider).receive_streams(work.request)
        with _aborting(target):
            relay.run(target, work.workers, work.counter)
            target.sync()
            target.release()
        return target, {"bytes_written": relay.written, "bytes_fetched": relay.fetched, "warnings": []}


def _check_room(work: _Work, needed: int) -> None:
    if needed > work.there.free:
        raise VolumeError(
            f"no room to restore {work.request.place.target}: {show_bytes(needed)} needed, "
            f"{show_bytes(work.there.free)} free; nothing was changed.",
            "Free some space, or restore elsewhere.",
            code="no_space",
        )


class _aborting(contextlib.AbstractContextManager[None]):  # reads as a statement
    def __init__(self, target: Received) -> None:
        self._target = target

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            self._target.abort()


def explain_damage(error: CorruptError, chain: list[Manifest], advice: Callable[[list[str]], str]) -> None:
    """Add to an error which older backup is good. ``advice`` makes that hint from the ids of damaged backups."""
    key = error.key or ""
    damaged = next((each.id for each in chain if key == each.key.manifest or key.startswith(each.key.data)), None)
    error.hint = " ".join(filter(None, (error.hint, advice([damaged or chain[-1].id]))))
