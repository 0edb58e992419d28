# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The guide to LINSTOR clusters and the examples of its backup modules, run against simulated clusters."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.modules import linstor_backup, linstor_backup_info, linstor_protection_info
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.examples import ANSIBLE_PLAYBOOK, of_module, of_page
from ansible_collections.snapship.dr.tests.unit.linstor.tasks import DR, SELF, join, point, protect

Pair = tuple[Simulation, Simulation]
SECRETS = {
    "vault_linstor_passphrase": "correct horse battery staple",
    "vault_s3_access_key": "AKIAEXAMPLEACCESS",
    "vault_s3_secret_key": "nobody-may-see-this-key",
}


def play(directory: Path, clusters: Pair, plays: list[dict[str, Any]], **more: str) -> int:
    """Run plays. They must succeed and show no secrets. Returns the number of changed tasks."""
    done = run(directory, clusters, plays, **more)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    for secret in SECRETS.values():
        assert secret not in said
    found = re.search(r"^localhost .*changed=(\d+)", said, re.MULTILINE)
    assert found, said
    return int(found.group(1))


def run(directory: Path, clusters: Pair, plays: list[dict[str, Any]], **more: str) -> subprocess.CompletedProcess[str]:
    """Run plays as a user would."""
    home, away = clusters
    uris = {"controllers": home.uri, "target_controllers": away.uri}
    variables = {"linstor_controllers": home.uri, "dr_controllers": away.uri, **uris, **SECRETS, **more}
    (directory / "play.yml").write_text(yaml.safe_dump(plays, sort_keys=False), encoding="utf-8")
    (directory / "vars.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    python = f"ansible_python_interpreter={sys.executable}"
    return subprocess.run(
        [str(ANSIBLE_PLAYBOOK), "-i", "localhost,", "-c", "local", "-e", python, "-e", f"@{directory}/vars.yml"]
        + ["-vv", "--diff", str(directory / "play.yml")],
        env={**os.environ, "ANSIBLE_COLLECTIONS_PATH": "", "ANSIBLE_NOCOLOR": "1", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_guide(two_clusters: Pair, tmp_path: Path) -> None:
    home, away = two_clusters
    for name in ("db", "web"):
        home.add_resource(name)
    plays = of_page("docs/linstor.md")
    assert play(tmp_path, two_clusters, plays, s3_endpoint="http://127.0.0.1:9") == 10
    assert play(tmp_path, two_clusters, plays, s3_endpoint="http://127.0.0.1:9") == 0
    assert away.read("db-dr") == home.read("db") == home.read("db-far")
    assert list(home.cluster.definitions["db-far"].resources) == ["charlie"]


@pytest.fixture
def known(two_clusters: Pair) -> Pair:
    """Clusters with the remotes that the examples talk of."""
    home, away = two_clusters
    protect(home, "db", "web")
    join(home, away)
    point(home, home, SELF)
    return two_clusters


def test_the_modules_examples(known: Pair, tmp_path: Path) -> None:
    tasks = [
        *of_module(linstor_backup)[:-1],
        *of_module(linstor_backup_info),
        *of_module(linstor_protection_info),
        *of_module(linstor_backup)[-1:],
    ]
    assert DR in known[0].cluster.remotes
    plays = [{"name": "Run the examples", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    far = {"target_pool": "thinpool", "far_pool": "thinpool", "far_node": "charlie"}
    assert play(tmp_path, known, plays, **far) == 4


@pytest.mark.parametrize("where", ["guide", "module"])
def test_a_breach_is_told_with_the_names(known: Pair, tmp_path: Path, where: str) -> None:
    # nothing was shipped yet
    tasks = of_module(linstor_protection_info)[:2]
    if where == "guide":
        tasks = next(play["tasks"] for play in of_page("docs/linstor.md") if play["name"].startswith("Measure"))
        tasks[0]["snapship.dr.linstor_protection_info"]["controllers"] = "{{ controllers }}"
    plays = [{"name": "Measure", "hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    done = run(tmp_path, known, plays)
    assert done.returncode != 0
    for name in ("db on offsite", "db on dr-site", "web on offsite", "web on dr-site"):
        assert f"{name}: no complete backup exists." in done.stdout
