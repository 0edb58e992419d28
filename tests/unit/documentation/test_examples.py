# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example is run: those of the modules, and those of the guides in docs/."""

from __future__ import annotations

import base64
import datetime
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.modules import (
    backup,
    backup_info,
    remote,
    remote_info,
    restore,
    snapshot,
    snapshot_info,
)
from ansible_collections.snapship.dr.tests.support.seaweed import S3Server

ROOT = Path(__file__).parents[3]
ANSIBLE_PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")
BUCKET = "dr-backups"


class Site:
    """Stands in for the machines and places that the examples talk about, below one directory."""

    def __init__(self, directory: Path, server: S3Server) -> None:
        self.directory = directory
        self.server = server
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        for name in ("srv/monday", "srv/rescued", "nas"):
            (directory / name).mkdir(parents=True)
        for name in ("db", "wal"):
            (directory / "srv" / f"{name}.img").write_bytes(os.urandom(1 << 20) + bytes(1 << 20))
        (directory / "srv" / "backup.key").write_text(self.key + "\n", encoding="utf-8")

    def adapted(self, text: str) -> str:
        """An example with this site's places and times in it."""
        later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        places = {"/mnt/nas/backup": "/nas", "/srv": "/srv"}
        text = re.sub("|".join(places), lambda found: f"{self.directory}{places[found.group()]}", text)
        return text.replace("2026-03-09T12:00:00Z", later.isoformat())

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "ANSIBLE_COLLECTIONS_PATH": "",
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
            "SNAPSHIP_CONFIG_DIR": str(self.directory / "config"),
            "S3_ENDPOINT": self.server.endpoint,
            "S3_ACCESS_KEY": self.server.rw.access_key,
            "S3_SECRET_KEY": self.server.rw.secret_key,
            "SNAPSHIP_ACCESS_KEY": self.server.rw.access_key,
            "SNAPSHIP_SECRET_KEY": self.server.rw.secret_key,
        }

    def play(self, name: str, playbook: list[dict[str, Any]]) -> None:
        """Runs a playbook on one machine that is in every group; it has to succeed and to keep secrets."""
        path, inventory = self.directory / f"{name}.yml", self.directory / "inventory.yml"
        path.write_text(yaml.safe_dump(playbook, sort_keys=False), encoding="utf-8")
        hosts = {"san1": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}}
        variables = {
            "s3_endpoint": self.server.endpoint,
            "vault_s3_access_key": self.server.rw.access_key,
            "vault_s3_secret_key": self.server.rw.secret_key,
            "vault_backup_key": self.key,
        }
        groups: dict[str, Any] = {group: {"hosts": {"san1": {}}} for group in ("storage", "rescue")}
        inventory.write_text(
            yaml.safe_dump({"all": {"hosts": hosts, "vars": variables, "children": groups}}), encoding="utf-8"
        )
        done = subprocess.run(
            [str(ANSIBLE_PLAYBOOK), "--inventory", str(inventory), "-vvv", "--diff", str(path)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, said
        assert self.key not in said
        assert self.server.rw.secret_key not in said


@pytest.fixture
def site(tmp_path: Path, s3_server: S3Server) -> Any:
    s3_server.client().create_bucket(Bucket=BUCKET)
    yield Site(tmp_path, s3_server)
    s3_server.drop_bucket(BUCKET)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page in docs/."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert found
    return found


def test_the_modules_examples(site: Site) -> None:
    def examples(module: Any) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = yaml.safe_load(site.adapted(module.EXAMPLES))
        return tasks

    def shipped(register: str, **options: Any) -> dict[str, Any]:
        return {"name": "Prepare", "snapship.dr.backup": options, "register": register}

    srv, nas = f"{site.directory}/srv", f"{site.directory}/nas"
    images = [f"{srv}/db.img", f"{srv}/wal.img"]
    tasks = [
        *examples(remote),
        *examples(remote_info),
        *examples(snapshot),
        *examples(snapshot_info),
        shipped("first", remote="offsite", volumes=images, max_age="0s"),
        shipped("of_san1", remote_spec={"path": nas}, origin="san1", volumes=images, max_age="0s"),
        *examples(backup),
        shipped("second", remote="offsite", volumes=images, max_age="0s"),
        *examples(backup_info),
        *examples(restore),
    ]
    play = {
        "name": "Run the modules' examples",
        "hosts": "storage",
        "gather_facts": False,
        "vars": {"old_backup_id": "{{ first.backups[0].id }}"},
        "tasks": tasks,
    }
    site.play("examples", [play])
    for name in ("db-restored.img", "monday/db.img", "db.img"):
        assert (site.directory / "srv" / name).stat().st_size == 2 << 20


def test_the_guide_to_the_modules(site: Site) -> None:
    plays = [play for text in blocks("ansible.md", "yaml") for play in yaml.safe_load(site.adapted(text))]
    site.play("guide", [{**play, "gather_facts": False} for play in plays])
    assert (site.directory / "srv/test-db.img").read_bytes() == (site.directory / "srv/db.img").read_bytes()
    assert sorted(path.name for path in (site.directory / "srv/rescued").iterdir()) == ["db.img", "wal.img"]


def test_the_readmes_plays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_ENDPOINT_URL", site.server.endpoint)
    (site.directory / "config").mkdir()
    (site.directory / "config/origin").write_text("san1\n", encoding="utf-8")
    plays = [play for text in blocks("../README.md", "yaml") for play in yaml.safe_load(site.adapted(text))]
    site.play("readme", [{**play, "gather_facts": False} for play in plays])
    assert (site.directory / "srv/restored.img").read_bytes() == (site.directory / "srv/db.img").read_bytes()


def test_the_guide_to_the_command_line(site: Site) -> None:
    programs = site.directory / "bin"
    programs.mkdir()
    subprocess.run([sys.executable, str(ROOT / "dev/zipapp.py"), str(programs / "snapship.pyz")], check=True)
    (programs / "snapship").write_text(
        f'#!/bin/sh\nexec {sys.executable} {programs}/snapship.pyz "$@"\n', encoding="utf-8"
    )
    (programs / "snapship").chmod(0o755)
    environment = site.environment
    environment["PATH"] = f"{programs}:{environment['PATH']}"
    (site.directory / "config").mkdir()
    (site.directory / "config/origin").write_text("san1\n", encoding="utf-8")
    for text in blocks("cli.md", "sh"):
        done = subprocess.run(
            ["bash", "-eu"], input=site.adapted(text), env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, text + done.stdout + done.stderr
    for name in ("db-restored.img", "db-from-bucket.img", "a.img"):
        assert (site.directory / "srv" / name).read_bytes() == (site.directory / "srv/db.img").read_bytes()


def test_the_guide_names_every_exit_code() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {0, 1, 2, 3, 130}
