# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes the coordinates of this run's servers from the environment into integration_config.yml, for targets to see.

``SNAPSHIP_TEST_S3_ENDPOINT`` becomes the variable ``s3_endpoint`` and so on, ``LINSTOR_TEST_CONTROLLERS`` becomes
``linstor_test_controllers``. A bucket that such controllers reach takes the place of this run's own: it is told by
``LINSTOR_TEST_S3_ENDPOINT``, ``_REGION``, ``_BUCKET``, ``_ACCESS_KEY`` and ``_SECRET_KEY``. linstor_remote also needs
keys that may only read there, ``_RO_ACCESS_KEY`` and ``_RO_SECRET_KEY``, as LINSTOR tries keys before it keeps them.

ansible-test cleans the environment, so this file is the way in. ``collections_root`` is where the copy that is tested
can be imported from.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import yaml

PREFIX = "SNAPSHIP_TEST_"
LINSTOR = "LINSTOR_TEST_"


def main() -> None:
    variables = {name[len(PREFIX) :].lower(): value for name, value in os.environ.items() if name.startswith(PREFIX)}
    variables.update({name.lower(): value for name, value in os.environ.items() if name.startswith(LINSTOR)})
    variables.update(
        {name[len(LINSTOR) :].lower(): value for name, value in os.environ.items() if name.startswith(f"{LINSTOR}S3_")}
    )
    target = Path(sys.argv[1])
    # .../ansible_collections/snapship/dr/tests/integration/integration_config.yml
    variables["collections_root"] = str(target.resolve().parents[5])
    target.touch(mode=0o600)
    target.write_text(yaml.safe_dump(variables), encoding="utf-8")


if __name__ == "__main__":
    main()
