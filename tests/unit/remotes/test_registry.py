# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Types of remotes are listed in one registry. Code derives from it; documents that repeat it are compared with it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.snapship.dr.plugins.doc_fragments._remote import ModuleDocFragment
from ansible_collections.snapship.dr.plugins.filter.protection_plan import protection_plan
from ansible_collections.snapship.dr.plugins.filter.restore_plan import restore_plan
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.columns import place
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.parser import build
from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline.remote_options import definition
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import UsageError
from ansible_collections.snapship.dr.plugins.module_utils._engine.local.host import Host
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.directory.store import DirectoryStore
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.registry import (
    REMOTE_TYPES,
    all_options,
    open_store,
    parse_remote,
    public,
    secret_options,
    type_names,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.s3.settings import OPTIONS, S3Settings
from ansible_collections.snapship.dr.plugins.module_utils._engine.remotes.spec import (
    COMMON,
    RemoteOption,
    RemoteSpec,
    RemoteType,
)
from ansible_collections.snapship.dr.plugins.module_utils._engine.usecases import backup_info
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.plugins.module_utils._module.definition import remote_options
from ansible_collections.snapship.dr.tests.support.second_lists import ROOT, lists_in, project_files

#: A new type is a folder beside the registry, a name in its tuple, and a line in each of these.
FRAGMENT, GUIDE = "plugins/doc_fragments/_remote.py", "docs/playbooks.md"
DOCUMENTS = (FRAGMENT, GUIDE)


def _check(name: str, values: dict[str, Any]) -> None:
    if values.get("slot", 0) > 99:
        raise UsageError(f"remote {name!r}: slot {values['slot']} doesn't exist.", "Set 0 to 99.")


def _open(spec: RemoteSpec) -> DirectoryStore:
    return DirectoryStore(dataclasses.replace(spec, options={"path": spec.options["drive"]}))


TAPE = RemoteType(
    name="tape",
    title="a tape drive",
    options=(
        RemoteOption("drive", "device of the tape drive", "path"),
        RemoteOption("slot", "slot of the tape", "number", default=0),
        RemoteOption("cartridge_key", "key of the cartridge", "secret"),
    ),
    telling="drive",
    check=_check,
    open=_open,
    creates=lambda spec, inline: False,
    place=lambda location: f"the tape in {location.partition('|')[2]}",
    local=True,
    credentials=("cartridge_key",),
)


@pytest.fixture
def tape(monkeypatch: pytest.MonkeyPatch) -> RemoteType:
    """The one registration."""
    monkeypatch.setitem(REMOTE_TYPES, TAPE.name, TAPE)
    return TAPE


# --- what derives from the registry


def test_modules_offer_it(tape: RemoteType) -> None:
    spec = arguments.definition()
    assert spec["type"]["choices"] == type_names() == [*type_names()[:-1], "tape"]
    assert (spec["drive"]["type"], spec["slot"]["type"], spec["slot"]["default"]) == ("path", "int", 0)
    assert spec["cartridge_key"]["no_log"] is True
    assert spec["drive"]["fallback"][1] == ["SNAPSHIP_DRIVE"]
    assert arguments.remote()["remote_spec"]["options"].keys() == spec.keys()


def test_modules_infer_it(tape: RemoteType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNAPSHIP_BUCKET", "for-other-tasks")
    given = {"drive": "/dev/st0", "slot": 3, "bucket": "for-other-tasks"}
    assert remote_options(given) == {"type": "tape", "drive": "/dev/st0", "slot": 3}


def test_the_command_line_offers_it(
    tape: RemoteType, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for option in all_options():
        monkeypatch.delenv(f"SNAPSHIP_{option.name.upper()}", raising=False)
    monkeypatch.setenv("SNAPSHIP_CARTRIDGE_KEY", "s3cret")
    args = build().parse_args(["list", "--drive", "/dev/st0", "--slot", "7"])
    assert definition(args) == {"type": "tape", "drive": "/dev/st0", "slot": 7, "cartridge_key": "s3cret"}
    with pytest.raises(SystemExit):
        build().parse_args(["list", "--cartridge-key", "s3cret"])
    with pytest.raises(SystemExit):
        build().parse_args(["list", "--help"])
    shown = capsys.readouterr()
    assert (
        "slot of the tape" in shown.out and "{s3,directory,tape}" in shown.out and "--cartridge-key-file" in shown.out
    )
    assert "s3cret" not in shown.out + shown.err
    assert place("tape|/dev/st0") == "the tape in /dev/st0"


def planned(remote: dict[str, Any]) -> list[str]:
    """The mistakes that the inventory checks find in a remote, used for a backup and for a restore."""
    entry = {"name": "x", "volumes": ["/srv/a.img"], "remotes": [{"name": "t", "every": "1h"}]}
    wish = {"remote": "t", "source": "/srv/a.img", "target": "/srv/b.img"}
    found = protection_plan([entry], [remote], "backup")["mistakes"] + restore_plan([wish], [remote])["mistakes"]
    return [str(line) for line in found]


def test_inventory_checks_take_it(tape: RemoteType) -> None:
    assert planned({"name": "t", "drive": "/dev/st0"}) == []
    assert planned({"name": "t", "type": "tape", "drive": "/dev/st0", "slot": 5, "encryption_key": None}) == []
    for mistake in planned({"name": "t", "drive": "/dev/st0", "slott": 5}):
        assert "unknown option slott. Did you mean slot?" in mistake
    assert any("slot 100 doesn't exist" in line for line in planned({"name": "t", "drive": "/dev/st0", "slot": 100}))
    assert any("tape" in line for line in planned({"name": "t", "type": "disk"}))


def test_errors_name_it(tape: RemoteType) -> None:
    for given, words in (
        ({"type": "disk"}, "Set one of s3, directory, tape."),
        ({}, "drive (a tape drive)"),
        ({"path": "/mnt", "slot": 3}, "slot is for type tape; the type here is directory."),
        ({"drive": "/dev/st0", "bucket": "b", "type": "tape"}, "bucket is for type s3; the type here is tape."),
        ({"drive": "/dev/st0", "bucket": "b"}, "bucket and drive are both set."),
        ({"drive": "/dev/st0", "slot": -1}, "slot is -1. Set 0 or more."),
        ({"drive": "/dev/st0", "cartridge_key": ""}, "cartridge_key is empty"),
        ({"nosuch": 1}, "cartridge_key"),
    ):
        with pytest.raises(UsageError) as refused:
            parse_remote("t", given)
        assert words in str(refused.value)


def test_its_store_is_opened_and_its_secrets_stay_hidden(tape: RemoteType, tmp_path: Path) -> None:
    (tmp_path / "drive").mkdir()
    host = Host(str(tmp_path / "config"))
    spec = parse_remote("t", {"drive": str(tmp_path / "drive"), "cartridge_key": "s3cret"})
    host.save_remote(spec)
    assert host.remote("t") == spec
    assert "cartridge_key" in secret_options() and public(spec)["cartridge_key"] is True and "s3cret" not in repr(spec)
    assert backup_info.listing(host, backup_info.Request(remote="t", origin="*")) == []


def test_a_location_begins_with_its_type(tmp_path: Path) -> None:
    keys = {"access_key": "A", "secret_key": "s", "endpoint_url": "http://127.0.0.1:9", "bucket": "b"}
    for kind, options in (("s3", keys), ("directory", {"path": str(tmp_path)})):
        assert open_store(parse_remote("x", options)).location.partition("|")[0] == kind
        assert place(open_store(parse_remote("x", options)).location)


def test_definitions_that_were_stored_with_every_option_are_read(tmp_path: Path) -> None:
    every = {option.name: option.default for option in all_options()}
    spec = parse_remote("nas", {**every, "prefix": "", "type": "directory", "path": "/mnt/nas", "bandwidth_limit": 0})
    assert (spec.type, dict(spec.options), spec.grace_period) == (
        "directory",
        {"path": "/mnt/nas", "mount_point": None},
        86400.0,
    )


# --- what is compared with it


def test_the_doc_fragment_says_the_same() -> None:
    documented = yaml.safe_load(ModuleDocFragment.DEFINITION)["options"]
    spec = arguments.definition()
    assert list(documented) and set(documented) == set(spec)
    for name, rules in spec.items():
        text = documented[name]
        for rule in ("type", "choices", "default", "elements"):
            assert text.get(rule) == rules.get(rule), (name, rule)
        assert f"E(SNAPSHIP_{name.upper()})" in str(text["description"])
    assert all(f"V({name})" in str(documented["type"]["description"]) for name in type_names())


def test_the_guide_names_the_use_of_each_type() -> None:
    (line,) = [line for line in (ROOT / GUIDE).read_text(encoding="utf-8").splitlines() if "`s3`, `directory`" in line]
    assert all(f"`{name}`" in line for name in type_names())


def test_typed_settings_have_every_option() -> None:
    assert [field.name for field in dataclasses.fields(S3Settings)] == [option.name for option in OPTIONS]
    for field in dataclasses.fields(S3Settings):
        (option,) = [each for each in OPTIONS if each.name == field.name]
        if option.default is not None:
            assert field.default == option.default
        assert field.repr is not option.secret
    common = {field.name: field for field in dataclasses.fields(RemoteSpec)}
    assert [option.name for option in COMMON] == list(common)[3:]
    assert all(common[option.name].repr is not option.secret for option in COMMON)


def test_an_option_that_tells_the_type_belongs_to_one_type() -> None:
    for each in REMOTE_TYPES.values():
        others = {option.name for other in REMOTE_TYPES.values() if other is not each for option in other.options}
        assert each.telling in {option.name for option in each.options} - others - {option.name for option in COMMON}


# --- and nothing else


def test_no_other_file_lists_them() -> None:
    files = project_files()
    assert len(files) > 200
    found = {str(path.relative_to(ROOT)): lists_in(path, type_names()) for path in files}
    assert {path for path, lists in found.items() if lists} == set(DOCUMENTS)
