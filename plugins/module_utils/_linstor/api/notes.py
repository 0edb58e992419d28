# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Notes in LINSTOR's key-value store, for facts that LINSTOR itself never returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping

from .cluster import Cluster

#: an instance's name allows no dot
STORE = "snapship-dr"


@dataclasses.dataclass(frozen=True)
class Notes:
    """All notes by key. A value has at most 4096 characters, a key 255."""

    kept: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def read(cls, cluster: Cluster) -> Notes:
        """Read all notes. One request."""
        answer = cluster.read("keyvaluestores", what=f"reading the key-value store {STORE}")
        data = getattr(answer, "data_v1", None)
        stores = [each for each in data if isinstance(each, Mapping)] if isinstance(data, list) else []
        props = next((each.get("props") for each in stores if each.get("name") == STORE), None)
        return cls({str(key).strip("/"): str(value) for key, value in dict(props or {}).items()})

    def under(self, prefix: str) -> dict[str, str]:
        """The notes below ``prefix/``, by the rest of their keys."""
        start = f"{prefix}/"
        return {key[len(start) :]: value for key, value in self.kept.items() if key.startswith(start)}


def keep(cluster: Cluster, values: Mapping[str, str], drop: Iterable[str] = ()) -> None:
    """Set and remove notes in one request, or none if there is nothing to do. It can be repeated safely."""
    gone = sorted(drop)
    if values or gone:
        cluster.change(
            "keyvaluestore_modify",
            STORE,
            property_dict=dict(values),
            delete_props=gone,
            what=f"writing to the key-value store {STORE}",
            hide=values.values(),
        )
