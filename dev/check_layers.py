# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Checks the rules of the layers in the plugins directory given, and that nothing there uses a shell.

Exits with 1 and one line for each breach.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ENGINE = Path("module_utils/_engine")
LINSTOR = Path("module_utils/_linstor")
# What knows nothing of the rest, and all that volumes, remotes and streams may know besides themselves.
FOUNDATION = {"direct", "errors", "files", "names", "units"}
LAYERS = {"volumes", "remotes", "streams"}
FRONT = {"cli", "commandline"}
SHELL_CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SHELL_OPTIONS = {"shell", "use_unsafe_shell"}


def allowed(importer: str, target: str) -> bool:
    """Whether one part of the engine may import another: downwards only."""
    if importer in FRONT:
        return True
    if importer in FOUNDATION:
        return target in FOUNDATION
    if importer in LAYERS:
        return target in FOUNDATION | {importer}
    return target not in FRONT


def engine_breaches(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """Imports that an engine file at ``path`` (relative to the engine) may not make."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [(node.module or "").split(".")]
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(path.parts):
                yield node.lineno, "imports from outside the engine"
            if node.level == len(path.parts):
                targets = [node.module.split(".")[0]] if node.module else [alias.name for alias in node.names]
                for target in sorted(set(targets)):
                    if not allowed(path.parts[0].removesuffix(".py"), target):
                        yield node.lineno, f"{path.parts[0]} must not import {target}"
            continue
        else:
            continue
        for name in names:
            if name[0] in ("ansible", "ansible_collections"):
                yield node.lineno, f"the engine must not import {'.'.join(name)}"


def linstor_breaches(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """Imports that a file of LINSTOR's control plane may not make: its library is for one of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [(node.module or "").split(".")[0]]
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(path.parts) and (node.module or "").split(".")[0] != "_engine":
                yield node.lineno, "imports from outside, other than the engine"
            continue
        else:
            continue
        for name in names:
            if name in ("ansible", "ansible_collections"):
                yield node.lineno, f"LINSTOR's control plane must not import {name}"
            if name == "linstor" and path.name != "client.py":
                yield node.lineno, "python-linstor is for client.py only"


def shell_breaches(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) in SHELL_CALLS:
            yield node.lineno, f"{ast.unparse(node.func)} runs a shell"
        for keyword in node.keywords:
            is_false = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg in SHELL_OPTIONS and not is_false:
                yield node.lineno, f"{keyword.arg} runs a shell"


def breaches(plugins: Path) -> Iterator[str]:
    for file in sorted(plugins.rglob("*.py")):
        path = file.relative_to(plugins)
        tree = ast.parse(file.read_text(encoding="utf-8"), str(file))
        found = list(shell_breaches(tree))
        if path.is_relative_to(ENGINE):
            found += engine_breaches(tree, path.relative_to(ENGINE))
        if path.is_relative_to(LINSTOR):
            found += linstor_breaches(tree, path.relative_to(LINSTOR))
        for line, what in sorted(found):
            yield f"plugins/{path}:{line}: {what}"


def main() -> int:
    found = list(breaches(Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
