# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Types of remotes stand in one registry: the module, its documentation, inference and inventory checks follow it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.client import library
from ansible_collections.snapship.dr.plugins.module_utils._linstor.api.cluster import Cluster
from ansible_collections.snapship.dr.plugins.module_utils._linstor.state.remotes import LINSTOR_TYPES, LinstorType
from ansible_collections.snapship.dr.plugins.module_utils._linstor.usecases import remote
from ansible_collections.snapship.dr.plugins.modules import linstor_remote
from ansible_collections.snapship.dr.plugins.plugin_utils import _linstor_remotes as inventory
from ansible_collections.snapship.dr.plugins.plugin_utils._mistakes import Mistakes
from ansible_collections.snapship.dr.plugins.plugin_utils._remotes import Remote, inventory_types
from ansible_collections.snapship.dr.tests.linstor_sim.simulation import Simulation
from ansible_collections.snapship.dr.tests.unit.linstor.runs import access

#: inventories use the words of the module remote
WORDS = {"endpoint": "endpoint_url", "use_path_style": "addressing_style"}


def test_the_documentation_has_each_type_and_option() -> None:
    options = yaml.safe_load(linstor_remote.DOCUMENTATION)["options"]
    assert options["type"]["choices"] == list(LINSTOR_TYPES)
    for made_of in LINSTOR_TYPES.values():
        for name in (*made_of.public, *made_of.secret):
            assert options[name]["type"] == linstor_remote.OPTIONS[name]["type"]
            assert linstor_remote.OPTIONS[name].get("no_log", False) is (name in made_of.secret)


def test_the_library_can_create_and_modify_each_type() -> None:
    for name in LINSTOR_TYPES:
        for verb in ("create", "modify"):
            assert callable(getattr(library().Linstor, f"remote_{verb}_{name}"))


def test_an_option_that_tells_the_type_belongs_to_one_type() -> None:
    telling = [name for made_of in LINSTOR_TYPES.values() for name in made_of.telling]
    assert len(telling) == len(set(telling))
    for each, made_of in LINSTOR_TYPES.items():
        others = {name for other, its in LINSTOR_TYPES.items() if other != each for name in its.public}
        assert set(made_of.telling) <= set(made_of.public) - others


def test_an_inventory_knows_each_type() -> None:
    assert set(LINSTOR_TYPES) <= set(inventory_types())


@pytest.mark.parametrize("kind", sorted(LINSTOR_TYPES))
def test_an_inventory_takes_each_option(kind: str) -> None:
    made_of = LINSTOR_TYPES[kind]
    names = [WORDS.get(name, name) for name in (*made_of.public, *made_of.secret)]
    options = dict.fromkeys([*names, *made_of.inventory_only], "x")
    assert complaints(kind, options) == []
    assert len(complaints(kind, {**options, "tape": "x"})) == 1
    for name in made_of.inventory_required:
        found = complaints(kind, {key: value for key, value in options.items() if key != name})
        assert [line for line in found if f"{name} is missing" in line], found


def complaints(kind: str, options: dict[str, str]) -> list[str]:
    mistakes = Mistakes()
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("SNAPSHIP_ACCESS_KEY", "SNAPSHIP_SECRET_KEY"):
            patch.delenv(variable, raising=False)
        inventory.check_linstor(Remote("offsite", kind, "backup", options), "snapship_remotes", mistakes)
    return mistakes.found


def test_a_new_type_is_one_entry(cluster: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = LinstorType(public=("drive",), secret=(), required=("drive",), telling=("drive",))
    monkeypatch.setitem(LINSTOR_TYPES, "tape", tape)
    with Cluster(access(cluster)) as linstor:
        plan = remote.plan(linstor, remote.Request(name="vault", options={"drive": "st0"}))
    assert (plan.kind, plan.step, plan.send) == ("tape", "create", {"drive": "st0"})
    assert complaints("tape", {"drive": "st0"}) == []


def test_no_other_list_of_types() -> None:
    """A second list of LINSTOR's types in a file of the control plane or its modules would have to be kept in step."""
    plugins = Path(linstor_remote.__file__).parent.parent
    files = [*plugins.glob("module_utils/_linstor/**/*.py"), *plugins.glob("plugin_utils/_linstor_remotes.py")]
    for file in (*files, *plugins.glob("modules/linstor_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                entries = node.elts
            else:
                entries = [key for key in node.keys if key] if isinstance(node, ast.Dict) else []
            named = {each.value for each in entries if isinstance(each, ast.Constant)} & set(LINSTOR_TYPES)
            assert len(named) < 2 or file.name == "remotes.py", (file, node.lineno)
