# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Runs the use case of each command with its flags."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import Any

from ..common.errors import UsageError
from ..common.outcome import Outcome
from ..local.host import Host
from ..usecases import backup, backup_delete, backup_info, cat, remote, restore, snapshot, verify
from . import remote_options


def remote_add(host: Host, args: argparse.Namespace) -> Outcome:
    """Define a remote."""
    options = remote_options.definition(args)
    return _carry_out(remote, host, remote.Request(name=args.name, options=options, probe=args.probe), args)


def remote_remove(host: Host, args: argparse.Namespace) -> Outcome:
    """Forget a remote."""
    return _carry_out(remote, host, remote.Request(name=args.name, state="absent", options={}), args)


def remote_list(host: Host, args: argparse.Namespace) -> Outcome:
    """List all remotes, or show one."""
    return Outcome(items=remote.describe(host, args.name, args.probe))


def take_snapshot(host: Host, args: argparse.Namespace) -> Outcome:
    """Take snapshots, or remove them."""
    request = snapshot.Request(
        volumes=args.volumes,
        provider=args.provider,
        name=args.name,
        max_age=args.max_age,
        state=args.state,
        **_hooks(args),
    )
    return _carry_out(snapshot, host, request, args)


def list_snapshots(host: Host, args: argparse.Namespace) -> Outcome:
    """List the snapshots of volumes."""
    return Outcome(items=snapshot.describe(args.volumes, args.provider))


def ship(host: Host, args: argparse.Namespace) -> Outcome:
    """Back up volumes."""
    name, spec = remote_options.choice(args)
    request = backup.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        adopt_origin_from=args.adopt_origin_from,
        accept_lost=args.accept_lost or [],
        volumes=args.volumes,
        provider=args.provider,
        snapshot=args.snapshot,
        max_age=args.max_age,
        type=args.type,
        full_every=args.full_every,
        check_every=args.check_every,
        skip_unchanged=args.skip_unchanged,
        pool_high=args.pool_high,
        parallel=args.parallel,
        lock_timeout=args.lock_timeout,
        **_hooks(args),
    )
    return _carry_out(backup, host, request, args)


def remove_backup(host: Host, args: argparse.Namespace) -> Outcome:
    """Delete a backup."""
    name, spec = remote_options.choice(args)
    request = backup_delete.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        volumes=[args.volume] if args.volume else [],
        id=args.id,
        cascade=args.cascade,
        accept_lost=args.accept_lost or [],
        lock_timeout=args.lock_timeout,
    )
    return _carry_out(backup_delete, host, request, args)


def list_backups(host: Host, args: argparse.Namespace) -> Outcome:
    """List the backups on a remote."""
    name, spec = remote_options.choice(args)
    request = backup_info.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        as_of=args.as_of,
        volumes=args.volumes,
        id=args.id,
        details=args.details,
    )
    return backup_info.answer(host, request)


def fetch(host: Host, args: argparse.Namespace) -> Outcome:
    """Restore volumes."""
    name, spec = remote_options.choice(args)
    request = restore.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        as_of=args.as_of,
        volumes=_pairs(args),
        provider=args.provider,
        backup=args.backup,
        at=args.at,
        group=args.group,
        overwrite=args.overwrite,
        discard_changes=args.discard_changes,
        recursive=args.recursive,
        pool=args.pool,
        properties=args.properties or [],
        parallel=args.parallel,
        lock_timeout=args.lock_timeout,
    )
    return _carry_out(restore, host, request, args)


def prove(host: Host, args: argparse.Namespace) -> Outcome:
    """Verify backups."""
    name, spec = remote_options.choice(args)
    request = verify.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        as_of=args.as_of,
        volumes=args.volumes,
        provider=args.provider,
        backup=args.backup,
        mode=args.mode,
        max_age=args.max_age,
        scratch=args.scratch,
        pool=args.pool,
        parallel=args.parallel,
        lock_timeout=args.lock_timeout,
    )
    return _carry_out(verify, host, request, args)


def read_bytes(host: Host, args: argparse.Namespace) -> None:
    """Write bytes of a backup to standard output."""
    if sys.stdout.isatty():
        raise UsageError("cat writes binary data, and standard output is a terminal.", "Write it to a file or a pipe.")
    name, spec = remote_options.choice(args)
    request = cat.Request(
        remote=name,
        remote_spec=spec,
        origin=args.origin,
        as_of=args.as_of,
        volume=args.volume,
        backup=args.backup,
        at=args.at,
        offset=args.offset,
        length=args.length,
    )
    cat.read(host, request, sys.stdout.buffer.write)
    sys.stdout.buffer.flush()


def _carry_out(use_case: Any, host: Host, request: Any, args: argparse.Namespace) -> Outcome:
    plan = use_case.plan(host, request)
    outcome: Outcome = plan.preview() if args.check else use_case.apply(host, plan)
    return outcome


def _hooks(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "consistent": args.consistent,
        "recursive": args.recursive,
        "quiesce": args.quiesce,
        "pre_command": _words(args.pre_command, "--pre-command"),
        "post_command": _words(args.post_command, "--post-command"),
        "hook_timeout": args.hook_timeout,
    }


def _words(text: str | None, flag: str) -> list[str] | None:
    if text is None:
        return None
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{flag}: {error}.") from None
    if not words:
        raise UsageError(f"{flag}: the command is empty.")
    return words


def _pairs(args: argparse.Namespace) -> list[dict[str, str]]:
    pairs = [{"source": source, "target": target} for source, target in args.pairs or []]
    if args.source is not None and args.target is None:
        raise UsageError("restore: the target is missing.", "Write `snapship restore SOURCE TARGET`.")
    if args.source is not None:
        pairs.insert(0, {"source": args.source, "target": args.target})
    if not pairs:
        raise UsageError("restore: source and target are missing.", "Write `snapship restore SOURCE TARGET`.")
    return pairs
