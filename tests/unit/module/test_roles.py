# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The roles hand on every option: one that is left out is taken from an inventory and does nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import all_options
from ansible_collections.snapship.dr.plugins.modules import backup

ROLES = Path(__file__).parents[3] / "roles"
#: for single runs by hand, not for a role that keeps volumes backed up
BY_HAND = {"state", "id", "cascade", "snapshot", "type"}


def task(module: str) -> dict[str, Any]:
    """The arguments of the role's task with this module."""
    tasks = yaml.safe_load((ROLES / "dr_backup" / "tasks" / "native.yml").read_text(encoding="utf-8"))
    (found,) = (each[module] for block in tasks for each in block.get("block", []) if module in each)
    return dict(found)


def test_every_option_of_a_remote() -> None:
    assert set(task("snapship.dr.remote")) == {"name", "config_dir", "type", *(each.name for each in all_options())}


def test_every_option_of_a_backup() -> None:
    documented = yaml.safe_load(backup.DOCUMENTATION)["options"]
    assert set(documented) - BY_HAND <= set(task("snapship.dr.backup"))


@pytest.mark.parametrize("option", ["adopt_origin_from", "accept_lost", "origin"])
def test_copies_at_another_site_hand_on_the_same(option: str) -> None:
    (include, _record) = yaml.safe_load((ROLES / "dr_sync" / "tasks" / "native.yml").read_text(encoding="utf-8"))
    assert include["vars"][f"dr_backup_{option}"] == f"{{{{ dr_sync_{option} }}}}"
