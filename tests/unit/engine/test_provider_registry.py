# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Providers are listed in one registry. Code derives from it; documents that repeat the list are compared with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.doc_fragments._volumes import ModuleDocFragment
from ansible_collections.snapship.dr.plugins.filter.protection_plan import protection_plan
from ansible_collections.snapship.dr.plugins.filter.restore_plan import restore_plan
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.parser import build
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.file.provider import FileProvider
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.registry import (
    PROVIDERS,
    provider_for,
    provider_names,
)
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.tests.support.second_lists import lists_in, project_files

ROOT = Path(__file__).resolve().parents[3]
REGISTRY = "plugins/module_utils/_engine/volumes/registry.py"
FRAGMENT = "plugins/doc_fragments/_volumes.py"
GUIDE = "docs/volumes.md"
ROLES = tuple(f"roles/{role}/meta/argument_specs.yml" for role in ("dr_backup", "dr_restore", "dr_sync"))
#: A new provider is a folder beside the registry, and a line in each of these.
DOCUMENTS = (FRAGMENT, GUIDE, *ROLES)


class Tapes(FileProvider):
    """A provider that nobody has."""

    name = "tape"
    naming = "a tape by its label"

    def claims(self, volume: str) -> bool:
        return volume.startswith("tape:")


@pytest.fixture
def tapes(monkeypatch: pytest.MonkeyPatch) -> Tapes:
    """The one registration."""
    provider = Tapes()
    monkeypatch.setitem(PROVIDERS, provider.name, provider)
    return provider


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


# --- what derives from the registry


def test_a_provider_is_registered_under_its_own_name() -> None:
    assert {name: provider.name for name, provider in PROVIDERS.items()} == {name: name for name in PROVIDERS}


def test_modules_offer_it(tapes: Tapes) -> None:
    assert arguments.provider()["provider"]["choices"] == provider_names()
    assert "tape" in provider_names()


def test_the_command_line_offers_it(tapes: Tapes, capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["snapshot", "--name", "now"], ["verify"], ["restore"]):
        assert build().parse_args([*command, "tape:1", "--provider", "tape"]).provider == "tape"
        with pytest.raises(SystemExit):
            build().parse_args([*command, "tape:1", "--provider", "disk"])
        said = capsys.readouterr().err
        assert "'disk'" in said and all(name in said for name in provider_names())


def planned(provider: str) -> list[list[str]]:
    """The mistakes that the inventory checks find in an entry of this provider."""
    remotes = [{"name": "nas", "path": "/mnt/nas"}]
    entry = {"name": "x", "provider": provider, "volumes": ["tape:1"], "remotes": [{"name": "nas", "every": "1h"}]}
    wish = {"provider": provider, "remote": "nas", "source": "tape:1", "target": "tape:2"}
    return [
        protection_plan([entry], remotes, "backup")["mistakes"],
        restore_plan([wish], remotes)["mistakes"],
    ]


def test_inventory_checks_take_it(tapes: Tapes) -> None:
    assert planned("tape") == [[], []]
    for mistakes in planned("disk"):
        assert f"Choose one of {', '.join(provider_names())}, linstor." in mistakes[0]


def test_errors_name_it(tapes: Tapes) -> None:
    assert provider_for("tape:1") is tapes
    assert provider_for("/srv/a.img", "tape") is tapes
    with pytest.raises(UsageError) as unknown:
        provider_for("tape:1", "disk")
    assert unknown.value.hint == f"Set one of {', '.join(provider_names())}."
    with pytest.raises(UsageError) as unclaimed:
        provider_for("no such/volume/here/")
    assert unclaimed.value.code == "provider" and "fits no provider" in unclaimed.value.msg
    assert all(provider.naming in unclaimed.value.hint for provider in PROVIDERS.values())
    assert ", ".join(provider_names()) in unclaimed.value.hint


def test_a_name_that_fits_several_is_refused(tapes: Tapes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes, "claims", lambda volume: True)
    with pytest.raises(UsageError, match=r"fits several providers: file, tape\."):
        provider_for("/srv/a.img")


# --- what is compared with it


def test_the_doc_fragment_says_the_same() -> None:
    option = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["provider"]
    assert option["choices"] == provider_names()
    assert all(f"V({name})" in option["description"][0] for name in provider_names())


def options_named(name: str, spec: Any) -> Iterator[dict[str, Any]]:
    """The options of this name in an argument spec, however deep."""
    for key, value in spec.items() if isinstance(spec, dict) else ():
        if key.endswith(name) and isinstance(value, dict) and "choices" in value:
            yield value
        yield from options_named(name, value)


@pytest.mark.parametrize("path", ROLES)
def test_a_role_offers_the_same_and_linstor(path: str) -> None:
    found = list(options_named("provider", yaml.safe_load(text_of(path))))
    assert found and all(option["choices"] == [*provider_names(), "linstor"] for option in found)


def test_each_table_of_the_guide_has_a_row_for_each() -> None:
    tables = re.findall(r"^\| provider \|.*\n\|[ |-]+\n((?:\|.*\n)+)", text_of(GUIDE), re.M)
    rows = [sorted(re.findall(r"^\| `(\w+)` \|", table, re.M)) for table in tables]
    assert len(rows) == 2 and all(row == provider_names() for row in rows)


# --- and nothing else


def test_no_other_file_lists_them() -> None:
    files = project_files()
    assert len(files) > 200
    found = {str(path.relative_to(ROOT)): lists_in(path, provider_names()) for path in files}
    assert {path: lists for path, lists in found.items() if lists and path not in DOCUMENTS} == {}


@pytest.mark.parametrize(
    "text",
    [
        'CHOICES = ("file", "zfs")',
        'X = {"lvm_thin": 1, "other": 2, "zfs": 3}',
        'X = {"a": "lvm_thin", "b": "zfs"}',
        'X = {"file", other, "zfs"}',
        'raise UsageError("there is file, lvm_thin or zfs")',
        '"""V(file), V(lvm_thin)."""',
        "choices = ['lvm_thin', 'zfs']",
    ],
)
def test_a_second_list_is_found(text: str, tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text(text, encoding="utf-8")
    assert lists_in(path, provider_names())


@pytest.mark.parametrize(
    "text", ["choices: [file, lvm_thin]\n", "| `zfs` | `file` |\n", "`file`, `zfs`\n", "a|zfs|file"]
)
def test_a_second_list_is_found_in_documents(text: str, tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(text, encoding="utf-8")
    assert lists_in(path, provider_names())


def test_one_name_is_no_list(tmp_path: Path) -> None:
    path = tmp_path / "plugin.py"
    path.write_text('X = ["zfs", "send", "-i"]\nY = {"zfs": 1}\n"""A file of a zfs send stream."""\n')
    assert lists_in(path, provider_names()) == []
