# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""All routes. Each module registers its routes when it is imported."""

from __future__ import annotations

from ansible_collections.snapship.dr.tests.linstor_sim.api import (
    backups,
    control,
    controller,
    internal,
    nodes,
    remotes,
    resources,
    schedules,
    shipping,
    snapshots,
    stores,
    tokens,
)
from ansible_collections.snapship.dr.tests.linstor_sim.routing import ROUTES, Route

MODULES = (
    backups,
    control,
    controller,
    internal,
    nodes,
    remotes,
    resources,
    schedules,
    shipping,
    snapshots,
    stores,
    tokens,
)
EVERY: list[Route] = ROUTES
