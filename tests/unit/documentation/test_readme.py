# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README's lines that restore without snapship, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ansible_collections.snapship.dr.tests.support.needs import need_program
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

README = Path(__file__).parents[3] / "README.md"


def lines(language: str, with_word: str) -> str:
    text = README.read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (wanted,) = [block for block in found if with_word in block]
    return str(wanted)


def test_a_full_and_an_increment_are_restored_by_hand(tmp_path: Path) -> None:
    need_program("zstd", "zstd")
    place = Place(tmp_path)
    image = place.image(size=8 * MIB, data=os.urandom(3 * MIB))
    first = place.one(image)
    Place.write(image, 5 * MIB, b"changed")
    Place.punch(image, MIB, MIB)
    second = place.one(image)
    assert second["base"] == first["id"]

    (tmp_path / "receive.py").write_text(lines("python", "receive.py"), encoding="utf-8")
    (volume,) = (place.remote / "data" / "o").iterdir()
    for item in (first, second):
        subprocess.run(
            ["bash", "-euo", "pipefail"],
            input=lines("sh", "receive.py").replace('"data/', f'"{place.remote}/data/'),
            text=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "size": str(item["bytes_logical"]),
                "image": str(tmp_path / "by-hand.img"),
                "origin": "o",
                "volume": volume.name,
                "id": item["id"],
            },
            check=True,
        )
    assert (tmp_path / "by-hand.img").read_bytes() == Path(image).read_bytes()
