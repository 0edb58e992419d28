# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""docs/environment.md names each environment variable that the code reads or sets, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore

from ansible_collections.snapship.dr.plugins.module_utils._engine.commandline import parser
from ansible_collections.snapship.dr.plugins.module_utils._module import arguments
from ansible_collections.snapship.dr.tests.support.examples import ROOT

NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
PREFIXES = ("SNAPSHIP_", "LS_", "AWS_", "XDG_", "SSL_")


def sections() -> dict[str, str]:
    """The page's sections by their headings, the text before the first one left out."""
    text = (ROOT / "docs/environment.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^## ([^\n]*)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def named(section: str) -> set[str]:
    """The variables in the first column of a section's tables."""
    cells = re.findall(r"^\| (`[^|]*`) \|", sections()[section], re.MULTILINE)
    found = [name for cell in cells for name in re.findall(r"`([^`]*)`", cell)]
    assert found and len(found) == len(set(found))
    return set(found)


def python_files() -> Iterator[ast.Module]:
    for path in sorted((ROOT / "plugins").rglob("*.py")):
        yield ast.parse(path.read_text(encoding="utf-8"), str(path))


def is_environment(node: ast.AST) -> bool:
    return ast.unparse(node) in ("os.environ", "environ")


def literal(node: ast.AST) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def read_by(tree: ast.Module) -> Iterator[str]:
    """Names that are looked up in the environment, and all texts that look like one of these."""
    for node in ast.walk(tree):
        text = literal(node)
        if text and text.startswith(PREFIXES) and NAME.fullmatch(text):
            yield text
        asked: ast.AST | None = None
        if isinstance(node, ast.Subscript) and is_environment(node.value):
            asked = node.slice
        elif isinstance(node, ast.Call) and node.args:
            function = node.func
            of_environment = isinstance(function, ast.Attribute) and is_environment(function.value)
            if of_environment or ast.unparse(function) in ("os.getenv", "getenv"):
                asked = node.args[0]
        if asked is not None and literal(asked) is not None:
            yield str(literal(asked))


def fallbacks(spec: dict[str, dict[str, Any]]) -> set[str]:
    return {name for rules in spec.values() if "fallback" in rules for name in rules["fallback"][1]}


def read_by_python() -> set[str]:
    found = {name for tree in python_files() for name in read_by(tree)}
    return found | fallbacks(arguments.definition()) | fallbacks(arguments.config_dir())


def read_by_playbooks() -> set[str]:
    files = [path for folder in ("playbooks", "roles") for path in (ROOT / folder).rglob("*.yml")]
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return set(re.findall(r"""lookup\('env', *'(\w+)'""", text))


def is_inherited(node: ast.AST) -> bool:
    """Whether this is the environment, or what programs get of it."""
    return is_environment(node) or isinstance(node, ast.Call) and ast.unparse(node.func).endswith("without_secrets")


def set_for_programs() -> set[str]:
    """Names that are added to the environment of a program under our own prefix."""
    calls = [node for tree in python_files() for node in ast.walk(tree) if isinstance(node, ast.Call)]
    with_environment = [call for call in calls if any(map(is_inherited, call.args))]
    added = {keyword.arg for call in with_environment for keyword in call.keywords if keyword.arg}
    return {name for name in added if name.startswith("SNAPSHIP_")}


def test_every_variable_that_is_read_is_named_and_no_other() -> None:
    page = named("Options of a remote") | named("Everything else")
    code = read_by_python() | read_by_playbooks()
    assert sorted(page) == sorted(code)


def test_each_option_of_a_remote_has_its_variable() -> None:
    options = {arguments.variable(option) for option in arguments.definition()}
    assert named("Options of a remote") == options


def test_the_program_takes_the_same_variables_as_the_modules() -> None:
    line = ["list", "--remote", "nas"]
    flags = {name for name in vars(parser.build().parse_args(line)) if name.startswith("definition_")}
    assert {arguments.variable(flag[len("definition_") :]) for flag in flags} == named("Options of a remote")


def test_every_variable_that_hooks_get_is_named_and_no_other() -> None:
    assert named("Set for hooks") == set_for_programs()


def test_the_aws_library_reads_what_is_said_of_it() -> None:
    folder = Path(botocore.__file__).parent
    text = "".join((folder / name).read_text(encoding="utf-8") for name in ("configprovider.py", "credentials.py"))
    for name in named("Read by the AWS library"):
        assert f"'{name}'" in text, name
