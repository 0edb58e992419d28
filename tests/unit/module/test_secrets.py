# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets that are words of this collection: masked wherever they come from outside, and codes stay readable."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation

ENCRYPTION = "ansible_collections.snapship.dr.plugins.modules.linstor_encryption"


def told(simulation: Simulation, **options: Any) -> dict[str, Any]:
    """What the module returns when Ansible runs it."""
    arguments = {"ANSIBLE_MODULE_ARGS": {"controllers": [simulation.uri], "_ansible_diff": True, **options}}
    done = subprocess.run(
        [sys.executable, "-m", ENCRYPTION, json.dumps(arguments)], capture_output=True, text=True, check=False
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("passphrase", ["unlocked", "lock", "locked"])
def test_a_state_survives_a_passphrase_that_is_a_part_of_it(cluster: Simulation, passphrase: str) -> None:
    made = told(cluster, passphrase=passphrase)
    assert made["encryption"][0]["status"] == "unlocked"
    assert (made["diff"]["before"]["status"], made["diff"]["after"]["status"]) == ("unset", "unlocked")
    assert passphrase not in json.dumps(made["invocation"])


@pytest.mark.parametrize("passphrase", ["passphrase", "wrong", "wrong_passphrase", "p"])
def test_a_code_survives_a_passphrase_that_is_a_part_of_it(cluster: Simulation, passphrase: str) -> None:
    cluster.unlock("another one")
    refused = told(cluster, passphrase=passphrase)
    assert refused["failed"] is True
    assert refused["code"] == refused["failures"][0]["code"] == "wrong_passphrase"
    for text in (refused["msg"], refused["hint"], json.dumps(list(refused["invocation"]["module_args"].values()))):
        assert passphrase not in text


def test_an_ordinary_secret_is_left_to_ansible(cluster: Simulation) -> None:
    made = told(cluster, passphrase="correct horse", old_passphrase="unset")
    assert made["diff"]["before"]["status"] == "unset"
    assert "correct horse" not in json.dumps(made)
