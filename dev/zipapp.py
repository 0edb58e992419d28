# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds the single-file program ``snapship`` from the engine: ``python dev/zipapp.py TARGET``.

The same sources give the same bytes on every machine: entries sorted, without time stamps or compression (whose output
differs between zlib versions), so that a digest tells whether a host has this very program.
"""

from __future__ import annotations

import io
import os
import sys
import zipfile
from pathlib import Path

ENGINE = Path(__file__).resolve().parent.parent / "plugins/module_utils/_engine"
SHEBANG = b"#!/usr/bin/env python3\n"
MAIN = b"""\
import sys

from snapship.cli import main

if __name__ == "__main__":
    sys.exit(main())
"""
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def build() -> bytes:
    """The program's bytes."""
    entries = {f"snapship/{file.relative_to(ENGINE).as_posix()}": file.read_bytes() for file in ENGINE.rglob("*.py")}
    entries["__main__.py"] = MAIN
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, entries[name])
    return SHEBANG + buffer.getvalue()


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
