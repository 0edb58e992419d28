# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Use case: the single-file program ``snapship`` that is to be on this host, or not."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
from typing import Any

from ..common import processes
from ..common.errors import BusyError, ConfigError, SnapshipError, UsageError, need
from ..common.files import sync_folder, write_beside_others, writing
from ..common.outcome import Outcome
from ..local.host import Host
from ..local.program import Program, build, installed, recognise

_MODE = re.compile("0[0-7]{3}")
_OLDEST = (3, 9)  # the Python that the program needs
_ASK_VERSION = "import sys; print(*sys.version_info[:2])"
_PATIENCE = 30.0  # seconds for Python to tell its version


@dataclasses.dataclass
class Request:
    """As the module's options; ``mode`` is octal, of four digits."""

    path: str = "/usr/local/bin/snapship"
    state: str = "present"
    mode: str = "0755"


@dataclasses.dataclass
class Plan:
    """The program there is and the one there is to be, each with its permission bits."""

    path: str
    before: tuple[Program, int] | None
    after: tuple[Program, int] | None
    content: bytes = b""
    python: str | None = None
    warnings: list[str] = dataclasses.field(default_factory=list)

    @property
    def changed(self) -> bool:
        return self.before != self.after

    def preview(self) -> Outcome:
        """What would be done."""
        outcome = Outcome(self.changed, warnings=list(self.warnings))
        outcome.before, outcome.after = _shown(self.before), _shown(self.after)
        if self.after is not None:
            outcome.items = [{"path": self.path, "python": self.python, **_shown(self.after)}]
        return outcome


def plan(_host: Host, request: Request) -> Plan:
    """Reads only: what is at the path, and whether it may be replaced."""
    if request.state not in ("present", "absent"):
        raise UsageError(f"state {request.state!r} is neither present nor absent.")
    path = request.path
    if not os.path.isabs(path) or os.path.basename(path) in ("", ".", ".."):
        raise UsageError(f"path {path!r} isn't the absolute path of a file.", "Give one, as /usr/local/bin/snapship.")
    before = installed(path)
    planned = Plan(path, before, None)
    if request.state == "present":
        mode = _permission_bits(request.mode)
        planned.content = build()
        program = need(recognise(planned.content), "the builder makes what is recognised")
        planned.after = (program, mode)
        planned.python, planned.warnings = _python()
    if planned.changed:
        _check_folder(os.path.dirname(path))
    return planned


def apply(_host: Host, planned: Plan) -> Outcome:
    """Write the program beside the old one and swap it in, or remove the old one."""
    if not planned.changed:
        return planned.preview()
    path = planned.path
    if installed(path) != planned.before:
        raise BusyError(f"{path} was changed by another program during this run.", "Run it again.", code="changed")
    if planned.after is not None:
        write_beside_others(path, planned.content, planned.after[1])
    else:
        with writing(path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)
            sync_folder(os.path.dirname(path))
    return planned.preview()


def _permission_bits(mode: str) -> int:
    if not _MODE.fullmatch(mode):
        raise UsageError(
            f"mode {mode!r} isn't four octal digits that begin with 0.", 'Put it in quotes, as mode: "0755".'
        )
    return int(mode, 8)


def _check_folder(folder: str) -> None:
    if not os.path.isdir(folder):
        raise ConfigError(f"the folder {folder} isn't there.", "Make it first, or give another path.")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"this user can't write to the folder {folder}.", "Run the task with become, or as its owner."
        )


def _python() -> tuple[str | None, list[str]]:
    """The ``python3`` that the program starts with, and a warning where it can't."""
    python = shutil.which("python3", path=processes.environment()["PATH"])
    if python is None:
        return None, ["The program needs python3, which isn't in PATH on this host: install it."]
    try:
        done = processes.complete([python, "-I", "-S", "-c", _ASK_VERSION], timeout=_PATIENCE)
        major, minor = map(int, done.output.split())
    except (SnapshipError, processes.Expired, ValueError):
        return python, [f"{python} doesn't tell its version: the program may not start with it."]
    if (major, minor) >= _OLDEST:
        return python, []
    oldest = ".".join(map(str, _OLDEST))
    return python, [f"{python} is Python {major}.{minor}. The program needs {oldest}: start it with a newer Python."]


def _shown(there: tuple[Program, int] | None) -> dict[str, Any]:
    if there is None:
        return {"state": "absent"}
    program, mode = there
    return {"state": "present", **dataclasses.asdict(program), "mode": f"{mode:04o}"}
