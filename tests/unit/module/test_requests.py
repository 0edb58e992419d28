# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every field of a use case's request can be set by its module and by its command, and is handed on."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, Callable

import pytest

from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline import commands
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.parser import build
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.outcome import Outcome
from ansible_collections.snapship.dr.plugins.modules import backup, engine, restore, snapshot, verify

REQUESTS: dict[str, Callable[[Any], Any]] = {
    "snapshot": snapshot.request,
    "backup": backup.shipment,
    "backup absent": backup.removal,
    "restore": restore.request,
    "verify": verify.request,
    "engine": engine.request,
}


class Params(dict[str, Any]):
    """A value for any option; in a mapping of its own for an inline remote."""

    def __missing__(self, name: str) -> Any:
        pair = [{"source": "a", "target": "b"}]
        special = {"volumes": pair if self.get("pairs") else ["a"], "remote_spec": {"path": "/srv/b"}}
        return special.get(name, ["set", name] if name.endswith("_command") else f"set {name}")

    def get(self, name: str, default: Any = None) -> Any:
        return self[name] if name == "remote_spec" else super().get(name, default)


def left_alone(request: Any) -> set[str]:
    """Fields that are as they are by default."""
    fields = dataclasses.fields(request)
    made = {
        field.name: field.default_factory() if field.default is dataclasses.MISSING else field.default  # type: ignore[misc]
        for field in fields
        if field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING
    }
    return {name for name, default in made.items() if getattr(request, name) == default}


@pytest.mark.parametrize("what", REQUESTS)
def test_modules_hand_on_every_option(what: str) -> None:
    assert left_alone(REQUESTS[what](Params(pairs=what == "restore"))) == set()


HOOKS = "--consistent --recursive --quiesce fsfreeze --pre-command a --post-command b --hook-timeout 5s"
WORK = "--provider zfs --parallel 2 --lock-timeout 5s --origin san2"
EVERY = "--full-every 3d --check-every 2d"
TAKE = "--adopt-origin-from 0123 --accept-lost x"
SHIP = f"--type full {EVERY} --skip-unchanged --pool-high 70 {TAKE} {HOOKS} {WORK}"
RESTORE = f"restore a b --overwrite --discard-changes --recursive --pool vg0/p --property compression --as-of x {WORK}"
# Each with the fields that are left alone since they can't go with those that are set.
COMMANDS = {
    f"snapshot a --name n --state absent --provider zfs {HOOKS}": {"max_age"},
    f"snapshot a --max-age 1h --state absent --provider zfs {HOOKS}": {"name"},
    f"backup a --max-age 1h {SHIP} --remote nas": {"snapshot", "remote_spec"},
    f"backup a --snapshot n {SHIP} --path /srv/b": {"max_age", "remote"},
    f"{RESTORE} --backup x --remote nas": {"at", "group", "remote_spec"},
    f"{RESTORE} --at 2026-03-09 --path /srv/b": {"backup", "group", "remote"},
    f"{RESTORE} --group x --path /srv/b": {"backup", "at", "remote"},
    f"verify a --mode data --max-age 1h --backup x --scratch c --pool vg0/p --as-of x {WORK} --remote nas": {
        "remote_spec"
    },
    "delete x --volume a --cascade --accept-lost x --origin san2 --lock-timeout 5s --path /srv/b": {"remote"},
}


@pytest.mark.parametrize("words", COMMANDS)
def test_commands_hand_on_every_flag(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    handed: list[Any] = []

    def carry_out(_use_case: object, _host: object, request: Any, _args: argparse.Namespace) -> Outcome:
        handed.append(request)
        return Outcome()

    monkeypatch.setattr(commands, "_carry_out", carry_out)
    args = build().parse_args(words.split())
    args.run(None, args)
    assert left_alone(handed[0]) == COMMANDS[words]
