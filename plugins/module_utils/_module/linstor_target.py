# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Options about the other side of a shipment between clusters, as the control plane takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._engine.common.errors import UsageError
from .._linstor.api.access import Access
from .._linstor.state.target_names import ShipmentTarget
from . import linstor
from .arguments import Spec


def target_cluster() -> Spec:
    """How to reach it; documented in plugins/doc_fragments/_linstor.py."""
    return {"target_cluster": {"type": "dict", "options": linstor.connection()}}


def target_access(given: Mapping[str, Any] | None) -> Access | None:
    """The connection to it. Raises UsageError where it isn't said where it is: this cluster's address is no default."""
    if given is None:
        return None
    if not given["controllers"] and not given["config_file"]:
        raise UsageError("target_cluster: controllers is missing.", "Name the target cluster's controllers.")
    return linstor.access(given)


def destination(given: Mapping[str, Any] | None) -> ShipmentTarget:
    """What a task says of where resources go. Raises UsageError."""
    if given is None:
        return ShipmentTarget()
    fields = {name: value for name, value in given.items() if value is not None}
    resource = fields.get("resource")
    if resource is not None and not isinstance(resource, (str, Mapping)):
        raise UsageError("target.resource is a name, a pattern, or a dictionary of names.", "Put quotes around it.")
    if isinstance(resource, Mapping) and not all(isinstance(name, str) for name in resource.values()):
        raise UsageError("target.resource: one of the names isn't a string.", "Put quotes around it.")
    pools = fields.get("storage_pool_map", {})
    if not all(isinstance(name, str) for name in pools.values()):
        raise UsageError("target.storage_pool_map: one of the pools isn't a string.", "Put quotes around it.")
    return ShipmentTarget(**fields)
