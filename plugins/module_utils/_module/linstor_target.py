# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The options about the target of a shipment between clusters, in the control plane's form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.common.errors import UsageError
from .._linstor.api.access import Access
from .._linstor.state.target_names import ShipmentTarget
from . import linstor
from .arguments import Spec


def target_cluster() -> Spec:
    """The connection options of the target cluster; documented in plugins/doc_fragments/_linstor.py."""
    return {"target_cluster": {"type": "dict", "options": linstor.connection()}}


def target_access(given: Mapping[str, Any] | None) -> Access | None:
    """The connection to the target cluster. Raises UsageError without an address, as there is no default."""
    if given is None:
        return None
    if not given["controllers"] and not given["config_file"]:
        raise UsageError(
            "target_cluster: controllers is missing.", "Set it to the addresses of the target cluster's controllers."
        )
    return linstor.access(given)


def destination(given: Mapping[str, Any] | None) -> ShipmentTarget:
    """The option ``target`` of a task. Raises UsageError."""
    if given is None:
        return ShipmentTarget()
    fields = {name: value for name, value in given.items() if value is not None}
    resource = fields.get("resource")
    if resource is not None and not isinstance(resource, (str, Mapping)):
        raise UsageError(
            "target.resource must be a name, a pattern, or a dictionary of names.", "Put quotes around it."
        )
    if isinstance(resource, Mapping) and not all(isinstance(name, str) for name in resource.values()):
        raise UsageError("target.resource: one of the names isn't a string.", "Put quotes around it.")
    pools = fields.get("storage_pool_map", {})
    if not all(isinstance(name, str) for name in pools.values()):
        raise UsageError("target.storage_pool_map: one of the names isn't a string.", "Put quotes around it.")
    return ShipmentTarget(**fields)
