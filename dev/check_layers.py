# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the rules of the house in the plugins directory given: ``check_layers.py PLUGINS``.

Rooms import downwards only, an import for types included. Names are nouns, folders and files stay small, one file
starts programs, one parses JSON, chains are walked in one place, registries alone know providers and types of remotes,
a class name has one meaning, nothing uses a shell. CONTRIBUTING.md explains the rules. Exits with 1 and prints one line
for each breach.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: The rooms of each package, the highest first. A room imports itself and the rooms of lower rows, nothing else.
ROOMS: dict[str, list[set[str]]] = {
    "_engine": [
        {"cli", "commandline"},
        {"runs"},
        {"usecases"},
        {"shipments", "restores"},
        {"repository", "peer"},
        {"snapshots", "local"},
        {"volumes", "remotes", "streams", "policy"},
        {"common"},
    ],
    "_linstor": [
        {"usecases"},
        {"snapshots"},
        {"shipments", "restores", "schedules"},
        {"remotes"},
        {"state"},
        {"api"},
    ],
}
#: What LINSTOR's control plane may use of the engine: rooms that know no storage and no remote.
SHARED = {"common", "policy"}
UTILS = Path("module_utils")
STARTS_PROGRAMS = UTILS / "_engine/common/processes.py"
WALKS_CHAINS = UTILS / "_engine/policy"
PARSES_JSON = UTILS / "_engine/common/bounded.py"
USES_PYTHON_LINSTOR = UTILS / "_linstor/api/client.py"

FOLDER_FILES = 15
FILE_LINES = range(40, 401)
#: Files that may be shorter, each with its reason.
SHORT = {
    "_engine/common/outcome.py": "the interface between use cases and what calls them",
    "_engine/common/fingerprints.py": "how secrets are compared, alone so that it can be reviewed alone",
    "_engine/repository/version.py": "what a release changes",
}
POOR_NAMES = {"utils", "helpers", "misc", "manager"}
#: Class names that each use case has one of.
COMMON_CLASSES = {"Request", "Plan"}

SHELL_CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SHELL_OPTIONS = {"shell", "use_unsafe_shell"}
#: Modules that make objects of bytes without bounds, and what of ``json`` only writes.
PARSERS = {"pickle", "marshal", "shelve", "yaml"}
JSON_WRITERS = {"dump", "dumps", "JSONEncoder"}
PROGRAM_CALLS = ("os.exec", "os.spawn", "os.posix_spawn", "os.fork", "pty.")


class Import(NamedTuple):
    """One imported module: its dotted path from the root of ``plugins``, or an outside name (``root`` is false)."""

    line: int
    path: tuple[str, ...]
    root: bool


class File(NamedTuple):
    """One Python file: its path relative to the plugins directory, its text and its syntax tree."""

    path: Path
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """``_engine``, ``_linstor``, ``_module`` or nothing."""
        return self.path.parts[1] if self.path.is_relative_to(UTILS) and len(self.path.parts) > 2 else ""

    @property
    def room(self) -> str:
        return self.path.parts[2].removesuffix(".py") if self.package else ""

    def imports(self) -> Iterator[Import]:
        """All imports, also those inside functions and those for types only."""
        prefix = ("ansible_collections", "snapship", "dr", "plugins")
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield _absolute(node.lineno, tuple(alias.name.split(".")), prefix)
            elif isinstance(node, ast.ImportFrom):
                module = tuple((node.module or "").split(".")) if node.module else ()
                if not node.level:
                    yield from (_absolute(node.lineno, (*module, alias.name), prefix) for alias in node.names)
                    continue
                base = self.path.parts[:-1]
                base = base[: len(base) - node.level + 1]
                yield from (Import(node.lineno, (*base, *module, alias.name), True) for alias in node.names)


def _absolute(line: int, path: tuple[str, ...], prefix: tuple[str, ...]) -> Import:
    inside = path[: len(prefix)] == prefix
    return Import(line, path[len(prefix) :] if inside else path, inside)


