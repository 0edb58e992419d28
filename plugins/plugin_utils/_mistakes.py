# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Collects the mistakes of an inventory, so that a user sees all of them at once before anything is done."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.snapship.dr.plugins.module_utils._engine.common.errors import SnapshipError
from ansible_collections.snapship.dr.plugins.module_utils._engine.common.units import parse_duration, show_duration
from ansible_collections.snapship.dr.plugins.module_utils._engine.volumes.registry import provider_names


class Mistakes:
    """Lines for people: the place, the mistake, and what to write instead."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, where: str, text: str) -> None:
        """Add a mistake, once."""
        line = f"{where}: {text}"
        if line not in self.found:
            self.found.append(line)

    def mapping(self, value: Any, where: str, known: Collection[str] | None) -> dict[str, Any]:
        """A mapping without its unset keys; keys outside of ``known`` are mistakes. None: all keys are fine."""
        if not isinstance(value, Mapping):
            self.add(where, f"{shown(value)} is {kind(value)}, not a mapping.")
            return {}
        given = {str(key): each for key, each in value.items() if each is not None}
        for key in given if known is not None else ():
            if key not in (known or ()):
                near = difflib.get_close_matches(key, known or (), 1)
                hint = f"Did you mean {near[0]}?" if near else f"Known options: {', '.join(sorted(known or ()))}."
                self.add(where, f"unknown option {key}. {hint}")
        return given

    def items(self, value: Any, where: str) -> list[Any]:
        """A list; a missing one is empty."""
        if value is None:
            return []
        if not isinstance(value, (list, tuple)):
            self.add(where, f"{shown(value)} is {kind(value)}, not a list.")
            return []
        return list(value)

    def text(self, given: Mapping[str, Any], key: str, where: str, required: bool = False) -> str:
        """A string; an empty one after a mistake."""
        value = given.get(key)
        if value is None:
            if required:
                self.add(where, f"{key} is missing.")
            return ""
        if not isinstance(value, str):
            self.add(where, f"{key}: {shown(value)} is {kind(value)}, not a string. Put quotes around it.")
            return ""
        if not value:
            self.add(where, f"{key} is empty.")
        return value

    def names(self, given: Mapping[str, Any], key: str, where: str) -> list[str]:
        """One name or a list of names without duplicates."""
        value = given.get(key)
        if value is None or value == []:
            self.add(where, f"{key} is missing." if value is None else f"{key} is empty.")
            return []
        names = []
        for each in [value] if isinstance(value, str) else self.items(value, f"{where}: {key}"):
            name = self.text({key: each}, key, where)
            if name in names:
                self.add(where, f"{key}: {name} is listed twice.")
            elif name:
                names.append(name)
        return names

    def choice(self, given: Mapping[str, Any], key: str, where: str, choices: Collection[str]) -> None:
        """Check that a value is one of ``choices``."""
        if key in given and given[key] not in choices:
            self.add(where, f"{key}: {shown(given[key])} is unknown. Choose one of {', '.join(choices)}.")

    def provider(self, given: Mapping[str, Any], where: str) -> None:
        """Whether ``provider`` is one of the engine's, or a LINSTOR cluster."""
        self.choice(given, "provider", where, (*provider_names(), "linstor"))

    def flags(self, given: Mapping[str, Any], where: str, *keys: str) -> None:
        """Check that values are true or false. Extra variables of the command line are strings, so these count, too."""
        for key in keys:
            try:
                boolean(given.get(key, False))
            except TypeError:
                self.add(where, f"{key}: {shown(given[key])} must be true or false.")

    def numbers(self, given: Mapping[str, Any], where: str, least: int, *keys: str) -> None:
        """Check that values are whole numbers of at least ``least``."""
        for key in keys:
            value = given.get(key, least)
            whole = isinstance(value, int) and not isinstance(value, bool)
            if not whole and not (isinstance(value, str) and value.isdigit()):
                self.add(where, f"{key}: {shown(value)} isn't a whole number.")
            elif int(value) < least:
                self.add(where, f"{key}: {shown(value)} is less than {least}.")

    def duration(self, given: Mapping[str, Any], key: str, where: str, above: float = -1) -> float | None:
        """A duration in seconds, which must be longer than ``above`` seconds. None if it is unset or a mistake."""
        value = given.get(key)
        if value is None:
            return None
        if not isinstance(value, str):
            self.add(
                where,
                f"{key}: {shown(value)} is {kind(value)}, not a duration. Write a number and a unit: 30s, 15m, 6h, "
                "1d, 2w, 1y. (YAML reads 12:30 as 750.)",
            )
            return None
        try:
            seconds = parse_duration(value, key)
        except SnapshipError as error:
            self.add(where, f"{error.msg} {error.hint}".strip())
            return None
        if seconds <= above:
            self.add(where, f"{key}: {value} must be more than {show_duration(above)}.")
        return seconds


def shown(value: Any) -> str:
    """A value as it is quoted in a message, 60 characters at most."""
    text = repr(value) if not isinstance(value, str) else repr(str(value))
    return text if len(text) <= 60 else text[:57] + "..."


def kind(value: Any) -> str:
    """The type of a value, in YAML's words."""
    for types, word in (
        (bool, "a boolean"),
        ((int, float), "a number"),
        (str, "a string"),
        (Mapping, "a mapping"),
        ((list, tuple), "a list"),
    ):
        if isinstance(value, types):
            return word
    return "nothing" if value is None else f"a {type(value).__name__}"
