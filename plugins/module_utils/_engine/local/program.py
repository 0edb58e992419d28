# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""The single-file program ``snapship``: built from the engine that is running, and recognised on this host.

The same sources give the same bytes on every machine: entries sorted, without time stamps or compression (whose output
differs between zlib versions), so that a digest tells whether a host has this very program.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.resources
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from typing import Any

from ..common.errors import ConfigError

_PACKAGE = "snapship"  # the engine's name in the program
_ENGINE = __name__.rpartition(".local.")[0]  # its name here: in a checkout, in a module's payload or in the program
_SHEBANG = b"#!/usr/bin/env python3\n"
_MAIN = b"""\
import sys

from snapship.cli import main

if __name__ == "__main__":
    sys.exit(main())
"""
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say
_LARGEST = 64 << 20  # bytes; a larger file isn't a snapship program
_PARTS = {"__main__.py", f"{_PACKAGE}/__init__.py", f"{_PACKAGE}/cli.py"}
_VERSION_FILE = f"{_PACKAGE}/repository/version.py"
_VERSION = re.compile(rb'^VERSION = "([\w.+-]{1,40})"$', re.MULTILINE)


def build() -> bytes:
    """The program's bytes.

    The sources are read through the import system, so that it doesn't matter whether they are files or in a zip file.
    """
    entries = {f"{_PACKAGE}/{name}": content for name, content in _sources(importlib.resources.files(_ENGINE))}
    entries["__main__.py"] = _MAIN
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, whatever this machine is
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, entries[name])
    return _SHEBANG + buffer.getvalue()


def _sources(folder: Any, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    """Path and content of every source file below a folder (a Traversable of importlib.resources)."""
    for each in folder.iterdir():
        if each.is_dir():
            yield from _sources(each, f"{prefix}{each.name}/")
        elif each.name.endswith(".py"):
            yield prefix + each.name, each.read_bytes()


@dataclasses.dataclass(frozen=True)
class Program:
    """What is to be said of a program: its version, the SHA-256 of its bytes, and its size in bytes."""

    version: str | None  # None where the program doesn't say it
    sha256: str
    size: int


def recognise(content: bytes) -> Program | None:
    """The snapship program that these bytes are, ``None`` where they are something else. Nothing of it is run."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if not set(archive.namelist()) >= _PARTS:
                return None
            version = _VERSION.search(archive.read(_VERSION_FILE))
    except Exception:  # noqa: BLE001 - zipfile has many errors for what isn't a zip file, or is a damaged one
        return None
    return Program(version.group(1).decode() if version else None, hashlib.sha256(content).hexdigest(), len(content))


def installed(path: str) -> tuple[Program, int] | None:
    """The snapship program at ``path`` and its permission bits, ``None`` where nothing is there.

    Raises ConfigError where something else is there. A link isn't followed, and only a regular file is opened.
    """
    try:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            raise _foreign(path, f"It is a link to {os.readlink(path)}.")
        if stat.S_ISDIR(status.st_mode):
            raise _foreign(path, "It is a directory.")
        if not stat.S_ISREG(status.st_mode):
            raise _foreign(path, "It is neither a file nor a directory.")
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as source:
            program = recognise(source.read(_LARGEST)) if status.st_size <= _LARGEST else None
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ConfigError(f"{path} can't be read: {error.strerror}.", "Give this user the right to it.") from error
    if program is None:
        raise _foreign(path, "It is another file.")
    return program, stat.S_IMODE(status.st_mode)


def _foreign(path: str, why: str) -> ConfigError:
    return ConfigError(
        f"{path} isn't a snapship program. {why} Nothing was changed.",
        "Give another path, or move away what is there.",
        code="not_snapship",
    )
