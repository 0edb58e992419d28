# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each rule of the house, broken on purpose, is found; what keeps to the rules is not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CHECK = ROOT / "dev/check_layers.py"
ENGINE = "module_utils/_engine"
LINSTOR = "module_utils/_linstor"
PROGRAMS = f"programs are started in {ENGINE}/common/processes.py only"
PICKLE = f"pickle reads without bounds: write JSON, and read it by {ENGINE}/common/bounded.py"
CHAINS = f"chains are walked in {ENGINE}/policy/chains.py only"
PARSERS = f"JSON is read by {ENGINE}/common/bounded.py only"
FILLER = "".join(f"LINE_{number} = {number}\n" for number in range(40))


def found(plugins: Path, files: dict[str, str]) -> list[str]:
    """What the check says of a tree with these files; each is filled up to a length that is allowed."""
    for name, text in files.items():
        path = plugins / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("from __future__ import annotations\n" + text + FILLER, encoding="utf-8")
    run = subprocess.run([sys.executable, CHECK, plugins], capture_output=True, text=True, check=False)
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    assert run.returncode == (1 if lines else 0)
    return [line.split(": ", 1)[1] for line in lines]


BROKEN = [
    # layers
    (f"{ENGINE}/volumes/file.py", "from ..remotes import store\n", "volumes must not import remotes"),
    (f"{ENGINE}/streams/thin.py", "from ..volumes.provider import Reader\n", "streams must not import volumes"),
    (f"{ENGINE}/policy/chains.py", "from ..local.host import Host\n", "policy must not import local"),
    (f"{ENGINE}/common/errors.py", "from ..policy import chains\n", "common must not import policy"),
    (f"{ENGINE}/repository/catalog.py", "from ..shipments.unit import Run\n", "repository must not import shipments"),
    (f"{ENGINE}/shipments/unit.py", "from ..restores.fetch import fetch\n", "shipments must not import restores"),
    (f"{ENGINE}/shipments/unit.py", "from .. import usecases\n", "shipments must not import usecases"),
    (f"{ENGINE}/snapshots/take.py", "from ..local.host import Host\n", "snapshots must not import local"),
    (f"{ENGINE}/usecases/backup.py", "from ..commandline import parser\n", "usecases must not import commandline"),
    (f"{ENGINE}/usecases/backup.py", "from .restore import plan\n", "a use case imports no use case"),
    (f"{ENGINE}/usecases/backup.py", "from . import restore\n", "a use case imports no use case"),
    (f"{LINSTOR}/state/remotes.py", "from ..shipments import order\n", "state must not import shipments"),
    (f"{LINSTOR}/api/client.py", "from ..state import remotes\n", "api must not import state"),
    (f"{ENGINE}/policy/chains.py", "from ..cellar import wine\n", "cellar is no room of _engine"),
    (f"{ENGINE}/cellar/wine.py", "", "cellar is no room of _engine"),
    # packages
    (f"{ENGINE}/local/host.py", "from ..._linstor.api import client\n", "_engine must not import _linstor.api"),
    (f"{LINSTOR}/api/client.py", "from ..._engine.volumes import zfs\n", "_linstor must not import _engine.volumes"),
    (f"{ENGINE}/local/host.py", "from ..._module import words\n", "imports from outside the engine"),
    (f"{ENGINE}/local/host.py", "import ansible.constants\n", "_engine must not import ansible.constants"),
    (f"{LINSTOR}/api/cluster.py", "import linstor\n", "python-linstor is for client.py only"),
    # programs
    (f"{ENGINE}/volumes/file.py", "import subprocess\n", PROGRAMS),
    (f"{ENGINE}/volumes/file.py", "from subprocess import run\n", PROGRAMS),
    ("filter/plan.py", "import os\nos.execv('/bin/true', [])\n", f"os.execv: {PROGRAMS}"),
    ("filter/plan.py", "import os\nos.system('true')\n", "os.system runs a shell"),
    ("filter/plan.py", "call('true', shell=True)\n", "shell runs a shell"),
    ("modules/backup.py", "module.run_command('true', use_unsafe_shell=True)\n", "use_unsafe_shell runs a shell"),
    # parsers
    (f"{ENGINE}/local/host.py", "import json\nx = json.loads('{}')\n", PARSERS),
    (f"{ENGINE}/common/files.py", "import json\nx = json.load(source)\n", PARSERS),
    (f"{ENGINE}/common/files.py", "def late():\n    import json as j\n    return j.JSONDecoder()\n", PARSERS),
    (f"{ENGINE}/repository/manifest.py", "from json import loads\n", PARSERS),
    (f"{ENGINE}/repository/manifest.py", "import json.decoder\n", PARSERS),
    (f"{LINSTOR}/api/access.py", "import json\nread = json.loads\n", PARSERS),
    (f"{ENGINE}/local/host.py", "import pickle\n", PICKLE),
    (f"{ENGINE}/local/host.py", "from yaml import safe_load\n", PICKLE.replace("pickle", "yaml")),
    # chains
    (f"{ENGINE}/shipments/unit.py", "while key.base:\n    key = table[key.base]\n", CHAINS),
    (f"{LINSTOR}/state/backups.py", "while here:\n    here = bases[here]\n", CHAINS),
    # names
    (f"{ENGINE}/shipments/sending.py", "", "a file's name is a noun: none ends in -ing"),
    (f"{ENGINE}/common/utils.py", "", "utils says nothing of what is in the file"),
    (f"{ENGINE}/usecases/info.py", "", "a use case has its module's name"),
    # sizes
    (f"{ENGINE}/common/units.py", "x = 1\n" * 400, "441 lines: split it, a file has at most 400"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "breach"), BROKEN)
