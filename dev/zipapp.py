# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the single-file program ``snapship`` from the checkout: ``python dev/zipapp.py TARGET``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "plugins/module_utils"))

from _engine.local.program import build


def main() -> None:
    target = Path(sys.argv[1])
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(target.name + ".new")
    temporary.write_bytes(build())
    temporary.chmod(0o755)
    os.replace(temporary, target)
    print(target)


if __name__ == "__main__":
    main()
