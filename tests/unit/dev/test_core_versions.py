# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The versions of ansible-core that the gates run are those that the rest of the checkout speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[3]
REQUIREMENTS = ROOT / "dev/requirements"


def listed() -> dict[str, tuple[str, list[str]]]:
    """Gate and Pythons of each version, from the oldest to the newest."""
    lines = (ROOT / "dev/core-versions").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line and not line.startswith("#")]
    return {version: (gate, pythons) for version, gate, *pythons in rows}


def pinned(name: str) -> list[str]:
    """The ansible-cores in a requirement file."""
    text = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8")
    return re.findall(r"^ansible-core==(\S+?)(?:;.*)?$", text, re.MULTILINE)


def test_each_version_is_pinned_in_a_file_of_its_own() -> None:
    files = {file.stem.removeprefix("core-") for file in REQUIREMENTS.glob("core-*.txt")}
    assert files == set(listed())
    for version in listed():
        (exact,) = pinned(f"core-{version}")
        assert exact.startswith(f"{version}.")


def test_a_gate_and_a_python_is_known_for_each() -> None:
    for gate, pythons in listed().values():
        assert (ROOT / "dev/gates" / gate).exists()
        assert pythons
        assert all(re.fullmatch(r"3\.\d+", each) for each in pythons)


def test_the_oldest_is_the_one_that_the_collection_requires() -> None:
    runtime = yaml.safe_load((ROOT / "meta/runtime.yml").read_text(encoding="utf-8"))
    assert runtime["requires_ansible"] == f">={next(iter(listed()))}.0"


def test_sanity_runs_on_what_the_virtual_environments_hold() -> None:
    of_sanity = {
        exact
        for version, (gate, _pythons) in listed().items()
        if gate == "sanity"
        for exact in pinned(f"core-{version}")
    }
    for name in ("venv", "gates", "galaxy-importer"):
        assert set(pinned(name)) == of_sanity
