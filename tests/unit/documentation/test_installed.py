# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection as users get it: built as a tarball, installed into an empty folder, and the demo run from there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from ansible_collections.snapship.dr.tests.support.examples import ANSIBLE_PLAYBOOK, ROOT

GALAXY = ANSIBLE_PLAYBOOK.with_name("ansible-galaxy")


def run(directory: Path, *command: str, **environment: str) -> str:
    directory.mkdir(exist_ok=True)
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, "LC_ALL": "C.UTF-8", "ANSIBLE_NOCOLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_demo_runs_from_the_installed_tarball(tmp_path: Path) -> None:
    copy = run(tmp_path, str(ROOT / "dev/collection-copy"), str(tmp_path / "copy")).strip()
    run(Path(copy), str(GALAXY), "collection", "build", "--output-path", str(tmp_path))
    (tarball,) = tmp_path.glob("snapship-dr-*.tar.gz")
    installed = tmp_path / "collections"
    install = (str(GALAXY), "collection", "install", str(tarball), "-p", str(installed))
    # By force, since .venv shows the checkout as this collection, so that it counts as installed.
    run(tmp_path / "empty", *install, "--force")
    assert (installed / "ansible_collections/snapship/dr/MANIFEST.json").exists()
    said = run(
        tmp_path / "empty",
        str(ANSIBLE_PLAYBOOK),
        "snapship.dr.demo",
        "-v",
        "-e",
        '{"demo_size_mib": 16, "demo_change_mib": 4}',
        ANSIBLE_COLLECTIONS_PATH=str(installed),
        ANSIBLE_COLLECTIONS_SCAN_SYS_PATH="false",
        TMPDIR=str(tmp_path),
    )
    assert str(installed / "ansible_collections/snapship/dr/playbooks/files/demo_image.py") in said
    assert "both the same byte by byte" in said
