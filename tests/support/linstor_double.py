# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two simulated LINSTOR clusters for playbooks: ``linstor_double.py DIRECTORY``.

``home`` has the resources ``db`` and ``web``, ``away`` has none. Once they listen, ``DIRECTORY/clusters.json`` says where.
Buckets are directories in ``DIRECTORY/buckets``; ``backups`` is there. They go on until ``DIRECTORY`` is gone.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation


def main() -> None:
    directory = Path(sys.argv[1])
    buckets = directory / "buckets"
    (buckets / "backups").mkdir(parents=True)
    with (
        Simulation(name="home", bucket_directory=buckets) as home,
        Simulation(name="away", nodes=("delta", "echo"), bucket_directory=buckets) as away,
    ):
        for name in ("db", "web"):
            home.add_resource(name)
        part = directory / "clusters.part"
        part.write_text(json.dumps({"home": home.uri, "away": away.uri}), encoding="utf-8")
        part.rename(directory / "clusters.json")
        while directory.exists():
            time.sleep(0.5)


if __name__ == "__main__":
    main()
