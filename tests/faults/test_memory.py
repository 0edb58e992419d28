# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Peak memory doesn't depend on the volume's size: a full has 600 MiB and a restore 400 MiB, with four workers."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.faults.operation import Operations
from ansible_collections.snapship.dr.tests.faults.places import KEY, Place, directory_options
from ansible_collections.snapship.dr.tests.support.needs import unavailable

GIB = 1 << 30
SIZE = 3 * GIB + (100 << 20)
LIMIT_KIB = {"backup": 600 << 10, "restore": 400 << 10}
WORKERS = 4


def _peak(place: Place, do: str, **arguments: Any) -> int:
    """KiB that one operation in a process of its own needed at most."""
    operations = Operations(place)
    try:
        return int(operations.run(do, parallel=WORKERS, **arguments)["peak_kib"])
    finally:
        operations.close()


@pytest.mark.parametrize("options", [{"compression": "none"}, {"encryption_key": KEY}], ids=["plain", "sealed"])
def test_peak_memory(memory_path: Path, options: dict[str, str]) -> None:
    """Data that can't be compressed, so that every buffer is as large as it ever gets."""
    if shutil.disk_usage(memory_path).free < 4 * SIZE:
        unavailable("too little room for a volume of 3 GiB, its snapshot, its backup and its restore")
    place = Place(memory_path, directory_options(memory_path, **options))
    block = random.Random(3).randbytes(48 << 20)
    with place.image.open("wb") as image:
        while image.tell() < SIZE:
            image.write(block[: SIZE - image.tell()])
    peaks = {"backup": _peak(place, "backup")}
    place.image.unlink()
    shutil.rmtree(memory_path / ".snapship")
    peaks["restore"] = _peak(place, "restore", target=str(place.root / "restored.img"))
    print(f"peak memory in KiB: {peaks}")
    assert all(peak < LIMIT_KIB[name] for name, peak in peaks.items()), peaks
    assert (place.root / "restored.img").stat().st_size == SIZE
