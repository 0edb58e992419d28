# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: bytes of a backup of a block volume are read, without restoring it. Reads only."""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

from ..common.errors import SnapshipError, UsageError
from ..common.units import parse_size, parse_time
from ..local.host import Host
from ..repository.access import OnRemoteThen, open_for_reading
from ..repository.catalog import Catalog
from ..repository.data.random_access import RandomAccess
from ..restores.backup_choice import WantedBackup, find_chain

_PIECE = 1 << 20  # bytes read at a time, as an extent has at most


@dataclasses.dataclass
class Request(OnRemoteThen):
    """As the command's flags. Without a length: up to the volume's end."""

    volume: str = ""
    backup: str | None = None
    at: str | None = None
    offset: Any = 0
    length: Any = None


@dataclasses.dataclass
class Plan:
    """What :func:`.access.open_for_reading` fills in."""

    host: Host
    origin: str
    catalog: Catalog | None = None
    remote_name: str = ""
    missing_remote: SnapshipError | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)


def read(host: Host, request: Request, write: Callable[[bytes], object]) -> int:
    """Give the bytes to ``write``, in order; returns how many. Each piece was compared with its digest before."""
    offset = parse_size(request.offset, "offset")
    length = None if request.length is None else parse_size(request.length, "length")
    if request.backup is not None and request.at is not None:
        raise UsageError("backup and at can't both be given.")
    when = None if request.at is None else parse_time(request.at, "at")[0]
    plan = Plan(host, host.origin(request.origin))
    catalog = open_for_reading(plan, request)
    if catalog is None:
        raise plan.missing_remote or UsageError("no remote is given.")
    try:
        wanted = WantedBackup(request.backup, when, None)
        _chains, chain = find_chain(catalog, plan.origin, request.volume, wanted)
        backup = RandomAccess(catalog, chain)
        if offset > backup.size:
            raise UsageError(f"offset {offset} is past the end of {request.volume}, which has {backup.size} bytes.")
        end = backup.size if length is None else min(offset + length, backup.size)
        at = offset
        while at < end:
            stop = min(at - at % _PIECE + _PIECE, end)
            write(backup.read(at, stop - at))
            at = stop
    except SnapshipError as error:
        raise error.about(volume=request.volume, remote=plan.remote_name) from error
    finally:
        catalog.store.close()
    return max(end - offset, 0)
