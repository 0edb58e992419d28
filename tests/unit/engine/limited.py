# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One use case in a process that may have few descriptors: ``limited.py ROOT USECASE OPTIONS``, OPTIONS is JSON."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible_collections.snapship.dr.tests.unit.engine.place import Place

DESCRIPTORS = 64


def run(place: Place, use_case: str, *volumes: str, **options: Any) -> dict[str, Any]:
    """``ship`` or ``fetch``; ``done`` (how many items) and ``failures`` of its outcome, or ``error``."""
    asked = json.dumps({"volumes": volumes, "options": options})
    command = [sys.executable, __file__, str(place.root), use_case]
    ended = subprocess.run(command, input=asked, text=True, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr[-4000:]
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def main() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    place = Place(Path(sys.argv[1]))
    asked = json.load(sys.stdin)
    if sys.argv[2] == "ship":
        outcome = place.ship(*asked["volumes"], **asked["options"])
    else:
        outcome = place.fetch("", "", **asked["options"])
    json.dump({"done": len(outcome.items), "failures": outcome.failures, "warnings": outcome.warnings}, sys.stdout)


if __name__ == "__main__":
    main()
