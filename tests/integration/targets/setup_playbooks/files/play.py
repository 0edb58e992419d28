# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""play.py INVENTORY PLAYBOOK [ARGUMENT...]: runs a playbook as a user would, and prints JSON: what became of each host
(``hosts``: ok, changed, unreachable, failed, ...), its exit code (``code``), and all it said (``said``)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

RECAP = re.compile(r"^(\S+)\s+: (ok=\d+ .*)$", re.MULTILINE)


def main() -> None:
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [str(program), "--inventory", *sys.argv[1:]],
        env={**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_HOST_KEY_CHECKING": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    hosts = {
        name: {key: int(count) for key, count in (pair.split("=") for pair in counts.split())}
        for name, counts in RECAP.findall(done.stdout)
    }
    print(json.dumps({"code": done.returncode, "hosts": hosts, "said": said}))


if __name__ == "__main__":
    main()
