# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The master passphrase: set, entered and changed only if needed."""

from __future__ import annotations

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import RemoteError, UsageError
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import encryption
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.runs import Runs, only

FIRST, SECOND, THIRD = "the first passphrase", "the second passphrase", "a third"
# Entering what is entered already changes nothing; that is how LINSTOR tells whether it is the right one.
READS = ("GET", "PATCH")


@pytest.fixture
def runs(cluster: Simulation) -> Runs:
    return Runs(encryption, cluster, [FIRST, SECOND, THIRD])


def test_set(runs: Runs, cluster: Simulation) -> None:
    done = runs.settle(READS, passphrase=FIRST)
    assert only(done) == {"status": "unlocked", "actions": ["create the master passphrase"]}
    assert (done.before, done.after) == ({"status": "unset"}, {"status": "unlocked"})
    assert cluster.cluster.passphrase == FIRST


def test_enter_after_a_restart(runs: Runs, cluster: Simulation) -> None:
    for state in ("present", "unlocked"):
        cluster.unlock(FIRST)
        cluster.restart()
        assert runs(passphrase=FIRST, state=state, check=True).changed
        assert cluster.cluster.passphrase_status == "locked"
        done = runs(passphrase=FIRST, state=state)
        assert only(done)["actions"] == ["enter the master passphrase"]
        assert cluster.cluster.passphrase_status == "unlocked"
        assert not runs(passphrase=FIRST, state=state).changed
        assert runs.requests == 3  # the version, the state, whether it is the right one


def test_change(runs: Runs, cluster: Simulation) -> None:
    cluster.unlock(FIRST)
    done = runs.settle(READS, passphrase=SECOND, old_passphrase=FIRST)
    assert only(done)["actions"] == ["modify the master passphrase"]
    assert cluster.cluster.passphrase == SECOND


def test_change_after_a_restart(runs: Runs, cluster: Simulation) -> None:
    cluster.unlock(FIRST)
    cluster.restart()
    done = runs(passphrase=SECOND, old_passphrase=FIRST)
    assert only(done)["actions"] == ["modify the master passphrase", "enter the master passphrase"]
    assert (cluster.cluster.passphrase, cluster.cluster.passphrase_status) == (SECOND, "unlocked")
    assert not runs(passphrase=SECOND, old_passphrase=FIRST).changed


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "given",
    [
        {"passphrase": SECOND},
        {"passphrase": SECOND, "old_passphrase": THIRD},
        {"passphrase": SECOND, "old_passphrase": FIRST, "state": "unlocked"},
    ],
)
def test_a_wrong_one_changes_nothing(runs: Runs, cluster: Simulation, given: dict[str, str], restarted: bool) -> None:
    cluster.unlock(FIRST)
    if restarted:
        cluster.restart()
    before = cluster.cluster.passphrase_status
    with pytest.raises(RemoteError) as told:
        runs(**given)
    assert told.value.code == "wrong_passphrase"
    assert not any(secret in str(told.value) for secret in runs.secrets)
    assert (cluster.cluster.passphrase, cluster.cluster.passphrase_status) == (FIRST, before)


def test_nothing_to_enter(runs: Runs) -> None:
    with pytest.raises(RemoteError) as told:
        runs(passphrase=FIRST, state="unlocked")
    assert told.value.code == "locked"


def test_an_empty_one(runs: Runs) -> None:
    with pytest.raises(UsageError):
        runs(passphrase="")


@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_answers_that_get_lost(runs: Runs, cluster: Simulation, how: str) -> None:
    route = "/v1/encryption/passphrase"
    cluster.request_fault(how, method="POST", path=route)
    assert runs(passphrase=FIRST).changed
    cluster.restart()
    cluster.request_fault(how, method="PATCH", path=route)
    assert runs(passphrase=FIRST).changed
    cluster.request_fault(how, method="PUT", path=route)
    assert runs(passphrase=SECOND, old_passphrase=FIRST).changed
    assert (cluster.cluster.passphrase, cluster.cluster.passphrase_status) == (SECOND, "unlocked")
