# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""simulate.py DIRECTORY [BUCKET]: two simulated LINSTOR clusters, until the file DIRECTORY/running is removed.

Prints what DIRECTORY/running holds, as JSON: controllers, target_controllers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

LONGEST = 3600.0
START = 30.0


def serve(directory: Path, bucket: str) -> None:
    """Hold the clusters until nobody wants them any more."""
    buckets = directory / "buckets"
    (buckets / bucket).mkdir(parents=True, exist_ok=True)
    running = directory / "running"
    with (
        Simulation(name="home", bucket_directory=buckets) as home,
        Simulation(name="away", nodes=("delta", "echo"), bucket_directory=buckets) as away,
    ):
        written = directory / "running.new"
        written.write_text(json.dumps({"controllers": home.uri, "target_controllers": away.uri}), encoding="utf-8")
        written.rename(running)
        end = time.monotonic() + LONGEST
        while running.exists() and time.monotonic() < end:
            time.sleep(0.5)


def main() -> int:
    directory, bucket = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "backups"
    if "--serve" in sys.argv:
        serve(directory, bucket)
        return 0
    with (directory / "simulation.log").open("wb") as log:
        started = subprocess.Popen(
            [sys.executable, __file__, str(directory), bucket, "--serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    running, end = directory / "running", time.monotonic() + START
    while not running.exists():
        if started.poll() is not None or time.monotonic() > end:
            sys.stderr.write((directory / "simulation.log").read_text(encoding="utf-8"))
            return 1
        time.sleep(0.05)
    print(running.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
