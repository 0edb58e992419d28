# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the S3 coordinates of this run from the environment into integration_config.yml, where targets see them.

``SNAPSHIP_TEST_S3_ENDPOINT`` becomes the variable ``s3_endpoint`` and so on. ansible-test cleans the environment, so
this file is the way in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

PREFIX = "SNAPSHIP_TEST_"


def main() -> None:
    variables = {name[len(PREFIX) :].lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    target = Path(sys.argv[1])
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(variables), encoding="utf-8")


if __name__ == "__main__":
    main()
