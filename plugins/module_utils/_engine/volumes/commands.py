# Copyright (c) 2026 The snapship.dr authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# SPDX-FileCopyrightText: 2026 The snapship.dr authors

"""Running the programs that volumes are managed with: never through a shell, with what they said when they fail."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ..common.errors import UnknownError, VolumeError

_KEPT = 2000  # characters of what a failed program said
# Administrators' programs, which an ordinary PATH may lack.
_PLACES = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


def environment() -> dict[str, str]:
    """The environment programs get: messages in English, numbers with points, and where programs are found."""
    path = os.environ.get("PATH", "")
    known = path.split(":") if path else []
    return dict(os.environ, LC_ALL="C", PATH=":".join(known + [place for place in _PLACES if place not in known]))


class ProgramError(VolumeError):
    """A program failed; ``said`` is what it wrote to its standard error, cut to bounded length."""

    def __init__(self, command: Sequence[str], status: int, said: str) -> None:
        self.said = said.strip()[-_KEPT:]
        self.status = status
        super().__init__(f"{command[0]} failed with {status}: {self.said or 'it said nothing'}", code="program")


def missing(program: str) -> UnknownError:
    """For a program that isn't installed."""
    return UnknownError(
        f"the program {program} isn't installed on this host.", "Install it, or check PATH.", code="program_missing"
    )


def run(command: Sequence[str]) -> str:
    """What a program wrote to its standard output. Raises ProgramError where it fails, UnknownError where it isn't
    there.

    It is in a session of its own and always waited for: a program that is cut down in the middle of its work may leave
    a device suspended, so neither Ctrl-C nor a kill of this process or of its group reaches it.
    """
    try:
        process = subprocess.Popen(
            list(command),
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise missing(command[0]) from None
    except OSError as error:
        raise VolumeError(f"{command[0]} can't be run: {error.strerror}.", code="program") from error
    with process:  # waits, whatever happens inside
        output, said = process.communicate()
    if process.returncode != 0:
        raise ProgramError(command, process.returncode, said.decode(errors="replace"))
    return output.decode(errors="surrogateescape")
