# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One inventory with a ZFS host, an LVM host, one that is down, and two LINSTOR clusters: protected in one run.

The first two are this guest, with configurations of their own; the clusters are simulated.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.tests.lab.guest.pools import ThinPool, Zpool, call
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.examples import ANSIBLE_PLAYBOOK

MIB = 1 << 20
THIN_POOL = {"mib": 512}
SETTINGS = {
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_COLLECTIONS_PATH": "",
    "ANSIBLE_PIPELINING": "1",  # starting programs is slow in a guest
    "LC_ALL": "C.UTF-8",
}
PASSPHRASE, SECRET = "the passphrase of the lab", "the secret key of the lab"


@dataclasses.dataclass
class Sites:
    """An inventory, and playbooks run on it."""

    directory: Path
    home: Simulation
    away: Simulation

    def write(self, zfs: list[str], lvm: list[str]) -> None:
        """The inventory; datasets and logical volumes that are protected."""
        hourly = [{"name": "nas", "every": "1h", "rpo": "3h"}, {"name": "other-site", "every": "1h"}]
        daily = [{"name": "bucket", "every": "1d"}, {"name": "dr-site", "every": "1h"}]
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        cluster_a = {
            "snapship_linstor_controllers": [self.home.uri],
            "snapship_linstor_passphrase": PASSPHRASE,
            "snapship_protected_host": [
                {
                    "name": "resources",
                    "provider": "linstor",
                    "volumes": ["db", "web"],
                    "remotes": daily,
                    "retention": {"last": 1},
                }
            ],
        }
        s3 = {"endpoint_url": "http://127.0.0.1:9", "region": "lab", "access_key": "lab", "secret_key": SECRET}
        cluster = {"peer": "cluster-b", "url": self.away.url, "reverse_url": self.home.url}
        shared = {
            "snapship_config_dir": f"{self.directory}/config/{{{{ inventory_hostname }}}}",
            "snapship_remotes": [
                {"name": "nas", "path": f"{self.directory}/nas"},
                {"name": "other-site", "path": f"{self.directory}/copies", "use": "sync"},
                {"name": "bucket", "type": "s3", "bucket": "backups", **s3},
                {"name": "dr-site", "type": "linstor", **cluster},
            ],
        }
        sources = {
            "zfs1": {**local, "snapship_protected": [{"name": "homes", "volumes": zfs, "remotes": hourly}]},
            "down": {
                "ansible_connection": "ssh",
                "ansible_ssh_executable": str(self.directory / "ssh"),
                "snapship_protected": [{"name": "x", "volumes": "tank/x", "remotes": hourly}],
            },
            "lvm1": {**local, "snapship_protected": [{"name": "db", "volumes": lvm, "remotes": hourly}]},
            "cluster-a": {"ansible_host": "192.0.2.1", **cluster_a},
        }
        others = {"cluster-b": {"ansible_host": "192.0.2.2", "snapship_linstor_controllers": [self.away.uri]}}
        children = {"snapship_sources": {"hosts": sources}, "others": {"hosts": others}}
        inventory = {"all": {"vars": shared, "children": children}}
        # What ssh ends with when it can't connect. There is none in the guest.
        (self.directory / "ssh").write_text("#!/bin/sh\nexit 255\n", encoding="utf-8")
        (self.directory / "ssh").chmod(0o755)
        (self.directory / "inventory.yml").write_text(yaml.safe_dump(inventory), encoding="utf-8")

    def play(self, playbook: str, *arguments: str, fails: bool = False) -> tuple[dict[str, dict[str, int]], str]:
        """What became of each host, and all that was said."""
        done = subprocess.run(
            [str(ANSIBLE_PLAYBOOK), "-i", str(self.directory / "inventory.yml"), f"snapship.dr.{playbook}", *arguments],
            env={**os.environ, **SETTINGS},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        said = done.stdout + done.stderr
        assert (done.returncode != 0) == fails, said
        assert PASSPHRASE not in said
        assert SECRET not in said
        recap = re.findall(r"^(\S+)\s+: (ok=\d+ .*)$", done.stdout, re.MULTILINE)
        counts: dict[str, dict[str, int]] = {}
        for host, words in recap:
            counts[host] = {key: int(value) for key, value in (pair.split("=") for pair in words.split())}
        return counts, said


def changed(counts: dict[str, dict[str, int]]) -> set[str]:
    return {host for host, each in counts.items() if each["changed"]}


def failed(counts: dict[str, dict[str, int]]) -> set[str]:
    return {host for host, each in counts.items() if each["failed"]}


@pytest.fixture
def sites(tmp_path: Path, two_clusters: tuple[Simulation, Simulation]) -> Sites:
    home, away = two_clusters
    for name in ("db", "web"):
        home.add_resource(name)
    return Sites(tmp_path, home, away)


@pytest.mark.timeout(3600)  # Ansible forks for each task and host, which is slow in a guest
def test_mixed_sites_are_protected_by_one_run(sites: Sites, thin_pool: ThinPool, zpool: Zpool) -> None:
    volume, filesystem, zvol = thin_pool.volume(8, "db"), zpool.filesystem("home"), zpool.zvol(8, "vm")
    content = os.urandom(MIB)
    for device in (Path(f"/dev/{volume}"), zpool.device(zvol)):
        with device.open("r+b") as opened:
            opened.write(content)
            os.fsync(opened.fileno())
    (zpool.path(filesystem) / "file").write_bytes(content)
    sites.write([filesystem, zvol, f"{zpool.name}/gone"], [volume])
    everybody = {"zfs1", "lvm1", "cluster-a"}

    # One dataset is gone, one host is down, and one shipment fails: all others are made.
    sites.home.shipment_fault("fail", resource="web", remote="bucket")
    counts, said = sites.play("backup", fails=True)
    assert (changed(counts), failed(counts)) == (everybody, {"zfs1", "cluster-a", "down"}), said
    assert f"{zpool.name}/gone on nas: " in said
    assert "web on bucket: " in said
    assert "The host can't be reached" in said

    # What was wrong is put right: what is missing is made, and nothing else.
    sites.write([filesystem, zvol], [volume])
    expected: set[str]
    for playbook, expected in (("backup", {"cluster-a"}), ("dr_sync", everybody), ("dr_sync", set())):
        counts, said = sites.play(playbook, "--limit", "!down")
        assert (changed(counts), failed(counts)) == (expected, set()), said
    assert sites.home.read("web") == sites.away.read("web")

    wanted: list[dict[str, Any]] = [
        {"remote": "nas", "origin": "lvm1", "source": volume, "target": f"{volume}-restored"},
        {"remote": "other-site", "origin": "zfs1", "source": zvol, "target": f"{zpool.name}/vm-restored"},
        {"remote": "nas", "origin": "zfs1", "source": filesystem, "target": f"{zpool.name}/home-restored"},
    ]
    (sites.directory / "wanted.yml").write_text(yaml.safe_dump({"snapship_restore": wanted}), encoding="utf-8")
    counts, said = sites.play("restore", "--limit", "lvm1", "-e", f"@{sites.directory}/wanted.yml")
    assert changed(counts) == {"lvm1"}, said
    call("zfs", "mount", f"{zpool.name}/home-restored")
    assert (zpool.path(f"{zpool.name}/home-restored") / "file").read_bytes() == content
    for device in (Path(f"/dev/{volume}-restored"), zpool.device(f"{zpool.name}/vm-restored")):
        with device.open("rb") as opened:
            assert opened.read(MIB) == content
