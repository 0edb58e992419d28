# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes random bytes into an image, which is made where it isn't there: ``image.py PATH SIZE OFFSET LENGTH``."""

from __future__ import annotations

import os
import sys


def main() -> None:
    path, size, offset, length = sys.argv[1], *map(int, sys.argv[2:])
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    os.ftruncate(descriptor, size)
    os.pwrite(descriptor, os.urandom(length), offset)
    os.close(descriptor)


if __name__ == "__main__":
    main()
