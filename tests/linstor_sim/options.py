# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of a simulated cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

API_VERSIONS = {"1.31": "1.25.0", "1.32": "1.26.0", "1.33": "1.27.0", "1.34": "1.28.0"}


@dataclass(frozen=True)
class Options:
    """What a test may want otherwise.

    ``ship_seconds``: how long a shipment lasts by the cluster's clock; ``restore_seconds``: how long after it what was
    received becomes a resource; ``take_ms``: how long after the beginning of a shipment its snapshot is taken;
    ``young_seconds``: how long a snapshot that was begun shows neither flags nor properties. Connections are closed
    when they are ``idle_seconds`` idle. ``bucket_directory``: S3 remotes write to the directory
    ``<bucket_directory>/<bucket>`` instead of their endpoint; ``bucket_keys`` (secret keys by access key) are then the
    only ones that are let in, if there are any. ``token``, ``users``: one of them is asked for.
    """

    name: str = "cluster"
    version: str = "1.33.3"
    nodes: tuple[str, ...] = ("alpha", "bravo", "charlie")
    pools: Mapping[str, str] = field(default_factory=lambda: {"thinpool": "LVM_THIN"})
    ship_seconds: float = 0.2
    restore_seconds: float = 0.1
    take_ms: int = 40
    young_seconds: float = 0.0
    idle_seconds: float = 30.0
    volume_kib: int = 4096
    filled_chunks: int = 4
    token: str = ""
    users: Mapping[str, str] = field(default_factory=dict)
    bucket_directory: Path | None = None
    bucket_keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def api_version(self) -> str:
        return API_VERSIONS[".".join(self.version.split(".")[:2])]

    @property
    def api(self) -> tuple[int, int]:
        """The API's version without its last number."""
        major, minor, _patch = self.api_version.split(".")
        return int(major), int(minor)

    @property
    def numbers(self) -> list[int]:
        """The version without ``-rc.1``: LINSTOR compares only the three numbers."""
        return [int(part) for part in self.version.partition("-")[0].split(".")]

    @property
    def states_in_props(self) -> bool:
        """Whether the state of shipments is in properties (1.33 and later) or in flags."""
        return self.numbers[:2] >= [1, 33]
