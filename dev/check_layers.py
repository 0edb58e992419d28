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
USE_CASES = {"backup", "cli", "protection", "restore", "retention", "verify"}
# Inside the engine: what the files of a directory may not import.
FORBIDDEN = {"volumes": USE_CASES | {"remotes"}, "remotes": USE_CASES | {"volumes"}, "streams": USE_CASES | {"volumes"}}
SHELL_CALLS = {"os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}
SHELL_OPTIONS = {"shell", "use_unsafe_shell"}


def engine_breaches(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """Imports that an engine file at ``path`` (relative to the engine) may not make."""
    layer = path.parts[0] if len(path.parts) > 1 else ""
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
                for target in sorted(FORBIDDEN.get(layer, set()).intersection(targets)):
                    yield node.lineno, f"{layer} must not import {target}"
            continue
        else:
            continue
        for name in names:
            if name[0] in ("ansible", "ansible_collections"):
                yield node.lineno, f"the engine must not import {'.'.join(name)}"


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
        for line, what in sorted(found):
            yield f"plugins/{path}:{line}: {what}"


def main() -> int:
    found = list(breaches(Path(sys.argv[1])))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
