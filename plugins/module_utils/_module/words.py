# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Options of type ``raw``: names and commands are taken as written; other types are refused."""

from __future__ import annotations

import shlex
from typing import Any

from .._engine.common.errors import UsageError


def names(value: Any, option: str) -> list[str]:
    """A list of names, from one name or a list of names. A name with a comma in it is one name."""
    if value is None:
        return []
    given = value if isinstance(value, list) else [value]
    for name in given:
        if not isinstance(name, str):
            raise UsageError(
                f"{option}: {name!r} is a {_kind(name)}, not a string.",
                "Write one name or a list of names. Put quotes around a name that looks like a number.",
            )
        if not name:
            raise UsageError(f"{option}: a name is empty.", "Remove the empty name, or write the volume's name.")
    if not given:
        raise UsageError(f"{option}: the list is empty.", "Name at least one volume.")
    return given


def command(value: Any, option: str) -> list[str] | None:
    """A program and its arguments, from a list, or from a string split like a shell does. No shell runs."""
    if value is None:
        return None
    if isinstance(value, str):
        try:
            words = shlex.split(value)
        except ValueError as error:
            raise UsageError(f"{option}: {error}.", "Write the program and its arguments as a list.") from None
    elif isinstance(value, list):
        words = value
    else:
        raise UsageError(
            f"{option}: a {_kind(value)} isn't a command.",
            "Write the program and its arguments as a list of strings, or as one string.",
        )
    for word in words:
        if not isinstance(word, str):
            raise UsageError(f"{option}: {word!r} is a {_kind(word)}, not a string.", "Put quotes around it.")
    if not words or not words[0]:
        raise UsageError(f"{option}: the command is empty.", "Write a program, or leave the option out.")
    return words


def _kind(value: Any) -> str:
    return {bool: "boolean", int: "number", float: "number", dict: "mapping", list: "list"}.get(
        type(value), type(value).__name__
    )
