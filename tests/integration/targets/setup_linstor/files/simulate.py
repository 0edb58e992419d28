# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""simulate.py DIRECTORY [BUCKET]: two simulated LINSTOR clusters, until the file DIRECTORY/running is removed.

Prints where they are, as JSON: controllers, target_controllers.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

PROGRAM = "ansible_collections.snapship.dr.tests.linstor_sim"
START = 30.0
WHICH = (("", "home"), ("target_", "away"))


def main() -> int:
    directory, bucket = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "backups"
    running, log = directory / "running", directory / "simulation.log"
    with running.open("wb") as said, log.open("wb") as complaints:
        started = subprocess.Popen(
            [sys.executable, "-m", PROGRAM, "--cluster", "home", "--cluster", "away"]
            + ["--bucket", bucket, "--directory", str(directory), "--until", str(running)],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=complaints,
            start_new_session=True,
        )
    end = time.monotonic() + START
    while not running.read_text(encoding="utf-8").endswith("\n"):
        if started.poll() is not None or time.monotonic() > end:
            sys.stderr.write(log.read_text(encoding="utf-8"))
            return 1
        time.sleep(0.05)
    clusters = json.loads(running.read_text(encoding="utf-8"))["clusters"]
    told = {f"{which}{key}": clusters[name][key] for which, name in WHICH for key in ("controllers", "control")}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main())
