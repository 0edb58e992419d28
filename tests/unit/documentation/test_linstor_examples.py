# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the modules for LINSTOR's remotes, passphrase and snapshots are run, on simulated clusters."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.snapship.dr.plugins.modules import (
    linstor_encryption,
    linstor_remote,
    linstor_remote_info,
    linstor_snapshot,
    linstor_snapshot_info,
)
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.support.examples import Site, of_module

MODULES = (linstor_encryption, linstor_remote, linstor_remote_info, linstor_snapshot, linstor_snapshot_info)


def test_the_modules_examples(
    tmp_path: Path, bucket_directory: Path, two_clusters: tuple[Simulation, Simulation]
) -> None:
    home, away = two_clusters
    (bucket_directory / "dr-backups").mkdir()
    for name in ("db", "wal"):
        home.add_resource(name)
    secrets = {
        "vault_linstor_passphrase": "the passphrase of the examples",
        "vault_linstor_new_passphrase": "another one of the examples",
        "vault_s3_secret_key": "the secret key of the examples",
    }
    site = Site(tmp_path, {}, secrets)
    site.variables = {
        "linstor_controllers": home.uri,
        "dr_controllers": away.uri,
        "dr_url": away.url,
        "main_url": home.url,
        "s3_endpoint": "http://127.0.0.1:9",
        "vault_s3_access_key": "AKIDEXAMPLE",
    }
    # Privileges that there is no way to: tasks that are delegated have to do without.
    without = {"become": True, "become_user": "nobody", "become_exe": "/nowhere/at/all"}
    tasks = [task for module in MODULES for task in of_module(module)]
    site.play("examples", [{"name": "Run the modules' examples", "hosts": "storage", **without, "tasks": tasks}])
    assert home.cluster.passphrase == secrets["vault_linstor_new_passphrase"]
    assert list(home.cluster.remotes) == ["dr-site"]
    assert list(away.cluster.remotes) == ["main-site"]
    assert home.read("db-before") == home.read("db")
