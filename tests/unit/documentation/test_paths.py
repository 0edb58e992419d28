# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files that CONTRIBUTING.md and docs/architecture.md send newcomers to exist."""

from __future__ import annotations

import re

import pytest

from ansible_collections.snapship.dr.tests.support.examples import ROOT

UTILS = ROOT / "plugins/module_utils"
PLACES = (ROOT, UTILS, UTILS / "_engine")
PATH = re.compile(r"`([\w.]+/[\w./]+)`")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_that_is_named_exists(page: str) -> None:
    named = PATH.findall((ROOT / page).read_text(encoding="utf-8"))
    assert len(named) > 10
    named = [path for path in named if "NAME" not in path]
    missing = [path for path in named if not any((place / path).exists() for place in PLACES)]
    assert missing == []


def test_the_tree_names_every_room_and_no_other() -> None:
    """The rooms of the engine, and those of LINSTOR, as CONTRIBUTING.md draws them."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    engine = set(re.findall(r"^      (\w+)/  ", text.split("    _linstor/")[0].split("    _engine/")[1], re.MULTILINE))
    linstor = set(re.findall(r"(\w+)/(?=\s|$)", text.split("    _linstor/")[1].split("\nplaybooks/")[0]))
    for package, drawn in (("_engine", engine), ("_linstor", linstor)):
        rooms = {path.name for path in (UTILS / package).iterdir() if path.is_dir() and path.name != "__pycache__"}
        assert drawn == rooms


def test_the_tables_of_the_readme_name_every_module() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = text.split("| module | what it ensures or reports |")[1].split("\n\n")[0]
    named = {
        name for cell in re.findall(r"^\| (`[^|]*) \|", rows, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    }
    assert named == {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}
