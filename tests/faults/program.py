# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``snapship`` as users have it: the single file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ZIPAPP = Path(__file__).parents[2] / "dev" / "zipapp.py"


def build(directory: Path) -> list[str]:
    """Builds it in this directory; the words that run it."""
    target = directory / "snapship"
    subprocess.run([sys.executable, str(ZIPAPP), str(target)], check=True, capture_output=True)
    return [sys.executable, str(target)]
