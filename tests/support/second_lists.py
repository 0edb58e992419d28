# SPDX-FileCopyrightText: 2026 The snapship.dr authors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds lists of names that stand in a registry already, in code, roles and documents."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".py", ".yml", ".yaml", ".md", ".json", ".j2")


def project_files() -> list[Path]:
    """Every file of plugins, roles and docs that could hold a second list."""
    found = [path for folder in ("plugins", "roles", "docs") for path in sorted((ROOT / folder).rglob("*"))]
    return [path for path in found if path.suffix in SUFFIXES and path.is_file()]


def lists_in_text(text: str, names: list[str]) -> list[str]:
    """Where two or more names follow one another with nothing but the marks and words of a list between them."""
    name = rf"(?<![\w.-])(?:{'|'.join(names)})(?![\w-])"
    between = r"[\"'`)]*\s*(?:,|\||/|or\b|and\b)\s*(?:or\b|and\b)?\s*[\"'`(VI]*"
    return [found[0] for found in re.finditer(rf"{name}(?:{between}{name})+", text)]


def lists_in_code(source: str, names: list[str]) -> list[str]:
    """Collections that hold two or more names, as items, keys or values."""
    found = []
    for node in ast.walk(ast.parse(source)):
        items: list[ast.expr | None] = []
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            items = [*node.elts]
        elif isinstance(node, ast.Dict):
            items = [*node.keys, *node.values]
        values = {item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str)}
        if len(values & set(names)) > 1:
            found.append(ast.unparse(node))
    return found


def lists_in(path: Path, names: list[str]) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return lists_in_text(text, names) + (lists_in_code(text, names) if path.suffix == ".py" else [])
