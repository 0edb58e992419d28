# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The engine needs no Ansible, and no library that isn't there: nowhere in its text, and when it runs."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.snapship.dr.tests.support.needs import need_machine_id, need_program
from ansible_collections.snapship.dr.tests.unit.engine.place import MIB, Place

ROOT = Path(__file__).resolve().parents[3]
ENGINE = ROOT / "plugins" / "module_utils" / "_engine"
OPTIONAL = {"boto3", "botocore", "urllib3", "cryptography", "zstandard", "compression"}


def imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Level and first part of all that is imported, wherever in a file."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name.split(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.level, (node.module or "").split(".")[0]))
    return found


def test_the_engine_imports_itself_the_standard_library_and_what_is_optional() -> None:
    files = sorted(ENGINE.rglob("*.py"))
    assert len(files) > 40
    for path in files:
        depth = len(path.relative_to(ENGINE).parts)
        for level, name in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if level:
                assert level <= depth, f"{path} imports from outside the engine"
            else:
                assert name in OPTIONAL or name in sys.stdlib_module_names, f"{path} imports {name}"


def oldest() -> str | None:
    """A Python 3.9 on this machine, the oldest that hosts may have."""
    candidates = [shutil.which("python3.9"), *sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python3.9"))]
    for each in candidates:
        if each and subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(each)
    return None


PYTHONS = [each for each in (sys.executable, "/usr/bin/python3", oldest()) if each and os.path.exists(each)]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("zipapp") / "snapship"
    subprocess.run([sys.executable, str(ROOT / "dev" / "zipapp.py"), str(target)], check=True, capture_output=True)
    return target


@pytest.mark.parametrize("python", PYTHONS)
def test_the_single_file_reads_what_the_engine_here_wrote_and_the_other_way_round(
    place: Place, program: Path, python: str
) -> None:
    """With the standard library alone (-S: no site-packages), zstd by the C library."""
    need_machine_id()
    need_program("zstd", "zstd")

    def run(*words: str) -> list[dict[str, object]]:
        command = [python, "-I", "-S", str(program), *words, "--path", str(place.remote), "--origin", "o", "--json"]
        command += ["--config-dir", str(place.root / "cfg2")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        (found,) = (value for value in json.loads(done.stdout).values() if isinstance(value, list) and value)
        return list(found)

    image = place.image(data=os.urandom(MIB))
    here = place.one(image)
    place.write(image, 5, b"changed")
    (there,) = run("backup", image, "--max-age", "0s")
    assert there["type"] == "incremental"
    assert there["base"] == here["id"]
    assert [item["id"] for item in run("list")] == [there["id"], here["id"]]
    target = place.root / "restored"
    run("restore", image, str(target))
    assert target.read_bytes() == Path(image).read_bytes()
    assert place.content(image, str(there["id"])) == Path(image).read_bytes()


@pytest.mark.parametrize("python", PYTHONS)
def test_every_part_of_it_can_be_imported(program: Path, python: str) -> None:
    """Also by the oldest Python: nothing is written in newer words."""
    script = (
        "import importlib, pkgutil, sys; sys.path.insert(0, sys.argv[1]); import snapship\n"
        "names = [each.name for each in pkgutil.walk_packages(snapship.__path__, 'snapship.')]\n"
        "[importlib.import_module(name) for name in names]\n"
        "assert len(names) > 40 and not [name for name in sys.modules if name.startswith('ansible')]\n"
    )
    subprocess.run([python, "-I", "-S", "-c", script, str(program)], check=True)
