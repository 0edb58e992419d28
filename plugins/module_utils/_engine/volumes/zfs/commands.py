# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Asking ZFS, and reading what it lists: columns divided by tabs, numbers in full."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ...common.processes import ProgramError, complete, run

_ARGUMENTS = 100_000  # bytes of names in one call; Linux takes 2 MiB
_ABSENT = ("dataset does not exist", "no such pool", "no such dataset")


def zfs(*arguments: str) -> str:
    """What ``zfs`` said. Raises ProgramError, in one line."""
    return _flat(["zfs", *arguments])


def zpool(*arguments: str) -> str:
    """What ``zpool`` said. Raises ProgramError, in one line."""
    return _flat(["zpool", *arguments])


def _flat(command: list[str]) -> str:
    try:
        return run(command)
    except ProgramError as error:
        raise one_line(command, error.status, error.said) from None


def one_line(command: Sequence[str], status: int, said: str) -> ProgramError:
    """The error for a program that failed, with what it said in one line."""
    return ProgramError(command[:2], status, " ".join(said.split()))


def is_absent(error: ProgramError) -> bool:
    """Whether a program failed only because something isn't there."""
    return any(text in error.said for text in _ABSENT)


def rows(arguments: Sequence[str], columns: Sequence[str], names: Iterable[str]) -> Iterator[dict[str, str]]:
    """What ``zfs list`` or ``zfs get`` (with all its options but ``-Hp`` and ``-o``) says of datasets, as few calls as
    there can be; those that aren't there are left out. A value of the last column that was cut short, since somebody
    put a line break into it, ends with one. Raises ProgramError for anything else."""
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
    """A number as ZFS prints it; 0 where there is none."""
    return int(text) if text.isdigit() else 0
