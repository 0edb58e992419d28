# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""What use cases have in common that go to a remote: which it is, and that there may be none of that name yet."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

from ..common.errors import SnapshipError, UnknownError
from ..common.outcome import Outcome
from ..local.host import Host
from ..remotes.spec import RemoteSpec
from .catalog import Catalog
from .linstor_bucket.catalog import LinstorCatalog
from .snapship_catalog import SnapshipCatalog


def open_catalog(spec: RemoteSpec) -> Catalog:
    """A remote's catalog, whoever wrote the backups there; for use cases that only read.

    Raises as :meth:`.snapship_catalog.SnapshipCatalog.open`.
    """
    return LinstorCatalog.open(spec) if spec.read_only else SnapshipCatalog.open(spec)


@dataclasses.dataclass
class OnRemote:
    """A remote by name or by its definition, and under whose name volumes lie there."""

    remote: str | None = None
    remote_spec: dict[str, Any] | None = None
    origin: str | None = None

    def find(self, host: Host) -> RemoteSpec | SnapshipError:
        """The remote, or why there is none of that name: a play that is only checked hasn't defined it."""
        try:
            return host.remote(self.remote, self.remote_spec)
        except UnknownError as error:
            if error.code != "unknown_remote":
                raise
            return error


class Reads(Protocol):
    """A plan that reads from a remote."""

    host: Host
    origin: str
    catalog: Catalog | None
    remote_name: str
    missing_remote: SnapshipError | None


def open_for_reading(plan: Reads, request: OnRemote) -> Catalog | None:
    """Fill in what a plan knows of its remote, and return its catalog; ``None`` where there is no such remote yet."""
    spec = request.find(plan.host)
    if isinstance(spec, SnapshipError):
        plan.missing_remote = spec
        return None
    plan.remote_name = spec.name
    plan.catalog = catalog = open_catalog(spec)
    plan.origin = catalog.origin(plan.host, request.origin)
    catalog.absent = spec.type == "directory" and not catalog.store.exists()
    return catalog


def warn_of_missing(outcome: Outcome, missing_remote: SnapshipError | None) -> None:
    """In a preview: the remote isn't there yet."""
    if missing_remote:
        outcome.warn(f"{missing_remote.msg} A run would fail unless it is defined before.")


def would_fail(outcome: Outcome, error: SnapshipError | None) -> bool:
    """In a preview: whether a volume can't be read from the remote, whatever is done before."""
    if error is None:
        return False
    if error.code != "unknown_backup":
        outcome.failures.append(error.as_dict())
        return True
    outcome.warn(f"{error.msg} A run would fail unless a backup is made before.")
    return False