Breach = tuple[int, str]


def layer_breaches(file: File) -> Iterator[Breach]:
    """Imports upwards, sideways, or from outside."""
    rows = ROOMS.get(file.package)
    if rows is None or file.path.name == "__init__.py":
        return
    rank = {room: number for number, row in enumerate(rows) for room in row}
    if file.room not in rank:
        yield 1, f"{file.room} is no room of {file.package}"
        return
    for each in file.imports():
        if not each.root:
            continue
        if each.path[:1] != ("module_utils",) or len(each.path) < 3 or each.path[1] not in ROOMS:
            yield each.line, "imports from outside the engine"
            continue
        package, room = each.path[1:3]
        if package != file.package:
            if package == "_linstor" or room not in SHARED:
                yield each.line, f"{file.package} must not import {package}.{room}"
        elif room not in rank:
            yield each.line, f"{room} is no room of {package}"
        elif room == file.room:
            if room == "usecases":
                yield each.line, "a use case imports no use case"
        elif rank[room] <= rank[file.room] and {room, file.room} != {"cli", "commandline"}:
            yield each.line, f"{file.room} must not import {room}"


def library_breaches(file: File) -> Iterator[Breach]:
    """Libraries that only one place may use."""
    if file.package not in ROOMS:
        return
    for each in file.imports():
        if each.root:
            continue
        if each.path[0] in ("ansible", "ansible_collections"):
            yield each.line, f"{file.package} must not import {'.'.join(each.path)}"
        if each.path[0] == "linstor" and file.path != USES_PYTHON_LINSTOR:
            yield each.line, f"python-linstor is for {USES_PYTHON_LINSTOR.name} only"


def program_breaches(file: File) -> Iterator[Breach]:
    """Programs are started in one file, and never through a shell."""
    for each in file.imports():
        if not each.root and each.path[0] == "subprocess" and file.path != STARTS_PROGRAMS:
            yield each.line, f"programs are started in {STARTS_PROGRAMS} only"
    for node in ast.walk(file.tree):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if name in SHELL_CALLS:
            yield node.lineno, f"{name} runs a shell"
        if name.startswith(PROGRAM_CALLS):
            yield node.lineno, f"{name}: programs are started in {STARTS_PROGRAMS} only"
        for keyword in node.keywords:
            is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in SHELL_OPTIONS and not is_false:
                yield node.lineno, f"{keyword.arg} runs a shell"


def parser_breaches(file: File) -> Iterator[Breach]:
    """What others wrote is parsed in one file, within bounds."""
    if file.package not in ROOMS or file.path == PARSES_JSON:
        return
    for each in file.imports():
        if each.root:
            continue
        if each.path[0] in PARSERS:
            yield each.line, f"{each.path[0]} reads without bounds: write JSON, and read it by {PARSES_JSON}"
        if each.path[0] == "json" and len(each.path) > 1 and each.path[1] not in JSON_WRITERS:
            yield each.line, f"JSON is read by {PARSES_JSON} only"
    names = {"json"}
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname for alias in node.names if alias.name == "json" and alias.asname}
    for node in ast.walk(file.tree):
        used = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names
        if used and node.attr not in JSON_WRITERS:
            yield node.lineno, f"JSON is read by {PARSES_JSON} only"


def chain_breaches(file: File) -> Iterator[Breach]:
    """Loops that follow bases stand in one place."""
    if file.package not in ROOMS or file.path.is_relative_to(WALKS_CHAINS):
        return
    for loop in ast.walk(file.tree):
        if isinstance(loop, ast.While) and any(_follows_bases(node) for node in ast.walk(loop)):
            yield loop.lineno, f"chains are walked in {WALKS_CHAINS}/chains.py only"


