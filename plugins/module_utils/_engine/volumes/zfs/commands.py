# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Runs zfs and zpool, and reads their lists: columns separated by tabs, numbers in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...common.processes import ProgramError, complete, run

_ARGUMENTS = 100_000  # bytes of names in one call; Linux takes 2 MiB
_ABSENT = ("dataset does not exist", "no such pool", "no such dataset")


def zfs(*arguments: str) -> str:
    """The output of ``zfs``. Raises ProgramError with its error message in one line."""
    return _flat(["zfs", *arguments])


def zpool(*arguments: str) -> str:
    """The output of ``zpool``. Raises ProgramError with its error message in one line."""
    return _flat(["zpool", *arguments])


def _flat(command: list[str]) -> str:
    try:
        return run(command)
    except ProgramError as error:
        raise one_line(command, error.status, error.said) from None


def one_line(command: Sequence[str], status: int, said: str) -> ProgramError:
    """The error for a program that failed, with its error message in one line."""
    return ProgramError(command[:2], status, " ".join(said.split()))


def is_absent(error: ProgramError) -> bool:
    """Whether a program failed only because something doesn't exist."""
    return any(text in error.said for text in _ABSENT)


def rows(arguments: Sequence[str], columns: Sequence[str], names: Iterable[str]) -> Iterator[dict[str, str]]:
    """Rows of ``zfs list`` or ``zfs get`` (``arguments`` with all options but ``-Hp`` and ``-o``) for these names, in
    as few calls as possible. Names that don't exist are left out. If the value of the last column has a line break in
    it, which only users' properties have, the value is cut there and ends with a line break. Raises ProgramError for
    other failures."""
    for part in _parts(names):
        found: dict[str, str] = {}
        for line in _lines(["zfs", arguments[0], "-Hp", "-o", ",".join(columns), *arguments[1:], *part]):
            fields = line.split("\t")
            if len(fields) == len(columns):
                if found:
                    yield found
                found = dict(zip(columns, fields))
            elif found and not found[columns[-1]].endswith("\n"):
                found[columns[-1]] += "\n"
        if found:
            yield found


def _lines(command: list[str]) -> list[str]:
    done = complete(command)
    if done.status != 0:
        said = done.said.decode(errors="replace")
        lines = said.splitlines()
        if not lines or not all(line.endswith(_ABSENT) for line in lines):
            raise one_line(command, done.status, said)
    return done.output.decode(errors="surrogateescape").split("\n")[:-1]


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    size = 0
    for name in dict.fromkeys(names):
        if part and size + len(name) > _ARGUMENTS:
            yield part
            part, size = [], 0
        part.append(name)
        size += len(name) + 1
    if part:
        yield part


def number(text: str) -> int:
    """A number as ZFS prints it; 0 for anything else."""
    return int(text) if text.isdigit() else 0
