# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every example is run, those of the modules and those of the guides in docs/; what needs pools runs in the lab
(tests/lab/guest/test_examples.py), and here its options are checked."""

from __future__ import annotations

import base64
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.snapship.dr.plugins.modules import (
    backup,
    backup_info,
    remote,
    remote_info,
    restore,
    snapshot,
    snapshot_info,
    verify,
)
from ansible_collections.snapship.dr.tests.support.examples import ROOT, Site, blocks, need_pools, of_module, of_page
from ansible_collections.snapship.dr.tests.support.linstor_bucket import LinstorBucket, full, thin_stream
from ansible_collections.snapship.dr.tests.support.seaweed import S3Server

BUCKET, LINSTOR_BUCKET = "dr-backups", "linstor-backups"
MODULES = (remote, remote_info, snapshot, snapshot_info, backup, backup_info, verify, restore)
PAGES = ("docs/quickstart.md", "docs/ansible.md", "docs/volumes.md", "docs/linstor-bucket.md", "README.md")


@pytest.fixture
def site(tmp_path: Path, s3_server: S3Server) -> Iterator[Site]:
    client = s3_server.client()
    client.create_bucket(Bucket=BUCKET)
    client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    made = Site(tmp_path, {}, {"vault_s3_secret_key": s3_server.rw.secret_key, "vault_backup_key": key})
    made.variables = {"s3_endpoint": s3_server.endpoint, "vault_s3_access_key": s3_server.rw.access_key}
    (tmp_path / "srv/backup.key").write_text(key + "\n", encoding="utf-8")
    (tmp_path / "srv/backup.key").chmod(0o600)
    made.environment.update(
        S3_ENDPOINT=s3_server.endpoint,
        S3_ACCESS_KEY=s3_server.rw.access_key,
        S3_SECRET_KEY=s3_server.rw.secret_key,
        SNAPSHIP_ACCESS_KEY=s3_server.rw.access_key,
        SNAPSHIP_SECRET_KEY=s3_server.rw.secret_key,
    )
    yield made
    s3_server.drop_bucket(BUCKET)


def test_the_modules_examples(site: Site) -> None:
    def examples(module: ModuleType) -> list[dict[str, Any]]:
        return [task for task in of_module(module) if not need_pools(task)]

    def shipped(register: str, **options: Any) -> dict[str, Any]:
        return {"name": "Prepare", "snapship.dr.backup": options, "register": register}

    images = ["/srv/db.img", "/srv/wal.img"]
    tasks = [
        *examples(remote),
        *examples(remote_info),
        *examples(snapshot),
        *examples(snapshot_info),
        shipped("first", remote="offsite", volumes=images, max_age="0s"),
        shipped("of_san1", remote_spec={"path": "/mnt/nas/backup"}, origin="san1", volumes=images, max_age="0s"),
        *examples(backup),
        shipped("second", remote="offsite", volumes=images, max_age="0s"),
        *examples(backup_info),
        *examples(verify),
        *examples(restore),
    ]
    old = {"old_backup_id": "{{ first.backups[0].id }}"}
    site.play("examples", [{"name": "Run the modules' examples", "hosts": "storage", "vars": old, "tasks": tasks}])
    for name in ("db-restored.img", "monday/db.img", "db-from-before.img", "db.img"):
        assert (site.directory / "srv" / name).stat().st_size == 2 << 20


def test_the_quickstart(site: Site) -> None:
    """Run again it changes nothing, as it says of itself."""
    site.play("first", of_page("docs/quickstart.md"))
    assert (site.directory / "srv/db-restored.img").read_bytes() == (site.directory / "srv/db.img").read_bytes()
    assert "changed=0" in site.play("first", of_page("docs/quickstart.md"))


def test_the_guide_to_the_modules(site: Site) -> None:
    site.play("guide", [play for play in of_page("docs/ansible.md") if not need_pools(play)])
    assert (site.directory / "srv/test-db.img").read_bytes() == (site.directory / "srv/db.img").read_bytes()
    assert sorted(path.name for path in (site.directory / "srv/rescued").iterdir()) == ["db.img", "wal.img"]


def test_the_readmes_plays(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.environment["SNAPSHIP_ENDPOINT_URL"] = site.variables["s3_endpoint"]
    site.keep_origin("san1")
    site.play("readme", [play for play in of_page("README.md") if not need_pools(play)])
    assert (site.directory / "srv/restored.img").read_bytes() == (site.directory / "srv/db.img").read_bytes()


def test_the_guide_to_buckets_of_linstor(site: Site, s3_server: S3Server) -> None:
    image = (site.directory / "srv/db.img").read_bytes()
    bucket, sizes = LinstorBucket(), {0: len(image), 1: len(image)}
    streams = {0: thin_stream(full(image)), 1: thin_stream(full(image[::-1]))}
    bucket.ship("db", streams, sizes, "20260309_143000", snapshot="nightly")
    client = s3_server.client()
    client.create_bucket(Bucket=LINSTOR_BUCKET)
    try:
        bucket.put_into(client, LINSTOR_BUCKET)
        bucket.write_files(site.directory / "srv/bucket-copy")
        site.play("linstor", [play for play in of_page("docs/linstor-bucket.md") if not need_pools(play)])
        site.build_program()
        for text in blocks("docs/linstor-bucket.md", "sh"):
            site.shell(text)
    finally:
        s3_server.drop_bucket(LINSTOR_BUCKET)
    for name in ("db-from-linstor.img", "monday/db.img", "db-from-copy.img"):
        assert (site.directory / "srv" / name).read_bytes() == image
    assert (site.directory / "srv/monday/db-log.img").read_bytes() == image[::-1]


def test_the_guide_to_the_command_line(site: Site) -> None:
    site.build_program()
    site.keep_origin("san1")
    for text in blocks("docs/cli.md", "sh"):
        if not need_pools(text):
            site.shell(text)
    for name in ("db-restored.img", "db-from-bucket.img", "db-from-before.img", "a.img"):
        assert (site.directory / "srv" / name).read_bytes() == (site.directory / "srv/db.img").read_bytes()


class Accepted(Exception):
    """A module's options are valid; what it would have done is left out."""


def tasks_with(module: ModuleType) -> list[dict[str, Any]]:
    """The options of each task with a module, in its own examples and on the pages."""
    name = f"snapship.dr.{module.__name__.rpartition('.')[2]}"
    tasks = [task for page in PAGES for play in of_page(page) for task in play["tasks"]] + of_module(module)
    return [task[name] or {} for task in tasks if name in task]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_the_options_of_every_example_are_valid(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def carry_out(made: AnsibleModule, _use_case: object, request: Any, _returns: str) -> None:
        request(made.params)
        raise Accepted

    def answer(*_arguments: object) -> None:
        raise Accepted

    for name, stand_in in (("carry_out", carry_out), ("answer", answer)):
        if hasattr(module, name):
            monkeypatch.setattr(module, name, stand_in)
    found = tasks_with(module)
    for options in found:
        with patch_module_args(options), pytest.raises(Accepted):
            module.main()
    assert found


def test_examples_for_pools_are_run_in_the_lab() -> None:
    """Each of the modules about volumes has one, so that the lab's test can't become empty unnoticed."""
    assert all(any(map(need_pools, of_module(module))) for module in (snapshot, backup, restore, verify))
    assert any(map(need_pools, of_page("docs/volumes.md")))
    assert not any(need_pools(task) for module in (remote, remote_info) for task in of_module(module))


def test_the_guide_names_every_exit_code() -> None:
    text = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {0, 1, 2, 3, 130}
