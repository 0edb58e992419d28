# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""From a remote's definition to its catalog, whoever wrote what lies there."""

from __future__ import annotations

from .remotes.spec import RemoteSpec
from .repository.catalog import Catalog
from .repository.linstor_bucket.catalog import LinstorCatalog


def open_catalog(spec: RemoteSpec) -> Catalog:
    """For use cases that only read. Raises as :meth:`.catalog.Catalog.open`."""
    return LinstorCatalog.open(spec) if spec.read_only else Catalog.open(spec)
