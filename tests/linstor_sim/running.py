# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A command with clusters to talk to in its environment: simulated ones, or real ones where those are named.

The command sees ``SNAPSHIP_TEST_LINSTOR_CONTROLLERS`` and ``..._TARGET_CONTROLLERS`` (of the second cluster), and of
simulated ones also ``_URL``, ``_TARGET_URL``, ``_CLUSTER_ID``, ``_TARGET_CLUSTER_ID``, ``_CONTROL`` and
``_TARGET_CONTROL`` (where faults are ordered), ``_CA_PATH``, ``_CLIENT_PEM``, ``_TOKEN`` and ``_BUCKET_DIRECTORY``.
"""

from __future__ import annotations

import os
import subprocess
from typing import Any

PREFIX = "SNAPSHIP_TEST_LINSTOR_"
_REAL = {"LINSTOR_TEST_CONTROLLERS": "CONTROLLERS", "LINSTOR_TEST_TARGET_CONTROLLERS": "TARGET_CONTROLLERS"}


def real() -> dict[str, str]:
    """What names real clusters; empty when nothing does."""
    if not os.environ.get("LINSTOR_TEST_CONTROLLERS"):
        return {}
    return {PREFIX + ours: os.environ[theirs] for theirs, ours in _REAL.items() if os.environ.get(theirs)}


def variables(told: dict[str, Any]) -> dict[str, str]:
    """What the program says of itself, as variables."""
    made: dict[str, str] = {}
    for name in ("ca_path", "client_pem", "token", "bucket_directory"):
        if name in told:
            made[name] = told[name]
    for which, cluster in zip(("", "target_"), told["clusters"].values()):
        for name in ("controllers", "url", "cluster_id", "control"):
            made[f"{which}{name}"] = cluster[name]
    return {PREFIX + name.upper(): str(value) for name, value in made.items()}


def run(command: list[str], environment: dict[str, str]) -> int:
    """The command's exit code."""
    return subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
