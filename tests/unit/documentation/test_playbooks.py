# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/playbooks.md: its files are written where they say, its commands run in their order, and no secret is shown."""

from __future__ import annotations

import base64
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.examples import ANSIBLE_PLAYBOOK, ROOT, Site
from ansible_collections.snapship.dr.tests.support.seaweed import S3Server

BUCKET, LINSTOR_BUCKET = "dr-backups", "linstor-backups"
PASSPHRASE = "the passphrase of the examples"


@pytest.fixture
def site(
    tmp_path: Path, s3_server: S3Server, two_clusters: tuple[Simulation, Simulation], bucket_directory: Path
) -> Iterator[Site]:
    home, away = two_clusters
    for name in ("db", "web"):
        home.add_resource(name)
    (bucket_directory / LINSTOR_BUCKET).mkdir()
    s3_server.client().create_bucket(Bucket=BUCKET)
    # The second of the cluster's controllers is the first one, too; nothing listens where the page says.
    addresses = {
        "linstor://192.0.2.11": home.uri,
        "linstor://192.0.2.12": home.uri,
        "linstor://192.0.2.21": away.uri,
        "http://192.0.2.11:3370": home.url,
        "http://192.0.2.21:3370": away.url,
        "/mnt/other-site/copies": f"{tmp_path}/copies",
    }
    made = Site(tmp_path, addresses, {"vault_linstor_passphrase": PASSPHRASE, "s3_secret_key": s3_server.rw.secret_key})
    made.secrets["vault_backup_key"] = base64.b64encode(secrets.token_bytes(32)).decode()
    made.environment.update(
        PATH=f"{ANSIBLE_PLAYBOOK.parent}:{made.environment['PATH']}",
        SNAPSHIP_ENDPOINT_URL=s3_server.endpoint,
        SNAPSHIP_ACCESS_KEY=s3_server.rw.access_key,
        SNAPSHIP_SECRET_KEY=s3_server.rw.secret_key,
    )
    yield made
    s3_server.drop_bucket(BUCKET)


def parts() -> list[tuple[str, str]]:
    """The page's code blocks with their languages, in their order."""
    text = (ROOT / "docs/playbooks.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def write(site: Site, text: str) -> None:
    """Writes a block into the file that its first line names."""
    named = re.match(r"# (\S+\.yml)\n", text)
    assert named, text
    path = site.directory / "control" / named.group(1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(site.adapted(text), encoding="utf-8")


def run(site: Site, command: str) -> str:
    """Runs one command of the page; returns what it says."""
    said = site.shell(f"cd {site.directory}/control\n{command} -v\n")
    for secret in site.secrets.values():
        assert secret not in said
    return said


def changed(said: str) -> int:
    """How many tasks have changed something, on all hosts."""
    counts = re.findall(r"^\S+\s+: ok=\d+ +changed=(\d+)", said, re.MULTILINE)
    assert counts, said
    return sum(map(int, counts))


@pytest.mark.timeout(3600)  # some fifteen plays
def test_the_guide_to_playbooks(site: Site, two_clusters: tuple[Simulation, Simulation]) -> None:
    control = site.directory / "control" / "inventory" / "group_vars"
    control.mkdir(parents=True)
    here = {
        "ansible_connection": "local",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        **site.secrets,
    }
    (control / "all.yml").write_text(yaml.safe_dump(here), encoding="utf-8")
    for language, text in parts():
        if language == "yaml":
            write(site, text)
            continue
        for command in text.replace("\\\n", " ").strip().splitlines():
            said = run(site, command.partition(" #")[0])
            if "--check" in command:
                assert changed(said) > 0, said
            elif "--limit" not in command and "-e" not in command.split() or "rescue" in command:
                assert changed(run(site, command)) == 0
    home, away = two_clusters
    assert home.read("db") == away.read("db") == home.read("db-restored")
    srv = site.directory / "srv"
    for restored, image in (("rescued/db", "db"), ("rescued/wal", "wal"), ("db-restored", "db")):
        assert (srv / f"{restored}.img").read_bytes() == (srv / f"{image}.img").read_bytes()
    assert any((site.directory / "copies").iterdir())
