# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make or change the image file of the demo.

``make IMAGE MIB`` makes an image of this size and fills three quarters of it with files of this machine.
``change IMAGE MIB`` overwrites this much of it, in several places.
"""

from __future__ import annotations

import argparse
import os
import sys
import sysconfig
from collections.abc import Iterator

MIB = 1 << 20
PLACES = 4


def real_data() -> Iterator[bytes]:
    """Programs and libraries of this machine, in an endless loop, in pieces of at most 1 MiB."""
    while True:
        for top in (sysconfig.get_path("stdlib"), "/usr/lib", "/usr/bin", "/usr/share"):
            for folder, subfolders, names in os.walk(top):
                subfolders.sort()
                for name in sorted(names):
                    yield from _pieces(os.path.join(folder, name))


def _pieces(path: str) -> Iterator[bytes]:
    if not os.path.isfile(path) or os.path.islink(path):
        return
    try:
        with open(path, "rb") as source:
            while True:
                piece = source.read(MIB)
                if not piece:
                    return
                yield piece
    except OSError:
        return  # no permission to read it


def make(path: str, size: int) -> None:
    """Make an image of ``size`` bytes; its last quarter is a hole."""
    with open(path, "xb") as image:
        image.truncate(size)
        room = size * 3 // 4
        for piece in real_data():
            image.write(piece[: room - image.tell()])
            if image.tell() >= room:
                return


def change(path: str, amount: int) -> None:
    """Invert ``amount`` bytes, in a few places that lie far apart."""
    share = amount // PLACES
    step = os.path.getsize(path) * 3 // 4 // PLACES
    with open(path, "r+b") as image:
        for place in range(PLACES):
            image.seek(place * step)
            before = image.read(share)
            image.seek(place * step)
            image.write(bytes(byte ^ 0x5A for byte in before))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("action", choices=["make", "change"])
    parser.add_argument("image")
    parser.add_argument("mib", type=int)
    arguments = parser.parse_args()
    {"make": make, "change": change}[arguments.action](arguments.image, arguments.mib * MIB)
    return 0


if __name__ == "__main__":
    sys.exit(main())