def _follows_bases(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in ("base", "bases", "_base_of")
    return isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("bases")


def registered_names(files: list[File]) -> set[str]:
    """The names of providers and of types of remotes: constants ``name`` where these are declared."""
    found: set[str] = set()
    for file in files:
        if file.room not in ("volumes", "remotes") or file.path.name not in ("provider.py", "type.py"):
            continue
        for node in ast.walk(file.tree):
            named = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "name"
            if named or isinstance(node, ast.keyword) and node.arg == "name":
                found |= _text(node.value)
    return found


def _text(node: ast.AST) -> set[str]:
    return {node.value} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def registry_breaches(file: File, names: set[str]) -> Iterator[Breach]:
    """No name of a provider or type is compared outside of its own folder: what differs is in the registry."""
    if file.package not in ("_engine", "_module") or file.room in ("volumes", "remotes"):
        return
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Compare):
            for side in (node.left, *node.comparators):
                for name in sorted(_text(side) & names):
                    yield node.lineno, f"{name} is compared with: ask the registry for what differs"


COMMANDS = {"cat"}  # use cases of the command line only


def name_breaches(file: File, modules: set[str]) -> Iterator[Breach]:
    """Files are named by nouns; a use case has its module's name."""
    name = file.path.stem
    if not file.package or name == "__init__":
        return
    if name.endswith("ing"):
        yield 1, "a file's name is a noun: none ends in -ing"
    if name in POOR_NAMES:
        yield 1, f"{name} says nothing of what is in the file"
    if file.room == "usecases" and name.removesuffix("_delete") not in modules | COMMANDS:
        yield 1, "a use case has its module's name"


def size_breaches(file: File) -> Iterator[Breach]:
    """Files that are too short to stand alone, or too long for one job."""
    if not file.package or file.path.name == "__init__.py":
        return
    lines = file.text.count("\n")
    if lines >= FILE_LINES.stop:
        yield 1, f"{lines} lines: split it, a file has at most {FILE_LINES.stop - 1}"
    if lines < FILE_LINES.start and str(file.path.relative_to(UTILS)) not in SHORT:
        yield 1, f"{lines} lines: merge it, a file has at least {FILE_LINES.start} unless it is an interface"


def class_breaches(files: list[File]) -> Iterator[tuple[File, Breach]]:
    """One meaning a word: a public class name is defined once."""
    first: dict[str, File] = {}
    for file in files:
        if file.package not in ROOMS:
            continue
        for node in file.tree.body:
            if not isinstance(node, ast.ClassDef) or node.name.startswith("_") or node.name in COMMON_CLASSES:
                continue
            if node.name in first:
                yield file, (node.lineno, f"{node.name} is defined in {first[node.name].path}, too")
            first.setdefault(node.name, file)


def folder_breaches(files: list[File]) -> Iterator[str]:
    """Folders in which nobody finds anything."""
    count: dict[Path, int] = {}
    for file in files:
        if file.package and file.path.name != "__init__.py":
            count[file.path.parent] = count.get(file.path.parent, 0) + 1
    for folder, number in sorted(count.items()):
        if number > FOLDER_FILES:
            yield f"plugins/{folder}: {number} files, a folder has at most {FOLDER_FILES}"


def breaches(plugins: Path) -> Iterator[str]:
    files = []
    for path in sorted(plugins.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        files.append(File(path.relative_to(plugins), text, ast.parse(text, str(path))))
    modules = {file.path.stem.removeprefix("linstor_") for file in files if file.path.parts[0] == "modules"}
    found = [(file, breach) for file in files for rule in RULES for breach in rule(file)]
    found += [(file, breach) for file in files for breach in name_breaches(file, modules)]
    registered = registered_names(files)
    found += [(file, breach) for file in files for breach in registry_breaches(file, registered)]
    found += class_breaches(files)
    for file, (line, what) in sorted(found, key=lambda each: (each[0].path, each[1])):
        yield f"plugins/{file.path}:{line}: {what}"
    yield from folder_breaches(files)


RULES = (layer_breaches, library_breaches, program_breaches, parser_breaches, chain_breaches, size_breaches)


def main() -> int:
    found = list(breaches(Path(sys.argv[1])))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
