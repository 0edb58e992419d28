# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples that are about volumes in pools, those of the modules and those of the guides, are run as they stand.

Most of them in this process, as Ansible takes long in a guest; the README's by Ansible itself.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup
from ansible_collections.snapship.dr.plugins.modules import backup as backup_module
from ansible_collections.snapship.dr.plugins.modules import remote, restore, snapshot, verify
from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.support.examples import ROOT, Site, blocks, need_pools, of_module, of_page

MIB = 1 << 20
THIN_POOL = {"mib": 1024}
MODULES = {"remote": remote, "snapshot": snapshot, "backup": backup_module, "verify": verify, "restore": restore}


@pytest.fixture
def site(tmp_path: Path, thin_pool: ThinPool, zpool: Zpool) -> Site:
    """A host with a database in ``vg0`` and ``tank``, and home directories in ``tank``."""
    for name in ("db", "wal"):
        write(f"/dev/{thin_pool.volume(8, name)}", os.urandom(MIB))
    zpool.filesystem("home", "-o", "compression=lz4", "-o", "recordsize=64K")
    for name in ("home", "home/alice", "db"):
        if name != "home":
            zpool.filesystem(name)
        (zpool.path(f"{zpool.name}/{name}") / "file").write_bytes(os.urandom(MIB))
    made = Site(tmp_path, {"vg0/pool0": thin_pool.name, "vg0": thin_pool.vg, "tank": zpool.name}, {})
    made.keep_origin("san1")
    return made


def write(path: str, data: bytes) -> None:
    with open(path, "r+b") as opened:
        opened.write(data)
        os.fsync(opened.fileno())


def know(name: str) -> dict[str, Any]:
    """A task that defines a remote which examples talk about."""
    return {"name": f"Know {name}", "snapship.dr.remote": {"name": name, "path": "/mnt/nas/backup"}}


def run(site: Site, tasks: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Runs tasks as Ansible would, each by its module, in this process."""
    for task in yaml.safe_load(site.adapted(yaml.safe_dump(tasks, sort_keys=False))):
        (name,) = [key.rpartition(".")[2] for key in task if key.startswith("snapship.dr.")]
        with patch_module_args(task[f"snapship.dr.{name}"]), pytest.raises(SystemExit) as ended:
            MODULES[name].main()
        said = capsys.readouterr().out
        assert ended.value.code == 0, (task, json.loads(said)["msg"])
        assert json.loads(said).get("failures", []) == []


def test_the_modules_examples(
    site: Site, thin_pool: ThinPool, zpool: Zpool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHIP_CONFIG_DIR", str(site.directory / "config"))
    both = {"remote": "offsite", "volumes": ["vg0/db", "tank/home"], "max_age": "1h"}
    tasks = [know("offsite"), {"name": "Prepare", "snapship.dr.backup": both}]
    tasks += [task for module in MODULES.values() for task in of_module(module) if need_pools(task)]
    run(site, tasks, capsys)
    content = Path(f"/dev/{thin_pool.vg}/db").read_bytes()
    assert Path(f"/dev/{thin_pool.vg}/db-restored").read_bytes() == content
    assert (site.directory / "srv/db-from-lv.img").read_bytes() == content
    for name in ("", "/alice"):
        same_files(zpool, f"{zpool.name}/home{name}", f"{zpool.name}/home-restored{name}")
    assert call("zfs", "get", "-H", "-o", "value", "recordsize", f"{zpool.name}/home-restored").strip() == "64K"


def same_files(zpool: Zpool, dataset: str, restored: str) -> None:
    assert call("zfs", "get", "-H", "-o", "value", "mounted", restored).strip() == "no"
    call("zfs", "mount", restored)
    assert (zpool.path(restored) / "file").read_bytes() == (zpool.path(dataset) / "file").read_bytes()


def test_the_guide_to_volumes(
    site: Site, zpool: Zpool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHIP_CONFIG_DIR", str(site.directory / "config"))
    run(site, [task for play in of_page("docs/volumes.md") for task in play["tasks"]], capsys)
    for name in ("", "/alice"):
        same_files(zpool, f"{zpool.name}/home{name}", f"{zpool.name}/home-restored{name}")


def test_the_readmes_plays(site: Site) -> None:
    known = {"name": "Know where to ship to", "hosts": "storage", "tasks": [know("offsite")]}
    site.play("readme", [known, *(play for play in of_page("README.md") if need_pools(play))])


def test_the_guide_to_the_command_line(site: Site, thin_pool: ThinPool, zpool: Zpool) -> None:
    site.build_program()
    site.shell("snapship remote add nas --path /mnt/nas/backup")
    (text,) = [text for text in blocks("docs/cli.md", "sh") if need_pools(text)]
    site.shell(text)
    assert (site.directory / "srv/db-from-lv.img").read_bytes() == Path(f"/dev/{thin_pool.vg}/db").read_bytes()
    same_files(zpool, f"{zpool.name}/home/alice", f"{zpool.name}/home-restored/alice")


def test_restoring_by_hand_with_zfs_receive(site: Site, zpool: Zpool) -> None:
    page = (ROOT / "docs/restore-by-hand.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- script: receive-zfs.sh -->\n```sh\n(.*?)```", page, re.S)
    assert found
    home, by_hand, host = f"{zpool.name}/home", f"{zpool.name}/by-hand", Host(str(site.directory / "config"))
    for _state in range(3):
        (zpool.path(home) / "file").write_bytes(os.urandom(MIB))
        remote = {"type": "directory", "path": str(site.directory / "nas")}
        request = backup.Request(remote_spec=remote, origin="san1", volumes=[home], max_age="0s")
        (item,) = backup.apply(host, backup.plan(host, request)).items
        volume = home.replace("/", "%2F")
        lines = f'cd "{site.directory}/nas"\n' + found.group(1)
        site.shell(lines, origin="san1", volume=volume, id=item["id"], dataset=by_hand)
    assert item["type"] == "incremental"
    same_files(zpool, home, by_hand)