def test_a_broken_rule(tmp_path: Path, name: str, text: str, breach: str) -> None:
    assert breach in found(tmp_path, {"modules/backup.py": "", "modules/restore.py": "", name: text})


def test_an_import_for_types_only_counts(tmp_path: Path) -> None:
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from ..usecases.backup import Request\n"
    assert found(tmp_path, {f"{ENGINE}/shipments/unit.py": text}) == ["shipments must not import usecases"]


def test_an_import_inside_a_function_counts(tmp_path: Path) -> None:
    text = "def late():\n    from ..usecases.backup import Request\n"
    assert found(tmp_path, {f"{ENGINE}/shipments/unit.py": text}) == ["shipments must not import usecases"]


@pytest.mark.parametrize("text", ["if spec.type == 'tape':\n    pass\n", "x = one in ('a', 'b') or 'disk' != name\n"])
def test_a_name_that_belongs_to_a_registry(tmp_path: Path, text: str) -> None:
    files = {
        f"{ENGINE}/remotes/tape/type.py": "TAPE = RemoteType(name='tape')\nx = y == 'tape'\n",
        f"{ENGINE}/volumes/disk/provider.py": "class Provider:\n    name = 'disk'\n",
        f"{ENGINE}/repository/access.py": text,
    }
    (breach,) = found(tmp_path, files)
    assert breach.endswith("is compared with: ask the registry for what differs")


def test_a_file_that_is_too_short(tmp_path: Path) -> None:
    path = tmp_path / ENGINE / "common/units.py"
    path.parent.mkdir(parents=True)
    path.write_text("UTC = None\n", encoding="utf-8")
    assert found(tmp_path, {}) == ["1 lines: merge it, a file has at least 40 unless it is an interface"]


def test_a_folder_that_is_too_full(tmp_path: Path) -> None:
    files = {f"{ENGINE}/common/file{number}.py": "" for number in range(16)}
    assert found(tmp_path, files) == ["16 files, a folder has at most 15"]
    (tmp_path / ENGINE / "common/file0.py").unlink()
    assert found(tmp_path, {f"{ENGINE}/common/__init__.py": ""}) == []


def test_a_word_with_two_meanings(tmp_path: Path) -> None:
    files = {
        f"{ENGINE}/shipments/base/choice.py": "class Choice: ...\n",
        f"{LINSTOR}/shipments/choice.py": "class Choice: ...\nclass _Own: ...\nclass Request: ...\n",
        f"{LINSTOR}/state/remotes.py": "class _Own: ...\nclass Request: ...\n",
    }
    assert found(tmp_path, files) == ["Choice is defined in module_utils/_engine/shipments/base/choice.py, too"]


def test_what_keeps_to_the_rules(tmp_path: Path) -> None:
    files = {
        "modules/backup.py": "",
        "modules/linstor_retention.py": "",
        f"{ENGINE}/cli.py": "from .commandline import parser\n",
        f"{ENGINE}/usecases/backup.py": "from ..shipments import unit\nfrom ..common.errors import need\n",
        f"{ENGINE}/usecases/backup_delete.py": "from ..repository.catalog import Catalog\n",
        f"{ENGINE}/shipments/unit.py": "from .base.choice import choose\nfrom ..repository import catalog\n",
        f"{ENGINE}/common/processes.py": "import subprocess\nsubprocess.run(['true'], shell=False)\n",
        f"{ENGINE}/common/bounded.py": "import json\nx = json.loads('{}')\n",
        f"{ENGINE}/common/files.py": "import json\nx = json.dumps({})\njson.dump({}, target)\n",
        f"{ENGINE}/policy/chains.py": "while here:\n    here = bases[here]\n",
        f"{LINSTOR}/usecases/retention.py": "from ..._engine.policy import chains\nfrom ..api.client import Client\n",
        f"{LINSTOR}/api/client.py": "import linstor\n",
    }
    assert found(tmp_path, files) == []
