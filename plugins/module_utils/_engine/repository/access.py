# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""How use cases find and open the remote they are about, and what they say if it isn't defined yet."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from ..common.errors import SnapshipError, UnknownError
from ..common.outcome import Outcome
from ..common.units import parse_time
from ..local.host import Host
from ..remotes.registry import type_of
from ..remotes.spec import RemoteSpec
from . import identity
from .catalog import Catalog
from .linstor_bucket.catalog import LinstorCatalog
from .snapship_catalog import SnapshipCatalog


def open_catalog(spec: RemoteSpec, host: Host, as_of: float | None = None) -> Catalog:
    """A remote's catalog, whoever wrote the backups there; for use cases that only read.

    Raises as :meth:`.snapship_catalog.SnapshipCatalog.open`.
    """
    return LinstorCatalog.open(spec, host, as_of) if spec.read_only else SnapshipCatalog.open(spec, host, as_of)


@dataclasses.dataclass
class OnRemote:
    """A remote by name or by definition, and the origin: the name under which the volumes lie there."""

    remote: str | None = None
    remote_spec: dict[str, Any] | None = None
    origin: str | None = None

    def find(self, host: Host) -> RemoteSpec | SnapshipError:
        """The remote, or the error if none has this name: in check mode an earlier task hasn't defined it."""
        try:
            return host.remote(self.remote, self.remote_spec)
        except UnknownError as error:
            if error.code != "unknown_remote":
                raise
            return error


@dataclasses.dataclass
class OnRemoteThen(OnRemote):
    """A remote, now or as it was: ``as_of`` is a point in time by its own clock, as users write it."""

    as_of: str | None = None

    def moment(self, warnings: list[str]) -> float | None:
        """That point in time in seconds since the epoch, ``None`` for now. Raises UsageError."""
        if self.as_of is None:
            return None
        moment, guessed = parse_time(self.as_of, "as_of")
        if guessed:
            warnings.append(f"as_of: {self.as_of!r} has no UTC offset and was taken as UTC.")
        return moment


class Reads(Protocol):
    """A plan that reads from a remote."""

    host: Host
    origin: str
    catalog: Catalog | None
    remote_name: str
    missing_remote: SnapshipError | None
    warnings: list[str]


def open_for_reading(plan: Reads, request: OnRemoteThen) -> Catalog | None:
    """Open the remote and note it in the plan; returns its catalog, ``None`` if the remote isn't defined yet."""
    spec = request.find(plan.host)
    if isinstance(spec, SnapshipError):
        plan.missing_remote = spec
        return None
    plan.remote_name = spec.name
    plan.catalog = catalog = open_catalog(spec, plan.host, request.moment(plan.warnings))
    plan.origin = catalog.origin(plan.host, request.origin)
    catalog.absent = type_of(spec).local and not catalog.store.exists()
    try:
        identity.check(catalog, plan.host, request.as_of is not None)
    except SnapshipError:
        catalog.store.close()
        raise
    return catalog


def warn_of_missing(outcome: Outcome, missing_remote: SnapshipError | None) -> None:
    """In a preview: warn if the remote isn't defined yet."""
    if missing_remote:
        outcome.warn(f"{missing_remote.msg} A real run would fail unless it is defined first.")


def would_fail(outcome: Outcome, error: SnapshipError | None) -> bool:
    """In a preview: whether a real run would fail, too. A missing backup only warns: an earlier task may ship it."""
    if error is None:
        return False
    if error.code != "unknown_backup":
        outcome.failures.append(error.as_dict())
        return True
    outcome.warn(f"{error.msg} A real run would fail unless a backup is made first.")
    return False
